"""What a coding fills in: populations, projections and their arrays, and which neuron sends which number.

A tensor that travels as events is an array of neuron numbers in the tensor's own shape: entry `[c, h, w]` says which
neuron sends `x[c, h, w]`, and `SILENT` says that it is a constant 0 that nobody sends. Whatever only moves data
(flatten, concat, slice, pad, permute, ...) is then its own numpy reference, applied to the neuron numbers.
"""

from __future__ import annotations

import math
from collections.abc import Container
from dataclasses import dataclass, field
from typing import Literal

import msgspec
import numpy as np

from striate.tensor import Array, Shape
from striate_runtime.program.neuromorphic import Population, Projection

SILENT = 0
"""The number of no neuron: the value is 0 and costs nothing."""

Image = tuple[int, int, int]
Reads = Literal["potential", "current", "spike_count", "spikes"]


@dataclass
class Encoding:
    """Populations and projections in the order they were made, sources first; arrays by name.

    `fires_at[population]` is how many projections lie between the input and it on the longest way.
    """

    populations: dict[str, Population] = field(default_factory=dict[str, Population])
    projections: list[Projection] = field(default_factory=list[Projection])
    arrays: dict[str, Array] = field(default_factory=dict[str, Array])
    _first: list[int] = field(default_factory=lambda: [1])
    _names: list[str] = field(default_factory=list[str])

    def fresh(self, stem: str) -> str:
        """A population name not in use."""
        return _fresh(stem, self.populations)

    def fresh_projection(self, stem: str) -> str:
        """A projection name not in use."""
        return _fresh(stem, {projection.name for projection in self.projections})

    def add(self, population: Population) -> None:
        """Add a population."""
        assert population.name not in self.populations, f"the population '{population.name}' exists already"
        c, h, w = population.shape
        self.populations[population.name] = population
        self._names.append(population.name)
        self._first.append(self._first[-1] + c * h * w)

    def neurons(self, population: str, shape: Shape) -> Array:
        """The neuron numbers of the tensor of that shape that a population sends."""
        first = self._first[self._names.index(population)]
        c, h, w = self.populations[population].shape
        numbers = np.arange(first, first + c * h * w, dtype=np.int64).reshape(h, w, c)
        return np.ascontiguousarray(numbers.transpose(2, 0, 1)).reshape(shape)

    def revise(self, name: str, **changes: object) -> None:
        """Change fields of a population."""
        self.populations[name] = msgspec.structs.replace(self.populations[name], **changes)

    def store(self, name: str, array: Array) -> str:
        """Keep an array for the program; returns the name it got."""
        name = _fresh(name, self.arrays)
        self.arrays[name] = np.ascontiguousarray(array)
        return name

    def senders(self, neurons: Array) -> list[str]:
        """The populations that these neurons belong to, in the order they were made."""
        owners = np.searchsorted(np.asarray(self._first), neurons.reshape(-1), side="right")
        present = np.flatnonzero(np.bincount(owners, minlength=1))
        return [self._names[owner - 1] for owner in present if owner > 0]

    def local(self, population: str, neurons: Array) -> tuple[Array, Array]:
        """Which entries are of that population, and (there) the neuron's number within it, channels last."""
        index = self._names.index(population)
        mine = (neurons >= self._first[index]) & (neurons < self._first[index + 1])
        return mine, neurons - self._first[index]

    def whole_population(self, neurons: Array) -> str | None:
        """The population that sends exactly this tensor, number by number, if there is one."""
        senders = self.senders(neurons)
        if len(senders) != 1:
            return None
        first = self._first[self._names.index(senders[0])]
        c, h, w = self.populations[senders[0]].shape
        if neurons.size != c * h * w:
            return None
        expected = np.arange(first, first + c * h * w).reshape(h, w, c).transpose(2, 0, 1)
        return senders[0] if np.array_equal(neurons.reshape(c, h, w), expected) else None


@dataclass(frozen=True)
class Given:
    """What the host does to a port: number / scale, rounded to the nearest even, clipped, into a population."""

    population: str
    scale: float
    low: int
    high: int


@dataclass(frozen=True)
class Encoded:
    """A whole graph under a coding: `steps` time steps a sample, the populations that `outputs` are read from.

    Over time, `samples_of` is how many steps of the network, or frames of a stream, a sample has; `reads`, `read_at`,
    `series` and `tick_us` are the program's.
    """

    coding: Literal["graded", "rate", "delta", "native"]
    steps: int
    encoding: Encoding
    inputs: dict[str, Given]
    outputs: dict[str, str]
    samples_of: int | None = None
    reads: dict[str, Reads] = field(default_factory=dict[str, "Reads"])
    read_at: dict[str, int] = field(default_factory=dict[str, int])
    series: tuple[str, ...] = ()
    tick_us: float | None = None
    remarks: tuple[str, ...] = ()


def image_of(shape: Shape) -> Image:
    """A tensor's shape as (channels, rows, columns): `[F]` is (F, 1, 1), `[C, L]` is (C, 1, L)."""
    if len(shape) <= 1:
        return math.prod(shape), 1, 1
    return shape[0], math.prod(shape[1:-1]), shape[-1]


def _fresh(stem: str, taken: Container[str]) -> str:
    name, number = stem, 2
    while name in taken:
        name, number = f"{stem}_{number}", number + 1
    return name
