"""Rectifiers and clips: functions of one number, applied to each, that are made of straight lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from striate.operators.numerics import narrowed, widened
from striate.operators.rules import float_type, require, same_type
from striate.operators.schema import Case, Operator, f16, f32, i8, i32, u8
from striate.tensor import Array, DType, Shape, TensorType


class Pointwise(Operator):
    """A function of one number, applied to each number of x: [N, ...] -> [N, ...]. A subclass states `function`."""

    acts_on_integers: ClassVar[bool] = False
    """Whether an integer operand gives the integer result."""
    cost: ClassVar[int] = 1
    """Arithmetic operations for each number, an exponential or a division counted as one."""

    def shape(self, *inputs: Shape) -> Shape:
        """The shape of x."""
        return inputs[0]

    def dtype(self, *inputs: DType) -> DType:
        """The type of x, which must be a float unless the function keeps integers."""
        return same_type(self.name, inputs) if self.acts_on_integers else float_type(self.name, inputs)

    def reference(self, *inputs: Array, **parameters: Array) -> Array:
        """The function; f16 is computed in f32."""
        return narrowed(self.function(widened(inputs[0])), inputs[0])

    def function(self, x: Array) -> Array:
        """The function itself, on f32 or f64 (or integers)."""
        raise AssertionError(f"{self.name} states no function")

    def operations(self, *inputs: TensorType) -> int:
        """`cost` for each number."""
        return self.cost * inputs[0].elements

    @classmethod
    def float_cases(cls, *operators: Operator) -> tuple[Case, ...]:
        """Each operator on an image, the first also on a vector and in half precision."""
        first = operators[0]
        images = tuple(Case(operator, (f32(3, 5, 7),), low=-6.0, high=6.0) for operator in operators)
        return (
            *images,
            Case(first, (f32(33),), "a vector", low=-6.0, high=6.0),
            Case(first, (f16(8, 4, 4),), "half precision", low=-6.0, high=6.0),
        )


@dataclass(frozen=True)
class Relu(Pointwise):
    """Nothing below zero: y = max(x, 0). Acts on integers as it is."""

    name: ClassVar[str] = "relu"
    acts_on_integers: ClassVar[bool] = True

    def function(self, x: Array) -> Array:
        """max(x, 0)."""
        return np.maximum(x, x.dtype.type(0))

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """Floats and every integer type."""
        integers = (
            Case(cls(), (i8(5, 4, 4),), "i8"),
            Case(cls(), (u8(5, 4, 4),), "u8"),
            Case(cls(), (i32(33),), "i32"),
        )
        return (*cls.float_cases(cls()), *integers)


@dataclass(frozen=True)
class Relu6(Pointwise):
    """Nothing below zero or above six: y = min(max(x, 0), 6)."""

    name: ClassVar[str] = "relu6"
    cost: ClassVar[int] = 2

    def function(self, x: Array) -> Array:
        """min(max(x, 0), 6)."""
        return np.clip(x, 0, 6)

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """Values on both sides of both limits."""
        return tuple(Case(case.operator, case.inputs, case.note, -9.0, 9.0) for case in cls.float_cases(cls()))


@dataclass(frozen=True)
class Clip(Pointwise):
    """Nothing below min or above max: y = min(max(x, min), max)."""

    name: ClassVar[str] = "clip"
    cost: ClassVar[int] = 2

    min: float
    max: float

    def __post_init__(self) -> None:
        """Limits in order."""
        require(self.min <= self.max, f"min={self.min} is above max={self.max}", "min")

    def function(self, x: Array) -> Array:
        """min(max(x, min), max)."""
        return np.clip(x, self.min, self.max)

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """Limits on both sides of zero, and equal ones."""
        return cls.float_cases(cls(-1.5, 2.0), cls(0.0, 1.0), cls(0.5, 0.5))


@dataclass(frozen=True)
class LeakyRelu(Pointwise):
    """A rectifier that lets a little through: y = x where x >= 0, negative_slope x elsewhere."""

    name: ClassVar[str] = "leaky_relu"
    cost: ClassVar[int] = 2

    negative_slope: float = 0.01

    def function(self, x: Array) -> Array:
        """X, or its small part where negative."""
        return np.where(x >= 0, x, x * x.dtype.type(self.negative_slope))

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """The default slope, a steep one, none."""
        return cls.float_cases(cls(), cls(0.3), cls(0.0))


@dataclass(frozen=True)
class Prelu(Operator):
    """A rectifier with learnt slopes: y = x where x >= 0, weight[c] x elsewhere (He et al. 2015, equation 1).

    x: [N, C, ...] -> the same; weight: [num_parameters], which is 1 (shared) or C.
    """

    name: ClassVar[str] = "prelu"

    num_parameters: int = 1

    def shape(self, *inputs: Shape) -> Shape:
        """The shape of x."""
        channels = inputs[0][0] if inputs[0] else 1
        require(
            self.num_parameters in (1, channels),
            f"num_parameters is 1 or the number of channels, {channels}, not {self.num_parameters}",
            "num_parameters",
        )
        return inputs[0]

    def dtype(self, *inputs: DType) -> DType:
        """Floats only."""
        return float_type(self.name, inputs)

    def parameters(self, *inputs: TensorType) -> dict[str, TensorType]:
        """The slopes."""
        return {"weight": TensorType(inputs[0].dtype, (self.num_parameters,))}

    def reference(self, *inputs: Array, **parameters: Array) -> Array:
        """X, or its part where negative."""
        x = widened(inputs[0])
        slopes = widened(parameters["weight"]).reshape(-1, *[1] * (x.ndim - 2))
        return narrowed(np.where(x >= 0, x, slopes * x), inputs[0])

    def operations(self, *inputs: TensorType) -> int:
        """A comparison and a product for each number."""
        return 2 * inputs[0].elements

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """One slope and one per channel."""
        return (
            Case(cls(), (f32(3, 5, 7),), "a shared slope"),
            Case(cls(9), (f32(9, 4, 5),), "a slope per channel"),
            Case(cls(33), (f32(33),), "a vector"),
            Case(cls(8), (f16(8, 4, 4),), "half precision"),
        )
