"""Events in .npy and .npz files: one array with the fields x, y, t, p, or one array for each of them.

The fields may be in any order and of any integer type; t is in µs; p is 0 and 1, -1 and 1, or a bool. NumPy reads the
file, and unpickles nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from striate.data import read_arrays
from striate.events.recording import Recording, bad_events
from striate.tensor import Array

NAMES: dict[str, tuple[str, ...]] = {
    "t": ("t", "ts", "timestamp", "timestamps"),
    "x": ("x",),
    "y": ("y",),
    "p": ("p", "polarity", "on"),
}
"""What other tools call the fields, the usual name first."""


def is_npy(head: bytes, path: Path) -> bool:
    """Whether the file begins as .npy and .npz files do."""
    return head.startswith((b"\x93NUMPY", b"PK\x03\x04", b"PK\x05\x06"))


def read_structured(path: Path) -> Recording:
    """The events of a .npy or .npz. Raises CompileError[bad-data] for the file, [bad-events] for what it holds."""
    arrays = read_arrays(path)
    fields = {name: _whole_numbers(path, name, array) for name, array in _fields(path, arrays).items()}
    lengths = {name: len(array) for name, array in fields.items()}
    if len(set(lengths.values())) > 1:
        many = "its 'offsets' seem to cut it into many recordings: write each to a file of its own"
        help = many if "offsets" in arrays else None
        raise bad_events(path, f"its fields disagree on the number of events: {lengths}", help)
    for name in ("x", "y"):
        _check(path, name, fields[name], 0, 65535)
    lowest = -1 if (fields["p"] < 0).any() else 0
    _check(path, "p", fields["p"], lowest, 1)
    if lowest < 0 and (fields["p"] == 0).any():
        first = int(np.flatnonzero(fields["p"] == 0)[0])
        raise bad_events(path, f"event {first} has p = 0, but others have -1: p is 0 and 1, or -1 and 1")
    x, y = fields["x"].astype(np.uint16), fields["y"].astype(np.uint16)
    return Recording(path, "structured", fields["t"].astype(np.int64), x, y, (fields["p"] > 0).astype(np.uint8))


def _fields(path: Path, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """The four fields, from the one structured array or from four arrays of their own."""
    structured = [array for array in arrays.values() if array.dtype.names]
    if len(structured) > 1:
        raise bad_events(path, f"it holds {len(structured)} arrays of events: {', '.join(arrays)}; keep one in a file")
    found = {name: structured[0][name] for name in structured[0].dtype.names or ()} if structured else dict(arrays)
    fields: dict[str, Array] = {}
    for field, names in NAMES.items():
        match = next((name for name in names if name in found), None)
        if match is None:
            held = ", ".join(name or str(array.dtype) for name, array in found.items()) or "nothing"
            help = "events have the fields x, y, t (µs) and p, in one structured array or as arrays of these names"
            raise bad_events(path, f"it has no field '{field}'; it holds {held}", help)
        fields[field] = found[match]
    return fields


def _whole_numbers(path: Path, name: str, array: Array) -> Array:
    if array.ndim != 1 or array.dtype.kind not in "iub":
        help = (
            "t is in whole µs: (t_s * 1e6).round().astype('int64')" if name == "t" and array.dtype.kind == "f" else None
        )
        raise bad_events(path, f"'{name}' must be whole numbers [events]; it is {array.dtype}{list(array.shape)}", help)
    return array


def _check(path: Path, name: str, array: Array, low: int, high: int) -> None:
    if array.dtype.kind == "b" or not ((array < low) | (array > high)).any():
        return
    first = int(np.flatnonzero((array < low) | (array > high))[0])
    raise bad_events(path, f"event {first} has {name} = {array[first]}, which must be in {low}..{high}")
