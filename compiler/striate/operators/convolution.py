"""Convolutions: weighted sums over a sliding window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from striate.operators.numerics import add_bias, narrowed, sum_of_products
from striate.operators.rules import BYTES, accumulator_type, require, require_at_least, require_rank
from striate.operators.schema import Case, Operator, f16, f32, i8, u8
from striate.operators.windows import Windowed, pair
from striate.tensor import Array, DType, Shape, TensorType

_COLUMN_BYTES = 1 << 27
"""How much memory the unfolded windows of one slice of the batch may take."""


@dataclass(frozen=True)
class Conv2d(Windowed):
    """A learnt filter over an image.

    y[k, i, j] = bias[k] + sum over c, r, s of weight[k, c, r, s] x[c, i stride + r dilation, j stride + s dilation].
    x: [N, C, H, W] -> [N, out_channels, H', W'], H' = (H + top + bottom - dilation * (kernel - 1) - 1) // stride + 1.
    weight: [out_channels, C / groups, kernel height, kernel width], bias: [out_channels].
    `padding`: one number, (height, width), (left, right, top, bottom), or `same` (ceil(H / stride) rows).
    `groups` splits input and output channels into that many independent convolutions; groups = C is depthwise.
    i8 or u8 x takes i8 weights and an i32 bias, and gives the exact i32 sum (modulo 2^32). The bias starts the
    accumulator, so it costs no operation of its own.
    """

    name: ClassVar[str] = "conv2d"
    WORDS: ClassVar[dict[str, tuple[str, ...]]] = {"padding": ("same",)}

    out_channels: int
    kernel_size: int | tuple[int, int]
    stride: int | tuple[int, int] = 1
    padding: int | tuple[int, ...] | str = 0
    dilation: int | tuple[int, int] = 1
    groups: int = 1
    bias: bool = True

    def __post_init__(self) -> None:
        """Positive sizes, and groups that divide the output channels."""
        super().__post_init__()
        require_groups(self.out_channels, self.groups)

    def shape(self, *inputs: Shape) -> Shape:
        """The shape rule."""
        require_rank(self.name, "C, H, W", inputs[0])
        require_divisible(inputs[0][0], self.groups)
        return (self.out_channels, *self.slide(inputs[0])[1:])

    def dtype(self, *inputs: DType) -> DType:
        """Floats give their own type, bytes i32."""
        return accumulator_type(self.name, inputs)

    def parameters(self, *inputs: TensorType) -> dict[str, TensorType]:
        """The weight, and the bias if there is one."""
        weight = (self.out_channels, inputs[0].shape[0] // self.groups, *self.kernel)
        return weight_and_bias(inputs[0].dtype, weight, self.out_channels if self.bias else None)

    def reference(self, *inputs: Array, **parameters: Array) -> Array:
        """Unfold the windows into columns, then one matrix product per group."""
        x, weight = inputs[0], parameters["weight"]
        n, c = x.shape[:2]
        rows, columns = self.positions(*x.shape[2:])
        taps = self.kernel[0] * self.kernel[1]
        matrix = weight.reshape(self.groups, self.out_channels // self.groups, -1)
        step = max(1, _COLUMN_BYTES // (c * taps * rows * columns * max(4, x.itemsize)))
        parts: list[Array] = []
        for start in range(0, n, step):
            windows = np.stack(list(self.taps(x[start : start + step])), axis=2)
            unfolded = windows.reshape(-1, self.groups, c // self.groups * taps, rows * columns)
            parts.append(sum_of_products(matrix, unfolded))
        y = np.concatenate(parts).reshape(n, self.out_channels, rows, columns)
        return narrowed(add_bias(y, parameters.get("bias"), axis=1), x)

    def macs(self, *inputs: TensorType) -> int:
        """One for each weight of its filter, for each number of the result."""
        (kh, kw), channels = self.kernel, inputs[0].shape[0] // self.groups
        return self.result(*inputs).elements * channels * kh * kw

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """Every attribute, ragged sizes, and integers."""
        return (
            Case(cls(8, 3), (f32(3, 9, 11),), "defaults"),
            Case(cls(5, 1), (f32(7, 6, 5),), "1x1"),
            Case(cls(16, 3, 2, 1, bias=False), (f32(16, 13, 10),), "stride and padding"),
            Case(cls(4, (3, 5), (2, 1), (1, 2)), (f32(2, 8, 9),), "pairs"),
            Case(cls(4, 3, padding=(0, 1, 2, 0)), (f32(3, 7, 7),), "asymmetric padding"),
            Case(cls(6, (4, 3), padding="same"), (f32(3, 9, 8),), "same"),
            Case(cls(6, 3, 2, "same"), (f32(3, 8, 9),), "same with a stride"),
            Case(cls(6, 3, padding=2, dilation=2), (f32(3, 8, 8),), "dilation"),
            Case(cls(6, 3, dilation=(1, 3)), (f32(1, 5, 9),), "dilation of a pair, one channel"),
            Case(cls(12, 3, padding=1, groups=3), (f32(6, 7, 5),), "groups"),
            Case(cls(9, 3, padding=1, groups=9, bias=False), (f32(9, 6, 6),), "depthwise"),
            Case(cls(10, 5, 2, 2, groups=5), (f32(5, 11, 9),), "depthwise with a multiplier"),
            Case(cls(8, 3, padding=1), (f16(8, 8, 8),), "half precision"),
            Case(cls(33, 3, padding=1), (f32(17, 5, 5),), "ragged channels", batch=3),
            Case(cls(8, 3, padding=1), (i8(16, 8, 8),), "i8"),
            Case(cls(7, 5, 2, 2), (u8(3, 9, 9),), "u8, ragged"),
            Case(cls(8, 3, padding=1, groups=8), (u8(8, 7, 7),), "u8, depthwise"),
            Case(cls(6, 1, bias=False), (i8(33, 4, 4),), "i8, 1x1"),
        )


@dataclass(frozen=True)
class Conv1d(Operator):
    """A learnt filter over a signal: conv2d on an image of one row.

    x: [N, C, L] -> [N, out_channels, L'], L' = (L + left + right - dilation * (kernel - 1) - 1) // stride + 1.
    weight: [out_channels, C / groups, kernel], bias: [out_channels]. `padding`: one number, (left, right) or `same`.
    """

    name: ClassVar[str] = "conv1d"
    WORDS: ClassVar[dict[str, tuple[str, ...]]] = {"padding": ("same",)}

    out_channels: int
    kernel_size: int
    stride: int = 1
    padding: int | tuple[int, int] | str = 0
    dilation: int = 1
    groups: int = 1
    bias: bool = True

    def __post_init__(self) -> None:
        """The limits of conv2d."""
        self.as_conv2d()

    def as_conv2d(self) -> Conv2d:
        """The convolution that does the same on [N, C, 1, L] with the weight as [K, C / groups, 1, kernel]."""
        padding = self.padding
        if not isinstance(padding, str):
            left, right = pair(padding)
            padding = (left, right, 0, 0)
        steps = ((1, self.stride), padding, (1, self.dilation), self.groups, self.bias)
        return Conv2d(self.out_channels, (1, self.kernel_size), *steps)

    def shape(self, *inputs: Shape) -> Shape:
        """The shape rule."""
        require_rank(self.name, "C, L", inputs[0])
        channels, length = inputs[0]
        out_channels, _, positions = self.as_conv2d().shape((channels, 1, length))
        return out_channels, positions

    def dtype(self, *inputs: DType) -> DType:
        """Floats give their own type, bytes i32."""
        return accumulator_type(self.name, inputs)

    def parameters(self, *inputs: TensorType) -> dict[str, TensorType]:
        """The weight, and the bias if there is one."""
        weight = (self.out_channels, inputs[0].shape[0] // self.groups, self.kernel_size)
        return weight_and_bias(inputs[0].dtype, weight, self.out_channels if self.bias else None)

    def reference(self, *inputs: Array, **parameters: Array) -> Array:
        """conv2d on an image of one row."""
        image = {**parameters, "weight": parameters["weight"][:, :, None, :]}
        return self.as_conv2d().reference(inputs[0][:, :, None, :], **image)[:, :, 0, :]

    def macs(self, *inputs: TensorType) -> int:
        """One for each weight of its filter, for each number of the result."""
        return self.result(*inputs).elements * inputs[0].shape[0] // self.groups * self.kernel_size

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """Every attribute, and integers."""
        return (
            Case(cls(8, 3), (f32(3, 11),), "defaults"),
            Case(cls(6, 5, 2, 2, bias=False), (f32(7, 16),), "stride and padding"),
            Case(cls(4, 3, 1, (2, 0), 2), (f32(1, 9),), "causal, dilated"),
            Case(cls(9, 4, padding="same", groups=9), (f32(9, 10),), "same, depthwise"),
            Case(cls(8, 3), (f16(8, 12),), "half precision"),
            Case(cls(5, 3, padding=1), (u8(4, 9),), "u8"),
            Case(cls(6, 3, 2, groups=2), (i8(4, 9),), "i8, groups"),
        )


def weight_and_bias(dtype: DType, weight: Shape, biases: int | None) -> dict[str, TensorType]:
    """The parameters of a weighted sum: like x for floats, an i8 weight and an i32 bias for bytes."""
    of_bytes = dtype in BYTES
    roles = {"weight": TensorType("i8" if of_bytes else dtype, weight)}
    if biases is not None:
        roles["bias"] = TensorType("i32" if of_bytes else dtype, (biases,))
    return roles


def require_groups(out_channels: int, groups: int) -> None:
    """Both are positive, and groups divide the output channels."""
    require_at_least(1, out_channels=out_channels, groups=groups)
    require(out_channels % groups == 0, f"{groups} groups do not divide {out_channels} output channels", "groups")


def require_divisible(channels: int, groups: int) -> None:
    """Groups divide the input channels."""
    require(channels % groups == 0, f"{groups} groups do not divide {channels} input channels", "groups")
