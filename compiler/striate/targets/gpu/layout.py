"""Where tensors lie in memory, and the text of the index that finds one number of them.

Indices are written as Triton expressions over the coordinates `d0`, `d1`, ... of a sample (without the batch), the
index `sample` in the batch, and constants; zeros and ones are folded away as they are written.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from striate.tensor import NUMPY, Shape, TensorType

Coordinates = tuple[str, ...]
Map = Callable[[Coordinates], Coordinates]
"""From the coordinates of a view to those of what it views."""

Order = tuple[int, ...]
"""Dimensions from the outermost in memory to the innermost."""


def channels_last(rank: int) -> Order:
    """[C, H, W] is stored as [H, W, C]: a pixel's channels are neighbours."""
    return (*range(1, rank), 0) if rank else ()


def row_major(rank: int) -> Order:
    """As the user's arrays are: the last dimension's numbers are neighbours."""
    return tuple(range(rank))


@dataclass(frozen=True)
class Place:
    """A buffer of the arena (one sample after another) or an array of the program, and how a sample lies in it.

    With `steps`, a sample is that many frames, one after another, each of `shape`.
    """

    kind: Literal["buffer", "array"]
    name: str
    dtype: str
    shape: Shape
    order: Order
    steps: int | None = None

    @property
    def elements(self) -> int:
        """How many numbers one frame holds: a sample, where there is no time."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """How many bytes one sample takes."""
        return self.bytes_of_frame * (self.steps or 1)

    @property
    def bytes_of_frame(self) -> int:
        """How many bytes one frame takes."""
        return self.elements * NUMPY[self.dtype].itemsize

    @property
    def stored_shape(self) -> Shape:
        """The sizes of a frame from the outermost to the innermost dimension."""
        return tuple(self.shape[dim] for dim in self.order)

    @property
    def strides(self) -> tuple[int, ...]:
        """How far apart neighbours along each dimension lie, in numbers; 0 where there is only one."""
        strides = [0] * len(self.shape)
        step = 1
        for dim in reversed(self.order):
            strides[dim] = step if self.shape[dim] > 1 else 0
            step *= self.shape[dim]
        return tuple(strides)

    def lies_like(self, other: Place) -> bool:
        """Whether number i of a frame of this place has the coordinates of number i of one of the other."""
        return self.shape == other.shape and self.strides == other.strides and self.kind == other.kind


@dataclass(frozen=True)
class Value:
    """A value of the graph: a place as it is, or a view of one, which stands for the graph's `nodes`.

    With `delay`, it is what the place held so many steps before, and 0 in the first ones.
    """

    type: TensorType
    place: Place
    maps: tuple[Map, ...] = ()
    nodes: tuple[str, ...] = ()
    delay: int = 0

    @property
    def is_stored(self) -> bool:
        """Whether the value lies in a buffer as it is, in this step or in an earlier one."""
        return not self.maps and self.place.kind == "buffer"

    @property
    def is_plain(self) -> bool:
        """Whether the value lies in a buffer as it is."""
        return self.is_stored and not self.delay

    def viewed(self, type: TensorType, move: Map, node: str) -> Value:
        """A view of this value: `move` turns its coordinates into this value's."""
        return replace(self, type=type, maps=(move, *self.maps), nodes=(*self.nodes, node))

    def delayed(self, steps: int, node: str) -> Value:
        """This value as it was so many steps before."""
        return replace(self, delay=self.delay + steps, nodes=(*self.nodes, node))

    def index(self, coordinates: Coordinates, frame: str = "sample") -> str:
        """Where in memory the number at these coordinates of a frame lies."""
        for move in self.maps:
            coordinates = move(coordinates)
        inside = [times(at, stride) for at, stride in zip(coordinates, self.place.strides, strict=True)]
        return plus("0" if self.place.kind == "array" else times(frame, self.place.elements), *inside)


def coordinates_of(index: str, sizes: Sequence[int]) -> Coordinates:
    """The coordinates of number `index` in a row-major block of these sizes."""
    found: list[str] = []
    step = math.prod(sizes)
    for position, size in enumerate(sizes):
        step //= size
        outer = over(index, step)
        found.append("0" if size == 1 else outer if position == 0 else modulo(outer, size))
    return tuple(found)


def index_of(coordinates: Coordinates, sizes: Sequence[int]) -> str:
    """The number of a place in a row-major block of these sizes: the inverse of `coordinates_of`."""
    index = "0"
    for at, size in zip(coordinates, sizes, strict=True):
        index = plus(times(index, size), at)
    return index


def broadcast(coordinates: Coordinates, shape: Shape) -> Coordinates:
    """The coordinates in a tensor of `shape` that broadcasts to the one these belong to."""
    last = coordinates[len(coordinates) - len(shape) :]
    return tuple("0" if size == 1 else at for at, size in zip(last, shape, strict=True))


# -- text


def plus(*terms: str) -> str:
    """The sum, without its zeros."""
    return " + ".join(term for term in terms if term != "0") or "0"


def times(term: str, factor: int) -> str:
    """The product with a constant."""
    if term == "0" or factor == 0:
        return "0"
    return term if factor == 1 else f"{_atom(term)} * {factor}"


def over(term: str, divisor: int) -> str:
    """The quotient, rounded down, of a number that is not negative."""
    return term if divisor == 1 or term == "0" else f"{_atom(term)} // {divisor}"


def modulo(term: str, divisor: int) -> str:
    """The remainder of a number that is not negative."""
    return "0" if divisor == 1 or term == "0" else f"{_atom(term)} % {divisor}"


def _atom(term: str) -> str:
    return term if term.isidentifier() or term.isdigit() else f"({term})"
