"""Weights that were trained on a grid: whole numbers, up to 8, of a step for each channel, as 4 bits hold them."""

from __future__ import annotations

import numpy as np

from striate.tensor import Array

LARGEST = 8
"""The most steps that 4 bits in two's complement hold."""
_EXACT = 1e-6
"""Float32 weights are whole numbers of a step where they are off by no more than this part of it."""


def grid_steps(rows: Array) -> Array:
    """The largest step of each row `[C, n]` of which all its numbers are whole multiples, up to `LARGEST`; f64 `[C]`.

    0 where there is none, and where all numbers of a row that are not 0 have one magnitude, which any unit keeps apart.
    """
    return np.array([_step(row) for row in np.abs(rows)])


def on_grid(unit: Array, steps: Array) -> Array:
    """Units, no finer, of which the steps are whole multiples; as they are where a step is 0 or finer."""
    factor = np.floor(np.divide(steps, unit, where=unit > 0, out=np.zeros_like(unit)) * (1 + 1e-12))
    return np.where(factor >= 1, steps / np.maximum(factor, 1), unit)


def _step(row: Array) -> float:
    magnitudes = np.unique(row[row > 0])
    if len(magnitudes) < 2:
        return 0.0
    for part in range(1, LARGEST + 1):
        step = magnitudes[0] / part
        multiples = magnitudes / step
        if multiples[-1] > LARGEST + 0.5:
            return 0.0
        if (np.abs(multiples - np.rint(multiples)) <= _EXACT * multiples).all():
            return float(magnitudes[-1] / np.rint(multiples[-1]))
    return 0.0
