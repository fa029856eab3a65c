"""Events, binned to the steps of a network.

Step k holds the events with start + k dt <= t < start + (k + 1) dt. A frame's channel is the polarity: 0 = off, 1 = on.
"""

from __future__ import annotations

import numpy as np

from striate.events.checks import check_order, check_sensor
from striate.events.recording import Recording, Sensor, bad_events
from striate.tensor import Array

MOST_BYTES = 1 << 32
"""Frames that would take more are refused: 4 GiB, beyond what one sample of any network here is."""


def bin_events(
    recording: Recording,
    dt_us: int,
    *,
    sensor: Sensor | None = None,
    start_us: int | None = None,
    duration_us: int | None = None,
    binary: bool = False,
) -> Array:
    """Frames [T, 2, height, width]: how many events (i32), or whether there was any (u8), in each step.

    start_us: where step 0 begins; the first event's time if None. duration_us: T steps of dt_us, a whole number of
    them; up to the last event if None. What is before or after is left out. sensor: the recording's own if None.
    Raises CompileError[bad-events]: no sensor, an event outside it or out of order, no step to fill (T = 0), too many.
    """
    sensor = sensor or recording.sensor
    if sensor is None:
        wrong = "the file does not say how large its sensor is"
        raise bad_events(recording.path, wrong, "say it: --sensor 34x34 (width x height)")
    check_sensor(recording, sensor)
    check_order(recording)
    start, steps = _extent(recording, dt_us, start_us, duration_us)
    shape, dtype = (steps, 2, sensor.height, sensor.width), np.dtype(np.uint8 if binary else np.int32)
    size = steps * 2 * sensor.height * sensor.width * dtype.itemsize
    if size > MOST_BYTES:
        limit = f"{size / 2**30:.1f} GiB, more than {MOST_BYTES >> 30}"
        wrong = f"{steps:,} steps of 2x{sensor.height}x{sensor.width} take {limit}"
        raise bad_events(recording.path, wrong, "take a longer --dt, a shorter --duration or a --crop")
    frames = np.zeros(shape, dtype)
    first, last = np.searchsorted(recording.t, [start, start + steps * dt_us])
    part = slice(int(first), int(last))
    index = (recording.t[part] - start) // dt_us
    for values, count in ((recording.p, 2), (recording.y, sensor.height), (recording.x, sensor.width)):
        index = index * count + values[part]
    if binary:
        frames.reshape(-1)[index] = 1
    else:
        np.add.at(frames.reshape(-1), index, 1)
    return frames


def first_step_us(recording: Recording, start_us: int | None) -> int:
    """Where step 0 begins: at `start_us`, else at the first event, else at 0."""
    return start_us if start_us is not None else int(recording.t[0]) if len(recording) else 0


def _extent(recording: Recording, dt_us: int, start_us: int | None, duration_us: int | None) -> tuple[int, int]:
    """Where step 0 begins, and how many steps there are."""
    if dt_us <= 0:
        raise bad_events(recording.path, f"a step of {dt_us} µs is no time", "dt is at least 1us, such as --dt 1ms")
    start = first_step_us(recording, start_us)
    if duration_us is not None:
        if duration_us <= 0 or duration_us % dt_us:
            wrong = (
                f"{duration_us} µs are {duration_us / dt_us:g} steps of {dt_us} µs, and must be a whole number of them"
            )
            raise bad_events(recording.path, wrong)
        return start, duration_us // dt_us
    steps = (int(recording.t[-1]) - start) // dt_us + 1 if len(recording) else 0
    if steps <= 0:
        wrong = f"it holds no event from {start} µs on" if len(recording) else "it holds no events"
        raise bad_events(recording.path, f"{wrong}, so that there is no step to fill (T = 0)", "give a --duration")
    return start, steps
