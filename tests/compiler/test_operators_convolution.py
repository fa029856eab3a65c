"""Convolutions and matrix products, against nested loops and the laws that tie them together."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from operator_cases import borders, cases_of, doubles, titled

from striate.operators.convolution import Conv1d, Conv2d
from striate.operators.linear import Linear, Matmul
from striate.operators.schema import Case
from striate.operators.transposed import ConvTranspose2d
from striate.operators.windows import pair
from striate.tensor import Array


@pytest.mark.parametrize("case", cases_of(Conv2d), ids=titled)
def test_conv2d_is_six_nested_loops(case: Case) -> None:
    operator = case.operator
    assert isinstance(operator, Conv2d)
    (x,), parameters = doubles(case)
    x, weight = x[:1], parameters["weight"]
    (kh, kw), (sh, sw), (dh, dw) = (pair(v) for v in (operator.kernel_size, operator.stride, operator.dilation))
    _, _, h, w = x.shape
    left, top = borders(operator.padding, (h, w), [dh * (kh - 1) + 1, dw * (kw - 1) + 1], [sh, sw])
    _, rows, columns = operator.result(*case.inputs).shape
    per_group, filters = weight.shape[1], operator.out_channels // operator.groups
    y = np.zeros((operator.out_channels, rows, columns))
    for k, i, j in itertools.product(range(operator.out_channels), range(rows), range(columns)):
        y[k, i, j] = parameters["bias"][k] if operator.bias else 0.0
        for c, r, s in itertools.product(range(per_group), range(kh), range(kw)):
            row, column = i * sh + r * dh - top, j * sw + s * dw - left
            if 0 <= row < h and 0 <= column < w:
                y[k, i, j] += weight[k, c, r, s] * x[0, k // filters * per_group + c, row, column]
    np.testing.assert_allclose(operator.reference(x, **parameters)[0], y, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("case", cases_of(Conv1d), ids=titled)
def test_conv1d_is_numpys_correlation(case: Case) -> None:
    operator = case.operator
    assert isinstance(operator, Conv1d)
    (x,), parameters = doubles(case)
    weight = parameters["weight"]
    _, channels, length = x.shape
    span = operator.dilation * (operator.kernel_size - 1) + 1
    if operator.padding == "same":
        before, after = (span - 1) // 2, span - 1 - (span - 1) // 2
    else:
        assert not isinstance(operator.padding, str)
        before, after = pair(operator.padding)
    x = np.pad(x, ((0, 0), (0, 0), (before, after)))
    per_group, filters = channels // operator.groups, operator.out_channels // operator.groups
    y = operator.reference(operands := case_operand(case), **parameters)
    for n, k in itertools.product(range(len(operands)), range(operator.out_channels)):
        signal = np.zeros(length + before + after - span + 1)
        for c in range(per_group):
            spread = np.zeros(span)
            spread[:: operator.dilation] = weight[k, c]
            signal += np.correlate(x[n, k // filters * per_group + c], spread, "valid")
        bias = parameters["bias"][k] if operator.bias else 0.0
        np.testing.assert_allclose(y[n, k], signal[:: operator.stride] + bias, atol=1e-12, rtol=1e-12)


def case_operand(case: Case) -> Array:
    return doubles(case)[0][0]


WITH_AN_ADJOINT = [case for case in cases_of(Conv2d) if case.inputs[0].is_float and "same" not in case.note]


@pytest.mark.parametrize("case", WITH_AN_ADJOINT, ids=titled)
def test_conv_transpose2d_is_the_adjoint_of_conv2d(case: Case) -> None:
    """<conv(x), y> = <x, conv_transpose(y)> for the same weight."""
    forward = case.operator
    assert isinstance(forward, Conv2d)
    assert not isinstance(forward.padding, str)
    (x,), parameters = doubles(case)
    there = forward.reference(x, weight=parameters["weight"])
    (h, w), (left, right, top, bottom) = x.shape[2:], forward.pads(*x.shape[2:])
    (rh, rw), (sh, sw) = forward.reach, forward.strides
    left_over = ((h + top + bottom - rh) % sh, (w + left + right - rw) % sw)
    back = ConvTranspose2d(
        x.shape[1],
        forward.kernel_size,
        forward.stride,
        forward.padding,
        left_over,
        forward.groups,
        False,
        forward.dilation,
    )
    y = np.random.default_rng(3).normal(size=there.shape)
    returned = back.reference(y, weight=parameters["weight"])
    assert returned.shape == x.shape
    assert math.isclose((there * y).sum(), (x * returned).sum(), rel_tol=1e-12, abs_tol=1e-10)


def test_groups_are_separate_convolutions() -> None:
    rng = np.random.default_rng(0)
    x, weight, bias = rng.normal(size=(2, 6, 7, 5)), rng.normal(size=(12, 2, 3, 3)), rng.normal(size=12)
    together = Conv2d(12, 3, padding=1, groups=3).reference(x, weight=weight, bias=bias)
    one = Conv2d(4, 3, padding=1)
    for g in range(3):
        filters = slice(4 * g, 4 * g + 4)
        apart = one.reference(x[:, 2 * g : 2 * g + 2], weight=weight[filters], bias=bias[filters])
        np.testing.assert_allclose(together[:, filters], apart, atol=1e-12)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("size", [5, 8, 9])
def test_same_padding_gives_one_position_for_each_stride(kernel: int, stride: int, size: int) -> None:
    shape = Conv2d(4, kernel, stride, "same").shape((3, size, size + 1))
    assert shape == (4, math.ceil(size / stride), math.ceil((size + 1) / stride))


WITHOUT_PADDING = [
    case
    for case in cases_of(Conv2d, Conv1d, ConvTranspose2d, Linear, Matmul)
    if getattr(case.operator, "padding", 0) == 0
]
"""Zeros of the padding are multiplied too, and would not show in a sum."""


@pytest.mark.parametrize("case", WITHOUT_PADDING, ids=titled)
def test_macs_are_the_products_that_ones_add_up_to(case: Case) -> None:
    """With every operand and weight 1 and no zeros around, each product contributes 1 to the sum of the result."""
    operator = case.operator
    operands, parameters = doubles(case)
    ones = {role: np.ones_like(p) if role == "weight" else np.zeros_like(p) for role, p in parameters.items()}
    y = operator.reference(*(np.ones_like(x) for x in operands), **ones)
    assert operator.macs(*case.inputs) == y[0].sum()
