"""What must hold before events are binned: each on the sensor, and none before the one in front of it."""

from __future__ import annotations

import numpy as np

from striate.events.recording import Recording, Sensor, bad_events


def check_sensor(recording: Recording, sensor: Sensor) -> None:
    """Raise CompileError[bad-events] for the first event that is not on the sensor."""
    for name, values, limit in (("x", recording.x, sensor.width), ("y", recording.y, sensor.height)):
        if not len(values) or int(values.max()) < limit:
            continue
        outside = np.flatnonzero(values >= limit)
        first = int(outside[0])
        wrong = (
            f"event {first} is at x = {recording.x[first]}, y = {recording.y[first]}, outside the sensor of {sensor} "
            f"({name} must be in 0..{limit - 1}); {_count(len(outside), len(recording))}"
        )
        extent = Sensor(int(recording.x.max()) + 1, int(recording.y.max()) + 1)
        raise bad_events(recording.path, wrong, f"the events take {extent} at least; --sensor is width x height")


def check_order(recording: Recording) -> None:
    """Raise CompileError[bad-events] for the first event that is earlier than the one in front of it."""
    t = recording.t
    early = np.flatnonzero(t[1:] < t[:-1])
    if not len(early):
        return
    first = int(early[0]) + 1
    wrong = (
        f"event {first} is at t = {t[first]} µs, before event {first - 1} at t = {t[first - 1]} µs, and events must be "
        f"in order; {_count(len(early), len(recording))}"
    )
    raise bad_events(recording.path, wrong, "--sort puts them in order of their time")


def _count(wrong: int, of: int) -> str:
    return f"{wrong:,} of {of:,} events {'is' if wrong == 1 else 'are'} so"
