"""Finds images in a tensor of neuron numbers: which channels of which populations stand in it, shifted how far."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from striate.targets.neuromorphic.codings.encoding import SILENT, Encoding
from striate.tensor import Array


@dataclass
class Planes:
    """Channels of one population that appear, unchanged but shifted, as channels of a tensor.

    Tensor channel `targets[i]` holds the population's channel `sources[i]`, `top` rows down and `left` columns right.
    No source is in it twice: what appears again is in another one.
    """

    population: str
    top: int
    left: int
    sources: list[int] = field(default_factory=list[int])
    targets: list[int] = field(default_factory=list[int])
    held: set[int] = field(default_factory=set[int])

    def starts_at(self, population: str, top: int, left: int) -> bool:
        """Whether it is of that population, shifted so far."""
        return (self.population, self.top, self.left) == (population, top, left)

    def hold(self, source: int, target: int) -> None:
        """Add one channel."""
        self.held.add(source)
        self.sources.append(source)
        self.targets.append(target)

    def is_run(self, channels: int) -> bool:
        """Whether these are all of the population's channels, in order and side by side."""
        first = self.targets[0]
        return self.sources == list(range(channels)) and self.targets == list(range(first, first + channels))


def planes_of(encoding: Encoding, neurons: Array) -> list[Planes] | None:
    """A tensor `[C, H, W]` of neurons as shifted images of whole channels, or None where it is not that."""
    found: list[Planes] = []
    _, height, width = neurons.shape
    for population in encoding.senders(neurons):
        channels, rows, columns = encoding.populations[population].shape
        mine, local = encoding.local(population, neurons)
        for target in np.flatnonzero(mine.any(axis=(1, 2))):
            places = np.argwhere(mine[target])
            y, x = (int(v) for v in places[0])
            number = int(local[target, y, x])
            source, row, column = number % channels, number // channels // columns, number // channels % columns
            top, left = y - row, x - column
            expected = np.full((height, width), SILENT, np.int64)
            if top < 0 or left < 0 or top + rows > height or left + columns > width:
                return None
            image = np.arange(rows * columns).reshape(rows, columns) * channels + source
            expected[top : top + rows, left : left + columns] = image + 1
            if not np.array_equal(np.where(neurons[target] == SILENT, SILENT, local[target] + 1), expected):
                return None
            fresh = (p for p in found if p.starts_at(population, top, left) and source not in p.held)
            planes = next(fresh, None)
            if planes is None:
                planes = Planes(population, top, left)
                found.append(planes)
            planes.hold(source, int(target))
    return found
