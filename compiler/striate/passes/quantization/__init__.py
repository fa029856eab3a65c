"""The parts of the quantize pass: ranges, codes, fixed-point multipliers, rules by operator, health."""
