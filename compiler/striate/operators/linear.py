"""Matrix products."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from striate.operators.convolution import weight_and_bias
from striate.operators.numerics import add_bias, narrowed, sum_of_products
from striate.operators.rules import accumulator_type, require, require_at_least, written
from striate.operators.schema import Case, Operator, f16, f32, i8, u8
from striate.tensor import Array, DType, Shape, TensorType


@dataclass(frozen=True)
class Linear(Operator):
    """A fully connected layer on the last dimension: y = x weight^T + bias.

    x: [N, ..., features] -> [N, ..., out_features]; weight: [out_features, features], bias: [out_features].
    i8 or u8 x takes i8 weights and an i32 bias, and gives the exact i32 sum (modulo 2^32).
    """

    name: ClassVar[str] = "linear"

    out_features: int
    bias: bool = True

    def __post_init__(self) -> None:
        """At least one output."""
        require_at_least(1, out_features=self.out_features)

    def shape(self, *inputs: Shape) -> Shape:
        """The shape rule."""
        require(len(inputs[0]) >= 1, f"linear takes [..., features], not {written(inputs[0])}")
        return (*inputs[0][:-1], self.out_features)

    def dtype(self, *inputs: DType) -> DType:
        """Floats give their own type, bytes i32."""
        return accumulator_type(self.name, inputs)

    def parameters(self, *inputs: TensorType) -> dict[str, TensorType]:
        """The weight, and the bias if there is one."""
        weight = (self.out_features, inputs[0].shape[-1])
        return weight_and_bias(inputs[0].dtype, weight, self.out_features if self.bias else None)

    def reference(self, *inputs: Array, **parameters: Array) -> Array:
        """One matrix product over all rows."""
        x, weight = inputs[0], parameters["weight"]
        y = sum_of_products(x.reshape(-1, x.shape[-1]), weight.T)
        return narrowed(add_bias(y, parameters.get("bias"), axis=1), x).reshape(*x.shape[:-1], self.out_features)

    def macs(self, *inputs: TensorType) -> int:
        """Features, for each number of the result."""
        return self.result(*inputs).elements * inputs[0].shape[-1]

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """With and without bias, more dimensions, half precision and integers."""
        return (
            Case(cls(10), (f32(84),), "defaults"),
            Case(cls(33, bias=False), (f32(7),), "no bias"),
            Case(cls(5), (f32(3, 4, 9),), "more dimensions"),
            Case(cls(16), (f16(64),), "half precision", batch=5),
            Case(cls(10), (i8(100),), "i8"),
            Case(cls(9, bias=False), (u8(4, 33),), "u8, more dimensions"),
            Case(cls(4), (u8(400),), "u8, longer than single precision can add exactly"),
        )


@dataclass(frozen=True)
class Matmul(Operator):
    """The matrix product of two activations: y[..., m, n] = sum over k of a[..., m, k] b[..., k, n].

    a: [N, ..., M, K], b: [N, ..., K, P] -> [N, ..., M, P]; the dimensions before the last two broadcast.
    i8 and u8 (which may mix) give the exact i32 sum (modulo 2^32).
    """

    name: ClassVar[str] = "matmul"
    operands: ClassVar[tuple[str, ...]] = ("a", "b")

    def shape(self, *inputs: Shape) -> Shape:
        """The shape rule."""
        a, b = inputs
        pair = f"{written(a)} and {written(b)}"
        require(min(len(a), len(b)) >= 2, f"matmul takes matrices or stacks of them, not {pair}")
        require(len(a) == len(b), f"matmul takes stacks of one depth, not {pair}")
        (rows, inner), (other_inner, columns) = a[-2:], b[-2:]
        require(inner == other_inner, f"matmul: {inner} columns meet {other_inner} rows in {pair}")
        try:
            stack = np.broadcast_shapes(a[:-2], b[:-2])
        except ValueError:
            stack = None
        require(stack is not None, f"the stacks of {pair} do not broadcast")
        return (*(stack or ()), rows, columns)

    def dtype(self, *inputs: DType) -> DType:
        """Floats give their own type, bytes i32."""
        return accumulator_type(self.name, inputs)

    def reference(self, *inputs: Array, **parameters: Array) -> Array:
        """numpy's stacked product."""
        return narrowed(sum_of_products(*inputs), inputs[0])

    def macs(self, *inputs: TensorType) -> int:
        """K for each number of the result."""
        return self.result(*inputs).elements * inputs[0].shape[-1]

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """Single matrices, stacks, broadcasting and integers."""
        return (
            Case(cls(), (f32(5, 7), f32(7, 3)), "matrices"),
            Case(cls(), (f32(4, 8, 16), f32(4, 16, 9)), "stacks"),
            Case(cls(), (f32(1, 5, 6), f32(3, 6, 2)), "a stack that broadcasts"),
            Case(cls(), (f16(16, 16), f16(16, 16)), "half precision"),
            Case(cls(), (i8(6, 33), i8(33, 5)), "i8"),
            Case(cls(), (u8(2, 4, 300), i8(2, 300, 5)), "u8 by i8"),
        )
