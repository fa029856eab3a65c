"""Sigma-delta neurons in integers: sums of changes in, changes of an activation out.

Equations and rounding: spec/neuromorphic.md, "Integers in time". One truth for chips, GPU and interpreter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from striate.operators.rules import require, require_at_least
from striate.operators.schema import Case, i32
from striate.operators.stateful import State, StatefulOperator
from striate.tensor import Array, DType, TensorType

LARGEST_LEVEL = (1 << 30) - 1
"""Activations are at most this large, so that 32 bits hold any change of one."""


@dataclass(frozen=True)
class FixedPointSigmaDelta(StatefulOperator):
    """Adds up the changes it is sent, brings the sum to its scale, and sends its own change once that is large enough.

    x: [N, C, ...] i32 -> the same in i32; bias, multiplier, shift: [C] i32, 1 <= shift <= 62. s += x, in 32 bits;
    y = clip(((s + bias) * multiplier + 2^(shift - 1)) >> shift, low, high), as in requantize; d = y - sent;
    if |d| >= max(threshold, 1): send d, and sent += d; else send 0. At threshold 0, `sent` is always y.
    """

    name: ClassVar[str] = "fixed_point_sigma_delta"

    low: int = -127
    high: int = 127
    threshold: int = 0

    def __post_init__(self) -> None:
        """Limits in order whose differences fit, and a threshold of at least 0."""
        for attribute, value in (("low", self.low), ("high", self.high)):
            fits = -LARGEST_LEVEL <= value <= LARGEST_LEVEL
            require(fits, f"{attribute} is at most {LARGEST_LEVEL} on either side of 0, not {value}", attribute)
        require(self.low <= self.high, f"low={self.low} is above high={self.high}", "low")
        require_at_least(0, threshold=self.threshold)

    def dtype(self, *inputs: DType) -> DType:
        """i32 of i32."""
        require(inputs[0] == "i32", f"{self.name} works on i32, and its operand is {inputs[0]}")
        return "i32"

    def state(self, *inputs: TensorType) -> dict[str, TensorType]:
        """The sum of what came, and the sum of what was sent."""
        return dict.fromkeys(("s", "sent"), TensorType("i32", inputs[0].shape))

    def parameters(self, *inputs: TensorType) -> dict[str, TensorType]:
        """The bias and the scale of each channel."""
        require(len(inputs[0].shape) >= 1, f"{self.name} takes at least one dimension besides the batch")
        return dict.fromkeys(("bias", "multiplier", "shift"), TensorType("i32", inputs[0].shape[:1]))

    def step(self, inputs: tuple[Array, ...], state: State, dt_s: float, **parameters: Array) -> tuple[Array, State]:
        """One step."""
        bias, multiplier, shift = (
            parameters[role].astype(np.int64).reshape(-1, *[1] * (inputs[0].ndim - 2))
            for role in ("bias", "multiplier", "shift")
        )
        assert ((shift >= 1) & (shift <= 62)).all(), "a sigma_delta shifts by 1 to 62 bits"
        s = (state["s"].astype(np.int64) + inputs[0]).astype(np.int32)
        biased = (s + bias).astype(np.int32).astype(np.int64)
        y = np.clip((biased * multiplier + (np.int64(1) << (shift - 1))) >> shift, self.low, self.high)
        change = y - state["sent"]
        sends = np.where(np.abs(change) >= max(self.threshold, 1), change, 0).astype(np.int32)
        return sends, {"s": s, "sent": state["sent"] + sends}

    def operations(self, *inputs: TensorType) -> int:
        """Three additions, a product, a shift, three comparisons and a difference for each neuron."""
        return 9 * inputs[0].elements

    def sample_parameters(self, rng: np.random.Generator, *inputs: TensorType) -> dict[str, Array]:
        """Biases of some hundreds, and scales of 1/16 to 1."""
        shape = self.parameters(*inputs)["shift"].shape
        return {
            "bias": rng.integers(-300, 300, shape).astype(np.int32),
            "multiplier": rng.integers(1 << 30, 1 << 31, shape).astype(np.int32),
            "shift": rng.integers(32, 36, shape).astype(np.int32),
        }

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """Exact, a relu, and a threshold."""
        return (
            Case(cls(), (i32(3, 4, 4),), "exact"),
            Case(cls(0, 255), (i32(9, 5, 7),), "relu"),
            Case(cls(0, 255, 8), (i32(33),), "relu, threshold"),
        )
