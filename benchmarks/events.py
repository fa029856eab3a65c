"""How fast files of events are read and binned: events/s, and bytes/s beside a bare `numpy.fromfile` of the same file.

    python benchmarks/events.py [--events 2000000] [--json FILE]

The files are random events of a 1280x720 camera (N-MNIST: 34x34), written here. CPU time of one thread, the best of
several runs, the file in the page cache.
"""

from __future__ import annotations

import argparse
import json
import struct
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from machine import describe

from striate.events import Sensor, bin_events, read_events
from striate.tensor import Array


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()

    results: dict[str, dict[str, float]] = {}
    print(f"{'file':<14} {'bytes/event':>11} {'events/s':>10} {'bytes/s':>10} {'fromfile':>10}  of fromfile")
    with tempfile.TemporaryDirectory() as folder:
        for name, write in FILES.items():
            path = Path(folder) / name
            path.write_bytes(write(arguments.events))
            results[name] = row = measure(path, arguments.runs)
            print(
                f"{name:<14} {row['bytes_per_event']:>11.2f} {row['events_per_second'] / 1e6:>8.1f} M "
                f"{row['bytes_per_second'] / 1e6:>8.0f} M {row['fromfile_bytes_per_second'] / 1e6:>8.0f} M  "
                f"{row['bytes_per_second'] / row['fromfile_bytes_per_second']:.1%}"
            )
        binned = binning(Path(folder) / "evt2.raw", arguments.runs)
    print(f"binning to steps of 10 ms, 1280x720: {binned / 1e6:.1f} M events/s")
    if arguments.json:
        measured = {"machine": describe(), "read": results, "binning_events_per_second": binned}
        arguments.json.write_text(json.dumps(measured, indent=2) + "\n")


def measure(path: Path, runs: int) -> dict[str, float]:
    size, count = path.stat().st_size, len(read_events(path))
    read_s, bare_s = best(lambda: read_events(path), runs), best(lambda: np.fromfile(path, np.uint8), runs)
    return {
        "bytes_per_event": size / count,
        "events_per_second": count / read_s,
        "bytes_per_second": size / read_s,
        "fromfile_bytes_per_second": size / bare_s,
    }


def binning(path: Path, runs: int) -> float:
    """Events per second, the empty frames included."""
    recording = read_events(path)
    return len(recording) / best(lambda: bin_events(recording, 10_000, sensor=Sensor(1280, 720)), runs)


def best(work: Callable[[], object], runs: int) -> float:
    seconds: list[float] = []
    for _ in range(runs):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return max(min(seconds), 1e-9)


def random_events(count: int, width: int, height: int, microseconds: int) -> tuple[Array, Array, Array, Array]:
    rng = np.random.default_rng(0)
    t = np.sort(rng.integers(0, microseconds, count))
    return t, rng.integers(0, width, count), rng.integers(0, height, count), rng.integers(0, 2, count)


def npy(count: int) -> bytes:
    import io

    t, x, y, p = random_events(count, 1280, 720, 1_000_000)
    events = np.empty(count, "<i8,<u2,<u2,u1")
    events.dtype.names = ("t", "x", "y", "p")
    for name, field in zip("txyp", (t, x, y, p), strict=True):
        events[name] = field
    stream = io.BytesIO()
    np.save(stream, events)
    return stream.getvalue()


def evt2(count: int) -> bytes:
    """A word for each event, and one for the time every 64 µs."""
    t, x, y, p = random_events(count, 1280, 720, 1_000_000)
    words = p << 28 | (t & 63) << 22 | x << 11 | y
    changed = np.flatnonzero(np.diff(t >> 6, prepend=-1))
    return b"% evt 2.0\n% end\n" + np.insert(words, changed, 8 << 28 | (t >> 6)[changed]).astype("<u4").tobytes()


def evt3(count: int) -> bytes:
    """Four words for each event: both halves of the time, the row, the column."""
    t, x, y, p = random_events(count, 1280, 720, 1_000_000)
    words = np.stack([8 << 12 | t >> 12, 6 << 12 | t & 0xFFF, y, 2 << 12 | p << 11 | x], 1)
    return b"% evt 3.0\n% end\n" + words.astype("<u2").tobytes()


def evt3_vectors(count: int) -> bytes:
    """Five words for every 24 events: time, row, where the vector begins, two full vectors of 12."""
    t, x, y, p = random_events(count // 24, 1256, 720, 1_000_000)
    full = np.full(len(t), 4 << 12 | 0xFFF)
    words = np.stack([6 << 12 | t & 0xFFF, y, 3 << 12 | p << 11 | x, full, full], 1)
    changed = np.flatnonzero(np.diff(t >> 12, prepend=-1))
    words = np.insert(words.reshape(-1), changed * 5, 8 << 12 | (t >> 12)[changed])
    return b"% evt 3.0\n% end\n" + words.astype("<u2").tobytes()


def aedat2(count: int) -> bytes:
    t, x, y, p = random_events(count, 346, 260, 1_000_000)
    words = np.stack([y << 22 | x << 12 | p << 11, t], 1).astype(">u4")
    return b"#!AER-DAT2.0\r\n# AEChip: Davis346\r\n" + words.tobytes()


def aedat3(count: int) -> bytes:
    """Packets of 4096 events."""
    t, x, y, p = random_events(count, 346, 260, 1_000_000)
    words = np.stack([x << 17 | y << 2 | p << 1 | 1, t], 1).astype("<u4")
    parts = [words[start : start + 4096] for start in range(0, count, 4096)]
    packets = [struct.pack("<hhiiiiii", 1, 1, 8, 4, 0, len(p), len(p), len(p)) + p.tobytes() for p in parts]
    return b"#!AER-DAT3.1\r\n#Format: RAW\r\n#!END-HEADER\r\n" + b"".join(packets)


def nmnist(count: int) -> bytes:
    t, x, y, p = random_events(count, 34, 34, 300_000)
    low = p << 23 | t
    return np.stack([x, y, low >> 16, low >> 8 & 255, low & 255], 1).astype(np.uint8).tobytes()


FILES: dict[str, Callable[[int], bytes]] = {
    "structured.npy": npy,
    "evt2.raw": evt2,
    "evt3.raw": evt3,
    "vectors.raw": evt3_vectors,
    "davis.aedat": aedat2,
    "3.1.aedat": aedat3,
    "nmnist.bin": nmnist,
}
"""File -> what writes it for about so many events."""


if __name__ == "__main__":
    main()
