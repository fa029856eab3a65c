"""Normalisations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from striate.operators.numerics import narrowed, widened
from striate.operators.rules import float_type, require, require_at_least, written
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
