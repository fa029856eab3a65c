"""The nearest shape that would fit: how many inputs a neuron may have, how many channels a layer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from striate.targets.neuromorphic.codings.encoding import Image
from striate_runtime.program.neuromorphic import Projection

Shapes = Mapping[str, Image]
"""Of each population."""


def most_inputs(into: Sequence[Projection], shapes: Shapes, fits: Callable[[Shapes], bool]) -> str | None:
    """The most inputs with which one neuron would fit, if that would help at all: neurons if dense, else channels.

    `into` leads to the neuron; `fits` says whether it would with populations of these shapes.
    """
    dense = any(projection.kind == "dense" for projection in into)
    full = {p.source: shapes[p.source] for p in into}
    if dense:
        full = {name: (math.prod(shape), 1, 1) for name, shape in full.items()}
    largest = max((shape[0] for shape in full.values()), default=0)
    low = _largest(
        largest, lambda most: fits({**shapes, **{name: (min(most, c), h, w) for name, (c, h, w) in full.items()}})
    )
    if 0 < low < largest:
        return f"with at most {low:,} {'neurons' if dense else 'channels'} coming in (now {largest:,}) it would fit"
    return "the layers it sends to must use fewer cores" if low else None


def most_channels(channels: int, cores: int, cores_of: Callable[[int], int]) -> int:
    """The most channels, fewer than these, with which a layer would take no more than so many cores; 0 for none."""
    return _largest(channels - 1, lambda fewer: cores_of(fewer) <= cores) if cores > 0 else 0


def _largest(top: int, holds: Callable[[int], bool]) -> int:
    """The largest number of 0..top for which it holds, where it holds for all that are smaller."""
    low = 0
    while low < top:
        middle = (low + top + 1) // 2
        low, top = (middle, top) if holds(middle) else (low, middle - 1)
    return low
