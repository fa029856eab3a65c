"""Operators with state: a function of this step's operands and of what the steps before left behind."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from striate.operators.rules import require
from striate.operators.schema import Operator
from striate.tensor import DTYPES, NUMPY, Array, DType, Shape, TensorType

State = Mapping[str, Array]
_INTEGERS: dict[np.dtype[Any], DType] = {NUMPY[name]: name for name in DTYPES if name not in ("f16", "f32")}

CASE_DT_S = 1e-3
"""The time step that cases are computed with."""


@dataclass(frozen=True)
class StatefulOperator(Operator):
    """An operator of networks with dt. All state is 0 before the first step: the network starts from rest."""

    stateful: ClassVar[bool] = True

    def shape(self, *inputs: Shape) -> Shape:
        """Neuron by neuron: the operand's shape."""
        return inputs[0]

    def dtype(self, *inputs: DType) -> DType:
        """f32 only: neurons on integers are operators of their own, see fixed_point.py."""
        require(inputs[0] == "f32", f"{self.name} works on f32, and its operand is {inputs[0]}")
        return inputs[0]

    def state(self, *inputs: TensorType) -> dict[str, TensorType]:
        """What is kept from step to step: name -> type, without the batch."""
        raise AssertionError(f"{self.name} states no state")

    def check_time(self, dt_s: float) -> None:
        """Raises OperatorError where the attributes make no sense at this time step."""

    def check_parameters(self, dt_s: float, **parameters: Array) -> None:
        """Raises OperatorError where the values of parameters make no sense at this time step."""

    def step(self, inputs: tuple[Array, ...], state: State, dt_s: float, **parameters: Array) -> tuple[Array, State]:
        """One step: operands `[N, *shape]` and the state before -> the result and the state after."""
        raise AssertionError(f"{self.name} states no step")

    def reference(self, *inputs: Array, **parameters: Array) -> Array:
        """The first step from rest, with dt = 1 ms; over time, the interpreter applies `step`."""
        return self.step(inputs, self.at_rest(inputs, self._types(inputs)), CASE_DT_S, **parameters)[0]

    def at_rest(self, inputs: tuple[Array, ...], types: tuple[TensorType, ...]) -> State:
        """The state before the first step, as precise as the operands."""
        batch, floats = len(inputs[0]), inputs[0].dtype
        return {
            name: np.zeros((batch, *t.shape), floats if t.is_float else NUMPY[t.dtype])
            for name, t in self.state(*types).items()
        }

    def _types(self, inputs: tuple[Array, ...]) -> tuple[TensorType, ...]:
        return tuple(TensorType(_INTEGERS.get(array.dtype, "f32"), array.shape[1:]) for array in inputs)


def keep_after(dt_s: float, tau: float) -> float:
    """The part that a leaky state keeps over one step, exp(-dt / tau)."""
    return math.exp(-dt_s / tau)


def require_longer_than_step(dt_s: float, **taus: float | str | None) -> None:
    """No time constant is shorter than the time step; a word stands for parameters. Raises OperatorError."""
    for attribute, tau in taus.items():
        if tau is not None and not isinstance(tau, str):
            message = f"{attribute} is {1e3 * tau:g} ms, shorter than the time step of {1e3 * dt_s:g} ms"
            require(tau >= dt_s, message, attribute)
