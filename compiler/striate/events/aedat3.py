"""AEDAT 3.1: lines that begin with `#` up to `#!END-HEADER`, then packets, little-endian.

    a packet's head, 28 bytes   type i16, source i16, size of an event i32, where its time is i32, overflow i32,
                                capacity i32, events i32, valid events i32
    a polarity event (type 1)   bit 0: valid; 1: polarity; 16..2: y; 31..17: x; then the time i32, in µs

The time is `overflow << 31 | time`. Packets of other types are passed over. The words are of a fixed width, which NumPy
decodes at once, packet by packet; no library is needed.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from striate.diagnostics import CompileError
from striate.events.aedat_header import aedat_version, find_camera, require_version
from striate.events.recording import Recording, bad_events
from striate.tensor import Array

HEAD = struct.Struct("<hhiiiiii")
POLARITY, EVENT_SIZE = 1, 8
END = b"#!END-HEADER\r\n"


def is_aedat3(head: bytes, path: Path) -> bool:
    """Whether the first line says AEDAT 3.1."""
    return aedat_version(head) == "3.1"


def read_aedat3(path: Path) -> Recording:
    """The valid polarity events of every packet. Raises CompileError[bad-events] for a packet that cannot be."""
    content = path.read_bytes()
    require_version(path, content, "3.1")
    end = content.find(END)
    if end < 0:
        raise bad_events(path, "its header has no line '#!END-HEADER'", "the file was cut short; copy it again")
    header = content[:end].decode("latin-1")
    if "#Format: " in header and "#Format: RAW" not in header:
        raise bad_events(path, "its packets are compressed ('#Format:' is not RAW)", "save it as RAW")
    events, times, others = _packets(path, content, end + len(END))
    valid = (events & 1) == 1
    invalid = len(events) - int(np.count_nonzero(valid))
    if invalid:
        events, times = events[valid], times[valid]
    x, y = (events >> 17).astype(np.uint16), ((events >> 2) & 0x7FFF).astype(np.uint16)
    p = ((events >> 1) & 1).astype(np.uint8)
    camera = find_camera(header, r"Source \d+")
    remarks = [f"{invalid} events are marked as not valid and left out"] if invalid else []
    remarks += [f"{others} packets are of other types (frames, motion, triggers)"] if others else []
    return Recording(path, "aedat3.1", times, x, y, p, camera.sensor if camera else None, tuple(remarks))


def _packets(path: Path, content: bytes, at: int) -> tuple[Array, Array, int]:
    """The polarity events' first words, their times, and how many packets were of another type."""
    words: list[Array] = []
    times: list[Array] = []
    others = number = 0
    while at < len(content):
        if len(content) - at < HEAD.size:
            raise _cut(path, number, len(content) - at, HEAD.size, "head")
        kind, _, size, _, overflow, _, count, _ = HEAD.unpack_from(content, at)
        at += HEAD.size
        if size <= 0 or count < 0 or overflow < 0 or (kind == POLARITY and size != EVENT_SIZE):
            wrong = (
                f"packet {number} of type {kind} says that it has {count} events of {size} bytes, overflow {overflow}"
            )
            raise bad_events(path, wrong, "the file is damaged, or is no AEDAT 3.1 file")
        if len(content) - at < size * count:
            raise _cut(path, number, len(content) - at, size * count, "events")
        if kind == POLARITY:
            pairs = np.frombuffer(content, "<u4", 2 * count, at).reshape(-1, 2)
            words.append(pairs[:, 0])
            times.append(pairs[:, 1].astype(np.int64) + (overflow << 31))
        others += kind != POLARITY
        at += size * count
        number += 1
    nothing = np.empty(0, np.uint32), np.empty(0, np.int64)
    return (np.concatenate(words), np.concatenate(times), others) if words else (*nothing, others)


def _cut(path: Path, number: int, there: int, of: int, what: str) -> CompileError:
    wrong = f"it ends within the {what} of packet {number}: {there} of {of} bytes are there"
    return bad_events(path, wrong, "the file was cut short; copy it again")
