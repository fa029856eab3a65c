"""Real factors as an integer multiplier and a right shift, which every machine can apply exactly."""

from __future__ import annotations

import math

import numpy as np

from striate.tensor import Array

SMALLEST_MULTIPLIER = 1 << 30
LARGEST_SHIFT = 62
LARGEST_FACTOR = float((1 << 31) - 1) / 2
"""What the largest multiplier and the smallest shift, 1, make."""


def fixed_point(factor: float) -> tuple[int, int]:
    """(multiplier, shift) with multiplier in [2^30, 2^31) and |multiplier / 2^shift - factor| <= 2^-31 * factor.

    A factor below 2^-32 becomes 2^-32, which brings every i32 to 0, as the factor itself would.
    """
    assert 0 < factor <= LARGEST_FACTOR, f"a requantization by {factor} has no multiplier and shift"
    fraction, exponent = math.frexp(factor)
    multiplier, shift = round(fraction * (1 << 31)), 31 - exponent
    if multiplier == 1 << 31:
        multiplier, shift = multiplier >> 1, shift - 1
    if shift > LARGEST_SHIFT:
        return SMALLEST_MULTIPLIER, LARGEST_SHIFT
    return multiplier, shift


def fixed_points(factors: Array) -> tuple[Array, Array]:
    """`fixed_point` of each factor: two i32 arrays of the same shape."""
    pairs = np.array([fixed_point(float(factor)) for factor in factors.ravel()], dtype=np.int32)
    return pairs[:, 0].reshape(factors.shape).copy(), pairs[:, 1].reshape(factors.shape).copy()
