"""Data movement: the same numbers, arranged in another way."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from striate.operators.rules import axis_of, require, same_type, written
from striate.operators.schema import Case, Operator, f16, f32, i8, i32, u8
from striate.tensor import Array, DType, Shape, TensorType


class Movement(Operator):
    """Moves numbers of any type and computes nothing."""

    def dtype(self, *inputs: DType) -> DType:
        """The type of the operands."""
        return same_type(self.name, inputs)

    def operations(self, *inputs: TensorType) -> int:
        """None: only traffic."""
        return 0


@dataclass(frozen=True)
class Flatten(Movement):
    """Dimensions start_dim to end_dim as one, row by row.

    x: [N, C, H, W] -> [N, C * H * W] by default.
    """

    name: ClassVar[str] = "flatten"

    start_dim: int = 1
    end_dim: int = -1

    def shape(self, *inputs: Shape) -> Shape:
        """The shape rule."""
        x = inputs[0]
        require(len(x) >= 1, "flatten takes at least one dimension besides the batch")
        first, last = axis_of(self.start_dim, len(x), "start_dim"), axis_of(self.end_dim, len(x), "end_dim")
        require(
            first <= last, f"start_dim={self.start_dim} lies behind end_dim={self.end_dim} in {written(x)}", "start_dim"
        )
        return (*x[: first - 1], math.prod(x[first - 1 : last]), *x[last:])

    def reference(self, *inputs: Array, **parameters: Array) -> Array:
        """A reshape."""
        return inputs[0].reshape(len(inputs[0]), *self.shape(inputs[0].shape[1:]))

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """All dimensions, some of them, and integers."""
        return (
            Case(cls(), (f32(3, 5, 7),), "defaults"),
            Case(cls(2), (f32(3, 5, 7),), "start_dim"),
            Case(cls(1, 2), (f32(3, 5, 7),), "end_dim"),
            Case(cls(), (f16(33),), "one dimension"),
            Case(cls(), (i8(3, 4, 5),), "i8"),
            Case(cls(-2, -1), (u8(9, 4, 4),), "u8, from the end"),
            Case(cls(), (i32(2, 2, 2),), "i32"),
        )
