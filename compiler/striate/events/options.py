"""What a command line says of events: `34x34`, `1ms`, `32x32+1+1`."""

from __future__ import annotations

import re
from fractions import Fraction

from striate.diagnostics import CompileError, Diagnostic
from striate.events.recording import Sensor
from striate.events.select import Window

UNITS_US = {"us": 1, "µs": 1, "ms": 1_000, "s": 1_000_000}
"""Units of time, in µs."""


def parse_sensor(text: str) -> Sensor:
    """`346x260`: width x height, each at least 1. Raises CompileError[bad-events]."""
    size = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    if not size or not int(size[1]) or not int(size[2]):
        raise _wrong("--sensor", text, "width x height in pixels, such as 346x260")
    return Sensor(int(size[1]), int(size[2]))


def parse_window(text: str) -> Window:
    """`32x24+1+2`: width x height + left + top. Raises CompileError[bad-events]."""
    parts = re.fullmatch(r"(\d{1,5})x(\d{1,5})\+(\d{1,5})\+(\d{1,5})", text)
    if not parts or not int(parts[1]) or not int(parts[2]):
        raise _wrong("--crop", text, "width x height + left + top, such as 32x32+1+1")
    width, height, left, top = map(int, parts.groups())
    return Window(left, top, width, height)


def parse_time(option: str, text: str) -> int:
    """`500us`, `1ms`, `0.5s` -> whole µs, 0 or more. Raises CompileError[bad-events], naming the option."""
    time = re.fullmatch(r"(\d{1,15}(?:\.\d{1,15})?)\s*([a-zµ]*)", text)
    if not time:
        raise _wrong(option, text, "a time, such as 1ms")
    if time[2] not in UNITS_US:
        unit = f"'{time[2]}' is no unit of time" if time[2] else "it has no unit"
        raise _wrong(option, text, f"a time in us, ms or s, such as {time[1]}ms: {unit}")
    microseconds = Fraction(time[1]) * UNITS_US[time[2]]
    if microseconds.denominator != 1:
        raise _wrong(option, text, "a whole number of us, which is how events are timed")
    return int(microseconds)


def _wrong(option: str, text: str, right: str) -> CompileError:
    return CompileError(Diagnostic("bad-events", f"{option} '{text}' must be {right}"))
