"""What every reader of events gives: a recording, and how a file that gives none is reported."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from striate.diagnostics import CompileError, Diagnostic

OFF, ON = 0, 1
"""Polarity, and the channel of a frame that it fills: a pixel got darker, or brighter."""


@dataclass(frozen=True)
class Sensor:
    """How many pixels a camera has: x is in 0..width - 1, y in 0..height - 1, (0, 0) at the top left."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


@dataclass(frozen=True)
class Recording:
    """Events in the order of their file: event i happened at `t[i]` µs, at (`x[i]`, `y[i]`), with polarity `p[i]`.

    t: i64 [N], x, y: u16 [N], p: u8 [N], 0 = off, 1 = on. `sensor` is what the file says of its camera, None where it
    says nothing. `remarks` name what the file holds that is no event here.
    """

    path: Path
    format: str
    t: npt.NDArray[np.int64]
    x: npt.NDArray[np.uint16]
    y: npt.NDArray[np.uint16]
    p: npt.NDArray[np.uint8]
    sensor: Sensor | None = None
    remarks: tuple[str, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.t)

    @property
    def duration_us(self) -> int:
        """From the first event to the last; 0 where there are none."""
        return int(self.t[-1] - self.t[0]) if len(self) else 0


def bad_events(path: Path, wrong: str, help: str | None = None) -> CompileError:
    """The error for a file of events that cannot be used: the file, what is wrong with which event, what to do."""
    return CompileError(Diagnostic("bad-events", f"{path}: {wrong}", help=help))


def whole_words(path: Path, content: bytes, start: int, size: int, what: str) -> bytes:
    """The bytes from `start` on. Raises CompileError where they are no whole number of `what`, of `size` bytes each."""
    body = len(content) - start
    if body % size:
        wrong = f"it ends within {what} {body // size}: {body % size} of its {size} bytes are there"
        raise bad_events(path, wrong, "the file was cut short, or is of another format; copy it again")
    return content[start:] if start else content
