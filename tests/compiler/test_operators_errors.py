"""Operators that cannot be applied say why, with the numbers, and name the guilty attribute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from striate.operators import OPERATORS
from striate.operators.schema import Operator, OperatorError, f16, f32, i8, i32, u8
from striate.tensor import TensorType


def make(name: str, *values: Any, **named: Any) -> Operator:
    constructor: Callable[..., Operator] = OPERATORS[name]
    return constructor(*values, **named)


ILLEGAL_ATTRIBUTES: list[tuple[Callable[[], Operator], str, str]] = [
    (lambda: make("conv2d", 0, 3), "out_channels", "out_channels must be at least 1, and is 0"),
    (lambda: make("conv2d", 8, 0), "kernel_size", "at least 1, and is 0"),
    (lambda: make("conv2d", 8, (3, 3, 3)), "kernel_size", "a pair"),
    (lambda: make("conv2d", 8, 3, -1), "stride", "stride must be at least 1, and is -1"),
    (lambda: make("conv2d", 8, 3, (1, 0)), "stride", "(1, 0)"),
    (lambda: make("conv2d", 8, 3, 1, -2), "padding", "at least 0, and is -2"),
    (lambda: make("conv2d", 8, 3, 1, (1, 1, 1)), "padding", "four numbers"),
    (lambda: make("conv2d", 8, 3, 1, "full"), "padding", "is one of same, not 'full'"),
    (lambda: make("conv2d", 8, 3, dilation=0), "dilation", "at least 1"),
    (lambda: make("conv2d", 8, 3, groups=3), "groups", "3 groups do not divide 8 output channels"),
    (lambda: make("conv1d", 8, 3, 0), "stride", "at least 1"),
    (lambda: make("conv_transpose2d", 8, 3, 2, padding="same"), "padding", "takes no word"),
    (lambda: make("conv_transpose2d", 8, 3, 2, 0, 2), "output_padding", "output_padding=2 must be smaller"),
    (lambda: make("linear", 0), "out_features", "at least 1"),
    (lambda: make("max_pool2d", 2, 0), "stride", "at least 1"),
    (lambda: make("adaptive_avg_pool2d", 0), "output_size", "at least 1"),
    (lambda: make("upsample", 0), "scale_factor", "at least 1"),
    (lambda: make("upsample", 2, "cubic"), "mode", "nearest, bilinear, not 'cubic'"),
    (lambda: make("upsample", 2, "nearest", True), "align_corners", "bilinear only"),
    (lambda: make("gelu", "erf"), "approximate", "none, tanh, not 'erf'"),
    (lambda: make("clip", 2.0, 1.0), "min", "min=2.0 is above max=1.0"),
    (lambda: make("batch_norm", -1.0), "eps", "at least 0"),
    (lambda: make("reshape", (-1, -1)), "size", "only one"),
    (lambda: make("reshape", (0, 4)), "size", "at least 1"),
    (lambda: make("pad", (1, 2, 3)), "pad", "pairs"),
    (lambda: make("pad", (1, -2)), "pad", "at least 0"),
    (lambda: make("slice", 1, 0, 4, 0), "step", "at least 1"),
    (lambda: make("quantize", 0.0), "scale", "f32 can hold, not 0.0"),
    (lambda: make("quantize", 1e-50), "scale", "f32 can hold, not 1e-50"),
    (lambda: make("quantize", float("nan")), "scale", "not nan"),
    (lambda: make("quantize", 0.1, "i32"), "to", "i8, u8, not 'i32'"),
    (lambda: make("requantize", "i8", low=-200), "low", "low=-200 does not fit in i8 (-128 to 127)"),
    (lambda: make("requantize", "u8", 10, 5), "low", "low=10 is above high=5"),
    (lambda: make("lookup", "f32"), "to", "not 'f32'"),
    (lambda: make("constant", (0,)), "size", "at least 1"),
    (lambda: make("constant", (1,), "f64"), "to", "not 'f64'"),
]


@pytest.mark.parametrize(
    ("attempt", "attribute", "message"), ILLEGAL_ATTRIBUTES, ids=[case[2] for case in ILLEGAL_ATTRIBUTES]
)
def test_an_illegal_attribute_is_named(attempt: Callable[[], Operator], attribute: str, message: str) -> None:
    with pytest.raises(OperatorError) as error:
        attempt()
    assert error.value.attribute == attribute
    assert message in str(error.value)


ILLEGAL_APPLICATIONS: list[tuple[Operator, tuple[TensorType, ...], str | None, str]] = [
    (make("conv2d", 8, 9), (f32(1, 8, 8),), "kernel_size", "a window of 9x9 does not fit in an image of 8x8"),
    (make("conv2d", 8, 9, padding=0), (f32(1, 8, 20),), "kernel_size", "9x9 does not fit in an image of 8x20"),
    (make("conv2d", 8, 5, padding=1), (f32(1, 2, 2),), "kernel_size", "image of 2x2 padded to 4x4"),
    (make("conv2d", 8, 3, dilation=4), (f32(1, 8, 8),), "kernel_size", "a window of 9x9"),
    (make("conv2d", 8, 3, groups=4), (f32(6, 8, 8),), "groups", "4 groups do not divide 6 input channels"),
    (make("conv2d", 8, 3), (f32(8, 8),), None, "conv2d takes [C, H, W], not [8, 8]"),
    (make("conv2d", 8, 3), (i32(1, 8, 8),), None, "its operand is i32"),
    (make("conv1d", 8, 9), (f32(1, 8),), "kernel_size", "does not fit"),
    (make("conv_transpose2d", 8, 2, padding=4), (f32(1, 3, 3),), "padding", "leaves nothing of 4x4"),
    (make("matmul"), (f32(4, 5), f32(6, 4)), None, "5 columns meet 6 rows in [4, 5] and [6, 4]"),
    (make("matmul"), (f32(2, 4, 5), f32(3, 5, 4)), None, "do not broadcast"),
    (make("matmul"), (f32(5), f32(5)), None, "matrices"),
    (make("max_pool2d", 9), (f32(1, 8, 8),), "kernel_size", "does not fit"),
    (make("max_pool2d", 2, 2, 2), (f32(1, 8, 8),), "padding", "at most half of the kernel of 2x2"),
    (make("avg_pool2d", 2), (i8(1, 8, 8),), None, "avg_pool2d works on floats, and its operand is i8"),
    (make("sigmoid"), (u8(8),), None, "sigmoid works on floats, and its operand is u8"),
    (make("prelu", 3), (f32(4, 2, 2),), "num_parameters", "1 or the number of channels, 4, not 3"),
    (make("batch_norm"), (f32(1, 2, 3, 4),), None, "[C], [C, L] or [C, H, W]"),
    (make("softmax", 0), (f32(8),), "dim", "dim=0 names the batch"),
    (make("softmax", -2), (f32(8),), "dim", "dim=-2 names the batch"),
    (make("softmax", 2), (f32(8),), "dim", "there are 1 besides the batch"),
    (make("flatten", 0), (f32(8, 8),), "start_dim", "names the batch"),
    (make("flatten", 2, 1), (f32(8, 8),), "start_dim", "start_dim=2 lies behind end_dim=1"),
    (make("reshape", (3, 5)), (f32(4, 4),), "size", "the 16 numbers of [4, 4] do not fill [3, 5]"),
    (make("reshape", (3, -1)), (f32(4, 4),), "size", "do not fill"),
    (make("permute", (1, 1, 2)), (f32(3, 4, 5),), "dims", "each of the dimensions 1 to 3 once"),
    (make("permute", (0, 2, 1)), (f32(3, 4, 5),), "dims", "names the batch"),
    (make("concat"), (f32(3, 4, 5), f32(3, 4, 6)), None, "not [3, 4, 5] and [3, 4, 6]"),
    (make("concat"), (f32(3, 4), f32(3, 4, 6)), None, "agree elsewhere"),
    (make("concat"), (f32(3, 4), f16(3, 4)), None, "not f32 and f16"),
    (make("slice", 1, 9), (f32(8, 4),), "start", "start=9 lies outside of a dimension of 8"),
    (make("slice", 1, 0, 9), (f32(8, 4),), "end", "end=9 lies outside of a dimension of 8"),
    (make("slice", 1, 4, 4), (f32(8, 4),), "end", "nothing lies between start=4 and end=4"),
    (make("pad", (1, 1, 1, 1)), (f32(8),), "pad", "names 2 dimensions, and there are 1"),
    (make("pad", (1, 1), 0.5), (i8(8),), "value", "value=0.5 is no i8"),
    (make("pad", (1, 1), -1), (u8(8),), "value", "value=-1 is no u8"),
    (make("add"), (f32(3, 4), f32(4, 4)), None, "not [3, 4] and [4, 4]"),
    (make("add"), (i8(3), i8(3)), None, "floats and i32, and its operands are i8"),
    (make("mul"), (i32(3), i32(3)), None, "its operand is i32"),
    (make("div"), (i8(3), i8(3)), None, "floats"),
    (make("upsample", 2, "bilinear"), (i8(1, 4, 4),), "mode", "floats"),
    (make("reduce_mean", (1, -3)), (f32(3, 4, 5),), "dim", "twice"),
    (make("reduce_sum", ()), (f32(3, 4, 5),), "dim", "names no dimension"),
    (make("argmax", 4), (f32(3, 4, 5),), "dim", "1 to 3"),
    (make("quantize", 0.1), (i8(8),), None, "floats"),
    (make("requantize"), (f32(8),), None, "i8, u8 and i32"),
    (make("dequantize"), (f32(8),), None, "i8, u8 and i32"),
    (make("lookup"), (i32(8),), None, "i8 and u8"),
]


@pytest.mark.parametrize(
    ("operator", "inputs", "attribute", "message"), ILLEGAL_APPLICATIONS, ids=lambda value: str(value)[:40]
)
def test_operands_that_do_not_fit_are_named_with_the_numbers(
    operator: Operator, inputs: tuple[TensorType, ...], attribute: str | None, message: str
) -> None:
    with pytest.raises(OperatorError) as error:
        operator.result(*inputs)
    assert error.value.attribute == attribute
    assert message in str(error.value)
