"""What each operator with state is in Triton: a new one is one line here.

A kernel that goes through time runs these lines in every step. `{a}` is the operand, f32 or i32; `{u}`, `{v}`, ... are
the states, and other names in braces are constants, one number or one for each channel.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from striate.diagnostics import CompileError, Diagnostic
from striate.graph import Graph, Node
from striate.operators import (
    CubaLif,
    Delta,
    FixedPointLif,
    FixedPointSigmaDelta,
    Hold,
    IntegrateAndFire,
    LeakyIntegrator,
    Lif,
    SigmaDelta,
)
from striate.operators.fixed_point import LARGEST_STATE, LARGEST_THRESHOLD, STATE_BITS, SUM_SHIFT, WHOLE
from striate.operators.neuron import PER_CHANNEL
from striate.targets.gpu.weights import parameter
from striate.tensor import Array


@dataclass(frozen=True)
class Neuron:
    """One step of an operator with state: its states with their values at rest, its lines, and its result.

    `constants` are arrays of one number, or of one for each channel.
    """

    states: Mapping[str, int]
    lines: tuple[str, ...]
    result: str
    constants: Mapping[str, Array] = field(default_factory=dict[str, Array])


def _integrate_and_fire(graph: Graph, node: Node) -> Neuron:
    operator = node.operator
    assert isinstance(operator, IntegrateAndFire), "the table maps it here"
    return _float_neuron(graph, node, operator, ("charged = {v} + {a}",), {})


def _lif(graph: Graph, node: Node) -> Neuron:
    operator = node.operator
    assert isinstance(operator, Lif), "the table maps it here"
    kept = {"v_kept": _kept(graph, node, "tau")}
    return _float_neuron(graph, node, operator, ("charged = {v_kept} * {v} + {a}",), kept)


def _cuba_lif(graph: Graph, node: Node) -> Neuron:
    operator = node.operator
    assert isinstance(operator, CubaLif), "the table maps it here"
    kept = {
        "u_kept": _kept(graph, node, "tau_current", "decay_current"),
        "v_kept": _kept(graph, node, "tau_voltage", "decay_voltage"),
    }
    lines = ("{u} = {u_kept} * {u} + {a}", "charged = {v_kept} * {v} + {u}")
    return _float_neuron(graph, node, operator, lines, kept, {"u": 0})


def _leaky_integrator(graph: Graph, node: Node) -> Neuron:
    operator = node.operator
    assert isinstance(operator, LeakyIntegrator), "the table maps it here"
    return Neuron({"v": 0}, ("{v} = {v_kept} * {v} + {a}",), "{v}", {"v_kept": _kept(graph, node, "tau")})


def _sigma_delta(graph: Graph, node: Node) -> Neuron:
    operator = node.operator
    assert isinstance(operator, SigmaDelta), "the table maps it here"
    level = "{s} + {bias}" if operator.bias else "{s}"
    lines = (
        "{s} = {s} + {a}",
        f"change = {f'tl.maximum({level}, 0.0)' if operator.activation == 'relu' else level} - {{sent}}",
        "sends = tl.where(tl.abs(change) >= {threshold}, change, 0.0){rounded}",
        "{sent} = {sent} + sends",
    )
    bias = {"bias": parameter(graph, node, "bias").astype(np.float32)} if operator.bias else {}
    return Neuron({"s": 0, "sent": 0}, lines, "sends", {"threshold": _one(operator.threshold), **bias})


def _fixed_point_lif(graph: Graph, node: Node) -> Neuron:
    operator = node.operator
    assert isinstance(operator, FixedPointLif), "the table maps it here"
    states, lines, constants = _charge(graph, node)
    threshold = _checked(node, "threshold", parameter(graph, node, "threshold"), 1, LARGEST_THRESHOLD)
    above = f"{{v}} - ({{threshold}} << {SUM_SHIFT})"
    spare = (1 << SUM_SHIFT) - 1
    fire = _fire(f"(({{v}} + {spare}) >> {SUM_SHIFT}) > {{threshold}}", above, operator.reset, operator.refractory, "0")
    rest = {"resting": 0} if operator.refractory else {}
    return Neuron(
        {**states, "v": operator.initial, **rest},
        (*lines, *fire),
        "fires.to(tl.int32)",
        {**constants, "threshold": threshold},
    )


def _fixed_point_integrator(graph: Graph, node: Node) -> Neuron:
    states, lines, constants = _charge(graph, node)
    return Neuron(states, (*lines, "{v} = charged"), "{v}", constants)


def _delta(graph: Graph, node: Node) -> Neuron:
    operator = node.operator
    assert isinstance(operator, Delta), "the table maps it here"
    if not node.type.is_float and operator.threshold <= 1:
        return Neuron({"sent": 0}, ("sends = {a} - {sent}", "{sent} = {a}"), "sends")
    zero, rounded = ("0.0", "{rounded}") if node.type.is_float else ("0", "")
    threshold = operator.threshold if node.type.is_float else math.ceil(operator.threshold)
    lines = (
        "change = {a} - {sent}",
        f"sends = tl.where((change >= {threshold}) | (change <= -{threshold}), change, {zero}){rounded}",
        "{sent} = {sent} + sends",
    )
    return Neuron({"sent": 0}, lines, "sends")


def _sigma(graph: Graph, node: Node) -> Neuron:
    return Neuron({"s": 0}, ("{s} = {s} + {a}",), "{s}")


def _hold(graph: Graph, node: Node) -> Neuron:
    operator = node.operator
    assert isinstance(operator, Hold), "the table maps it here"
    line = f"{{held}} = tl.where(tl.abs({{a}} - {{held}}) >= {operator.threshold}, {{a}}, {{held}})"
    return Neuron({"held": 0}, (line,), "{held}")


def _fixed_point_sigma_delta(graph: Graph, node: Node) -> Neuron:
    """The product and its rounding take 64 bits, as in requantize; sums wrap in 32."""
    operator = node.operator
    assert isinstance(operator, FixedPointSigmaDelta), "the table maps it here"
    constants = {role: parameter(graph, node, role) for role in ("bias", "multiplier")}
    constants["shift"] = _checked(node, "shift", parameter(graph, node, "shift"), 1, 62)
    (low, high), adds = operator.limits, operator.adds
    lines = (
        *(("{s} = {s} + {a}",) if adds else ()),
        "shift = tl.full([1], 0, tl.int64) + {shift}",
        "half = (tl.full([1], 1, tl.int64) << (shift - 1))",
        f"scaled = (({'{s}' if adds else '{a}'} + {{bias}}).to(tl.int64) * {{multiplier}} + half) >> shift",
        f"level = tl.minimum(tl.maximum(scaled, {low}), {high}).to(tl.int32)",
        f"far = tl.abs(level - {{held}}) >= {operator.threshold}",
        "{held} = tl.where(far, level, {held})",
    )
    lines = lines if operator.threshold > 1 else (*lines[:-2], "{held} = level")
    states = {"s": 0, "held": 0} if adds else {"held": 0}
    return Neuron(states, lines, "{held}", constants)


def _spike_count(graph: Graph, node: Node) -> Neuron:
    return Neuron({"count": 0}, (f"{{count}} = {{count}} + ({{a}} != 0).to({_type(node)})",), "{count}")


def _sum_over_time(graph: Graph, node: Node) -> Neuron:
    return Neuron({"sum": 0}, ("{sum} = {sum} + {a}",), "{sum}")


NEURONS: dict[str, Callable[[Graph, Node], Neuron]] = {
    "integrate_and_fire": _integrate_and_fire,
    "lif": _lif,
    "cuba_lif": _cuba_lif,
    "leaky_integrator": _leaky_integrator,
    "sigma_delta": _sigma_delta,
    "delta": _delta,
    "sigma": _sigma,
    "fixed_point_lif": _fixed_point_lif,
    "fixed_point_integrator": _fixed_point_integrator,
    "fixed_point_sigma_delta": _fixed_point_sigma_delta,
    "hold": _hold,
    "spike_count": _spike_count,
    "sum_over_time": _sum_over_time,
}

FIRING = ("integrate_and_fire", "lif", "cuba_lif", "fixed_point_lif")
SILENT = ("leaky_integrator", "fixed_point_integrator", "fixed_point_sigma_delta")
"""Those that send spikes, and those whose potential is the result."""


def is_neuron(node: Node) -> bool:
    """Whether the node can run at the end of a kernel that goes through time."""
    return node.operator.name in NEURONS


# -- floats

Firing = IntegrateAndFire | Lif | CubaLif


def _float_neuron(
    graph: Graph,
    node: Node,
    operator: Firing,
    charge: tuple[str, ...],
    kept: Mapping[str, Array],
    more: Mapping[str, int] | None = None,
) -> Neuron:
    fire = _fire("{v} >= {threshold}", "{v} - {threshold}", operator.reset, operator.refractory, "0.0")
    states = {**(more or {}), "v": 0, **({"resting": 0} if operator.refractory else {})}
    constants = {**kept, "threshold": _numbers(graph, node, "threshold").astype(np.float32)}
    return Neuron(states, (*charge, *fire), "fires.to(tl.float32)", constants)


def _fire(exceeds: str, above: str, reset: str, refractory: int, zero: str) -> tuple[str, ...]:
    """From `charged`, the potential after the input, to `fires` and the states after the step."""
    after = above if reset == "subtract" else zero
    if not refractory:
        return "{v} = charged", f"fires = {exceeds}", f"{{v}} = tl.where(fires, {after}, {{v}})"
    return (
        "awake = {resting} == 0",
        "{v} = tl.where(awake, charged, {v})",
        f"fires = awake & ({exceeds})",
        f"{{v}} = tl.where(fires, {after}, {{v}})",
        f"{{resting}} = tl.where(fires, {refractory}, tl.maximum({{resting}} - 1, 0))",
    )


def _kept(graph: Graph, node: Node, tau: str, decay: str | None = None) -> Array:
    """The part of a state that a step keeps, as the reference has it."""
    assert graph.dt_s is not None, "state only is where there is time"
    if getattr(node.operator, tau) is not None:
        return np.exp(-graph.dt_s / _numbers(graph, node, tau)).astype(np.float32)
    assert decay is not None, "one of time constant and decay is given"
    return (1 - _numbers(graph, node, decay)).astype(np.float32)


def _numbers(graph: Graph, node: Node, attribute: str) -> Array:
    """An attribute's one number, or those of all channels where they are among the weights: f64."""
    value = getattr(node.operator, attribute)
    given = parameter(graph, node, attribute) if value == PER_CHANNEL else np.array([value])
    return given.astype(np.float64)


def _one(number: float) -> Array:
    return np.array([number], np.float32)


def _type(node: Node) -> str:
    return "tl.float32" if node.type.is_float else "tl.int32"


# -- Loihi's integers


def _charge(graph: Graph, node: Node) -> tuple[dict[str, int], list[str], dict[str, Array]]:
    """States, lines and constants of current and potential, up to `charged`. All in i32, and exact.

    The quotient of 36 bits is taken in two parts: |s| m / 4096 = (|s| // 4096) m + ((|s| % 4096) m) / 4096, of which
    the first is whole. Sums wrap in 32 bits, of which the lowest 24 are those of the wrapped current.
    """
    kept = {
        name: WHOLE - _checked(node, role, parameter(graph, node, role), 0, WHOLE)
        for name, role in (("u", "current_decay"), ("v", "voltage_decay"))
    }
    forgets = not kept["u"].any()
    states = {} if forgets else {"u": 0}
    current = "current" if forgets else "{u}"
    lines = [
        *_part_of("u", kept["u"]),
        f"{current} = ((part + ({{a}} << {SUM_SHIFT})) << {32 - STATE_BITS}) >> {32 - STATE_BITS}",
        *_part_of("v", kept["v"]),
        f"charged = tl.minimum(tl.maximum(part + {current}, -{LARGEST_STATE}), {LARGEST_STATE})",
    ]
    constants = {f"{name}_kept": share for name, share in kept.items() if share.max() > 0 and share.min() < WHOLE}
    return {**states, "v": 0}, lines, constants


def _part_of(state: str, share: Array) -> list[str]:
    """`part`: a state times its share of 4096, rounded towards 0."""
    if not share.any():
        return ["part = 0"]
    if share.min() == WHOLE:
        return [f"part = {{{state}}}"]
    factor, low = f"{{{state}_kept}}", WHOLE - 1
    return [
        f"size = tl.abs({{{state}}})",
        f"size = (size >> 12) * {factor} + (((size & {low}) * {factor}) >> 12)",
        f"part = tl.where({{{state}}} < 0, -size, size)",
    ]


def _checked(node: Node, role: str, value: Array, lowest: int, highest: int) -> Array:
    """A neuron's parameter, if the chips' own bits hold it: kernels count on that. Raises CompileError."""
    if value.size and lowest <= value.min() and value.max() <= highest:
        return value.astype(np.int32)
    found = f"from {value.min()} to {value.max()}" if value.size else "nothing"
    message = f"{role} of '{node.name}' is {found}; kernels compute with {lowest} to {highest}"
    raise CompileError(Diagnostic("cannot-lower", message, node.span))
