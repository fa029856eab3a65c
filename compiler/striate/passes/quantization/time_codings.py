"""What 8-bit codes mean in a network with time: inputs, and what sigma-delta neurons hold, from calibration data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from striate.diagnostics import CompileError, Diagnostic
from striate.graph import Graph, Node
from striate.interpreter import interpret_all
from striate.operators.neurons import SigmaDelta
from striate.operators.shaping import Concat
from striate.passes.quantization.calibrate import Range
from striate.passes.quantization.coding import Coding, coding_for, count_coding
from striate.passes.quantization.time_forms import FIRING, HOLDING, Form
from striate.passes.quantization.time_held import only_encoded, origins
from striate.tensor import Array, DType

_CHUNK_ELEMENTS = 1 << 25
"""How many numbers, of all values that are watched, are held at a time."""

Watched = tuple[str, bool]
"""A value, and whether it is its sum over time so far that is wanted."""


def codings_of(
    graph: Graph, forms: Mapping[str, Form], held: set[str], arrays: Mapping[str, Array], seen: Mapping[Watched, Range]
) -> dict[str, Coding]:
    """The coding of every float input, and of all that holds codes of its own. What is put side by side shares one."""
    ranges = {node.name: _range(node, seen[node.name, True]) for node in graph if holds_codes(node, forms, held)}
    codings = {name: _input_coding(graph, name, arrays[name]) for name, type in graph.inputs.items() if type.is_float}
    encoded = {name: _range_of_input(arrays[name]) for name in codings if only_encoded(graph, name)}
    ranges |= encoded
    shared = {name: name for name in ranges}
    for node in graph:
        if isinstance(node.operator, Concat) and node.name in held and forms[node.name] == "codes":
            meeting = {shared[name] for name in origins(graph, node.name, set(shared)) if name in shared}
            shared = {name: min(meeting) if first in meeting else first for name, first in shared.items()}
    for first in set(shared.values()):
        names = [name for name in shared if shared[name] == first]
        if names[0] in encoded and len(names) == 1:
            continue
        low, high = min(ranges[name].low for name in names), max(ranges[name].high for name in names)
        coding = coding_for(Range(low, high, max(ranges[name].magnitude for name in names)))
        codings |= dict.fromkeys(names, coding)
    return codings


def holds_codes(node: Node, forms: Mapping[str, Form], held: set[str]) -> bool:
    """Whether a node holds codes at a scale of its own: sigma_delta, and a delta of anything but codes."""
    if node.operator.name not in HOLDING or forms[node.name] != "codes":
        return False
    return isinstance(node.operator, SigmaDelta) or forms[node.inputs[0]] != "codes" or node.inputs[0] in held


def code_scale(graph: Graph, value: str, codings: Mapping[str, Coding]) -> float:
    """What the code 1 stands for: 1 for a spike; what moves codes keeps their meaning."""
    origin = _origin(graph, value, codings)
    return codings[origin].scale if origin in codings else 1.0


def code_type(graph: Graph, value: str, codings: Mapping[str, Coding]) -> DType:
    """The type of codes: i8 for spikes."""
    origin = _origin(graph, value, codings)
    if origin in codings:
        return codings[origin].dtype
    type = graph.inputs.get(origin)
    return type.dtype if type is not None else "i8"


def code_magnitude(graph: Graph, value: str, codings: Mapping[str, Coding]) -> int:
    """The largest code in size."""
    origin = _origin(graph, value, codings)
    if origin in codings:
        return codings[origin].magnitude
    return 255 if origin in graph.inputs else 1


def ranges_over_time(graph: Graph, watched: Iterable[Watched], arrays: Mapping[str, Array]) -> dict[Watched, Range]:
    """The range of each watched value over all calibration samples and steps, in double precision.

    Raises CompileError[bad-calibration] where the network itself makes NaN or infinity of the samples.
    """
    watched = list(watched)
    names = {name for name, _ in watched}
    samples, steps = next(iter(arrays.values())).shape[:2]
    elements = steps * sum(graph.type_of(name).elements for name in (*names, *graph.inputs))
    piece = max(1, _CHUNK_ELEMENTS // elements)
    ends = dict.fromkeys(watched, (np.inf, -np.inf))
    for start in range(0, samples if watched else 0, piece):
        part = {name: array[start : start + piece] for name, array in arrays.items()}
        values = interpret_all(graph, part, float64=True, keep=names)
        for name, added in watched:
            numbers = np.cumsum(values[name], axis=1) if added else values[name]
            low, high = float(numbers.min()), float(numbers.max())
            if not np.isfinite(low + high):
                message = f"on the calibration data, '{name}' is NaN or infinite in '{graph.name}'"
                raise CompileError(Diagnostic("bad-calibration", message, help="check the weights and the data"))
            ends[name, added] = min(ends[name, added][0], low), max(ends[name, added][1], high)
    return {each: Range(low, high, max(abs(low), abs(high))) for each, (low, high) in ends.items()}


def _range(node: Node, seen: Range) -> Range:
    """What a neuron holds: of a relu never below 0, of any other either."""
    if not isinstance(node.operator, SigmaDelta):
        return seen
    return Range(0.0 if node.operator.activation == "relu" else -seen.magnitude, seen.magnitude, seen.magnitude)


def _input_coding(graph: Graph, name: str, data: Array) -> Coding:
    """Whole numbers, as counts of events are, travel as they are, clipped to 8 bits; others at the data's scale."""
    low, high = float(data.min()), float(data.max())
    if data.dtype.kind in "iu" or np.array_equal(data, np.rint(data)):
        coding = count_coding(low, high)
        delayed = any(user.operator.breaks_cycles for user in graph.users(name))
        if coding is not None and not (delayed and coding.dtype == "u8"):
            return coding
    if only_encoded(graph, name):
        return coding_for(_range_of_input(data))
    largest = max(abs(low), abs(high))
    return coding_for(Range(-largest, largest, largest))


def _range_of_input(data: Array) -> Range:
    low, high = float(data.min()), float(data.max())
    return Range(low, high, max(abs(low), abs(high)))


def _origin(graph: Graph, value: str, codings: Mapping[str, Coding]) -> str:
    """The neurons or the input that codes come from: of several, the first."""
    seen = set[str]()
    while value not in codings and value not in graph.inputs and value not in seen:
        if graph.node(value).operator.name in FIRING:
            break
        seen.add(value)
        value = graph.node(value).inputs[0]
    return value
