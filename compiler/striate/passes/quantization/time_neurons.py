"""A neuron's float parameters as numbers for each channel: what a step keeps, in 12 bits, and the threshold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from striate.graph import Graph, Node
from striate.operators.fixed_point import WHOLE
from striate.operators.neurons import CubaLif, IntegrateAndFire, LeakyIntegrator, Lif
from striate.tensor import Array


@dataclass(frozen=True)
class Neuron:
    """Decays of current and potential, i32 `[C]` of 4096; the threshold, f64 `[C]`, or None where it never fires."""

    current_decay: Array
    voltage_decay: Array
    threshold: Array | None
    reset: str = "zero"
    refractory: int = 0

    @property
    def keeps_all(self) -> bool:
        """Whether a potential is a plain sum: no current is kept, and none of it is lost."""
        return bool((self.current_decay == WHOLE).all() and (self.voltage_decay == 0).all())


def neuron_of(graph: Graph, node: Node) -> Neuron:
    """The parameters of a float neuron. The part lost in a step is rounded to a whole number of 4096ths.

    A current with a time constant loses 1 of 4096 at least: a chip has no current that it keeps for ever.
    """
    operator, dt_s = node.operator, graph.dt_s
    assert dt_s is not None, "a graph with time has a time step"
    channels = node.type.shape[0]
    values = {role: graph.value(node, role) for role in node.parameters}

    def number(attribute: str) -> Array | None:
        given = getattr(operator, attribute)
        value = values[attribute] if isinstance(given, str) else given
        assert not isinstance(given, str) or value is not None, f"the weights of '{node.name}' are not loaded"
        return None if value is None else np.broadcast_to(np.asarray(value, np.float64), channels)

    def lost(tau: str, decay: str | None = None) -> Array:
        seconds = number(tau)
        part = 1 - np.exp(-dt_s / seconds) if seconds is not None else number(decay or "")
        assert part is not None, "one of time constant and decay is given"
        return np.rint(part * WHOLE).astype(np.int32)

    at_once, never = (np.full(channels, part, np.int32) for part in (WHOLE, 0))
    match operator:
        case Lif():
            return Neuron(at_once, lost("tau"), number("threshold"), operator.reset, operator.refractory)
        case IntegrateAndFire():
            return Neuron(at_once, never, number("threshold"), operator.reset, operator.refractory)
        case CubaLif():
            current, voltage = lost("tau_current", "decay_current"), lost("tau_voltage", "decay_voltage")
            current = np.maximum(current, 0 if operator.tau_current is None else 1)
            return Neuron(current, voltage, number("threshold"), operator.reset, operator.refractory)
        case LeakyIntegrator():
            return Neuron(at_once, lost("tau"), None)
        case _:
            raise AssertionError(f"{operator.name} is no neuron")
