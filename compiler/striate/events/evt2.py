"""EVT 2.0 `.raw`: words of 32 bits, little-endian.

    bits 31..28   what the word is: 0x0 off, 0x1 on, 0x8 the time's upper bits; anything else is no event
    an event      bits 27..22: the time's lower 6 bits, in µs; 21..11: x; 10..0: y
    0x8           bits 27..0: the time's bits 33..6, for the events that follow

The words are of a fixed width, which NumPy decodes at once. The library that reads them (expelliarmus 1.1.12) has no
wheel for Python 3.12.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from striate.events.clock import unwrap
from striate.events.prophesee import check_version, read_raw_header
from striate.events.recording import Recording, whole_words

ON_WORD, TIME_HIGH = 0x1, 0x8
PERIOD = 1 << 28
"""Values of the time's upper bits; the clock starts again after 2^34 µs, 4.8 hours."""


def is_evt2(head: bytes, path: Path) -> bool:
    """Whether the header says EVT 2.0."""
    return read_raw_header(head).version == "2.0"


def read_evt2(path: Path) -> Recording:
    """The events of the file. Raises CompileError[bad-events] where it ends within a word or is of another version."""
    content = path.read_bytes()
    header = read_raw_header(content)
    check_version(path, header, "2.0")
    words = np.frombuffer(whole_words(path, content, header.words_at, 4, "word"), "<u4")
    kind = (words >> 28).astype(np.uint8)
    is_time = kind == TIME_HIGH
    at = np.flatnonzero(kind <= ON_WORD)
    last_time = np.cumsum(is_time, dtype=np.int32)[at] - 1
    known = int(np.searchsorted(last_time, 0))
    at, last_time = at[known:], last_time[known:]
    high = unwrap(words[is_time] & 0x0FFFFFFF, PERIOD) << 6
    events = words[at]
    t = high[last_time] | ((events >> 22) & 0x3F)
    x, y = ((events >> 11) & 0x7FF).astype(np.uint16), (events & 0x7FF).astype(np.uint16)
    others = len(words) - int(np.count_nonzero(is_time)) - len(at) - known
    remarks = [f"{known} events before the first time are left out"] if known else []
    remarks += [f"{others} words are no events (triggers and the like)"] if others else []
    return Recording(path, "evt2", t, x, y, kind[at], header.sensor, tuple(remarks))
