"""Arithmetic between two tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from striate.operators.numerics import narrowed, widened, wrapped
from striate.operators.rules import BYTES, FLOATS, float_type, require, same_type, written
from striate.operators.schema import Case, Operator, f16, f32, i8, i32, u8
from striate.tensor import Array, DType, Shape


class Binary(Operator):
    """A function of two numbers. Shapes broadcast by numpy's rule, the batch aside: [C, H, W] with [C, 1, 1] or [W].

    a, b: [N, ...] -> [N, ...]. A subclass states `function`.
    """

    operands: ClassVar[tuple[str, ...]] = ("a", "b")

    def shape(self, *inputs: Shape) -> Shape:
        """The shape that both broadcast to."""
        a, b = inputs
        try:
            return np.broadcast_shapes(a, b)
        except ValueError:
            require(False, f"{self.name} takes shapes that agree or broadcast, not {written(a)} and {written(b)}")
            raise

    def reference(self, *inputs: Array, **parameters: Array) -> Array:
        """The function on aligned arrays; f16 is computed in f32, integers in 64 bits and then modulo 2^32."""
        rank = max(array.ndim for array in inputs)
        a, b = (array.reshape(len(array), *[1] * (rank - array.ndim), *array.shape[1:]) for array in inputs)
        if a.dtype.kind != "f":
            return wrapped(self.function(a.astype(np.int64), b.astype(np.int64)))
        return narrowed(self.function(widened(a), widened(b)), a)

    def function(self, a: Array, b: Array) -> Array:
        """The function itself, on f32, f64 or i64."""
        raise AssertionError(f"{self.name} states no function")

    @classmethod
    def float_cases(cls, low: float = -2.0) -> tuple[Case, ...]:
        """Equal shapes and every way to broadcast."""
        shapes = (
            ((3, 5, 7), (3, 5, 7), "equal shapes"),
            ((9, 4, 5), (9, 1, 1), "one number per channel"),
            ((4, 1, 6), (1, 5, 6), "both broadcast"),
            ((3, 5, 7), (7,), "one row"),
            ((1,), (33,), "a scalar first"),
        )
        cases = tuple(Case(cls(), (f32(*a), f32(*b)), note, low) for a, b, note in shapes)
        return (*cases, Case(cls(), (f16(8, 4, 4), f16(8, 4, 4)), "half precision", low))


@dataclass(frozen=True)
class Add(Binary):
    """The sum: y = a + b. On i32, modulo 2^32; bytes are requantized to i32 at a common scale first."""

    name: ClassVar[str] = "add"

    def dtype(self, *inputs: DType) -> DType:
        """Floats or i32."""
        return _sum_type(self.name, inputs)

    def function(self, a: Array, b: Array) -> Array:
        """A + b."""
        return a + b

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """Floats and i32."""
        return (*cls.float_cases(), Case(cls(), (i32(5, 4, 4), i32(5, 4, 4)), "i32"))


@dataclass(frozen=True)
class Sub(Binary):
    """The difference: y = a - b. On i32, modulo 2^32."""

    name: ClassVar[str] = "sub"

    def dtype(self, *inputs: DType) -> DType:
        """Floats or i32."""
        return _sum_type(self.name, inputs)

    def function(self, a: Array, b: Array) -> Array:
        """A - b."""
        return a - b

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """Floats and i32."""
        return (*cls.float_cases(), Case(cls(), (i32(5, 4, 4), i32(1, 4, 4)), "i32"))


@dataclass(frozen=True)
class Mul(Binary):
    """The product: y = a b. i8 and u8 (which may mix) give the exact i32."""

    name: ClassVar[str] = "mul"

    def dtype(self, *inputs: DType) -> DType:
        """Floats, or bytes, which give i32."""
        if all(dtype in BYTES for dtype in inputs):
            return "i32"
        return float_type(self.name, inputs)

    def function(self, a: Array, b: Array) -> Array:
        """A b."""
        return a * b

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """Floats and bytes."""
        return (
            *cls.float_cases(),
            Case(cls(), (i8(5, 4, 4), i8(5, 4, 4)), "i8"),
            Case(cls(), (u8(9, 4, 4), i8(9, 1, 1)), "u8 by i8, one number per channel"),
        )


@dataclass(frozen=True)
class Div(Binary):
    """The quotient: y = a / b, of floats; by IEEE 754, a / 0 is infinite and 0 / 0 is not a number."""

    name: ClassVar[str] = "div"

    def dtype(self, *inputs: DType) -> DType:
        """Floats only."""
        return float_type(self.name, inputs)

    def function(self, a: Array, b: Array) -> Array:
        """A / b."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return a / b

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """Divisors away from zero."""
        return cls.float_cases(low=0.5)


def _sum_type(operator: str, inputs: tuple[DType, ...]) -> DType:
    dtype = same_type(operator, inputs)
    require(dtype in (*FLOATS, "i32"), f"{operator} works on floats and i32, and its operands are {dtype}")
    return dtype
