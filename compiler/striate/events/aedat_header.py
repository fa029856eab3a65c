"""The header of .aedat files: the version on the first line, and which camera wrote the file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from striate.events.recording import Sensor, bad_events

FIRST_LINE = re.compile(rb"#!AER-DAT(\d+\.\d+)\r?\n")


@dataclass(frozen=True)
class Camera:
    """A camera that files name, by a part of its name, and where the address of an AEDAT 2.0 event holds what.

    Each of `x`, `y`, `p` is (lowest bit, bits). An event with a bit of `other` set is no polarity event.
    """

    name: str
    sensor: Sensor
    x: tuple[int, int] = (12, 10)
    y: tuple[int, int] = (22, 9)
    p: tuple[int, int] = (11, 1)
    other: int = 1 << 31 | 1 << 10


CAMERAS = (
    Camera("dvs128", Sensor(128, 128), (1, 7), (8, 7), (0, 1), 1 << 15),
    Camera("davis128", Sensor(128, 128)),
    Camera("davis208", Sensor(208, 192)),
    Camera("davis240", Sensor(240, 180)),
    Camera("davis346", Sensor(346, 260)),
    Camera("davis640", Sensor(640, 480)),
)


def aedat_version(head: bytes) -> str | None:
    """`2.0`, `3.1`, `4.0` from the first line; None where it is not the one of an .aedat file."""
    first = FIRST_LINE.match(head)
    return first[1].decode() if first else None


def require_version(path: Path, content: bytes, version: str) -> None:
    """Raise CompileError where the first line does not name this version."""
    found = aedat_version(content)
    if found != version:
        says = f"its header says AEDAT {found}" if found else "it does not begin with '#!AER-DAT'"
        raise bad_events(path, f"{says}, not AEDAT {version}", "leave out --format")


def find_camera(header: str, key: str) -> Camera | None:
    """The camera that a header line `#key: name` names, by the last part of a dotted name; None for others."""
    line = re.search(rf"^#\s*{key}:\s*(\S+)", header, re.MULTILINE | re.IGNORECASE)
    name = line[1].split(".")[-1].lower() if line else ""
    return next((camera for camera in CAMERAS if camera.name in name), None)
