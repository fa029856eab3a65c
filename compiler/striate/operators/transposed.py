"""The convolution that enlarges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from striate.operators.convolution import require_divisible, require_groups, weight_and_bias
from striate.operators.numerics import add_bias, narrowed, sum_of_products
from striate.operators.rules import accumulator_type, require, require_at_least, require_rank
from striate.operators.schema import Case, f16, f32, i8, u8
from striate.operators.windows import Windowed, pair
from striate.tensor import Array, DType, Shape, TensorType


@dataclass(frozen=True)
class ConvTranspose2d(Windowed):
    """Each pixel paints its filter onto a larger image: the adjoint of conv2d (Zeiler et al. 2010).

    y[k, i*stride + r*dilation - top, j*stride + s*dilation - left] += weight[c, k, r, s] x[c, i, j], on bias[k].
    x: [N, C, H, W] -> [N, out_channels, H', W'],
    H' = (H - 1) * stride - top - bottom + dilation * (kernel - 1) + 1 + output_padding.
    weight: [C, out_channels / groups, kernel height, kernel width], bias: [out_channels]. `padding` crops the result;
    `output_padding` adds rows below and columns to the right, and is smaller than the stride or the dilation.
    """

    name: ClassVar[str] = "conv_transpose2d"

    out_channels: int
    kernel_size: int | tuple[int, int]
    stride: int | tuple[int, int] = 1
    padding: int | tuple[int, ...] = 0
    output_padding: int | tuple[int, int] = 0
    groups: int = 1
    bias: bool = True
    dilation: int | tuple[int, int] = 1

    def __post_init__(self) -> None:
        """Positive sizes, groups that divide the output channels, a small output padding."""
        super().__post_init__()
        require_groups(self.out_channels, self.groups)
        require_at_least(0, output_padding=self.output_padding)
        for extra, stride, dilation in zip(pair(self.output_padding), self.strides, self.dilations, strict=True):
            limit = f"output_padding={extra} must be smaller than the stride ({stride}) or the dilation ({dilation})"
            require(extra < max(stride, dilation), limit, "output_padding")

    def painted(self, h: int, w: int) -> tuple[int, int]:
        """The size of the image that is painted, before `padding` crops it: (height, width)."""
        (rh, rw), (sh, sw), (eh, ew) = self.reach, self.strides, pair(self.output_padding)
        return (h - 1) * sh + rh + eh, (w - 1) * sw + rw + ew

    def positions(self, h: int, w: int) -> tuple[int, int]:
        """The size of the result, (height, width). Raises OperatorError if the padding crops all of it."""
        left, right, top, bottom = self.declared_pads(h, w)
        tall, wide = self.painted(h, w)
        rows, columns = tall - top - bottom, wide - left - right
        require(
            rows > 0 and columns > 0,
            f"padding (left, right, top, bottom) = {(left, right, top, bottom)} leaves nothing of {tall}x{wide}",
            "padding",
        )
        return rows, columns

    def shape(self, *inputs: Shape) -> Shape:
        """The shape rule."""
        require_rank(self.name, "C, H, W", inputs[0])
        require_divisible(inputs[0][0], self.groups)
        return (self.out_channels, *self.positions(*inputs[0][1:]))

    def dtype(self, *inputs: DType) -> DType:
        """Floats give their own type, bytes i32."""
        return accumulator_type(self.name, inputs)

    def parameters(self, *inputs: TensorType) -> dict[str, TensorType]:
        """The weight, and the bias if there is one."""
        weight = (inputs[0].shape[0], self.out_channels // self.groups, *self.kernel)
        return weight_and_bias(inputs[0].dtype, weight, self.out_channels if self.bias else None)

    def reference(self, *inputs: Array, **parameters: Array) -> Array:
        """One matrix product per group gives every brush stroke; each place of the window is then painted at once."""
        x, weight = inputs[0], parameters["weight"]
        (n, c, h, w), (kh, kw), (sh, sw), (dh, dw) = x.shape, self.kernel, self.strides, self.dilations
        matrix = weight.reshape(self.groups, c // self.groups, -1).transpose(0, 2, 1)
        strokes = sum_of_products(matrix, x.reshape(n, self.groups, c // self.groups, h * w))
        strokes = strokes.reshape(n, self.out_channels, kh, kw, h, w)
        tall, wide = self.painted(h, w)
        canvas = np.zeros((n, self.out_channels, tall, wide), strokes.dtype)
        for r in range(kh):
            for s in range(kw):
                rows = slice(r * dh, r * dh + (h - 1) * sh + 1, sh)
                columns = slice(s * dw, s * dw + (w - 1) * sw + 1, sw)
                canvas[:, :, rows, columns] += strokes[:, :, r, s]
        left, right, top, bottom = self.declared_pads(h, w)
        y = canvas[:, :, top : tall - bottom, left : wide - right]
        return narrowed(add_bias(y, parameters.get("bias"), axis=1), x)

    def macs(self, *inputs: TensorType) -> int:
        """One for each weight of its filter, for each number of x (those that paint what is cropped count too)."""
        (kh, kw), channels = self.kernel, self.out_channels // self.groups
        return inputs[0].elements * channels * kh * kw

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """Every attribute, ragged sizes, and integers."""
        return (
            Case(cls(8, 3), (f32(3, 5, 7),), "defaults"),
            Case(cls(4, 2, 2), (f32(9, 4, 5),), "doubles"),
            Case(cls(5, 3, 2, 1, 1, bias=False), (f32(8, 4, 4),), "doubles, with output_padding"),
            Case(cls(6, (3, 4), (1, 2), (0, 1), (0, 1)), (f32(1, 5, 4),), "pairs, one channel"),
            Case(cls(6, 3, 2, 1, 0, 3), (f32(9, 4, 3),), "groups"),
            Case(cls(4, 3, 1, (0, 1, 2, 0), dilation=2), (f32(4, 5, 5),), "asymmetric padding, dilation"),
            Case(cls(7, 2, 3), (f32(7, 3, 3),), "gaps between strokes"),
            Case(cls(8, 4, 2, 1), (f16(8, 4, 4),), "half precision"),
            Case(cls(5, 4, 2, 1), (i8(8, 4, 4),), "i8"),
            Case(cls(6, 2, 2, groups=2), (u8(4, 3, 5),), "u8, groups"),
        )
