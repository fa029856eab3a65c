"""What neurons have in common: numbers that may be given by channel, and what a step keeps of a state."""

from __future__ import annotations

import numpy as np

from striate.operators.rules import require, require_word
from striate.operators.stateful import StatefulOperator, keep_after, require_longer_than_step
from striate.tensor import Array, TensorType

PER_CHANNEL = "per_channel"
"""The word in place of a number: there is one for each channel, among the weights."""

EACH = (PER_CHANNEL,)
"""The legal words of such an attribute."""

_LEGAL = {"threshold": (0.5, 1.5), "tau": (2e-3, 2e-2), "decay": (0.1, 0.9)}
"""What tests draw parameters from, by the first word of their name."""


class Neuron(StatefulOperator):
    """A neuron whose numbers may be given by channel: `per_channel` makes an attribute a parameter, f32 [C]."""

    def parameters(self, *inputs: TensorType) -> dict[str, TensorType]:
        """One for each attribute that is given by channel."""
        names = self.by_channel()
        require(not names or len(inputs[0].shape) >= 1, f"{self.name} has no channels to be given by channel")
        return {name: TensorType("f32", inputs[0].shape[:1]) for name in names}

    def by_channel(self) -> tuple[str, ...]:
        """The attributes that are given by channel."""
        return tuple(name for name in self.WORDS if getattr(self, name) == PER_CHANNEL)

    def check_parameters(self, dt_s: float, **parameters: Array) -> None:
        """Thresholds above 0, time constants of at least dt, decays from 0 to 1: every one of every channel."""
        for name, values in parameters.items():
            worst = float(values.min())
            if name.startswith("decay"):
                worst = worst if worst < 0 else float(values.max())
                require(0 <= worst <= 1, f"{name} must be from 0 to 1, and one is {worst:g}", name)
            elif name.startswith("tau"):
                check_positive(**{name: worst})
                require_longer_than_step(dt_s, **{name: worst})
            else:
                check_positive(**{name: worst})

    def sample_parameters(self, rng: np.random.Generator, *inputs: TensorType) -> dict[str, Array]:
        """Legal ones."""
        return {
            name: rng.uniform(*_LEGAL[name.partition("_")[0]], type.shape).astype(np.float32)
            for name, type in self.parameters(*inputs).items()
        }

    def number(self, attribute: str, x: Array, parameters: dict[str, Array]) -> float | Array:
        """An attribute's number, or those of all channels, `[1, C, 1, ...]` like x, in double precision."""
        value = getattr(self, attribute)
        if value != PER_CHANNEL:
            return float(value)
        return parameters[attribute].astype(np.float64).reshape(1, -1, *[1] * (x.ndim - 2))


def check_positive(**attributes: float | str | None) -> None:
    """Numbers above 0, `per_channel`, or left out. Raises OperatorError."""
    for attribute, value in attributes.items():
        if isinstance(value, str):
            require_word(value, EACH, attribute)
        elif value is not None:
            require(0 < value < float("inf"), f"{attribute} must be more than 0, and is {value:g}", attribute)


def kept_after(dt_s: float, tau: float | Array, v: Array) -> float | Array:
    """The part of v that one step keeps, exp(-dt / tau), as precise as v."""
    return keep_after(dt_s, tau) if isinstance(tau, float) else as_precise(np.exp(-dt_s / tau), v)


def as_precise(number: float | Array, v: Array) -> float | Array:
    """Numbers by channel in v's precision; one for all is brought to it where it meets v."""
    return number.astype(v.dtype) if isinstance(number, np.ndarray) else number
