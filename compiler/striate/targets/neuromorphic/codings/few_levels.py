"""Weights of few levels, which a crossbar holds: the coding `rate` rounds to whole numbers of a step for each channel.

With k types of axons a weight is one of 2^k whole numbers of the step, in two's complement: strengths 1, 2, 4 and -8
steps for 4 types. With 2 types it is trinary, -1, 0 or 1. Each source takes up to k axons of a core, so that the fan-in
decides.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from striate.passes.quantization.grids import grid_steps
from striate.targets.neuromorphic.codings.synapses import Synapses
from striate.tensor import Array
from striate_runtime.hardware import Chip

MOST_TYPES, FEWEST_TYPES = 4, 2
_STEPS = np.linspace(1.0, 0.1, 91)
"""Steps that are tried, as parts of the one at which no weight is clipped."""


def types_for(synapses: Sequence[Synapses], chip: Chip, most: int) -> int:
    """The most types of axons, up to `most`, with which one neuron's sources fit a core; 2 where none do."""
    assert chip.crossbar is not None, "the chip has a crossbar"
    sources = sum(_sources(each) for each in synapses)
    axons, known = chip.crossbar.axons.value, chip.crossbar.axon_types.value or MOST_TYPES
    fitting = [k for k in range(FEWEST_TYPES, min(most, known) + 1) if axons is None or sources * k <= axons]
    return max(fitting, default=FEWEST_TYPES)


def levels_of(types: int) -> tuple[int, int]:
    """The least and the largest weight in steps."""
    return (-1, 1) if types == FEWEST_TYPES else (-(1 << (types - 1)), (1 << (types - 1)) - 1)


def step_of(weights: Array, types: int) -> float:
    """The step of one channel with the least squared error of its weights `[n]`; 0 where all are 0.

    Where all that are not 0 are equal, as in pools and copies, they are one step, exactly; where they were trained on a
    grid, its step is among those that are tried.
    """
    different = np.unique(weights[weights != 0])
    if len(different) <= 1:
        return float(np.abs(different).sum())
    low, high = levels_of(types)
    widest = max(weights.max() / high, weights.min() / low)
    steps = np.append(widest * _STEPS, grid_steps(weights[None])[0] or widest)
    rounded = np.clip(np.rint(weights[:, None] / steps), low, high) * steps
    return float(steps[np.argmin(((weights[:, None] - rounded) ** 2).sum(0))])


def in_steps(weights: Array, step: Array, types: int) -> Array:
    """Weights as whole numbers of steps, clipped to the levels that there are, i64."""
    return np.clip(np.rint(weights / step), *levels_of(types)).astype(np.int64)


def largest_factor(types: int, chip: Chip) -> int:
    """By how much a step may be multiplied so that the strengths are as large as they can be."""
    assert chip.crossbar is not None, "the chip has a crossbar"
    return (chip.crossbar.largest_strength or 1) // -levels_of(types)[0]


def _sources(synapses: Synapses) -> int:
    """How many neurons one neuron hears through these synapses, at most."""
    taps = synapses.kernel[0] * synapses.kernel[1]
    if synapses.kind == "dense":
        assert synapses.weights is not None, "dense synapses have weights"
        return int(np.count_nonzero(synapses.weights.any(axis=1)))
    if synapses.kind == "conv2d":
        assert synapses.weights is not None, "a convolution has weights"
        return synapses.weights.shape[2] * taps
    return taps if synapses.kind == "window" else 1
