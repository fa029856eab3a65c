"""Pools, against loops over windows."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from operator_cases import borders, cases_of, doubles, titled

from striate.operators.pooling import AdaptiveAvgPool2d, AvgPool2d, MaxPool2d, SumPool2d
from striate.operators.schema import Case, OperatorError
from striate.operators.windows import pair
from striate.tensor import Array

Pool = MaxPool2d | AvgPool2d | SumPool2d


def windows(operator: Pool, h: int, w: int) -> dict[tuple[int, int], list[tuple[int, int]]]:
    """The places (row, column) that each window of a pool sees, those in the padding included, overhang left out."""
    kernel, stride = pair(operator.kernel_size), pair(operator.stride or operator.kernel_size)
    dilation = pair(getattr(operator, "dilation", 1))
    span = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    left, top = borders(operator.padding, (h, w), span, list(stride))
    right, bottom = left, top
    if isinstance(operator.padding, str):
        total = [max((math.ceil(n / s) - 1) * s + k - n, 0) for n, k, s in zip((h, w), span, stride, strict=True)]
        bottom, right = total[0] - top, total[1] - left
    elif isinstance(operator.padding, tuple) and len(operator.padding) == 4:
        right, bottom = operator.padding[1], operator.padding[3]
    starts: list[list[int]] = []
    for n, before, after, k, s in zip((h, w), (top, left), (bottom, right), span, stride, strict=True):
        overhang = s if operator.ceil_mode else 1
        ends = range(-before + k, n + after + overhang, s)
        starts.append([end - k for end in ends if end <= n + after or end - k < n])
    seen: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for (i, row), (j, column) in itertools.product(enumerate(starts[0]), enumerate(starts[1])):
        places = itertools.product(
            (row + r * dilation[0] for r in range(kernel[0])), (column + s * dilation[1] for s in range(kernel[1]))
        )
        seen[i, j] = [(a, b) for a, b in places if a < h + bottom and b < w + right]
    return seen


@pytest.mark.parametrize("case", cases_of(MaxPool2d, AvgPool2d, SumPool2d), ids=titled)
def test_pools_are_loops_over_windows(case: Case) -> None:
    operator = case.operator
    assert isinstance(operator, (MaxPool2d, AvgPool2d, SumPool2d))
    (x,), _ = doubles(case)
    check_windows(operator, x)


def check_windows(operator: Pool, x: Array) -> None:
    _, channels, h, w = x.shape
    seen = windows(operator, h, w)
    y = operator.reference(x)
    assert y.shape[2:] == tuple(last + 1 for last in max(seen))
    for (i, j), places in seen.items():
        inside = [(a, b) for a, b in places if 0 <= a < h and 0 <= b < w]
        for c in range(channels):
            values = [x[0, c, a, b] for a, b in inside]
            if isinstance(operator, MaxPool2d):
                expected = max(values)
            elif isinstance(operator, AvgPool2d):
                expected = sum(values) / len(places if operator.count_include_pad else inside)
            else:
                expected = sum(values)
            assert math.isclose(y[0, c, i, j], expected, rel_tol=1e-12, abs_tol=1e-12)


sizes = st.integers(1, 9)
small = st.tuples(st.integers(1, 4), st.integers(1, 4))
pads = st.one_of(st.integers(0, 2), st.tuples(*[st.integers(0, 2)] * 4), st.just("same"))


@settings(max_examples=150, deadline=None)
@given(sizes, sizes, small, small | st.none(), pads, st.booleans(), st.booleans())
def test_any_pool_that_can_be_applied_is_a_loop_over_windows(
    h: int,
    w: int,
    kernel: tuple[int, int],
    stride: tuple[int, int] | None,
    padding: int | tuple[int, int, int, int] | str,
    ceil_mode: bool,
    count_include_pad: bool,
) -> None:
    x = np.random.default_rng(0).normal(size=(1, 1, h, w))
    for operator in (
        MaxPool2d(kernel, stride, padding, ceil_mode=ceil_mode),
        AvgPool2d(kernel, stride, padding, ceil_mode, count_include_pad),
    ):
        try:
            operator.shape((1, h, w))
        except OperatorError:
            continue
        check_windows(operator, x)


@pytest.mark.parametrize("case", cases_of(AdaptiveAvgPool2d), ids=titled)
def test_adaptive_average_covers_every_cell(case: Case) -> None:
    operator = case.operator
    assert isinstance(operator, AdaptiveAvgPool2d)
    (x,), _ = doubles(case)
    (h, w), (rows, columns) = x.shape[2:], pair(operator.output_size)
    y = operator.reference(x)
    for i, j in itertools.product(range(rows), range(columns)):
        cell = x[
            :, :, i * h // rows : math.ceil((i + 1) * h / rows), j * w // columns : math.ceil((j + 1) * w / columns)
        ]
        np.testing.assert_allclose(y[:, :, i, j], cell.mean((2, 3)), atol=1e-12)


def test_sum_pool2d_and_division_are_the_average() -> None:
    x = np.random.default_rng(0).integers(0, 256, (2, 3, 9, 8)).astype(np.uint8)
    total = SumPool2d(3, 2, 1).reference(x)
    assert total.dtype == np.int32
    np.testing.assert_allclose(total / 9.0, AvgPool2d(3, 2, 1).reference(x.astype(np.float64)), atol=1e-12)
