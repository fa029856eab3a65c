"""lif(conv2d(x)) => fixed_point_lif(conv2d(quantize(x))): a network with time in the integers that chips have"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from striate.diagnostics import CompileError, Diagnostic
from striate.graph import Graph
from striate.operators.shaping import Concat
from striate.passes.fold_average_into_weights import fold_average_into_weights
from striate.passes.quantization.calibrate import check_calibration
from striate.passes.quantization.coding import Coding
from striate.passes.quantization.time_codings import (
    Watched,
    code_magnitude,
    code_scale,
    code_type,
    codings_of,
    holds_codes,
    ranges_over_time,
)
from striate.passes.quantization.time_forms import NEURONS, Form, forms_of
from striate.passes.quantization.time_health import NeuronHealth, examine_neurons
from striate.passes.quantization.time_held import held_values
from striate.passes.quantization.time_rewrite import TimeRewriter
from striate.passes.quantization.time_units import Sums
from striate.passes.remove_dead_nodes import remove_dead_nodes
from striate.tensor import Array
from striate.verify import verify

INTEGER_NEURONS = ("fixed_point_lif", "fixed_point_integrator", "fixed_point_sigma_delta", "hold")


@dataclass(frozen=True)
class QuantizeTimeReport:
    """What was quantized: the values that stayed in float, what a unit of each sum is worth, and what health takes.

    `scales`: what the code 1 is worth in what sigma_delta and delta hold.
    """

    floats: tuple[str, ...]
    units: Mapping[str, Array]
    scales: Mapping[str, float]
    original: Graph = field(repr=False)
    quantized: Graph = field(repr=False)
    calibration: Mapping[str, Array] = field(repr=False)

    def health(self, samples: int = 8) -> tuple[NeuronHealth, ...]:
        """How well the integer neurons stand for the float ones, layer by layer, on the first calibration samples."""
        return examine_neurons(self.original, self.quantized, self.calibration, samples, self.scales)


def quantize_time(graph: Graph, calibration: Mapping[str, Array]) -> QuantizeTimeReport:
    """Rewrite a float graph with time, in place, to the same operators on integers; spec/graph.md says which.

    Spikes are i8, weights i8 with one unit for each channel of the neurons that they lead to, sums i32, and neurons
    fixed_point_lif or fixed_point_integrator; outputs are floats again. Where neurons send changes (sigma_delta, delta)
    the integer graph has what they hold, all the changes they have sent so far, as codes of 8 bits. Benefit: one truth
    for chips, GPU and interpreter, in neurons that real chips have. Not sound in the passes' sense: weights, decays and
    thresholds are rounded, which the report's `health` measures. `calibration` holds `[N, T, *shape]` for each input.
    A graph without float neurons that has integer ones already stays as it is.
    Raises CompileError: needs-calibration, bad-calibration, cannot-lower.
    """
    assert graph.dt_s is not None, "a graph without time has another quantize"
    arrays = check_calibration(graph, calibration)
    neurons = [node for node in graph if node.operator.name in NEURONS and node.type.is_float]
    if not neurons and any(node.operator.name in INTEGER_NEURONS for node in graph):
        return QuantizeTimeReport((), {}, {}, graph.copy(), graph.copy(), arrays)
    original = graph.copy()
    folded = graph.copy()
    fold_average_into_weights(folded)
    verify(folded, "fold_average_into_weights")
    forms = forms_of(folded)
    held = held_values(folded, forms)
    watched = _watched(folded, forms, held)
    own = [(node.name, True) for node in folded if holds_codes(node, forms, held)]
    seen = ranges_over_time(folded, dict.fromkeys((*watched.values(), *own)), arrays)
    codings = codings_of(folded, forms, held, arrays, seen)
    _refuse_mixed_codes(folded, forms, codings)
    codes = [name for name, form in forms.items() if form == "codes"]
    units = Sums(
        folded,
        forms,
        held,
        {name: code_scale(folded, name, codings) for name in codes},
        {name: code_magnitude(folded, name, codings) for name in codes},
        {name: seen[each].magnitude for name, each in watched.items()},
    ).units()
    graph.become(TimeRewriter(folded, forms, held, codings, units).run())
    remove_dead_nodes(graph)
    verify(graph, "quantize_time")
    floats = tuple(node.name for node in folded if forms[node.name] == "float")
    scales = {name: code_scale(folded, name, codings) for name in held if forms[name] == "codes"}
    return QuantizeTimeReport(floats, units, scales, original, graph.copy(), arrays)


def _refuse_mixed_codes(graph: Graph, forms: Mapping[str, Form], codings: Mapping[str, Coding]) -> None:
    """Codes that are put side by side mean the same. Raises CompileError[cannot-lower]."""
    mistakes: list[Diagnostic] = []
    for node in graph:
        if not isinstance(node.operator, Concat) or forms[node.name] != "codes":
            continue
        kinds = {(code_type(graph, name, codings), code_scale(graph, name, codings)) for name in node.inputs}
        if len(kinds) > 1:
            means = ", ".join(f"{dtype} times {scale:g}" for dtype, scale in sorted(kinds))
            message = (
                f"'{node.name}' (concat) puts numbers side by side that mean different things in integers: {means}"
            )
            help = "weigh each operand by itself and add the sums, or give inputs that are whole numbers"
            mistakes.append(Diagnostic("cannot-lower", message, node.span, help=help))
    if mistakes:
        raise CompileError(mistakes)


def _watched(graph: Graph, forms: Mapping[str, Form], held: set[str]) -> dict[str, Watched]:
    """By node, the value whose largest magnitude bounds a unit: potentials, and what is added up over time."""
    watched: dict[str, Watched] = {}
    for node in graph:
        adds = node.operator.name in ("sum_over_time", "sigma") and node.inputs[0] not in held
        if forms[node.name] == "potential" or (forms[node.name] == "total" and adds):
            watched[node.name] = node.name, False
        elif node.operator.name == "sigma_delta" and forms[node.name] == "codes" and node.inputs[0] not in held:
            watched[node.name] = node.inputs[0], True
    return watched
