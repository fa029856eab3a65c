"""Activations, normalisations, interpolation and reductions, against their closed forms."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from striate.operators import OPERATORS
from striate.operators.arithmetic import Div
from striate.operators.linear import Linear, Matmul
from striate.operators.normalization import BatchNorm, LogSoftmax, Softmax
from striate.operators.pointwise import Prelu
from striate.operators.reduction import Argmax, ReduceMax, ReduceMean, ReduceSum
from striate.operators.resampling import Upsample

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


def test_prelu_has_a_slope_for_each_channel() -> None:
    x = np.array([[[-2.0, 3.0], [-4.0, 5.0]]])
    assert Prelu(2).reference(x, weight=np.array([0.5, -1.0])).tolist() == [[[-1.0, 3.0], [4.0, 5.0]]]
    assert Prelu().reference(x, weight=np.array([0.5])).tolist() == [[[-1.0, 3.0], [-2.0, 5.0]]]


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


def test_division_by_zero_is_infinite() -> None:
    one, zero = np.ones((1, 1), np.float32), np.zeros((1, 1), np.float32)
    assert np.isinf(Div().reference(one, zero)).all()
    assert np.isnan(Div().reference(zero, zero)).all()
