"""How references compute: f16 in f32, integers exactly."""

from __future__ import annotations

import numpy as np

from striate.tensor import Array

LARGEST_BYTE_PRODUCT = 255 * 255
"""No product of two 8-bit numbers is larger."""


def widened(array: Array) -> Array:
    """f16 as f32, in which its sums are taken; anything else as it is."""
    return array.astype(np.float32) if array.dtype == np.float16 else array


def narrowed(result: Array, like: Array) -> Array:
    """A float result in the precision of `like`, which may be f16; an integer one as it is."""
    return result.astype(like.dtype, copy=False) if result.dtype.kind == "f" else result


def sum_of_products(left: Array, right: Array) -> Array:
    """`left @ right`, widened: f16 gives f32, f32 and f64 their own precision, 8-bit integers the exact i32.

    Integers go through floating point, whose fast products are exact below 2^24 (f32) or 2^53 (f64). A sum beyond
    i32 wraps modulo 2^32, as it would in a machine's accumulator; 33,025 products of 8 bits can never get there.
    """
    if left.dtype.kind == "f":
        return np.matmul(widened(left), widened(right))
    largest_sum = left.shape[-1] * LARGEST_BYTE_PRODUCT
    carrier = np.float32 if largest_sum <= 2**24 else np.float64
    assert largest_sum <= 2**53, "a sum too long to be exact in double precision"
    return wrapped(np.matmul(left.astype(carrier), right.astype(carrier)).astype(np.int64))


def wrapped(sums: Array) -> Array:
    """Integers as i32, modulo 2^32."""
    return sums.astype(np.int32)


def add_bias(accumulator: Array, bias: Array | None, axis: int) -> Array:
    """The accumulator with one bias for each index of `axis`; integers wrap modulo 2^32."""
    if bias is None:
        return accumulator
    shape = [1] * accumulator.ndim
    shape[axis] = -1
    return accumulator + widened(bias).reshape(shape)
