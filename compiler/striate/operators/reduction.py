"""Reductions: one number for all that lie along some dimensions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from striate.operators.numerics import narrowed, widened, wrapped
from striate.operators.rules import BYTES, axes_of, axis_of, float_type, same_type
from striate.operators.schema import Case, Operator, f16, f32, i8, i32, u8
from striate.tensor import Array, DType, Shape, TensorType


class Reduction(Operator):
    """Takes away the dimensions `dim`, or leaves them as 1 with `keepdim`."""

    dim: int | tuple[int, ...]
    keepdim: bool

    def axes(self, rank: int) -> tuple[int, ...]:
        """The axes (batch = 0) that are taken away."""
        return axes_of(self.dim, rank)

    def shape(self, *inputs: Shape) -> Shape:
        """The shape rule."""
        gone = self.axes(len(inputs[0]))
        sizes = ((1 if axis in gone else size, axis) for axis, size in enumerate(inputs[0], start=1))
        return tuple(size for size, axis in sizes if self.keepdim or axis not in gone)

    def operations(self, *inputs: TensorType) -> int:
        """One for each number of x."""
        return inputs[0].elements


@dataclass(frozen=True)
class ReduceMean(Reduction):
    """The mean along one or several dimensions.

    x: [N, C, H, W] -> [N, C] for dim=(2, 3), [N, C, 1, 1] with keepdim. For floats.
    """

    name: ClassVar[str] = "reduce_mean"

    dim: int | tuple[int, ...]
    keepdim: bool = False

    def dtype(self, *inputs: DType) -> DType:
        """Floats only."""
        return float_type(self.name, inputs)

    def reference(self, *inputs: Array, **parameters: Array) -> Array:
        """The mean; f16 is summed in f32."""
        x = widened(inputs[0])
        return narrowed(x.mean(self.axes(x.ndim - 1), keepdims=self.keepdim), inputs[0])

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """One dimension, several, kept."""
        return (
            Case(cls((2, 3)), (f32(9, 5, 7),), "the image"),
            Case(cls(1), (f32(9, 5, 7),), "channels"),
            Case(cls((-1, -2), True), (f32(3, 4, 5),), "kept, from the end"),
            Case(cls((1, 2, 3)), (f32(3, 4, 5),), "everything"),
            Case(cls(1), (f16(33),), "half precision"),
        )


@dataclass(frozen=True)
class ReduceSum(Reduction):
    """The sum along one or several dimensions. i8 and u8 give i32; i32 is summed modulo 2^32.

    x: [N, C, H, W] -> [N, C] for dim=(2, 3), [N, C, 1, 1] with keepdim.
    """

    name: ClassVar[str] = "reduce_sum"

    dim: int | tuple[int, ...]
    keepdim: bool = False

    def dtype(self, *inputs: DType) -> DType:
        """i32 for bytes, like x otherwise."""
        dtype = same_type(self.name, inputs)
        return "i32" if dtype in BYTES else dtype

    def reference(self, *inputs: Array, **parameters: Array) -> Array:
        """The sum; f16 is summed in f32, integers in 64 bits."""
        x = inputs[0]
        axes = self.axes(x.ndim - 1)
        if x.dtype.kind != "f":
            return wrapped(x.sum(axes, dtype=np.int64, keepdims=self.keepdim))
        return narrowed(widened(x).sum(axes, keepdims=self.keepdim), x)

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """One dimension, several, kept, and integers."""
        return (
            Case(cls((2, 3)), (f32(9, 5, 7),), "the image"),
            Case(cls(2, True), (f32(3, 5, 7),), "rows, kept"),
            Case(cls(1), (f16(33),), "half precision"),
            Case(cls((2, 3)), (i8(9, 5, 5),), "i8"),
            Case(cls(1), (u8(300, 2),), "u8"),
            Case(cls(2), (i32(3, 9),), "i32"),
        )


@dataclass(frozen=True)
class ReduceMax(Reduction):
    """The largest number along one or several dimensions. Acts on integers as it is.

    x: [N, C, H, W] -> [N, C] for dim=(2, 3), [N, C, 1, 1] with keepdim.
    """

    name: ClassVar[str] = "reduce_max"

    dim: int | tuple[int, ...]
    keepdim: bool = False

    def dtype(self, *inputs: DType) -> DType:
        """The type of x."""
        return same_type(self.name, inputs)

    def reference(self, *inputs: Array, **parameters: Array) -> Array:
        """The maximum."""
        return inputs[0].max(self.axes(inputs[0].ndim - 1), keepdims=self.keepdim)

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """One dimension, several, kept, and integers."""
        return (
            Case(cls((2, 3)), (f32(9, 5, 7),), "the image"),
            Case(cls(1, True), (f32(3, 5, 7),), "channels, kept"),
            Case(cls(1), (f16(33),), "half precision"),
            Case(cls((2, 3)), (i8(9, 5, 5),), "i8"),
            Case(cls(-1), (u8(3, 4, 9),), "u8"),
            Case(cls(1), (i32(9, 4),), "i32"),
        )


@dataclass(frozen=True)
class Argmax(Operator):
    """Where the largest number along a dimension stands, from 0; the first of equals.

    x: [N, C] -> [N] i32 for dim=1, [N, 1] with keepdim.
    """

    name: ClassVar[str] = "argmax"

    dim: int = 1
    keepdim: bool = False

    def shape(self, *inputs: Shape) -> Shape:
        """The shape rule."""
        axis = axis_of(self.dim, len(inputs[0]))
        return (*inputs[0][: axis - 1], *([1] if self.keepdim else []), *inputs[0][axis:])

    def dtype(self, *inputs: DType) -> DType:
        """i32, from anything."""
        same_type(self.name, inputs)
        return "i32"

    def reference(self, *inputs: Array, **parameters: Array) -> Array:
        """numpy's argmax."""
        x = inputs[0]
        return x.argmax(axis_of(self.dim, x.ndim - 1), keepdims=self.keepdim).astype(np.int32)

    def operations(self, *inputs: TensorType) -> int:
        """One comparison for each number of x."""
        return inputs[0].elements

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """Classes, channels, kept, and integers (where there are ties)."""
        return (
            Case(cls(), (f32(10),), "classes"),
            Case(cls(1, True), (f32(9, 4, 5),), "channels, kept"),
            Case(cls(-1), (f16(4, 33),), "half precision"),
            Case(cls(2), (i8(3, 300),), "i8, with ties"),
            Case(cls(), (u8(9, 3, 3),), "u8"),
            Case(cls(), (i32(33),), "i32"),
        )
