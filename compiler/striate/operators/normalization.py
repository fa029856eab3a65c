"""Normalisations: by running statistics, and to a distribution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from striate.operators.numerics import narrowed, widened
from striate.operators.rules import axis_of, float_type, require, require_at_least, written
from striate.operators.schema import Case, Operator, f16, f32
from striate.tensor import Array, DType, Shape, TensorType


@dataclass(frozen=True)
class BatchNorm(Operator):
    """Each channel by its running statistics: y = (x - running_mean) / sqrt(running_var + eps) * weight + bias.

    x: [N, C], [N, C, L] or [N, C, H, W] -> the same; every parameter: [C] (Ioffe and Szegedy 2015, algorithm 2).
    """

    name: ClassVar[str] = "batch_norm"
    buffers: ClassVar[tuple[str, ...]] = ("running_mean", "running_var")

    eps: float = 1e-5

    def __post_init__(self) -> None:
        """No negative eps."""
        require_at_least(0, eps=self.eps)

    def shape(self, *inputs: Shape) -> Shape:
        """The shape of x."""
        require(1 <= len(inputs[0]) <= 3, f"batch_norm takes [C], [C, L] or [C, H, W], not {written(inputs[0])}")
        return inputs[0]

    def dtype(self, *inputs: DType) -> DType:
        """Floats only."""
        return float_type(self.name, inputs)

    def parameters(self, *inputs: TensorType) -> dict[str, TensorType]:
        """Scale, offset and statistics of each channel."""
        per_channel = TensorType(inputs[0].dtype, inputs[0].shape[:1])
        return dict.fromkeys(("weight", "bias", "running_mean", "running_var"), per_channel)

    def reference(self, *inputs: Array, **parameters: Array) -> Array:
        """The equation, as it stands."""
        x = widened(inputs[0])
        weight, bias, mean, variance = (
            widened(parameters[role]).reshape(-1, *[1] * (x.ndim - 2)) for role in self.parameters(f32(1))
        )
        y = (x - mean) / np.sqrt(variance + x.dtype.type(self.eps)) * weight + bias
        return narrowed(y, inputs[0])

    def operations(self, *inputs: TensorType) -> int:
        """A product and a sum for each number, once the statistics are folded."""
        return 2 * inputs[0].elements

    def sample_parameters(self, rng: np.random.Generator, *inputs: TensorType) -> dict[str, Array]:
        """Random parameters with a positive variance."""
        roles = super().sample_parameters(rng, *inputs)
        return {**roles, "running_var": np.abs(roles["running_var"]) + roles["running_var"].dtype.type(0.5)}

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """Every rank, and eps."""
        return (
            Case(cls(), (f32(9, 5, 7),), "an image"),
            Case(cls(), (f32(6, 11),), "a signal"),
            Case(cls(), (f32(33),), "a vector"),
            Case(cls(eps=0.1), (f32(3, 4, 4),), "eps"),
            Case(cls(), (f16(8, 4, 4),), "half precision"),
        )


class Distribution(Operator):
    """Normalises along one dimension. x: [N, ...] -> the same."""

    dim: int

    def shape(self, *inputs: Shape) -> Shape:
        """The shape of x."""
        axis_of(self.dim, len(inputs[0]))
        return inputs[0]

    def dtype(self, *inputs: DType) -> DType:
        """Floats only."""
        return float_type(self.name, inputs)

    def shifted(self, x: Array) -> Array:
        """X less its maximum along the dimension, so that no exponential overflows."""
        x = widened(x)
        return x - x.max(axis_of(self.dim, x.ndim - 1), keepdims=True)

    def operations(self, *inputs: TensorType) -> int:
        """A comparison, a difference, an exponential, a sum and a division (or difference) for each number."""
        return 5 * inputs[0].elements


@dataclass(frozen=True)
class Softmax(Distribution):
    """Numbers as probabilities: y[i] = exp(x[i]) / sum over j of exp(x[j]), along a dimension.

    x: [N, ...] -> the same; non-negative, with sum 1 along `dim`. Computed as exp(x - max x), which cannot overflow.
    """

    name: ClassVar[str] = "softmax"

    dim: int = 1

    def reference(self, *inputs: Array, **parameters: Array) -> Array:
        """The equation on shifted numbers."""
        powers = np.exp(self.shifted(inputs[0]))
        return narrowed(powers / powers.sum(axis_of(self.dim, powers.ndim - 1), keepdims=True), inputs[0])

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """Vectors, channels, rows."""
        return (
            Case(cls(), (f32(10),), "a vector"),
            Case(cls(1), (f32(9, 4, 5),), "channels"),
            Case(cls(-1), (f32(3, 4, 33),), "rows", low=-30.0, high=30.0),
            Case(cls(2), (f16(8, 4),), "half precision"),
        )


@dataclass(frozen=True)
class LogSoftmax(Distribution):
    """The logarithm of softmax: y[i] = x[i] - log of the sum over j of exp(x[j]), along a dimension.

    x: [N, ...] -> the same.
    """

    name: ClassVar[str] = "log_softmax"

    dim: int = 1

    def reference(self, *inputs: Array, **parameters: Array) -> Array:
        """The equation on shifted numbers."""
        x = self.shifted(inputs[0])
        total = np.exp(x).sum(axis_of(self.dim, x.ndim - 1), keepdims=True)
        return narrowed(x - np.log(total), inputs[0])

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """Vectors and channels."""
        return (
            Case(cls(), (f32(10),), "a vector"),
            Case(cls(1), (f32(9, 4, 5),), "channels", low=-30.0, high=30.0),
            Case(cls(-1), (f16(8, 4),), "half precision"),
        )
