"""Neurons: integrate-and-fire with and without leak, and sigma-delta. Equations: spec/neuromorphic.md, "Time"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from striate.operators.neuron import EACH, PER_CHANNEL, Neuron, as_precise, check_positive, kept_after
from striate.operators.rules import require, require_at_least, require_word
from striate.operators.schema import Case, f32
from striate.operators.stateful import State, StatefulOperator, require_longer_than_step
from striate.tensor import Array, TensorType

RESETS = ("subtract", "zero")
ACTIVATIONS = ("none", "relu")


@dataclass(frozen=True)
class IntegrateAndFire(Neuron):
    """Adds up its input and sends 1 when the sum reaches the threshold, else 0.

    v += x; if v >= threshold: send 1, and v -= threshold (subtract) or v = 0 (zero). For `refractory` steps after a
    spike v stays as it is, and input is lost. `per_channel` in place of a number makes it a parameter, [C].
    """

    name: ClassVar[str] = "integrate_and_fire"
    WORDS: ClassVar[dict[str, tuple[str, ...]]] = {"reset": RESETS, "threshold": EACH}

    threshold: float | str = 1.0
    reset: str = "subtract"
    refractory: int = 0

    def __post_init__(self) -> None:
        """A positive threshold, a known reset, and no negative number of steps."""
        _check_firing(self.threshold, self.reset, self.refractory)

    def state(self, *inputs: TensorType) -> dict[str, TensorType]:
        """The potential, and the steps left to rest."""
        return _potential(inputs[0])

    def step(self, inputs: tuple[Array, ...], state: State, dt_s: float, **parameters: Array) -> tuple[Array, State]:
        """One step."""
        v = state["v"]
        threshold = self.number("threshold", v, parameters)
        return _fire(v, v + inputs[0], state["resting"], threshold, self.reset, self.refractory)

    def operations(self, *inputs: TensorType) -> int:
        """An addition, a comparison and a reset for each neuron."""
        return 3 * inputs[0].elements

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """Each attribute."""
        return (
            Case(cls(), (f32(3, 4, 4),), "defaults"),
            Case(cls(0.5, "zero"), (f32(5),), "reset to zero"),
            Case(cls(1.0, "subtract", 2), (f32(5),), "refractory"),
            Case(cls(PER_CHANNEL), (f32(3, 4, 4),), "thresholds by channel"),
        )


@dataclass(frozen=True)
class Lif(Neuron):
    """A leaky integrate-and-fire neuron: v = exp(-dt / tau) * v + x; threshold, reset and refractory as there."""

    name: ClassVar[str] = "lif"
    WORDS: ClassVar[dict[str, tuple[str, ...]]] = {"reset": RESETS, "tau": EACH, "threshold": EACH}
    UNITS: ClassVar[dict[str, str]] = {"tau": "time"}

    tau: float | str
    threshold: float | str = 1.0
    reset: str = "subtract"
    refractory: int = 0

    def __post_init__(self) -> None:
        """A positive time constant and threshold, a known reset, and no negative number of steps."""
        check_positive(tau=self.tau)
        _check_firing(self.threshold, self.reset, self.refractory)

    def check_time(self, dt_s: float) -> None:
        """tau is at least dt."""
        require_longer_than_step(dt_s, tau=self.tau)

    def state(self, *inputs: TensorType) -> dict[str, TensorType]:
        """The potential, and the steps left to rest."""
        return _potential(inputs[0])

    def step(self, inputs: tuple[Array, ...], state: State, dt_s: float, **parameters: Array) -> tuple[Array, State]:
        """One step."""
        v = state["v"]
        charged = kept_after(dt_s, self.number("tau", v, parameters), v) * v + inputs[0]
        threshold = self.number("threshold", v, parameters)
        return _fire(v, charged, state["resting"], threshold, self.reset, self.refractory)

    def operations(self, *inputs: TensorType) -> int:
        """A product, an addition, a comparison and a reset for each neuron."""
        return 4 * inputs[0].elements

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """Each attribute."""
        return (
            Case(cls(0.02), (f32(3, 4, 4),), "defaults"),
            Case(cls(0.005, 0.5, "zero", 2), (f32(5),), "reset to zero, refractory"),
            Case(cls(PER_CHANNEL, PER_CHANNEL), (f32(3, 4, 4),), "time constants and thresholds by channel"),
            Case(cls(0.005, PER_CHANNEL, "zero"), (f32(5),), "thresholds by channel"),
        )


@dataclass(frozen=True)
class CubaLif(Neuron):
    """A leaky integrate-and-fire neuron with a leaky input current: u = a * u + x; v = b * v + u.

    a = exp(-dt / tau_current) or 1 - decay_current, b likewise: for each of the two give the time constant or the part
    that is lost in a step. Threshold, reset and refractory as integrate_and_fire; u goes on while v rests.
    """

    name: ClassVar[str] = "cuba_lif"
    WORDS: ClassVar[dict[str, tuple[str, ...]]] = {
        "reset": RESETS,
        **dict.fromkeys(("tau_current", "tau_voltage", "threshold", "decay_current", "decay_voltage"), EACH),
    }
    UNITS: ClassVar[dict[str, str]] = {"tau_current": "time", "tau_voltage": "time"}

    tau_current: float | str | None = None
    tau_voltage: float | str | None = None
    threshold: float | str = 1.0
    reset: str = "subtract"
    refractory: int = 0
    decay_current: float | str | None = None
    decay_voltage: float | str | None = None

    def __post_init__(self) -> None:
        """For current and voltage one of time constant and decay; the rest as integrate_and_fire."""
        _check_firing(self.threshold, self.reset, self.refractory)
        for what, tau, decay in (
            ("current", self.tau_current, self.decay_current),
            ("voltage", self.tau_voltage, self.decay_voltage),
        ):
            message = f"give either tau_{what} (a time) or decay_{what} (the part lost in a step, 0 to 1)"
            require((tau is None) != (decay is None), message, f"tau_{what}" if tau is not None else None)
            check_positive(**{f"tau_{what}": tau})
            if isinstance(decay, str):
                require_word(decay, EACH, f"decay_{what}")
            elif decay is not None:
                attribute = f"decay_{what}"
                require(0 <= decay <= 1, f"{attribute} must be from 0 to 1, and is {decay:g}", attribute)

    def check_time(self, dt_s: float) -> None:
        """Each time constant is at least dt."""
        require_longer_than_step(dt_s, tau_current=self.tau_current, tau_voltage=self.tau_voltage)

    def state(self, *inputs: TensorType) -> dict[str, TensorType]:
        """The current, the potential, and the steps left to rest."""
        return {"u": inputs[0], **_potential(inputs[0])}

    def step(self, inputs: tuple[Array, ...], state: State, dt_s: float, **parameters: Array) -> tuple[Array, State]:
        """One step: the current first, then the potential with the new current."""
        v = state["v"]
        u = self._kept(dt_s, "current", v, parameters) * state["u"] + inputs[0]
        charged = self._kept(dt_s, "voltage", v, parameters) * v + u
        threshold = self.number("threshold", v, parameters)
        spikes, after = _fire(v, charged, state["resting"], threshold, self.reset, self.refractory)
        return spikes, {"u": u, **after}

    def _kept(self, dt_s: float, what: str, v: Array, parameters: dict[str, Array]) -> float | Array:
        """The part of the current or the voltage that one step keeps."""
        if getattr(self, f"tau_{what}") is not None:
            return kept_after(dt_s, self.number(f"tau_{what}", v, parameters), v)
        return as_precise(1 - self.number(f"decay_{what}", v, parameters), v)

    def operations(self, *inputs: TensorType) -> int:
        """Two products, two additions, a comparison and a reset for each neuron."""
        return 6 * inputs[0].elements

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """Time constants, decays, and both."""
        return (
            Case(cls(0.005, 0.02), (f32(3, 4, 4),), "time constants"),
            Case(
                cls(None, None, 0.5, "zero", 1, decay_current=0.25, decay_voltage=0.125),
                (f32(5),),
                "decays, reset to zero, refractory",
            ),
            Case(cls(0.005, decay_voltage=0.0), (f32(5),), "no leak of the potential"),
            Case(cls(PER_CHANNEL, PER_CHANNEL, PER_CHANNEL), (f32(3, 4, 4),), "all by channel"),
            Case(
                cls(decay_current=PER_CHANNEL, decay_voltage=PER_CHANNEL, reset="zero"), (f32(5),), "decays by channel"
            ),
        )


@dataclass(frozen=True)
class LeakyIntegrator(Neuron):
    """A potential that leaks and never fires: v = exp(-dt / tau) * v + x, and v is the result."""

    name: ClassVar[str] = "leaky_integrator"
    WORDS: ClassVar[dict[str, tuple[str, ...]]] = {"tau": EACH}
    UNITS: ClassVar[dict[str, str]] = {"tau": "time"}

    tau: float | str

    def __post_init__(self) -> None:
        """A positive time constant."""
        check_positive(tau=self.tau)

    def check_time(self, dt_s: float) -> None:
        """tau is at least dt."""
        require_longer_than_step(dt_s, tau=self.tau)

    def state(self, *inputs: TensorType) -> dict[str, TensorType]:
        """The potential."""
        return {"v": inputs[0]}

    def step(self, inputs: tuple[Array, ...], state: State, dt_s: float, **parameters: Array) -> tuple[Array, State]:
        """One step."""
        v = state["v"]
        v = kept_after(dt_s, self.number("tau", v, parameters), v) * v + inputs[0]
        return v, {"v": v}

    def operations(self, *inputs: TensorType) -> int:
        """A product and an addition for each neuron."""
        return 2 * inputs[0].elements

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """An image and a vector."""
        return (
            Case(cls(0.02), (f32(3, 4, 4),), "an image"),
            Case(cls(0.1), (f32(5),), "a vector"),
            Case(cls(PER_CHANNEL), (f32(3, 4, 4),), "time constants by channel"),
        )


@dataclass(frozen=True)
class SigmaDelta(StatefulOperator):
    """Adds up the changes it is sent, applies its activation, and sends its own change once that is large enough.

    s += x; d = f(s + bias) - sent; if |d| >= threshold: send d, and sent += d; else send 0. f is relu, or nothing;
    bias: [C], 0 without it. At threshold 0 all it has sent adds up to f of all it was sent and the bias. A bias belongs
    here, and not to the convolution before it, which is given changes.
    """

    name: ClassVar[str] = "sigma_delta"
    WORDS: ClassVar[dict[str, tuple[str, ...]]] = {"activation": ACTIVATIONS}

    threshold: float = 0.0
    activation: str = "none"
    bias: bool = False

    def __post_init__(self) -> None:
        """A threshold of at least 0, a known activation."""
        require_at_least(0, threshold=self.threshold)
        require_word(self.activation, ACTIVATIONS, "activation")

    def parameters(self, *inputs: TensorType) -> dict[str, TensorType]:
        """The bias of each channel, if there is one."""
        require(len(inputs[0].shape) >= 1 or not self.bias, "a bias takes at least one dimension besides the batch")
        return {"bias": TensorType("f32", inputs[0].shape[:1])} if self.bias else {}

    def state(self, *inputs: TensorType) -> dict[str, TensorType]:
        """The sum of what came, and the sum of what was sent."""
        return {"s": inputs[0], "sent": inputs[0]}

    def step(self, inputs: tuple[Array, ...], state: State, dt_s: float, **parameters: Array) -> tuple[Array, State]:
        """One step."""
        s = state["s"] + inputs[0]
        level = s + parameters["bias"].reshape(-1, *[1] * (s.ndim - 2)) if self.bias else s
        change = (np.maximum(level, 0) if self.activation == "relu" else level) - state["sent"]
        sends = np.where(np.abs(change) >= self.threshold, change, np.zeros_like(change))
        return sends, {"s": s, "sent": state["sent"] + sends}

    def operations(self, *inputs: TensorType) -> int:
        """Two additions, a difference, a comparison, and the bias and activation, for each neuron."""
        return (4 + (self.activation == "relu") + self.bias) * inputs[0].elements

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """With and without threshold and activation."""
        return (
            Case(cls(), (f32(3, 4, 4),), "exact"),
            Case(cls(0.5, "relu"), (f32(5),), "threshold and relu"),
            Case(cls(0.5, "relu", bias=True), (f32(4, 3, 5),), "threshold, relu and bias"),
        )


def _check_firing(threshold: float | str, reset: str, refractory: int) -> None:
    check_positive(threshold=threshold)
    require_word(reset, RESETS, "reset")
    require_at_least(0, refractory=refractory)


def _potential(x: TensorType) -> dict[str, TensorType]:
    return {"v": x, "resting": TensorType("i32", x.shape)}


def _fire(
    before: Array, charged: Array, resting: Array, threshold: float | Array, reset: str, refractory: int
) -> tuple[Array, State]:
    """Spikes (1 or 0, as precise as the potential) and the state after."""
    awake, threshold = resting == 0, as_precise(threshold, before)
    v = np.where(awake, charged, before)
    spikes = awake & (v >= threshold)
    v = np.where(spikes, v - threshold if reset == "subtract" else np.zeros_like(v), v)
    rest = np.where(spikes, refractory, np.maximum(resting - 1, 0)).astype(resting.dtype)
    return spikes.astype(before.dtype), {"v": v, "resting": rest}
