"""AEDAT 4.0: flatbuffers in packets compressed by lz4 or zstd, read by the library `aedat` (the extra `events`).

Its decoder is in Rust, has wheels for Python 3.11 and 3.12, and needs nothing but NumPy. (dv-processing reads the
format too, in 24 MB.) The first stream of events is read. A file that was cut short is refused; within a packet the
library trusts what is there, so that a damaged one can end the process.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from striate.events.aedat_header import aedat_version, require_version
from striate.events.recording import Recording, Sensor, bad_events
from striate.tensor import Array

PANIC = "PanicException"
"""What a panic in Rust is in Python: no Exception, and of a class that nothing exports."""


def is_aedat4(head: bytes, path: Path) -> bool:
    """Whether the first line says AEDAT 4.0."""
    return aedat_version(head) == "4.0"


def read_aedat4(path: Path) -> Recording:
    """The events of the first stream that holds any. Raises CompileError[bad-events], also where `aedat` is missing."""
    with path.open("rb") as stream:
        require_version(path, stream.read(64), "4.0")
    try:
        import aedat
    except ModuleNotFoundError:
        wrong = "AEDAT 4.0 is read by the library 'aedat', which is not installed"
        raise bad_events(path, wrong, "pip install 'striate[events]'") from None
    packets: list[Array] = []
    try:
        decoder = aedat.Decoder(path)
        streams = {number: stream for number, stream in decoder.id_to_stream().items() if stream["type"] == "events"}
        chosen = min(streams, default=None)
        if chosen is None:
            raise bad_events(path, "it has no stream of events")
        packets += [packet["events"] for packet in decoder if packet["stream_id"] == chosen]
    except BaseException as error:
        if not isinstance(error, RuntimeError | ValueError | OSError) and type(error).__name__ != PANIC:
            raise
        place = f"after {sum(map(len, packets))} events: " if packets else ""
        raise bad_events(path, f"the library 'aedat' cannot read it: {place}{error}") from error
    found = np.concatenate(packets) if packets else np.empty(0, "<u8,<u2,<u2,?")
    t, x, y, p = (found[name] for name in found.dtype.names or ())
    sensor = Sensor(int(streams[chosen]["width"]), int(streams[chosen]["height"]))
    others = len(streams) - 1
    remarks = (f"{others} more streams of events are left out",) if others else ()
    polarity = p.astype(np.uint8)
    return Recording(
        path, "aedat4", t.astype(np.int64), x.astype(np.uint16), y.astype(np.uint16), polarity, sensor, remarks
    )
