"""The integer formulas against Python's unbounded integers and fractions, number by number."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from striate.operators.activation import Sigmoid
from striate.operators.quantized import LIMITS, Requantize
from striate.passes.quantization.calibrate import Range
from striate.passes.quantization.coding import Coding, all_codes, coding_for
from striate.passes.quantization.fixed_point import LARGEST_FACTOR, fixed_point, fixed_points
from striate.passes.quantization.weights import quantize_weights

FACTORS = st.floats(2.0**-31, LARGEST_FACTOR, exclude_min=True)


@given(FACTORS)
def test_a_multiplier_and_its_shift_are_within_one_part_in_two_to_the_31(factor: float) -> None:
    multiplier, shift = fixed_point(factor)
    assert 2**30 <= multiplier < 2**31
    assert 1 <= shift <= 62
    assert abs(Fraction(multiplier, 2**shift) - Fraction(factor)) * 2**31 <= Fraction(factor)


@given(st.floats(2.0**-200, 2.0**-33), st.integers(-(2**31), 2**31 - 1))
def test_a_factor_too_small_for_any_shift_brings_everything_to_zero(factor: float, accumulator: int) -> None:
    multiplier, shift = fixed_point(factor)
    assert (accumulator * multiplier + (1 << (shift - 1))) >> shift == 0


@given(
    st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=8), FACTORS, st.sampled_from(["i8", "u8", "i32"])
)
def test_requantize_is_the_formula_in_unbounded_integers(accumulators: list[int], factor: float, to: str) -> None:
    multiplier, shift = fixed_points(np.array([factor]))
    x = np.array(accumulators, np.int32).reshape(-1, 1)
    found = Requantize(to).reference(x, multiplier=multiplier, shift=shift)
    low, high = LIMITS[to]
    m, s = int(multiplier[0]), int(shift[0])
    assert [int(y) for y in found[:, 0]] == [min(max((a * m + (1 << (s - 1))) >> s, low), high) for a in accumulators]


@given(st.integers(-(2**31), 2**31 - 1), FACTORS)
def test_requantize_is_the_rounded_product_but_for_the_last_bit_of_ties(accumulator: int, factor: float) -> None:
    multiplier, shift = fixed_point(factor)
    exact = accumulator * Fraction(factor)
    error = abs(((accumulator * multiplier + (1 << (shift - 1))) >> shift) - exact)
    assert error <= Fraction(1, 2) + abs(exact) / 2**31


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6), st.floats(1e-6, 1e6))
def test_the_largest_code_stands_for_the_magnitude(low: float, span: float, magnitude: float) -> None:
    coding = coding_for(Range(low, low + span, magnitude))
    assert coding.dtype == ("u8" if low >= 0 else "i8")
    assert (coding.low, coding.high) == LIMITS[coding.dtype]
    assert np.float32(coding.scale) == coding.scale
    assert abs(coding.scale * coding.high - magnitude) <= 1e-6 * magnitude


@given(st.integers(0, 2**32 - 1))
def test_weights_and_biases_are_each_the_nearest_integer_at_their_scale(seed: int) -> None:
    rng = np.random.default_rng(seed)
    weight, bias = rng.normal(size=(3, 7)) * 10 ** rng.uniform(-3, 3, (3, 1)), rng.normal(size=3)
    integers = quantize_weights(weight, bias, 0.01, 255, per_channel=True)
    assert integers.bias is not None
    assert np.abs(integers.weight.astype(int)).max() <= 127
    weight_scale = integers.scale / 0.01
    assert (np.abs(integers.weight * weight_scale[:, None] - weight) <= weight_scale[:, None] * 0.5000001).all()
    assert (np.abs(integers.bias * integers.scale - bias) <= integers.scale * 0.5000001).all()


def test_a_table_holds_the_function_of_every_code() -> None:
    x, y = Coding("i8", 0.05, -127, 127), Coding("u8", 1 / 255, 0, 255)
    table = y.encode(Sigmoid().function(all_codes("i8") * x.scale))
    for code in range(-128, 128):
        exact = 1 / (1 + np.exp(-0.05 * code))
        assert abs(table[code + 128] / 255 - exact) <= 0.5 / 255 + 1e-12
