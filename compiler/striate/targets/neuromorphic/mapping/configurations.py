"""How many sorts of neurons and thresholds there are: a core of some chips has room for so many of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from striate.targets.neuromorphic.codings.encoding import Encoding
from striate.tensor import Array
from striate_runtime.program.neuromorphic import Population


@dataclass(frozen=True)
class Sorts:
    """Of each channel of a population, the number of its sort of threshold and of its sort of neuron, `[C]`."""

    thresholds: Array
    neurons: Array


def sorts_of(encoding: Encoding) -> dict[str, Sorts]:
    """The sorts of every population. What nobody set is alike in all channels."""
    return {
        name: Sorts(
            _numbered(encoding, population, ("threshold",)),
            _numbered(encoding, population, ("current_decay", "voltage_decay")),
        )
        for name, population in encoding.populations.items()
    }


def _numbered(encoding: Encoding, population: Population, roles: tuple[str, ...]) -> Array:
    """Channels with the same values of all these parameters get the same number."""
    columns = [
        np.broadcast_to(encoding.arrays[name], population.shape[0])
        for role in roles
        if (name := getattr(population, role)) is not None
    ]
    if not columns:
        return np.zeros(population.shape[0], np.int64)
    return np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)[1].reshape(-1)
