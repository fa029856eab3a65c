"""What the host gives to a chip: the inputs' values as integers, a row for each step or for each sample."""

from __future__ import annotations

from collections.abc import Mapping as Table
from typing import Any

import numpy as np
import numpy.typing as npt

from striate_runtime.neuromorphic.check import Network, neurons
from striate_runtime.neuromorphic.tables.arrays import LANES

Array = npt.NDArray[Any]

_EXACT_IN_F32 = 1 << 24


def given_numbers(checked: Table[str, Array], network: Network, starts: Table[str, int], number: int) -> Array:
    """The integers given to the input populations, i32 `[N, number + LANES]`, the last ones spare, channels last.

    Where inputs have time there is a row for each step of each sample: zeros where a port has no more, or the
    last again where its population sends changes. starts: where in a row each input population's numbers lie.
    """
    body = network.body
    samples, steps = len(next(iter(checked.values()))), body.steps if network.timed else 1
    values = np.zeros((samples, steps, number + LANES), np.int32)
    for port, array in checked.items():
        population = network.populations[body.inputs[port]]
        rows = (
            integers(array, body.input_scale[port], body.input_low[port], body.input_high[port])
            .reshape(-1, *population.shape)
            .transpose(0, 2, 3, 1)
        )
        start, own = starts[population.name], neurons(population)
        given = rows.reshape(samples, -1, own)
        values[:, : given.shape[1], start : start + own] = given
        if network.sends_changes(population):
            values[:, given.shape[1] :, start : start + own] = given[:, -1:]
    return values.reshape(samples * steps, -1)


def integers(array: Array, scale: float, low: int, high: int) -> Array:
    """array / scale in f32, rounded to the nearest even, clipped. Small integers of scale 1 are that already."""
    if array.dtype.kind in "iu" and scale == 1 and max(-low, high) <= _EXACT_IN_F32:
        if low <= array.min() and array.max() <= high:
            return array
        limits = np.iinfo(array.dtype)
        return np.clip(array, max(low, int(limits.min)), min(high, int(limits.max)))
    return np.clip(np.rint(array.astype(np.float32) / np.float32(scale)), low, high).astype(np.int32)
