"""AEDAT 2.0: lines that begin with `#`, then pairs of an address and a time in µs, 32 bits each, big-endian.

    DVS128   bit 15: no polarity event; 14..8: y; 7..1: x; 0: polarity
    DAVIS    bits 31, 10: no polarity event; 30..22: y; 21..12: x; 11: polarity

What an address means depends on the camera, which the line `# AEChip:` names. The format counts y from the bottom;
here it is counted from the top. The words are of a fixed width, which NumPy decodes at once; no library is needed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from striate.events.aedat_header import CAMERAS, Camera, aedat_version, find_camera, require_version
from striate.events.clock import unwrap
from striate.events.recording import Recording, bad_events, whole_words
from striate.tensor import Array

PERIOD = 1 << 32
"""The clock starts again after 2^32 µs, 71.6 minutes."""


def is_aedat2(head: bytes, path: Path) -> bool:
    """Whether the first line says AEDAT 2.0."""
    return aedat_version(head) == "2.0"


def read_aedat2(path: Path, camera: Camera | None = None) -> Recording:
    """The polarity events; `camera` overrides the header's. Raises CompileError[bad-events]."""
    content = path.read_bytes()
    require_version(path, content, "2.0")
    at = _end_of_header(content)
    camera = camera or find_camera(content[:at].decode("latin-1"), "AEChip")
    if camera is None:
        names = ", ".join(f"aedat2-{known.name}" for known in CAMERAS)
        wrong = "its header has no line '# AEChip:' with a camera that is known here, so that an address has no meaning"
        raise bad_events(path, wrong, f"say which camera with --format: {names}")
    words = np.frombuffer(whole_words(path, content, at, 8, "event"), ">u4").reshape(-1, 2)
    address, t = words[:, 0].astype(np.uint32), unwrap(words[:, 1], PERIOD)
    is_event = (address & camera.other) == 0
    others = len(address) - int(np.count_nonzero(is_event))
    if others:
        address, t = address[is_event], t[is_event]
    x, y, p = (_bits(address, place) for place in (camera.x, camera.y, camera.p))
    high = y >= camera.sensor.height
    if high.any():
        first = int(np.flatnonzero(high)[0])
        wrong = f"event {first} has y = {y[first]} from the bottom, and a {camera.name} has {camera.sensor.height} rows"
        raise bad_events(path, wrong)
    y = (camera.sensor.height - 1 - y).astype(np.uint16)
    remarks = (f"{others} words are no polarity events (frames, motion, triggers)",) if others else ()
    return Recording(path, "aedat2", t, x, y, p.astype(np.uint8), camera.sensor, remarks)


def _end_of_header(content: bytes) -> int:
    """Where the first line begins that does not begin with `#`."""
    at = 0
    while content.startswith(b"#", at):
        end = content.find(b"\n", at)
        at = len(content) if end < 0 else end + 1
    return at


def _bits(address: Array, place: tuple[int, int]) -> Array:
    lowest, count = place
    return ((address >> lowest) & ((1 << count) - 1)).astype(np.uint16)
