"""The emulated chip: what it computes and counts (events.py, counts.py), what that costs (timing.py, energy.py)."""
