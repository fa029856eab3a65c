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

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from striate.events.clock import unwrap
from striate.events.prophesee import check_version, read_raw_header
from striate.events.recording import Recording, whole_words
from striate.tensor import Array

ROW, EVENT, VECTOR_BASE, VECTOR_12, VECTOR_8, TIME_LOW, TIME_HIGH = 0x0, 0x2, 0x3, 0x4, 0x5, 0x6, 0x8
PERIOD = 1 << 12
"""Values of the time's upper bits; the clock starts again after 2^24 µs, 16.8 s."""

BLOCK_WORDS = 1 << 16
"""Words decoded at once: few enough that what is made of them stays in the cache."""

UNKNOWN = -1 << 20
"""A column that no word has set: below 0 whatever a block's vectors add to it."""


def is_evt3(head: bytes, path: Path) -> bool:
    """Whether the header says EVT 3.0."""
    return read_raw_header(head).version == "3.0"


def read_evt3(path: Path) -> Recording:
    """The events of the file. Raises CompileError[bad-events] where it ends within a word or is of another version."""
    content = path.read_bytes()
    header = read_raw_header(content)
    check_version(path, header, "3.0")
    words = np.frombuffer(whole_words(path, content, header.words_at, 2, "word"), "<u2")
    state = _State()
    blocks = [state.decode(words[start : start + BLOCK_WORDS]) for start in range(0, max(len(words), 1), BLOCK_WORDS)]
    t, x, y, p = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    remarks = [f"{state.lost} events before the first time, row or column are left out"] if state.lost else []
    remarks += [f"{state.others} words are no events (triggers and the like)"] if state.others else []
    return Recording(path, "evt3", t, x, y, p, header.sensor, tuple(remarks))


@dataclass
class _State:
    """What the words so far have set; -1 (`column`: below 0) before any has. `high` counts on past 12 bits."""

    high: int = -1
    low: int = 0
    row: int = -1
    column: int = UNKNOWN
    polarity: int = 0
    lost: int = 0
    others: int = 0

    def decode(self, words: Array) -> tuple[Array, Array, Array, Array]:
        """t, x, y, p of the block's events. What held before the block comes first in each list of what was set."""
        kind, value = (words >> 12).astype(np.uint8), words & 0xFFF
        is_row, is_time = kind == ROW, (kind == TIME_LOW) | (kind == TIME_HIGH)
        at = np.flatnonzero((kind == EVENT) | (kind == VECTOR_12) | (kind == VECTOR_8))
        times = self._times(kind[is_time], value[is_time])[np.cumsum(is_time, dtype=np.int32)[at]]
        rows = np.concatenate([[self.row], value[is_row] & 0x7FF]).astype(np.int32)
        y, self.row = rows[np.cumsum(is_row, dtype=np.int32)[at]], int(rows[-1])
        x, p, bits = self._columns(kind, value, at)
        self.others += int(np.count_nonzero((kind == 1) | (kind == 7) | (kind > TIME_HIGH)))
        known = (times >= 0) & (y >= 0) & (x >= 0)
        if not known.all():
            self.lost += int(np.bitwise_count(bits[~known]).sum())
            times, x, y, p, bits = times[known], x[known], y[known], p[known], bits[known]
        if (bits != 1).any():
            found = np.flatnonzero(np.unpackbits(bits.astype("<u2").view(np.uint8), bitorder="little"))
            word = found >> 4
            times, x, y, p = times[word], x[word] + (found & 15), y[word], p[word]
        return times, np.minimum(x, 65535).astype(np.uint16), y.astype(np.uint16), p

    def _times(self, kind: Array, value: Array) -> Array:
        """Times in µs before the block and after each of its words that sets a part of them, i64; below 0: unknown."""
        is_high = kind == TIME_HIGH
        rounds = max(self.high, 0) // PERIOD * PERIOD
        before = [self.high - rounds] if self.high >= 0 else []
        high = rounds + unwrap(np.concatenate([before, value[is_high]]), PERIOD)
        high = high if before else np.concatenate([[-1], high])
        sets_low = ~is_high
        sets_low[is_high] = np.diff(high) != 0
        low = np.concatenate([[self.low], np.where(is_high, 0, value)[sets_low]])
        high_then, low_then = (
            values[np.concatenate([[0], np.cumsum(changes)])] for values, changes in ((high, is_high), (low, sets_low))
        )
        self.high, self.low = int(high[-1]), int(low[-1])
        return (high_then << 12) | low_then.astype(np.int64)

    def _columns(self, kind: Array, value: Array, at: Array) -> tuple[Array, Array, Array]:
        """For each word `at` that brings events: x of its lowest bit (below 0: unknown), polarity, and its bits."""
        own = value[at]
        x, p, bits = (own & 0x7FF).astype(np.int32), (own >> 11).astype(np.uint8), np.ones(len(at), np.uint16)
        is_base, in_vector = kind == VECTOR_BASE, kind[at] != EVENT
        if not in_vector.any() and not is_base.any():
            return x, p, bits
        width = np.where(kind == VECTOR_12, 12, np.where(kind == VECTOR_8, 8, 0)).astype(np.int32)
        end = np.cumsum(width, dtype=np.int32)
        start = end - width
        columns = np.concatenate([[self.column], (value[is_base] & 0x7FF).astype(np.int32) - start[is_base]])
        polarities = np.concatenate([[self.polarity], value[is_base] >> 11]).astype(np.uint8)
        vectors = at[in_vector]
        base = np.cumsum(is_base, dtype=np.int32)[vectors]
        x[in_vector], p[in_vector] = columns[base] + start[vectors], polarities[base]
        bits[in_vector] = np.where(kind[vectors] == VECTOR_8, own[in_vector] & 0xFF, own[in_vector])
        column = int(columns[-1]) + int(end[-1])
        self.column, self.polarity = column if column >= 0 else UNKNOWN, int(polarities[-1])
        return x, p, bits
