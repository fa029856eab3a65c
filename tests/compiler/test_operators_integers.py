"""The integer operators, against exact arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from operator_cases import cases_of, titled

from striate.operators import OPERATORS
from striate.operators.convolution import Conv2d
from striate.operators.linear import Linear
from striate.operators.quantized import Dequantize, Lookup, Quantize, Requantize
from striate.operators.reduction import ReduceSum
from striate.operators.schema import Case


def test_quantize_rounds_halves_to_even_and_saturates() -> None:
    x = np.array([[0.25, 0.75, 1.25, -0.25, -0.75, 0.5, 99.0, -99.0]], np.float32)
    assert Quantize(0.5).reference(x).tolist() == [[0, 2, 2, 0, -2, 1, 127, -127]]
    assert Quantize(0.5, "u8").reference(x).tolist() == [[0, 2, 2, 0, 0, 1, 198, 0]]


@pytest.mark.parametrize("case", cases_of(Requantize), ids=titled)
def test_requantize_is_exact_integer_arithmetic(case: Case) -> None:
    operator = case.operator
    assert isinstance(operator, Requantize)
    (x,), parameters = case.arrays(5)
    low, high = operator.limits
    y = operator.reference(x, **parameters)
    for index in np.ndindex(*x.shape):
        multiplier, shift = int(parameters["multiplier"][index[1]]), int(parameters["shift"][index[1]])
        exact = (int(x[index]) * multiplier + 2 ** (shift - 1)) // 2**shift
        assert y[index] == min(max(exact, low), high)


def test_requantize_holds_the_largest_product() -> None:
    x = np.array([[2**31 - 1, -(2**31)]], np.int32)
    most = np.full(2, 2**31 - 1, np.int32)
    y = Requantize("i32").reference(x, multiplier=most, shift=np.full(2, 31, np.int32))
    assert y.tolist() == [[2**31 - 2, -(2**31) + 1]]


def test_dequantize_is_one_product_in_single_precision() -> None:
    x = np.array([[[3, -7]], [[100, 1]]], np.int32).reshape(1, 2, 2)
    scale = np.array([0.1, 0.3], np.float32)
    y = Dequantize().reference(x, scale=scale)
    assert y.dtype == np.float32
    assert y[0].tolist() == [[np.float32(v) * scale[c] for v in x[0, c]] for c in range(2)]


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_lookup_reads_its_table_for_every_byte(dtype: type[np.int8 | np.uint8]) -> None:
    limits = np.iinfo(dtype)
    x = np.arange(limits.min, limits.max + 1).astype(dtype)[None]
    table = np.random.default_rng(0).integers(-127, 128, 256).astype(np.int8)
    assert (Lookup().reference(x, table=table)[0] == table).all()


@pytest.mark.parametrize(("low", "high"), [(-128, 127), (0, 255)])
def test_byte_sums_are_exact_far_beyond_16_bits(low: int, high: int) -> None:
    dtype = np.int8 if low else np.uint8
    x = np.full((1, 600, 3, 3), high if low == 0 else low, dtype)
    weight = np.full((2, 600, 3, 3), -128, np.int8)
    y = Conv2d(2, 3, bias=False).reference(x, weight=weight)
    assert y.dtype == np.int32
    assert (y == int(x.flat[0]) * -128 * 5400).all()
    odd = np.full((2, 5400), 127, np.int8)
    assert (Linear(2, False).reference(x.reshape(1, -1), weight=odd) == int(x.flat[0]) * 127 * 5400).all()


def test_i32_sums_wrap_as_documented() -> None:
    top = np.array([[2**31 - 1]], np.int32)
    assert OPERATORS["add"]().reference(top, top).tolist() == [[-2]]
    assert OPERATORS["sub"]().reference(-top, np.array([[2]], np.int32)).tolist() == [[2**31 - 1]]
    assert ReduceSum(1).reference(np.repeat(top, 3, 1)).tolist() == [2**31 - 3]
