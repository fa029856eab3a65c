"""EVT 3.0 `.raw`: words of 16 bits, little-endian, most of which set what holds for the words that follow.

    bits 15..12   what the word is            bits 11..0
    0x0           row                         10..0: y
    0x2           one event                   11: polarity; 10..0: x
    0x3           where a vector begins       11: polarity; 10..0: x
    0x4           a vector of 12              bit i set: an event at x + i; then x += 12
    0x5           a vector of 8               bits 7..0 alike; then x += 8
    0x6           the time's bits 11..0
    0x8           the time's bits 23..12; the lower bits are 0 again if they changed

Anything else is no event. The words are of a fixed width, which NumPy decodes at once, a block at a time. The library
that reads them (expelliarmus 1.1.12) has no wheel for Python 3.12.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from striate.events.clock import unwrap
from striate.events.prophesee import check_version, read_raw_header
from striate.events.recording import Recording, whole_words
from striate.tensor import Array

ROW, EVENT, VECTOR_BASE, VECTOR_12, VECTOR_8, TIME_LOW, TIME_HIGH = 0x0, 0x2, 0x3, 0x4, 0x5, 0x6, 0x8
PERIOD = 1 << 12
"""Values of the time's upper bits; the clock starts again after 2^24 µs, 16.8 s."""


def is_evt3(head: bytes, path: Path) -> bool:
    """Whether the header says EVT 3.0."""
    return read_raw_header(head).version == "3.0"


def read_evt3(path: Path) -> Recording:
    """The events of the file. Raises CompileError[bad-events] where it ends within a word or is of another version."""
    content = path.read_bytes()
    header = read_raw_header(content)
    check_version(path, header, "3.0")
    words = np.frombuffer(whole_words(path, content, header.words_at, 2, "word"), "<u2")
    kind, value = (words >> 12).astype(np.uint8), words & 0xFFF

    is_row, is_time = kind == ROW, (kind == TIME_LOW) | (kind == TIME_HIGH)
    at = np.flatnonzero((kind == EVENT) | (kind == VECTOR_12) | (kind == VECTOR_8))
    row, time = (np.cumsum(mask, dtype=np.int32)[at] - 1 for mask in (is_row, is_time))
    times = _times(kind[is_time], value[is_time])
    x, p, bits = _columns(kind, value, at)
    known = (row >= 0) & (time >= 0) & (x >= 0)
    known[known] = times[time[known]] >= 0
    lost = int(np.bitwise_count(bits[~known]).sum())
    if not known.all():
        row, time, x, p, bits = row[known], time[known], x[known], p[known], bits[known]
    if (kind[at] != EVENT).any():
        found = np.flatnonzero(np.unpackbits(bits.astype("<u2").view(np.uint8), bitorder="little"))
        word = found >> 4
        row, time, p, x = row[word], time[word], p[word], x[word] + (found & 15)
    y, t = (value[is_row] & 0x7FF)[row].astype(np.uint16), times[time]
    remarks = [f"{lost} events before the first time, row or column are left out"] if lost else []
    others = int(np.count_nonzero((kind == 1) | (kind == 7) | (kind > TIME_HIGH)))
    remarks += [f"{others} words are no events (triggers and the like)"] if others else []
    return Recording(path, "evt3", t, np.minimum(x, 65535).astype(np.uint16), y, p, header.sensor, tuple(remarks))


def _times(kind: Array, value: Array) -> Array:
    """Times in µs after each word that sets a part of them, i64; -1 before the upper bits are known."""
    is_high = kind == TIME_HIGH
    if not is_high.any():
        return np.full(len(kind), -1)
    high = unwrap(value[is_high], PERIOD)
    sets_low = ~is_high
    sets_low[is_high] = np.diff(high, prepend=-1) != 0
    last_set = np.maximum.accumulate(np.where(sets_low, np.arange(len(kind)), 0))
    low = np.where(is_high, 0, value)[last_set].astype(np.int64)
    last_high = np.cumsum(is_high) - 1
    return np.where(last_high >= 0, (high[last_high] << 12) | low, -1)


def _columns(kind: Array, value: Array, at: Array) -> tuple[Array, Array, Array]:
    """For each word `at` that brings events: x of its lowest bit (-1 where unknown), polarity, and its bits."""
    own = value[at]
    x, p = (own & 0x7FF).astype(np.int32), (own >> 11).astype(np.uint8)
    bits = np.ones(len(at), np.uint16)
    in_vector = kind[at] != EVENT
    if not in_vector.any():
        return x, p, bits
    is_base = kind == VECTOR_BASE
    width = np.where(kind == VECTOR_12, 12, np.where(kind == VECTOR_8, 8, 0))
    before = np.cumsum(width) - width
    vectors = at[in_vector]
    base = np.cumsum(is_base, dtype=np.int32)[vectors] - 1
    base_x, base_p = (value[is_base] & 0x7FF).astype(np.int64) - before[is_base], value[is_base] >> 11
    known = base >= 0
    x[in_vector], p[in_vector] = -1, 0
    chosen = np.flatnonzero(in_vector)[known]
    x[chosen], p[chosen] = base_x[base[known]] + before[vectors[known]], base_p[base[known]]
    bits[in_vector] = np.where(kind[vectors] == VECTOR_8, own[in_vector] & 0xFF, own[in_vector])
    return x, p, bits
