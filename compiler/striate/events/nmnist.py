"""N-MNIST and N-Caltech101 `.bin`: 40 bits for each event, and no header, so that only the file's name can tell.

    bytes 0, 1   x, y
    byte 2       bit 7: polarity (1 = on); bits 6..0: bits 22..16 of the time in µs
    bytes 3, 4   bits 15..0 of the time

A word with y = 240 is no event: the clock went round, and every later time is 2^13 µs later (Orchard et al. 2015 and
their reader). The words are of a fixed width, which NumPy decodes at once; no library is needed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from striate.events.recording import Recording, bad_events, whole_words

WORD = np.dtype([("x", "u1"), ("y", "u1"), ("high", "u1"), ("low", ">u2")])
OVERFLOW_Y, OVERFLOW_US = 240, 1 << 13


def is_bin(head: bytes, path: Path) -> bool:
    """Whether the file is called .bin: the format has no header."""
    return path.suffix.lower() == ".bin"


def read_nmnist(path: Path) -> Recording:
    """The events of one sample. Raises CompileError[bad-events] where the file is empty or ends within an event."""
    content = path.read_bytes()
    if not content:
        raise bad_events(path, "it is empty")
    words = np.frombuffer(whole_words(path, content, 0, WORD.itemsize, "event"), WORD)
    high = words["high"]
    t = (high & 0x7F).astype(np.int64) << 16
    t |= words["low"]
    overflow = words["y"] == OVERFLOW_Y
    x, y, p = words["x"].astype(np.uint16), words["y"].astype(np.uint16), (high >> 7).astype(np.uint8)
    if overflow.any():
        t += np.cumsum(overflow, dtype=np.int64) * OVERFLOW_US
        keep = ~overflow
        t, x, y, p = t[keep], x[keep], y[keep], p[keep]
    return Recording(path, "nmnist", t, x, y, p)
