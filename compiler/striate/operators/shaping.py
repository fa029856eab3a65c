"""Data movement: the same numbers, arranged in another way."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from striate.operators.rules import FLOATS, axis_of, require, require_at_least, same_type, written
from striate.operators.schema import Case, Operator, f16, f32, i8, i32, u8
from striate.tensor import NUMPY, Array, DType, Shape, TensorType


class Movement(Operator):
    """Moves numbers of any type and computes nothing."""

    def dtype(self, *inputs: DType) -> DType:
        """The type of the operands."""
        return same_type(self.name, inputs)

    def operations(self, *inputs: TensorType) -> int:
        """None: only traffic."""
        return 0


@dataclass(frozen=True)
class Flatten(Movement):
    """Dimensions start_dim to end_dim as one, row by row.

    x: [N, C, H, W] -> [N, C * H * W] by default.
    """

    name: ClassVar[str] = "flatten"

    start_dim: int = 1
    end_dim: int = -1

    def shape(self, *inputs: Shape) -> Shape:
        """The shape rule."""
        x = inputs[0]
        require(len(x) >= 1, "flatten takes at least one dimension besides the batch")
        first, last = axis_of(self.start_dim, len(x), "start_dim"), axis_of(self.end_dim, len(x), "end_dim")
        behind = f"start_dim={self.start_dim} lies behind end_dim={self.end_dim} in {written(x)}"
        require(first <= last, behind, "start_dim")
        return (*x[: first - 1], math.prod(x[first - 1 : last]), *x[last:])

    def reference(self, *inputs: Array, **parameters: Array) -> Array:
        """A reshape."""
        return inputs[0].reshape(len(inputs[0]), *self.shape(inputs[0].shape[1:]))

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """All dimensions, some of them, and integers."""
        return (
            Case(cls(), (f32(3, 5, 7),), "defaults"),
            Case(cls(2), (f32(3, 5, 7),), "start_dim"),
            Case(cls(1, 2), (f32(3, 5, 7),), "end_dim"),
            Case(cls(), (f16(33),), "one dimension"),
            Case(cls(), (i8(3, 4, 5),), "i8"),
            Case(cls(-2, -1), (u8(9, 4, 4),), "u8, from the end"),
            Case(cls(), (i32(2, 2, 2),), "i32"),
        )


@dataclass(frozen=True)
class Reshape(Movement):
    """The same numbers, row by row, in another shape: x: [N, ...] -> [N, *size].

    `size` leaves out the batch; one of its numbers may be -1 and is then worked out.
    """

    name: ClassVar[str] = "reshape"

    size: tuple[int, ...]

    def __post_init__(self) -> None:
        """Positive sizes, and at most one to be worked out."""
        require_at_least(1, size=[size for size in self.size if size != -1])
        require(self.size.count(-1) <= 1, f"only one number of size={self.size} may be -1", "size")

    def shape(self, *inputs: Shape) -> Shape:
        """The shape rule."""
        elements, known = math.prod(inputs[0]), math.prod(size for size in self.size if size != -1)
        fits = elements % known == 0 if -1 in self.size else elements == known
        require(fits, f"the {elements} numbers of {written(inputs[0])} do not fill {written(self.size)}", "size")
        return tuple(elements // known if size == -1 else size for size in self.size)

    def reference(self, *inputs: Array, **parameters: Array) -> Array:
        """A reshape."""
        return inputs[0].reshape(len(inputs[0]), *self.shape(inputs[0].shape[1:]))

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """More and fewer dimensions, and integers."""
        return (
            Case(cls((3, 5, 7)), (f32(105),), "more dimensions"),
            Case(cls((-1, 6)), (f32(4, 3, 2),), "a size worked out"),
            Case(cls((8, 8)), (f16(4, 4, 4),), "half precision"),
            Case(cls((9, 4)), (i8(4, 9),), "i8"),
            Case(cls((2, -1)), (u8(6, 3),), "u8"),
        )


@dataclass(frozen=True)
class Permute(Movement):
    """The dimensions in another order: dimension i of the result is dimension dims[i] of x.

    `dims` leaves out the batch, which stays first, and so is an order of 1, 2, 3, ...: permute((2, 3, 1)) makes
    [N, C, H, W] into [N, H, W, C].
    """

    name: ClassVar[str] = "permute"

    dims: tuple[int, ...]

    def axes(self, rank: int) -> tuple[int, ...]:
        """The axis of x (batch = 0) for each axis of the result besides the batch."""
        axes = tuple(axis_of(dim, rank, "dims") for dim in self.dims)
        complete = f"dims={self.dims} must name each of the dimensions 1 to {rank} once"
        require(sorted(axes) == list(range(1, rank + 1)), complete, "dims")
        return axes

    def shape(self, *inputs: Shape) -> Shape:
        """The shape rule."""
        return tuple(inputs[0][axis - 1] for axis in self.axes(len(inputs[0])))

    def reference(self, *inputs: Array, **parameters: Array) -> Array:
        """A transpose."""
        return inputs[0].transpose(0, *self.axes(inputs[0].ndim - 1))

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """Channels last and first, matrices, and integers."""
        return (
            Case(cls((2, 3, 1)), (f32(3, 5, 7),), "channels last"),
            Case(cls((3, 1, 2)), (f32(5, 7, 9),), "channels first"),
            Case(cls((2, 1)), (f16(4, 9),), "half precision"),
            Case(cls((-1, 1, 2)), (i8(3, 4, 5),), "i8, from the end"),
            Case(cls((1, 3, 2)), (u8(3, 4, 5),), "u8"),
        )


@dataclass(frozen=True)
class Concat(Movement):
    """Tensors one after the other along a dimension, 1 (the channels) by default.

    x, ...: [N, C1, H, W], [N, C2, H, W], ... -> [N, C1 + C2 + ..., H, W].
    """

    name: ClassVar[str] = "concat"
    variadic: ClassVar[bool] = True

    dim: int = 1

    def shape(self, *inputs: Shape) -> Shape:
        """The shape rule."""
        first = inputs[0]
        index = axis_of(self.dim, len(first)) - 1
        for other in inputs[1:]:
            agree = len(other) == len(first) and all(
                a == b for at, (a, b) in enumerate(zip(first, other, strict=True)) if at != index
            )
            differ = f"concat along dim={self.dim} takes shapes that agree elsewhere, not"
            require(agree, f"{differ} {written(first)} and {written(other)}")
        return (*first[:index], sum(shape[index] for shape in inputs), *first[index + 1 :])

    def reference(self, *inputs: Array, **parameters: Array) -> Array:
        """A concatenation; a constant's batch of one is repeated."""
        batch = max(len(x) for x in inputs)
        full = [np.broadcast_to(x, (batch, *x.shape[1:])) for x in inputs]
        return np.concatenate(full, axis_of(self.dim, inputs[0].ndim - 1))

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """Two and three operands, other dimensions, and integers."""
        return (
            Case(cls(), (f32(3, 5, 7), f32(6, 5, 7)), "channels"),
            Case(cls(2), (f32(3, 5, 7), f32(3, 2, 7), f32(3, 1, 7)), "rows, three operands"),
            Case(cls(-1), (f16(4, 8), f16(4, 3)), "from the end"),
            Case(cls(), (i8(9, 4, 4), i8(1, 4, 4)), "i8"),
            Case(cls(3), (u8(3, 4, 4), u8(3, 4, 5)), "u8, columns"),
            Case(cls(), (f32(5),), "one operand"),
        )


@dataclass(frozen=True)
class Slice(Movement):
    """Every step-th number from start to before end along a dimension, as Python slices: x[:, ..., start:end:step].

    `start` and `end` may count from the end; `end` left out means all the rest. `split` in the language is several
    of these.
    """

    name: ClassVar[str] = "slice"

    dim: int
    start: int = 0
    end: int | None = None
    step: int = 1

    def __post_init__(self) -> None:
        """A step forward."""
        require_at_least(1, step=self.step)

    def indices(self, size: int) -> range:
        """What is kept of a dimension of `size`."""
        return range(*slice(self.start, self.end, self.step).indices(size))

    def shape(self, *inputs: Shape) -> Shape:
        """The shape rule."""
        index = axis_of(self.dim, len(inputs[0])) - 1
        size = inputs[0][index]
        end = size if self.end is None else self.end
        require(-size <= self.start < size, f"start={self.start} lies outside of a dimension of {size}", "start")
        require(-size <= end <= size, f"end={end} lies outside of a dimension of {size}", "end")
        require(len(self.indices(size)) > 0, f"nothing lies between start={self.start} and end={end} of {size}", "end")
        return (*inputs[0][:index], len(self.indices(size)), *inputs[0][index + 1 :])

    def reference(self, *inputs: Array, **parameters: Array) -> Array:
        """A slice."""
        axis = axis_of(self.dim, inputs[0].ndim - 1)
        return inputs[0][(slice(None),) * axis + (slice(self.start, self.end, self.step),)]

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """Every attribute and integers."""
        return (
            Case(cls(1, 0, 3), (f32(9, 5, 7),), "the first channels"),
            Case(cls(1, 3), (f32(9, 5, 7),), "all the rest"),
            Case(cls(3, -3, -1), (f32(3, 5, 7),), "from the end"),
            Case(cls(2, 1, 6, 2), (f32(3, 6, 4),), "a step"),
            Case(cls(-1, 1), (f16(4, 8),), "half precision"),
            Case(cls(1, 2, 5), (i8(8, 4, 4),), "i8"),
            Case(cls(2, 0, None, 2), (u8(3, 5, 5),), "u8"),
        )


@dataclass(frozen=True)
class Pad(Movement):
    """A border of one value around the last dimensions, as torch.nn.functional.pad's constant mode.

    `pad`: (left, right) or (left, right, top, bottom), and so on: the last dimension comes first.
    x: [N, C, H, W] -> [N, C, H + top + bottom, W + left + right].
    """

    name: ClassVar[str] = "pad"

    pad: tuple[int, ...]
    value: float = 0.0

    def __post_init__(self) -> None:
        """Whole pairs of numbers that are not negative."""
        require(len(self.pad) > 0 and len(self.pad) % 2 == 0, f"pad takes pairs of numbers, not {self.pad}", "pad")
        require_at_least(0, pad=self.pad)

    def borders(self, rank: int) -> tuple[tuple[int, int], ...]:
        """(before, after) for each of `rank` dimensions, in their order, the batch left out."""
        named = tuple(zip(self.pad[::2], self.pad[1::2], strict=True))[::-1]
        require(len(named) <= rank, f"pad={self.pad} names {len(named)} dimensions, and there are {rank}", "pad")
        return ((0, 0),) * (rank - len(named)) + named

    def shape(self, *inputs: Shape) -> Shape:
        """The shape rule."""
        borders = self.borders(len(inputs[0]))
        return tuple(before + size + after for size, (before, after) in zip(inputs[0], borders, strict=True))

    def dtype(self, *inputs: DType) -> DType:
        """The type of x, which must hold the value."""
        dtype = same_type(self.name, inputs)
        if dtype not in FLOATS:
            limits = np.iinfo(NUMPY[dtype])
            fits = float(self.value).is_integer() and limits.min <= self.value <= limits.max
            require(fits, f"value={self.value} is no {dtype}", "value")
        return dtype

    def reference(self, *inputs: Array, **parameters: Array) -> Array:
        """A constant border."""
        x = inputs[0]
        return np.pad(x, ((0, 0), *self.borders(x.ndim - 1)), constant_values=x.dtype.type(self.value))

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """Every side, other ranks, values, and integers."""
        return (
            Case(cls((1, 2, 3, 0)), (f32(3, 5, 7),), "four sides"),
            Case(cls((0, 3), 1.5), (f32(3, 5, 7),), "one dimension, a value"),
            Case(cls((0, 0, 0, 0, 2, 1)), (f32(3, 4, 4),), "channels"),
            Case(cls((1, 1)), (f16(4, 8),), "half precision"),
            Case(cls((1, 1, 1, 1)), (i8(5, 4, 4),), "i8"),
            Case(cls((0, 1, 0, 1), 7), (u8(3, 4, 4),), "u8, a value"),
        )
