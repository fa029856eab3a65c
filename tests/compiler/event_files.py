"""Files of events, written word by word as spec/events.md lays them out: what the readers are held against."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from striate.tensor import Array


@dataclass(frozen=True)
class Events:
    """Events with t in µs, p in 0 and 1."""

    t: Array
    x: Array
    y: Array
    p: Array

    def rows(self) -> list[tuple[int, int, int, int]]:
        return list(zip(*(array.tolist() for array in (self.t, self.x, self.y, self.p)), strict=True))


def random_events(
    count: int, width: int = 34, height: int = 34, start: int = 0, seed: int = 0, gap: int = 40
) -> Events:
    """Events in order, several at one time now and then."""
    rng = np.random.default_rng(seed)
    t = start + np.cumsum(rng.integers(0, gap, count))
    return Events(t, rng.integers(0, width, count), rng.integers(0, height, count), rng.integers(0, 2, count))


def raw_header(version: str, width: int = 34, height: int = 34) -> bytes:
    return f"% camera_integrator_name Test\n% evt {version}\n% geometry {width}x{height}\n% end\n".encode()


def evt2_words(events: Events) -> list[int]:
    words: list[int] = []
    last = None
    for t, x, y, p in events.rows():
        if t >> 6 != last:
            last = t >> 6
            words.append(0x8 << 28 | last & 0x0FFFFFFF)
        words.append(p << 28 | (t & 0x3F) << 22 | x << 11 | y)
    return words


def evt3_words(events: Events, vectors: bool = True) -> list[int]:
    """Every word only where what it sets has changed; neighbours of one time, row and polarity as vectors."""
    words: list[int] = []
    high = low = row = None
    rows, i = events.rows(), 0
    while i < len(rows):
        t, x, y, p = rows[i]
        if t >> 12 != high:
            high, low = t >> 12, 0
            words.append(0x8 << 12 | high & 0xFFF)
        if t & 0xFFF != low:
            low = t & 0xFFF
            words.append(0x6 << 12 | low)
        if y != row:
            row = y
            words.append(0x0 << 12 | row)
        end = i + 1
        while (
            vectors
            and end < len(rows)
            and rows[end][::2] == (t, y)
            and rows[end][3] == p
            and rows[end][1] > rows[end - 1][1]
        ):
            end += 1
        if end == i + 1:
            words.append(0x2 << 12 | p << 11 | x)
        else:
            words += _vector(p, [row[1] for row in rows[i:end]])
        i = end
    return words


def _vector(p: int, columns: list[int]) -> list[int]:
    words = [0x3 << 12 | p << 11 | columns[0]]
    base = columns[0]
    while base <= columns[-1]:
        kind, width = (0x4, 12) if columns[-1] - base >= 8 else (0x5, 8)
        words.append(kind << 12 | sum(1 << x - base for x in columns if base <= x < base + width))
        base += width
    return words


def neighbours(seed: int = 0, groups: int = 200, start: int = 0) -> Events:
    """Runs of neighbouring pixels at one time, which EVT3 writes as vectors, between single events."""
    rng = np.random.default_rng(seed)
    rows: list[tuple[int, int, int, int]] = []
    t = start
    for _ in range(groups):
        t += int(rng.integers(1, 300))
        y, p = int(rng.integers(0, 720)), int(rng.integers(0, 2))
        columns = sorted(set((rng.integers(0, 1200) + rng.integers(0, 60, rng.integers(1, 30))).tolist()))
        rows += [(t, x, y, p) for x in columns]
    return Events(*np.array(rows).T)


def aedat2(events: Events, chip: str | None = "ch.unizh.ini.jaer.chip.retina.DVS128", height: int = 128) -> bytes:
    header = "#!AER-DAT2.0\r\n# This is a raw AE data file - do not edit\r\n"
    header += f"# AEChip: {chip}\r\n" if chip else ""
    bottom = height - 1 - events.y
    davis = chip is not None and "Davis" in chip
    address = bottom << 22 | events.x << 12 | events.p << 11 if davis else bottom << 8 | events.x << 1 | events.p
    return header.encode() + np.stack([address, events.t & 0xFFFFFFFF], 1).astype(">u4").tobytes()


AEDAT3_HEADER = b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: DVS128\r\n#!END-HEADER\r\n"


def aedat3(events: Events, packet: int = 100, header: bytes = AEDAT3_HEADER) -> bytes:
    content = header
    overflow = events.t >> 31
    for part in np.array_split(np.arange(len(events.t)), np.flatnonzero(np.diff(overflow)) + 1):
        for start in range(0, len(part), packet):
            chosen = part[start : start + packet]
            content += aedat3_packet(events, chosen, overflow=int(overflow[chosen[0]]))
    return content


def aedat3_packet(events: Events, chosen: Array, kind: int = 1, overflow: int = 0, valid: int = 1) -> bytes:
    count = len(chosen)
    head = struct.pack("<hhiiiiii", kind, 1, 8, 4, overflow, count, count, count * valid)
    first = valid | events.p[chosen] << 1 | events.y[chosen] << 2 | events.x[chosen] << 17
    return head + np.stack([first, events.t[chosen] & 0x7FFFFFFF], 1).astype("<u4").tobytes()


def nmnist(events: Events) -> bytes:
    """40 bits for each event; a word with y = 240 for every 2^13 µs that the 23 bits of the time fall short."""
    content = b""
    added = 0
    for t, x, y, p in events.rows():
        while t - added >= 1 << 23:
            content += bytes([0, 240, 0, 0, 0])
            added += 1 << 13
        content += bytes([x, y]) + (p << 23 | t - added).to_bytes(3, "big")
    return content


def structured(events: Events, dtype: str = "<u2,<u2,<i8,i1", names: str = "xytp") -> Array:
    array = np.empty(
        len(events.t), np.dtype([(name, kind) for name, kind in zip(names, dtype.split(","), strict=True)])
    )
    for name, field in zip(names, ("x", "y", "t", "p"), strict=True):
        array[name] = getattr(events, field)
    return array


def words_16(words: list[int]) -> bytes:
    return np.array(words, "<u2").tobytes()


def words_32(words: list[int]) -> bytes:
    return np.array(words, "<u4").tobytes()


def aedat4(events: Events, width: int, height: int, packet: int = 500) -> bytes:
    """One stream of events, not compressed: flatbuffers put together by hand, each with its size in front."""
    about = (
        '<dv version="2.0"><node name="outInfo" path="/outInfo/"><node name="0" path="/outInfo/0/">'
        '<attr key="compression" type="string">NONE</attr><attr key="typeIdentifier" type="string">EVTS</attr>'
        f'<node name="info" path="/outInfo/0/info/"><attr key="sizeX" type="int">{width}</attr>'
        f'<attr key="sizeY" type="int">{height}</attr></node></node></node></dv>'
    ).encode()
    text = struct.pack("<I", len(about)) + about + b"\0"
    # the table: no compression, no table of packets at the end of the file, and the text about the streams
    head = _flatbuffer(b"IOHE", (4, 8, 16), struct.pack("<iqi", 0, -1, 4), text)
    content = b"#!AER-DAT4.0\r\n" + head
    for start in range(0, len(events.t), packet):
        part = slice(start, start + packet)
        rows = np.zeros(len(events.t[part]), "<i8,<i2,<i2,?,V3")
        for field, values in zip(("f0", "f1", "f2", "f3"), (events.t, events.x, events.y, events.p), strict=True):
            rows[field] = values[part]
        body = _flatbuffer(b"EVTS", (4,), struct.pack("<i", 4), struct.pack("<I", len(rows)) + rows.tobytes())
        content += struct.pack("<ii", 0, len(body)) + body
    return content


def _flatbuffer(identifier: bytes, fields: tuple[int, ...], inline: bytes, vector: bytes) -> bytes:
    """A table whose last field is a string or a vector right behind it; `fields` are the offsets in the table."""
    table_size = 4 + len(inline)
    virtual = struct.pack(f"<{2 + len(fields)}H", 4 + 2 * len(fields), table_size, *fields)
    virtual += b"\0" * (-len(virtual) % 4)
    pad = (-(8 + len(virtual) + table_size + 4)) % 8  # so that the elements of the vector are aligned to 8
    root = 8 + pad + len(virtual)
    body = struct.pack("<I", root) + identifier + b"\0" * pad + virtual
    body += struct.pack("<i", len(virtual)) + inline + vector
    return struct.pack("<I", len(body)) + body
