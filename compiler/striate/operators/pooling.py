"""Pools: one number for each window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from striate.operators.numerics import narrowed, widened, wrapped
from striate.operators.rules import BYTES, float_type, require, require_at_least, require_rank, same_type
from striate.operators.schema import Case, Operator, f16, f32, i8, i32, u8
from striate.operators.windows import Windowed, pair
from striate.tensor import Array, DType, Shape, TensorType


class Pool(Windowed):
    """A pool keeps the channels, and half a kernel of padding is the most, so that no window sees padding only."""

    WORDS: ClassVar[dict[str, tuple[str, ...]]] = {"padding": ("same",)}

    def shape(self, *inputs: Shape) -> Shape:
        """The shape rule."""
        require_rank(self.name, "C, H, W", inputs[0])
        left, right, top, bottom = self.declared_pads(*inputs[0][1:])
        kh, kw = self.kernel
        require(
            max(top, bottom) <= kh // 2 and max(left, right) <= kw // 2,
            f"padding may be at most half of the kernel of {kh}x{kw}, and is (left, right, top, bottom) = "
            f"{(left, right, top, bottom)}",
            "padding",
        )
        return self.slide(inputs[0])

    def total(self, x: Array) -> Array:
        """The sum of each window's places, in the type of x: [N, C, H, W] -> [N, C, H', W']."""
        taps = self.taps(x)
        total = next(taps).copy()
        for tap in taps:
            total += tap
        return total

    def operations(self, *inputs: TensorType) -> int:
        """One for each number in each window."""
        kh, kw = self.kernel
        return self.result(*inputs).elements * kh * kw


@dataclass(frozen=True)
class MaxPool2d(Pool):
    """The largest number in each window; padding never wins. Acts on integers as it is.

    x: [N, C, H, W] -> [N, C, H', W'], H' = (H + top + bottom - dilation * (kernel - 1) - 1) // stride + 1.
    `stride` left out is the window's size. `ceil_mode` rounds up instead, unless the last window would start in the
    padding.
    """

    name: ClassVar[str] = "max_pool2d"

    kernel_size: int | tuple[int, int]
    stride: int | tuple[int, int] | None = None
    padding: int | tuple[int, ...] | str = 0
    dilation: int | tuple[int, int] = 1
    ceil_mode: bool = False

    def dtype(self, *inputs: DType) -> DType:
        """The type of x."""
        return same_type(self.name, inputs)

    def reference(self, *inputs: Array, **parameters: Array) -> Array:
        """The largest of the window's places."""
        x = inputs[0]
        lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
        taps = self.taps(x, fill=lowest)
        largest = next(taps).copy()
        for tap in taps:
            np.maximum(largest, tap, out=largest)
        return largest

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """Every attribute, ragged sizes, and integers."""
        return (
            Case(cls(2), (f32(3, 8, 8),), "defaults"),
            Case(cls(2), (f32(5, 7, 9),), "a row and a column left over"),
            Case(cls(3, 2, 1), (f32(9, 11, 8),), "stride and padding"),
            Case(cls((2, 3), (1, 2), (1, 1)), (f32(1, 6, 9),), "pairs, one channel"),
            Case(cls(3, 2, (0, 1, 1, 0)), (f32(4, 8, 8),), "asymmetric padding"),
            Case(cls(3, 2, "same"), (f32(4, 8, 7),), "same"),
            Case(cls(2, 1, dilation=2), (f32(3, 7, 6),), "dilation"),
            Case(cls(3, 2, ceil_mode=True), (f32(3, 8, 10),), "ceil_mode"),
            Case(cls(2, 2, 1, ceil_mode=True), (f32(3, 5, 6),), "ceil_mode that drops a window in the padding"),
            Case(cls(2), (f16(8, 6, 6),), "half precision"),
            Case(cls(3, 2, 1), (i8(9, 7, 7),), "i8"),
            Case(cls(2), (u8(6, 6, 6),), "u8"),
            Case(cls(3, 1, 1), (i32(2, 5, 5),), "i32"),
        )


@dataclass(frozen=True)
class AvgPool2d(Pool):
    """The mean of each window. For floats; the integer form is sum_pool2d and a requantize.

    x: [N, C, H, W] -> [N, C, H', W'], H' = (H + top + bottom - kernel) // stride + 1; `ceil_mode` as in max_pool2d.
    Divides by how many numbers the window covers: padding counts if `count_include_pad`, overhang never.
    """

    name: ClassVar[str] = "avg_pool2d"

    kernel_size: int | tuple[int, int]
    stride: int | tuple[int, int] | None = None
    padding: int | tuple[int, ...] | str = 0
    ceil_mode: bool = False
    count_include_pad: bool = True

    def dtype(self, *inputs: DType) -> DType:
        """Floats only."""
        return float_type(self.name, inputs)

    def divisors(self, h: int, w: int) -> Array:
        """What each window's sum is divided by, [H', W']."""
        left, right, top, bottom = self.declared_pads(h, w) if self.count_include_pad else (0, 0, 0, 0)
        before = self.declared_pads(h, w)
        (kh, kw), (sh, sw), (rows, columns) = self.kernel, self.strides, self.positions(h, w)
        down = _covered(np.arange(rows) * sh - before[2], kh, -top, h + bottom)
        along = _covered(np.arange(columns) * sw - before[0], kw, -left, w + right)
        return down[:, None] * along[None, :]

    def reference(self, *inputs: Array, **parameters: Array) -> Array:
        """The sum of the window's places, divided."""
        x = widened(inputs[0])
        divisors = self.divisors(*x.shape[2:]).astype(x.dtype)
        return narrowed(self.total(x) / divisors, inputs[0])

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """Every attribute and ragged sizes."""
        return (
            Case(cls(2), (f32(3, 8, 8),), "defaults"),
            Case(cls(3, 2, 1), (f32(9, 11, 8),), "stride and padding"),
            Case(cls(3, 2, 1, count_include_pad=False), (f32(5, 9, 8),), "padding does not count"),
            Case(cls(3, 2, ceil_mode=True), (f32(3, 8, 10),), "ceil_mode"),
            Case(cls(3, 2, 1, True, False), (f32(1, 8, 6),), "ceil_mode, padding does not count"),
            Case(cls(3, 2, 1, True), (f32(2, 8, 6),), "ceil_mode, padding counts"),
            Case(cls((2, 3), (1, 2), (1, 0)), (f32(4, 6, 9),), "pairs"),
            Case(cls(2, 2, (1, 0, 0, 1)), (f32(4, 7, 7),), "asymmetric padding"),
            Case(cls(3, 1, "same"), (f32(4, 6, 5),), "same"),
            Case(cls(2), (f16(8, 6, 6),), "half precision"),
        )


@dataclass(frozen=True)
class SumPool2d(Pool):
    """The sum of each window: what avg_pool2d becomes on integers, its division folded into a requantize.

    x: [N, C, H, W] -> [N, C, H', W'], H' = (H + top + bottom - kernel) // stride + 1. i8 and u8 give i32.
    """

    name: ClassVar[str] = "sum_pool2d"

    kernel_size: int | tuple[int, int]
    stride: int | tuple[int, int] | None = None
    padding: int | tuple[int, ...] | str = 0
    ceil_mode: bool = False

    def dtype(self, *inputs: DType) -> DType:
        """i32 for integers (modulo 2^32), like x for floats."""
        dtype = same_type(self.name, inputs)
        return "i32" if dtype in BYTES else dtype

    def reference(self, *inputs: Array, **parameters: Array) -> Array:
        """The sum of the window's places."""
        x = inputs[0]
        if x.dtype.kind != "f":
            return wrapped(self.total(x.astype(np.int64)))
        return narrowed(self.total(widened(x)), x)

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """Floats and integers."""
        return (
            Case(cls(2), (f32(3, 8, 8),), "defaults"),
            Case(cls(3, 2, 1, True), (f32(5, 8, 6),), "stride, padding, ceil_mode"),
            Case(cls(7), (i8(9, 7, 7),), "i8, the whole image"),
            Case(cls((2, 3), 2, (0, 1)), (u8(4, 8, 9),), "u8, pairs"),
            Case(cls(3, 1, "same"), (u8(4, 5, 5),), "u8, same"),
            Case(cls(2), (f16(8, 6, 6),), "half precision"),
        )


@dataclass(frozen=True)
class AdaptiveAvgPool2d(Operator):
    """The mean of each cell of an output_size grid: cell i covers rows floor(i H / H') to ceil((i + 1) H / H').

    x: [N, C, H, W] -> [N, C, H', W'], where output_size is (H', W') or one number for both. For floats.
    """

    name: ClassVar[str] = "adaptive_avg_pool2d"

    output_size: int | tuple[int, int]

    def __post_init__(self) -> None:
        """A grid of at least one cell."""
        require_at_least(1, output_size=self.output_size)

    def shape(self, *inputs: Shape) -> Shape:
        """The shape rule."""
        require_rank(self.name, "C, H, W", inputs[0])
        return (inputs[0][0], *pair(self.output_size))

    def dtype(self, *inputs: DType) -> DType:
        """Floats only."""
        return float_type(self.name, inputs)

    def bounds(self, h: int, w: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """The (first, end) of each cell's rows and columns."""
        rows, columns = pair(self.output_size)
        return _cells(h, rows), _cells(w, columns)

    def reference(self, *inputs: Array, **parameters: Array) -> Array:
        """The mean over each cell."""
        x = widened(inputs[0])
        rows, columns = self.bounds(*x.shape[2:])
        cells = [[x[:, :, top:bottom, left:right].mean((2, 3)) for left, right in columns] for top, bottom in rows]
        return narrowed(np.moveaxis(np.array(cells), (0, 1), (2, 3)), inputs[0])

    def operations(self, *inputs: TensorType) -> int:
        """One addition for each number in each cell."""
        rows, columns = self.bounds(*inputs[0].shape[1:])
        return inputs[0].shape[0] * sum(b - a for a, b in rows) * sum(b - a for a, b in columns)

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """The mean of the image, cells that divide it, cells that overlap."""
        return (
            Case(cls(1), (f32(9, 7, 7),), "the whole image"),
            Case(cls(4), (f32(3, 8, 8),), "cells that divide the image"),
            Case(cls((3, 2)), (f32(5, 7, 5),), "cells that overlap"),
            Case(cls(6), (f32(1, 4, 4),), "more cells than pixels"),
            Case(cls(1), (f16(8, 5, 5),), "half precision"),
        )


def _covered(starts: Array, size: int, first: int, end: int) -> Array:
    return np.minimum(starts + size, end) - np.maximum(starts, first)


def _cells(size: int, cells: int) -> list[tuple[int, int]]:
    return [(index * size // cells, -(-(index + 1) * size // cells)) for index in range(cells)]
