"""lif(conv2d(x)) => fixed_point_lif(conv2d(quantize(x))): a network with time in the integers that chips have"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from striate.diagnostics import CompileError, Diagnostic
from striate.graph import Graph
from striate.interpreter import interpret_all
from striate.operators.shaping import Concat
from striate.passes.fold_average_into_weights import fold_average_into_weights
from striate.passes.quantization.calibrate import Range, check_calibration
from striate.passes.quantization.coding import Coding, coding_for, count_coding
from striate.passes.quantization.time_forms import NEURONS, Form, forms_of
from striate.passes.quantization.time_health import NeuronHealth, examine_neurons
from striate.passes.quantization.time_rewrite import TimeRewriter, code_scale, code_type
from striate.passes.quantization.time_units import units_of
from striate.passes.remove_dead_nodes import remove_dead_nodes
from striate.tensor import Array
from striate.verify import verify

_CHUNK_ELEMENTS = 1 << 25
"""How many numbers, of all values that are watched, are held at a time."""


@dataclass(frozen=True)
class QuantizeTimeReport:
    """What was quantized: the values that stayed in float, what a unit of each sum is worth, and what health takes."""

    floats: tuple[str, ...]
    units: Mapping[str, Array]
    original: Graph = field(repr=False)
    quantized: Graph = field(repr=False)
    calibration: Mapping[str, Array] = field(repr=False)

    def health(self, samples: int = 8) -> tuple[NeuronHealth, ...]:
        """How well the integer neurons stand for the float ones, layer by layer, on the first calibration samples."""
        return examine_neurons(self.original, self.quantized, self.calibration, samples)


def quantize_time(graph: Graph, calibration: Mapping[str, Array]) -> QuantizeTimeReport:
    """Rewrite a float graph with time, in place, to the same operators on integers; spec/graph.md says which.

    Spikes are i8, weights i8 with one unit for each channel of the neurons that they lead to, sums i32, and neurons
    fixed_point_lif or fixed_point_integrator; outputs are floats again. Benefit: one truth for chips, GPU and
    interpreter, in a neuron that real chips have. Not sound in the passes' sense: weights, decays and thresholds are
    rounded, which the report's `health` measures. `calibration` holds `[N, T, *shape]` for each input.
    A graph without float neurons that has integer ones already stays as it is.
    Raises CompileError: needs-calibration, bad-calibration, cannot-lower.
    """
    assert graph.dt_s is not None, "a graph without time has another quantize"
    arrays = check_calibration(graph, calibration)
    names = {node.operator.name for node in graph}
    if not names & set(NEURONS) and names & {"fixed_point_lif", "fixed_point_integrator"}:
        return QuantizeTimeReport((), {}, graph.copy(), graph.copy(), arrays)
    original = graph.copy()
    folded = graph.copy()
    fold_average_into_weights(folded)
    verify(folded, "fold_average_into_weights")
    forms = forms_of(folded)
    codings = {name: _input_coding(folded, name, arrays[name]) for name, type in folded.inputs.items() if type.is_float}
    _refuse_mixed_codes(folded, forms, codings)
    scales = {name: code_scale(folded, name, codings) for name, form in forms.items() if form == "codes"}
    units = units_of(folded, forms, scales, _largest(folded, forms, arrays))
    graph.become(TimeRewriter(folded, forms, codings, units).run())
    remove_dead_nodes(graph)
    verify(graph, "quantize_time")
    floats = tuple(node.name for node in folded if forms[node.name] == "float")
    return QuantizeTimeReport(floats, units, original, graph.copy(), arrays)


def _input_coding(graph: Graph, name: str, data: Array) -> Coding:
    """Whole numbers, as counts of events are, travel as they are, clipped to 8 bits; others at the data's scale."""
    low, high = float(data.min()), float(data.max())
    if data.dtype.kind in "iu" or np.array_equal(data, np.rint(data)):
        coding = count_coding(low, high)
        delayed = any(user.operator.breaks_cycles for user in graph.users(name))
        if coding is not None and not (delayed and coding.dtype == "u8"):
            return coding
    largest = max(abs(low), abs(high))
    return coding_for(Range(-largest, largest, largest))


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


def _largest(graph: Graph, forms: Mapping[str, Form], arrays: Mapping[str, Array]) -> dict[str, float]:
    """The largest magnitude, on the calibration data, of every potential and every sum over time."""
    watched = {
        node.name
        for node in graph
        if forms[node.name] == "potential" or (forms[node.name] == "total" and node.operator.name == "sum_over_time")
    }
    if not watched:
        return {}
    samples, steps = next(iter(arrays.values())).shape[:2]
    elements = steps * sum(graph.type_of(name).elements for name in (*watched, *graph.inputs))
    piece = max(1, _CHUNK_ELEMENTS // elements)
    largest = dict.fromkeys(watched, 0.0)
    for start in range(0, samples, piece):
        part = {name: array[start : start + piece] for name, array in arrays.items()}
        for name, values in interpret_all(graph, part, float64=True, keep=watched).items():
            largest[name] = max(largest[name], float(np.abs(values).max()))
            if not np.isfinite(largest[name]):
                message = f"on the calibration data, '{name}' is NaN or infinite in '{graph.name}'"
                raise CompileError(Diagnostic("bad-calibration", message, help="check the weights and the data"))
    return largest
