"""Real descriptions with some of their figures made small, so that small networks meet the limits."""

from __future__ import annotations

import re
from importlib.resources import files

from striate_runtime.hardware import Chip, parse_hardware


def tiny(base: str, **figures: int) -> Chip:
    """The chip `base` with other values for the fields named."""
    text = files("striate_runtime.hardware").joinpath(f"{base}.toml").read_text(encoding="utf-8")
    source = re.findall(r"^(\w+) = ", text.split("[sources]")[1], re.MULTILINE)[0]
    for field, value in figures.items():
        line = f'{field} = {{ value = {value}, grade = "assumed", source = "{source}" }}'
        text, changes = re.subn(rf"^{field} = \{{.*\}}$", line, text, flags=re.MULTILINE)
        assert changes == 1, f"{base} has {changes} fields '{field}'"
    chip = parse_hardware(text, "tiny.toml")
    assert isinstance(chip, Chip)
    return chip
