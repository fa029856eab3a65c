"""Sigma-delta neurons in integers: what a neuron holds, all the changes that it has sent so far.

Equations and rounding: spec/neuromorphic.md, "Integers in time". One truth for chips, GPU and interpreter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from striate.operators.quantized import LIMITS
from striate.operators.rules import require, require_at_least, require_word
from striate.operators.schema import Case, i32
from striate.operators.stateful import State, StatefulOperator
from striate.tensor import NUMPY, Array, DType, TensorType

LARGEST_LEVEL = (1 << 30) - 1
"""Activations are at most this large, so that 32 bits hold any change of one."""
_TYPES: dict[str, DType] = {"i8": "i8", "u8": "u8", "i32": "i32"}


@dataclass(frozen=True)
class FixedPointSigmaDelta(StatefulOperator):
    """Brings a sum to its scale, and gives what it holds of it, which follows once the two are far enough apart.

    x: [N, C, ...] i32 -> the same in `to`; bias, multiplier, shift: [C] i32, 1 <= shift <= 62. With `adds`, x is by how
    much the sum has changed: s += x, in 32 bits; without it, s = x. y = clip(((s + bias) * multiplier + 2^(shift - 1))
    >> shift, low, high), as in requantize; if |y - held| >= max(threshold, 1): held = y; gives held, 0 at first. At
    threshold 0 that is y. `low` and `high` default to the limits of `to` (i32: +-(2^30 - 1)).
    """

    name: ClassVar[str] = "fixed_point_sigma_delta"
    WORDS: ClassVar[dict[str, tuple[str, ...]]] = {"to": tuple(_TYPES)}

    to: str = "i8"
    low: int | None = None
    high: int | None = None
    threshold: int = 0
    adds: bool = False

    def __post_init__(self) -> None:
        """Limits that `to` can hold, in order, whose differences fit; a threshold of at least 0."""
        require_word(self.to, self.WORDS["to"], "to")
        holds = np.iinfo(NUMPY[_TYPES[self.to]])
        least, most = max(int(holds.min), -LARGEST_LEVEL), min(int(holds.max), LARGEST_LEVEL)
        low, high = self.limits
        for attribute, value in (("low", low), ("high", high)):
            message = f"{attribute}={value} does not fit in {self.to} ({least} to {most})"
            require(least <= value <= most, message, attribute)
        require(low <= high, f"low={low} is above high={high}", "low")
        require_at_least(0, threshold=self.threshold)

    @property
    def limits(self) -> tuple[int, int]:
        """The (low, high) that what it holds is clipped to."""
        low, high = (-LARGEST_LEVEL, LARGEST_LEVEL) if self.to == "i32" else LIMITS[self.to]
        return low if self.low is None else self.low, high if self.high is None else self.high

    def dtype(self, *inputs: DType) -> DType:
        """`to`, of i32."""
        require(inputs[0] == "i32", f"{self.name} works on i32, and its operand is {inputs[0]}")
        return _TYPES[self.to]

    def state(self, *inputs: TensorType) -> dict[str, TensorType]:
        """What it holds, and with `adds` the sum of what came."""
        names = ("s", "held") if self.adds else ("held",)
        return dict.fromkeys(names, TensorType("i32", inputs[0].shape))

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
        after: dict[str, Array] = {}
        s = inputs[0]
        if self.adds:
            s = after["s"] = (state["s"].astype(np.int64) + s).astype(np.int32)
        biased = (s + bias).astype(np.int32).astype(np.int64)
        y = np.clip((biased * multiplier + (np.int64(1) << (shift - 1))) >> shift, *self.limits)
        far = np.abs(y - state["held"]) >= max(self.threshold, 1)
        after["held"] = np.where(far, y, state["held"]).astype(np.int32)
        return after["held"].astype(NUMPY[_TYPES[self.to]]), after

    def operations(self, *inputs: TensorType) -> int:
        """A product, a shift, four comparisons, a difference and two or three additions for each neuron."""
        return (8 + self.adds) * inputs[0].elements

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
        """Sums and changes; exact, a relu, and a threshold."""
        return (
            Case(cls(), (i32(3, 4, 4),), "a sum"),
            Case(cls("u8", threshold=8), (i32(9, 5, 7),), "a sum, relu, threshold"),
            Case(cls(adds=True), (i32(3, 4, 4),), "changes"),
            Case(cls("u8", adds=True), (i32(9, 5, 7),), "changes, relu"),
            Case(cls("u8", threshold=8, adds=True), (i32(33),), "changes, relu, threshold"),
            Case(cls("i32", 0, 100_000, adds=True), (i32(33),), "changes, of more than 8 bits"),
        )
