"""The formats that are read: how a file is recognised by its first bytes, and what reads it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from striate.diagnostics import did_you_mean
from striate.events.aedat2 import is_aedat2, read_aedat2
from striate.events.aedat3 import is_aedat3, read_aedat3
from striate.events.aedat4 import is_aedat4, read_aedat4
from striate.events.aedat_header import CAMERAS
from striate.events.evt2 import is_evt2, read_evt2
from striate.events.evt3 import is_evt3, read_evt3
from striate.events.nmnist import is_bin, read_nmnist
from striate.events.recording import Recording, bad_events
from striate.events.structured import is_npy, read_structured

HEAD_BYTES = 4096


@dataclass(frozen=True)
class Format:
    """`recognises` takes the first 4096 bytes and the path, and may look at the path only where there is no header."""

    name: str
    title: str
    recognises: Callable[[bytes, Path], bool]
    read: Callable[[Path], Recording]


def _only_by_name(head: bytes, path: Path) -> bool:
    return False


FORMATS: tuple[Format, ...] = (
    Format("structured", "NumPy .npy or .npz with the fields x, y, t, p", is_npy, read_structured),
    Format("aedat2", "AEDAT 2.0, the camera from its header", is_aedat2, read_aedat2),
    *(
        Format(f"aedat2-{c.name}", f"AEDAT 2.0 of a {c.name}", _only_by_name, partial(read_aedat2, camera=c))
        for c in CAMERAS
    ),
    Format("aedat3.1", "AEDAT 3.1", is_aedat3, read_aedat3),
    Format("aedat4", "AEDAT 4.0 (the extra 'events')", is_aedat4, read_aedat4),
    Format("evt2", "Prophesee EVT 2.0 .raw", is_evt2, read_evt2),
    Format("evt3", "Prophesee EVT 3.0 .raw", is_evt3, read_evt3),
    Format("nmnist", "N-MNIST .bin, which has no header", is_bin, read_nmnist),
)
"""Every format, in the order in which a file is tried."""


def read_events(path: Path, format: str | None = None) -> Recording:
    """The events of a file, in the format that its header says, or in the one asked for. Raises CompileError."""
    try:
        with path.open("rb") as stream:
            head = stream.read(HEAD_BYTES)
        return _find(path, head, format).read(path)
    except OSError as error:
        raise bad_events(path, error.strerror or str(error)) from error


def _find(path: Path, head: bytes, name: str | None) -> Format:
    if not head:
        raise bad_events(path, "it is empty")
    names = [format.name for format in FORMATS]
    if name is not None and name not in names:
        raise bad_events(
            path, f"there is no format '{name}'", did_you_mean(name, names) or f"there are {', '.join(names)}"
        )
    for format in FORMATS:
        if format.name == name or (name is None and format.recognises(head, path)):
            return format
    begins = ascii(head[:24].split(b"\n")[0].decode("latin-1"))
    help = f"read here: {', '.join(names)}; a file without a header is read as --format says"
    raise bad_events(path, f"no format of events begins with {begins}", help)
