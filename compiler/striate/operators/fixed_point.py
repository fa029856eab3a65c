"""Neurons in integers, as Loihi computes them: what networks with time become when they are quantized.

Equations, rounding and overflow: spec/neuromorphic.md, "Integers in time". One truth for chips, GPU and interpreter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from striate.operators.neurons import RESETS
from striate.operators.rules import require, require_at_least, require_word
from striate.operators.schema import Case, i32
from striate.operators.stateful import State, StatefulOperator
from striate.tensor import Array, DType, TensorType

STATE_BITS = 24
"""Current and potential, with their sign."""
LARGEST_STATE = (1 << (STATE_BITS - 1)) - 1
"""Where a potential saturates, above and below 0."""
SUM_SHIFT = 6
"""A sum of weights, and a threshold, count 64 of the state's unit."""
WHOLE = 1 << 12
"""Decays are parts of 4096."""

LARGEST_THRESHOLD = (1 << 17) - 1
"""Thresholds have 17 bits."""


class FixedPointNeuron(StatefulOperator):
    """What both neurons share: x is an i32 sum of weights; u wraps in 24 bits, v saturates at +-(2^23 - 1).

    u = wrap(u * (4096 - current_decay) / 4096 + 64 x);  v = clip(v * (4096 - voltage_decay) / 4096 + u)

    Quotients are rounded towards 0; current_decay, voltage_decay: [C] i32, 0 to 4096, the part lost in a step.
    """

    def state(self, *inputs: TensorType) -> dict[str, TensorType]:
        """The current and the potential."""
        return dict.fromkeys(("u", "v"), TensorType("i32", inputs[0].shape))

    def parameters(self, *inputs: TensorType) -> dict[str, TensorType]:
        """The decays of each channel."""
        require(len(inputs[0].shape) >= 1, f"{self.name} takes at least one dimension besides the batch")
        return dict.fromkeys(("current_decay", "voltage_decay"), TensorType("i32", inputs[0].shape[:1]))

    def sample_parameters(self, rng: np.random.Generator, *inputs: TensorType) -> dict[str, Array]:
        """Decays over their whole range, and thresholds that some sums of a case reach."""
        ranges = {"current_decay": (0, WHOLE + 1), "voltage_decay": (0, WHOLE + 1), "threshold": (1, 1000)}
        return {
            role: rng.integers(*ranges[role], type.shape).astype(np.int32)
            for role, type in self.parameters(*inputs).items()
        }


@dataclass(frozen=True)
class FixedPointLif(FixedPointNeuron):
    """Loihi's leaky integrate-and-fire neuron in integers: sends 1 in the step in which v > 64 threshold.

    x: [N, C, ...] i32 -> the same in i8, 1 or 0; current_decay, voltage_decay, threshold: [C] i32. u = wrap(u (4096 -
    current_decay) / 4096 + 64 x), v = clip(v (4096 - voltage_decay) / 4096 + u), both quotients rounded towards 0. A
    spike sets v to 0 (zero), or takes 64 threshold off (subtract). For `refractory` steps after it v stays as it is.
    v starts at `initial`.
    """

    name: ClassVar[str] = "fixed_point_lif"
    WORDS: ClassVar[dict[str, tuple[str, ...]]] = {"reset": RESETS}

    reset: str = "zero"
    refractory: int = 0
    initial: int = 0

    def __post_init__(self) -> None:
        """A known reset, no negative number of steps, and a start that the potential can hold."""
        require_word(self.reset, RESETS, "reset")
        require_at_least(0, refractory=self.refractory)
        message = f"initial is a potential from {-LARGEST_STATE} to {LARGEST_STATE}, not {self.initial}"
        require(abs(self.initial) <= LARGEST_STATE, message, "initial")

    def dtype(self, *inputs: DType) -> DType:
        """Spikes in i8, of sums in i32."""
        require(inputs[0] == "i32", f"{self.name} works on i32, and its operand is {inputs[0]}")
        return "i8"

    def state(self, *inputs: TensorType) -> dict[str, TensorType]:
        """The current, the potential less `initial`, and the steps left to rest."""
        return {**super().state(*inputs), "resting": TensorType("i32", inputs[0].shape)}

    def parameters(self, *inputs: TensorType) -> dict[str, TensorType]:
        """Decays and threshold of each channel."""
        decays = super().parameters(*inputs)
        return {**decays, "threshold": decays["current_decay"]}

    def step(self, inputs: tuple[Array, ...], state: State, dt_s: float, **parameters: Array) -> tuple[Array, State]:
        """One step."""
        before = state["v"].astype(np.int64) + self.initial
        u, charged = _charge(inputs[0], state["u"], before, parameters)
        resting = state["resting"]
        v = np.where(resting == 0, charged, before)
        level = _by_channel(parameters["threshold"], v) << SUM_SHIFT
        spikes = (resting == 0) & (v > level)
        v = np.where(spikes, v - level if self.reset == "subtract" else 0, v)
        rest = np.where(spikes, self.refractory, np.maximum(resting - 1, 0))
        after = {"u": u, "v": v - self.initial, "resting": rest}
        return spikes.astype(np.int8), {name: value.astype(np.int32) for name, value in after.items()}

    def operations(self, *inputs: TensorType) -> int:
        """Two products, two quotients, two additions, a wrap, a clip, a comparison and a reset for each neuron."""
        return 10 * inputs[0].elements

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """Each attribute."""
        return (
            Case(cls(), (i32(3, 4, 4),), "reset to zero"),
            Case(cls("subtract"), (i32(9, 5, 7),), "soft reset"),
            Case(cls("zero", 2), (i32(33),), "refractory"),
            Case(cls("subtract", 1), (i32(5),), "soft reset, refractory"),
            Case(cls("subtract", initial=1), (i32(5),), "soft reset, started above 0"),
        )


@dataclass(frozen=True)
class FixedPointIntegrator(FixedPointNeuron):
    """Loihi's neuron in integers that never fires: its potential is the result.

    x: [N, C, ...] i32 -> the same in i32; current_decay, voltage_decay: [C] i32. u and v as in fixed_point_lif.
    """

    name: ClassVar[str] = "fixed_point_integrator"

    def dtype(self, *inputs: DType) -> DType:
        """i32 of i32."""
        require(inputs[0] == "i32", f"{self.name} works on i32, and its operand is {inputs[0]}")
        return "i32"

    def step(self, inputs: tuple[Array, ...], state: State, dt_s: float, **parameters: Array) -> tuple[Array, State]:
        """One step."""
        u, v = (part.astype(np.int32) for part in _charge(inputs[0], state["u"], state["v"], parameters))
        return v, {"u": u, "v": v}

    def operations(self, *inputs: TensorType) -> int:
        """Two products, two quotients, two additions, a wrap and a clip for each neuron."""
        return 8 * inputs[0].elements

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """An image and a vector."""
        return Case(cls(), (i32(3, 4, 4),), "an image"), Case(cls(), (i32(5),), "a vector")


def _charge(x: Array, u: Array, v: Array, parameters: dict[str, Array]) -> tuple[Array, Array]:
    """Current and potential after a step's input, i64."""
    u = _kept(u, parameters["current_decay"]) + (x.astype(np.int64) << SUM_SHIFT)
    half, spare = np.int64(1 << (STATE_BITS - 1)), np.int64((1 << STATE_BITS) - 1)
    u = ((u + half) & spare) - half
    v = _kept(v, parameters["voltage_decay"]) + u
    return u, np.clip(v, -LARGEST_STATE, LARGEST_STATE)


def _kept(state: Array, decay: Array) -> Array:
    """state * (4096 - decay) / 4096 in 64 bits, rounded towards 0."""
    product = state.astype(np.int64) * (WHOLE - _by_channel(decay, state))
    return np.sign(product) * (np.abs(product) // WHOLE)


def _by_channel(parameter: Array, x: Array) -> Array:
    return parameter.astype(np.int64).reshape(-1, *[1] * (x.ndim - 2))
