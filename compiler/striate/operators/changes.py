"""From values to changes and back: what stands at the borders of a sigma-delta network. Equations:
spec/neuromorphic.md, "Time"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from striate.operators.rules import BYTES, require, require_at_least
from striate.operators.schema import Case, f32, i8, i32, u8
from striate.operators.stateful import State, StatefulOperator
from striate.tensor import NUMPY, Array, DType, TensorType


@dataclass(frozen=True)
class Delta(StatefulOperator):
    """Sends by how much its operand has changed since it last sent, once that is enough.

    d = x - sent; if |d| >= threshold: send d, and sent += d; else send 0. f32 of f32; of integers i32, which wrap.
    """

    name: ClassVar[str] = "delta"

    threshold: float = 0.0

    def __post_init__(self) -> None:
        """A threshold of at least 0."""
        require_at_least(0, threshold=self.threshold)

    def dtype(self, *inputs: DType) -> DType:
        """f32 of f32, i32 of integers."""
        return _wide(self.name, inputs[0])

    def state(self, *inputs: TensorType) -> dict[str, TensorType]:
        """The sum of what was sent."""
        return {"sent": self.result(*inputs)}

    def step(self, inputs: tuple[Array, ...], state: State, dt_s: float, **parameters: Array) -> tuple[Array, State]:
        """One step."""
        change = inputs[0].astype(state["sent"].dtype) - state["sent"]
        is_large = (change >= self.threshold) | (change <= -self.threshold)
        sends = np.where(is_large, change, np.zeros_like(change))
        return sends, {"sent": state["sent"] + sends}

    def operations(self, *inputs: TensorType) -> int:
        """A difference, a comparison and an addition for each number."""
        return 3 * inputs[0].elements

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """With and without threshold, and integers."""
        return (
            Case(cls(), (f32(3, 4, 4),), "exact"),
            Case(cls(0.5), (f32(5),), "threshold"),
            Case(cls(), (i8(5),), "codes"),
            Case(cls(), (i32(3, 4, 4),), "i32"),
        )


@dataclass(frozen=True)
class Sigma(StatefulOperator):
    """Adds up its operand over time and gives the sum so far: a decoder of changes. `sum_over_time` at every step.

    s += x; gives s. f32 of f32; of integers i32, modulo 2^32.
    """

    name: ClassVar[str] = "sigma"

    def dtype(self, *inputs: DType) -> DType:
        """f32 of f32, i32 of integers."""
        return _wide(self.name, inputs[0])

    def state(self, *inputs: TensorType) -> dict[str, TensorType]:
        """The sum so far."""
        return {"s": self.result(*inputs)}

    def step(self, inputs: tuple[Array, ...], state: State, dt_s: float, **parameters: Array) -> tuple[Array, State]:
        """One step."""
        s = state["s"] + inputs[0].astype(state["s"].dtype)
        return s, {"s": s}

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """Floats, spikes, and sums of weights."""
        return Case(cls(), (f32(5),), "a vector"), Case(cls(), (i8(5),), "spikes"), Case(cls(), (i32(3, 4, 4),), "i32")


@dataclass(frozen=True)
class Hold(StatefulOperator):
    """Gives its operand, or what it gave before where that is less than the threshold away: what a `delta` has sent.

    if |x - held| >= threshold: held = x; gives held. i8 and u8; at thresholds 0 and 1 it gives its operand.
    """

    name: ClassVar[str] = "hold"

    threshold: int = 0

    def __post_init__(self) -> None:
        """A threshold of at least 0."""
        require_at_least(0, threshold=self.threshold)

    def dtype(self, *inputs: DType) -> DType:
        """i8 of i8, u8 of u8."""
        require(inputs[0] in BYTES, f"{self.name} works on i8 and u8, and its operand is {inputs[0]}")
        return inputs[0]

    def state(self, *inputs: TensorType) -> dict[str, TensorType]:
        """What it gave last."""
        return {"held": TensorType("i32", inputs[0].shape)}

    def step(self, inputs: tuple[Array, ...], state: State, dt_s: float, **parameters: Array) -> tuple[Array, State]:
        """One step."""
        x, held = inputs[0].astype(np.int32), state["held"]
        held = np.where(np.abs(x - held) >= self.threshold, x, held)
        return held.astype(inputs[0].dtype), {"held": held}

    def operations(self, *inputs: TensorType) -> int:
        """A difference and a comparison for each number."""
        return 2 * inputs[0].elements

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """Both types, with and without threshold."""
        return (
            Case(cls(), (i8(3, 4, 4),), "exact"),
            Case(cls(20), (u8(3, 4, 4),), "threshold"),
            Case(cls(3), (i8(5),), "a vector"),
        )


def _wide(operator: str, x: DType) -> DType:
    """What holds any sum of values of type x."""
    require(x == "f32" or NUMPY[x].kind in "iu", f"{operator} works on f32 and integers, and its operand is {x}")
    return "f32" if x == "f32" else "i32"
