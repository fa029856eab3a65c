"""What operators compute, against slow loops and closed forms that share nothing with the references."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest

from striate.operators import OPERATORS
from striate.operators.convolution import Conv1d, Conv2d
from striate.operators.linear import Linear, Matmul
from striate.operators.normalization import BatchNorm, LogSoftmax, Softmax
from striate.operators.pooling import AdaptiveAvgPool2d, AvgPool2d, MaxPool2d, SumPool2d
from striate.operators.quantized import Dequantize, Lookup, Quantize, Requantize
from striate.operators.reduction import Argmax, ReduceMax, ReduceMean, ReduceSum
from striate.operators.resampling import Upsample
from striate.operators.schema import Case, Operator
from striate.operators.transposed import ConvTranspose2d
from striate.operators.windows import pair
from striate.tensor import Array


def doubles(case: Case) -> tuple[list[Array], dict[str, Array]]:
    operands, parameters = case.arrays(7)
    return [x.astype(np.float64) for x in operands], {role: p.astype(np.float64) for role, p in parameters.items()}


def cases_of(*operators: type[Operator]) -> list[Case]:
    return [case for operator in operators for case in operator.cases() if case.inputs[0].dtype != "f16"]


def titled(case: Case) -> str:
    return f"{case.operator.name} {case.note}".replace(" ", "-")


def borders(padding: int | tuple[int, ...] | str, size: tuple[int, int], span: list[int], step: list[int]) -> list[int]:
    """(left, top): what lies before the image."""
    if isinstance(padding, str):
        total = [max((math.ceil(n / s) - 1) * s + k - n, 0) for n, k, s in zip(size, span, step, strict=True)]
        return [total[1] // 2, total[0] // 2]
    if isinstance(padding, tuple) and len(padding) == 4:
        return [padding[0], padding[2]]
    return [pair(padding)[1], pair(padding)[0]]


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


def windows(
    operator: MaxPool2d | AvgPool2d | SumPool2d, h: int, w: int
) -> dict[tuple[int, int], list[tuple[int, int]]]:
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
        fitting = list(range(-before, n + after - k + 1, s))
        following = fitting[-1] + s
        overhangs = operator.ceil_mode and following + k > n + after and fitting[-1] + k < n + after and following < n
        starts.append([*fitting, following] if overhangs else fitting)
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


CLOSED_FORMS: dict[str, Callable[[float], float]] = {
    "relu": lambda x: max(x, 0.0),
    "relu6": lambda x: min(max(x, 0.0), 6.0),
    "clip(-1.5, 2.0)": lambda x: min(max(x, -1.5), 2.0),
    "leaky_relu": lambda x: x if x >= 0 else 0.01 * x,
    "leaky_relu(0.3)": lambda x: x if x >= 0 else 0.3 * x,
    "elu": lambda x: x if x > 0 else math.exp(x) - 1,
    "elu(0.3)": lambda x: x if x > 0 else 0.3 * (math.exp(x) - 1),
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "tanh": lambda x: (math.exp(x) - math.exp(-x)) / (math.exp(x) + math.exp(-x)),
    "hard_sigmoid": lambda x: 0.0 if x <= -3 else 1.0 if x >= 3 else x / 6 + 0.5,
    "hard_swish": lambda x: 0.0 if x <= -3 else x if x >= 3 else x * (x + 3) / 6,
    "silu": lambda x: x / (1 + math.exp(-x)),
    "gelu": lambda x: x * 0.5 * math.erfc(-x / math.sqrt(2)),
    "gelu(tanh)": lambda x: x / (1 + math.exp(-2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
}
ATTRIBUTES: dict[str, tuple[float | str, ...]] = {
    "clip(-1.5, 2.0)": (-1.5, 2.0),
    "leaky_relu(0.3)": (0.3,),
    "elu(0.3)": (0.3,),
    "gelu(tanh)": ("tanh",),
}


@pytest.mark.parametrize("call", CLOSED_FORMS)
def test_an_activation_is_its_closed_form(call: str) -> None:
    x = np.concatenate([np.linspace(-9, 9, 101), [0.0, -3.0, 3.0, 6.0]])[None]
    y = OPERATORS[call.split("(")[0]](*ATTRIBUTES.get(call, ())).reference(x)
    np.testing.assert_allclose(y[0], [CLOSED_FORMS[call](float(value)) for value in x[0]], atol=1e-12)


@pytest.mark.parametrize("name", ["sigmoid", "silu", "elu", "tanh", "gelu", "softmax", "log_softmax"])
def test_an_activation_survives_large_numbers(name: str) -> None:
    x = np.array([[-1e4, -100.0, 0.0, 100.0, 1e4]], np.float32)
    assert np.isfinite(OPERATORS[name]().reference(x)).all()


def test_batch_norm_standardises_then_scales() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(3.0, 2.0, (64, 5, 8, 8))
    mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3))
    roles = {"running_mean": mean, "running_var": variance, "weight": np.full(5, 3.0), "bias": np.arange(5.0)}
    y = BatchNorm(0.0).reference(x, **roles)
    np.testing.assert_allclose(y.mean((0, 2, 3)), np.arange(5.0), atol=1e-12)
    np.testing.assert_allclose(y.std((0, 2, 3)), 3.0, atol=1e-12)


def test_softmax_sums_to_one_and_ignores_a_shift() -> None:
    x = np.random.default_rng(0).normal(size=(2, 9, 4))
    y = Softmax(1).reference(x)
    np.testing.assert_allclose(y.sum(1), 1.0, atol=1e-14)
    np.testing.assert_allclose(Softmax(1).reference(x + 5), y, atol=1e-14)
    np.testing.assert_allclose(np.exp(LogSoftmax(1).reference(x)), y, atol=1e-14)
    np.testing.assert_allclose(y[:, 3] / y[:, 2], np.exp(x[:, 3] - x[:, 2]))


def test_linear_and_matmul_are_sums_of_products() -> None:
    x, weight = np.arange(6.0).reshape(1, 2, 3), np.arange(12.0).reshape(4, 3)
    y = Linear(4).reference(x, weight=weight, bias=np.full(4, 100.0))
    expected = [[sum(x[0, i, k] * weight[j, k] for k in range(3)) + 100.0 for j in range(4)] for i in range(2)]
    assert (y[0] == expected).all()
    assert (Matmul().reference(x, weight.T[None]) + 100.0 == y).all()


def test_bilinear_repeats_a_constant_and_draws_a_straight_ramp() -> None:
    flat = np.full((1, 2, 3, 4), 2.5)
    for corners in (False, True):
        assert (Upsample(3, "bilinear", corners).reference(flat) == 2.5).all()
    ramp = np.broadcast_to(np.arange(5.0), (1, 1, 2, 5))
    y = Upsample(2, "bilinear", True).reference(ramp)
    np.testing.assert_allclose(y[0, 0, 0], np.linspace(0, 4, 10), atol=1e-12)
    half = Upsample(2, "bilinear").reference(ramp)
    np.testing.assert_allclose(half[0, 0, 0], [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3.25, 3.75, 4], atol=1e-12)


def test_nearest_repeats_each_pixel() -> None:
    x = np.arange(6).reshape(1, 1, 2, 3).astype(np.int8)
    assert (Upsample((2, 3)).reference(x) == np.kron(x, np.ones((2, 3), np.int8))).all()


@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("dim", [1, (2, 3), (1, 2, 3), -1, (-1, 1)])
def test_reductions_are_loops_over_what_goes(dim: int | tuple[int, ...], keepdim: bool) -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    gone = {d % 4 for d in (dim if isinstance(dim, tuple) else (dim,))}
    groups: dict[tuple[int, ...], list[float]] = {}
    for index in np.ndindex(*x.shape):
        kept = tuple(0 if a in gone else i for a, i in enumerate(index))
        groups.setdefault(kept, []).append(float(x[index]))
    forms: dict[type[ReduceMean | ReduceSum | ReduceMax], Callable[[list[float]], float]] = {
        ReduceMean: lambda values: math.fsum(values) / len(values),
        ReduceSum: math.fsum,
        ReduceMax: max,
    }
    for operator, form in forms.items():
        y = operator(dim, keepdim).reference(x)
        assert y.ndim == (4 if keepdim else 4 - len(gone))
        np.testing.assert_allclose(y.ravel(), [form(groups[key]) for key in sorted(groups)], atol=1e-12)


def test_argmax_takes_the_first_of_equals() -> None:
    x = np.array([[1, 7, 7, 3], [5, 5, 5, 5]], np.int8)
    assert Argmax().reference(x).tolist() == [1, 0]
    assert Argmax(keepdim=True).reference(x).tolist() == [[1], [0]]


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
