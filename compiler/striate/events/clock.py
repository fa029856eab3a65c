"""Counters that start again at 0, made into times that go on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from striate.tensor import Array


def unwrap(counter: Array, period: int) -> npt.NDArray[np.int64]:
    """The counter plus `period` for every time that it fell by more than half of it. A smaller fall stays a fall.

    counter: [N], in 0..period - 1 -> i64 [N].
    """
    values = counter.astype(np.int64)
    wrapped = np.flatnonzero(values[1:] < values[:-1] - period // 2) + 1
    for start in wrapped:  # one turn for each start of the counter, not for each event
        values[start:] += period
    return values
