"""What the codings do not do yet, and why. Tests fail for a line that is no longer true, and print this table in spec/mapping.md."""

from __future__ import annotations

MOVEMENTS = ("flatten", "reshape", "permute", "concat", "slice", "pad", "upsample")
"""Operators that only renumber neurons (a pad by 0; an upsample to the nearest)."""

_ISLAND = "it computes in floats, and has no integer form"
_ON_THE_HOST = "it needs all its operands at once, on the host; leave it out of the network and apply it to the outputs"

NOT_YET: dict[tuple[str, str], str] = {}
