"""Part of a recording: a window of the sensor, a stretch of time, or all of it in order."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from striate.events.recording import Recording, Sensor, bad_events
from striate.tensor import Array


@dataclass(frozen=True)
class Window:
    """Pixels left..left + width - 1, top..top + height - 1 of a sensor."""

    left: int
    top: int
    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}+{self.left}+{self.top}"


def crop(recording: Recording, window: Window, sensor: Sensor | None) -> Recording:
    """The events in the window, which becomes the sensor: its top left pixel is (0, 0)."""
    if sensor and (window.left + window.width > sensor.width or window.top + window.height > sensor.height):
        raise bad_events(recording.path, f"the window {window} is not within the sensor of {sensor}")
    x, y = recording.x.astype(np.int32) - window.left, recording.y.astype(np.int32) - window.top
    inside = (x >= 0) & (x < window.width) & (y >= 0) & (y < window.height)
    moved = replace(recording, x=x.astype(np.uint16), y=y.astype(np.uint16))
    return replace(_keep(moved, inside), sensor=Sensor(window.width, window.height))


def sort(recording: Recording) -> Recording:
    """The events by time; those of one time stay as they were."""
    return _keep(recording, np.argsort(recording.t, kind="stable"))


def _keep(recording: Recording, which: Array) -> Recording:
    arrays = (recording.t[which], recording.x[which], recording.y[which], recording.p[which])
    return replace(recording, **dict(zip("txyp", arrays, strict=True)))
