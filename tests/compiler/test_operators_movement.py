"""Laws of the operators that only move numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from striate.operators.arithmetic import Add, Sub
from striate.operators.constant import Constant
from striate.operators.shaping import Concat, Flatten, Pad, Permute, Reshape, Slice
from striate.tensor import Array


@pytest.fixture
def x() -> Array:
    return np.random.default_rng(0).normal(size=(2, 3, 4, 5))


def test_a_permutation_and_its_inverse_are_nothing(x: Array) -> None:
    y = Permute((2, 3, 1)).reference(x)
    assert y.shape == (2, 4, 5, 3)
    assert y[1, 2, 3, 0] == x[1, 0, 2, 3]
    assert (Permute((3, 1, 2)).reference(y) == x).all()


@pytest.mark.parametrize("dim", [1, 2, 3, -1])
def test_concatenated_slices_are_the_whole(x: Array, dim: int) -> None:
    parts = [Slice(dim, 0, 1).reference(x), Slice(dim, 1, -1).reference(x), Slice(dim, -1).reference(x)]
    assert (Concat(dim).reference(*parts) == x).all()


def test_a_step_takes_every_other_number(x: Array) -> None:
    y = Slice(3, 1, None, 2).reference(x)
    assert y.shape[3] == 2
    assert (y[..., 1] == x[..., 3]).all()


def test_slicing_undoes_padding(x: Array) -> None:
    y = Pad((1, 2, 3, 0), 9.0).reference(x)
    assert y.shape == (2, 3, 7, 8)
    assert (Slice(3, 1, 6).reference(Slice(2, 3).reference(y)) == x).all()
    assert math.isclose(y.sum(), x.sum() + 9.0 * (y.size - x.size))


def test_flatten_and_reshape_keep_the_order(x: Array) -> None:
    flat = Flatten().reference(x)
    assert flat.shape == (2, 60)
    assert flat[1, 20 + 5 + 2] == x[1, 1, 1, 2]
    assert (Reshape((3, -1, 5)).reference(flat) == x).all()
    assert Flatten(2).shape((3, 4, 5)) == (3, 20)
    assert Flatten(1, 2).shape((3, 4, 5)) == (12, 5)


def test_operands_of_fewer_dimensions_broadcast_behind_the_batch(x: Array) -> None:
    row = np.random.default_rng(1).normal(size=(2, 5))
    y = Add().reference(x, row)
    assert Add().shape((3, 4, 5), (5,)) == (3, 4, 5)
    for n in range(2):
        np.testing.assert_array_equal(y[n], x[n] + row[n])
    np.testing.assert_array_equal(Sub().reference(row, x), -Sub().reference(x, row))


def test_a_constant_broadcasts_over_the_batch(x: Array) -> None:
    value = np.arange(3.0).reshape(3, 1, 1)
    constant = Constant((3, 1, 1)).reference(value=value)
    np.testing.assert_array_equal(Add().reference(x, constant), x + value)
    whole = Constant((3, 4, 5)).reference(value=x[0])
    np.testing.assert_array_equal(Concat().reference(x, whole)[1, 3:], x[0])
