"""Bins recordings of N-MNIST to the frames that nmnist.striate takes: training, calibration and held-out test data.

    python examples/nmnist/frames.py ../shared/data/events/nmnist_train1000.npz

The file holds many recordings one after another: x, y, t (µs) and p (one bit an event, the highest of a byte first) of
all events, `offsets` [N + 1] where each recording begins and ends, and `labels` [N]. Written are `events`, u8
[N, 31, 2, 34, 34]: whether there was an event of that polarity at that pixel in a step of 10 ms, from t = 0 on; and
`label`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from striate.data import read_arrays, write_arrays
from striate.diagnostics import CompileError, Diagnostic
from striate.events import Recording, Sensor, bin_events
from striate.tensor import Array

HERE = Path(__file__).parent
SENSOR = Sensor(34, 34)
DT_US, STEPS = 10_000, 31
SPLITS = {"train": slice(0, 800), "calibration": slice(0, 64), "test": slice(800, 1000)}
"""Which recordings, in the order of the file: the last 200 are trained on by nothing."""
RECORDINGS = 1000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", type=Path, help="nmnist_train1000.npz")
    parser.add_argument("--output", type=Path, default=HERE, metavar="FOLDER", help="default: beside nmnist.striate")
    arguments = parser.parse_args()
    if not arguments.output.is_dir():
        parser.error(f"--output {arguments.output}: there is no such folder")
    try:
        arrays = read_set(arguments.recordings)
        for name, which in SPLITS.items():
            frames, path = frames_of(arguments.recordings, arrays, which), arguments.output / f"nmnist_{name}.npz"
            write_arrays(path, {"events": frames, "label": arrays["labels"][which].astype(np.int64)})
            print(f"{path}: {len(frames)} recordings, {np.count_nonzero(frames) / len(frames):,.0f} ones in each")
    except CompileError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def frames_of(path: Path, arrays: Mapping[str, Array], which: slice) -> Array:
    """u8 [N, T, 2, 34, 34] of some of the recordings."""
    duration_us = STEPS * DT_US
    binned = [
        bin_events(recording, DT_US, sensor=SENSOR, start_us=0, duration_us=duration_us, binary=True)
        for recording in recordings(path, arrays, which)
    ]
    return np.stack(binned)


def recordings(path: Path, arrays: Mapping[str, Array], which: slice) -> Iterator[Recording]:
    """Some of the recordings, each on its own."""
    offsets, polarity = arrays["offsets"].astype(np.int64), np.unpackbits(arrays["p"])
    for index in range(*which.indices(len(offsets) - 1)):
        part = slice(int(offsets[index]), int(offsets[index + 1]))
        t, x, y = arrays["t"][part], arrays["x"][part].astype(np.uint16), arrays["y"][part].astype(np.uint16)
        yield Recording(path, f"recording {index}", t.astype(np.int64), x, y, polarity[part])


def read_set(path: Path) -> dict[str, Array]:
    """The arrays of the file. Raises CompileError[bad-data, bad-events] where it is not the one that is meant."""
    arrays = read_arrays(path)
    missing = [name for name in ("x", "y", "t", "p", "offsets", "labels") if name not in arrays]
    if missing:
        held = ", ".join(arrays) or "nothing"
        raise _wrong(path, f"it has no array {', '.join(missing)}; it holds {held}")
    floats = [name for name, array in arrays.items() if array.ndim != 1 or array.dtype.kind not in "iu"]
    if floats:
        raise _wrong(path, f"{', '.join(floats)}: each must be whole numbers in one dimension")
    events, offsets = len(arrays["t"]), arrays["offsets"].astype(np.int64)
    lengths = {"x": events, "y": events, "p": -(-events // 8), "offsets": RECORDINGS + 1, "labels": RECORDINGS}
    for name, length in lengths.items():
        if len(arrays[name]) != length:
            raise _wrong(path, f"{name} has {len(arrays[name]):,} numbers; {events:,} events need {length:,}")
    if offsets[0] != 0 or offsets[-1] != events or (np.diff(offsets) < 0).any():
        raise _wrong(path, f"offsets must rise from 0 to {events:,}, the number of events")
    return arrays


def _wrong(path: Path, wrong: str) -> CompileError:
    return CompileError(Diagnostic("bad-data", f"{path}: {wrong}"))


if __name__ == "__main__":
    sys.exit(main())
