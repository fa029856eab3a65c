"""What each value of a network with time is in integers: codes, sums, potentials, totals; or that it stays a float."""

from __future__ import annotations

from typing import Literal

from striate.diagnostics import CompileError, Diagnostic
from striate.graph import Graph, Node
from striate.operators.resampling import Upsample
from striate.operators.shaping import Movement, Pad
from striate.tensor import DType

Form = Literal["codes", "sum", "potential", "total", "float"]
"""codes: spikes, input numbers, what sigma_delta and delta hold; i8, u8. sum: i32, weights added up, at the unit of its
group. potential: i32, in 64ths of that unit. total: what a readout gives. float: what no rule covers, and what depends
on it or on a total. Of changes it is the form of what they add up to (time_held.py)."""

FIRING = ("lif", "integrate_and_fire", "cuba_lif")
WEIGHTED = ("conv1d", "conv2d", "conv_transpose2d", "linear")
READOUTS = ("spike_count", "sum_over_time", "last", "sigma")
HOLDING = ("sigma_delta", "delta")
"""What sends changes, and holds what they add up to."""
NEURONS = (*FIRING, "leaky_integrator", *HOLDING)
_BYTES: tuple[DType, ...] = ("i8", "u8")


def forms_of(graph: Graph) -> dict[str, Form]:
    """The form of every value. Raises CompileError[cannot-lower] where a neuron would have to read a float."""
    forms: dict[str, Form] = {
        name: "codes" if type.is_float or type.dtype in _BYTES else "float" for name, type in graph.inputs.items()
    }
    forms = _settled(graph, forms)
    _refuse_islands(graph, forms)
    _refuse_sums_without_neurons(graph, forms)
    return forms


def _settled(graph: Graph, forms: dict[str, Form]) -> dict[str, Form]:
    """All forms; a delay has that of its operand, which may be defined further down and is first taken for codes."""
    for _ in range(len(graph) + 1):
        before = dict(forms)
        for node in graph.topological():
            forms[node.name] = _form(graph, node, forms)
        if forms == before:
            return forms
    return {**forms, **{node.name: "float" for node in graph if node.operator.breaks_cycles}}


def _form(graph: Graph, node: Node, forms: dict[str, Form]) -> Form:
    operator, name = node.operator, node.operator.name
    kinds: set[Form] = {forms.get(operand, "codes") for operand in node.inputs}
    if operator.breaks_cycles:
        return forms.get(node.inputs[0], "codes") if kinds <= {"codes", "sum", "potential"} else "float"
    if name in (*FIRING, "sigma_delta"):
        return "codes" if kinds <= {"codes", "sum"} else "float"
    if name == "delta":
        return "codes" if kinds <= {"codes", "sum", "potential"} and node.type.is_float else "float"
    if name == "leaky_integrator":
        return "potential" if kinds <= {"codes", "sum"} else "float"
    if name in READOUTS:
        return "total" if kinds <= {"codes", "sum", "potential"} else "float"
    if name in WEIGHTED:
        return "sum" if kinds == {"codes"} else "float"
    if name in ("add", "sub"):
        alike = all(graph.type_of(each).shape == node.type.shape for each in node.inputs if each in graph)
        return "sum" if alike and kinds <= {"codes", "sum"} else "float"
    if name == "max_pool2d":
        return "codes" if kinds == {"codes"} else "float"
    if not is_movement(node) or not kinds <= {"codes", "sum"}:
        return "float"
    return "codes" if kinds == {"codes"} else "sum"


def is_movement(node: Node) -> bool:
    """Whether a node only moves numbers, of any type, and adds none but 0."""
    if isinstance(node.operator, Upsample):
        return node.operator.mode == "nearest"
    return isinstance(node.operator, Movement) and (not isinstance(node.operator, Pad) or node.operator.value == 0)


def _refuse_islands(graph: Graph, forms: dict[str, Form]) -> None:
    """Every neuron, and whatever feeds back, reads integers; the first nodes on the way that have none are named."""
    mistakes: dict[str, Diagnostic] = {}
    for node in graph:
        if node.operator.name not in NEURONS or forms[node.name] != "float" or not node.type.is_float:
            continue
        for culprit in _culprits(graph, node, forms):
            message = (
                f"'{culprit.name}' ({culprit.operator.name}) has no integer form over time, and the neurons of "
                f"'{node.name}' ({node.operator.name}) depend on it"
            )
            mistakes.setdefault(culprit.name, Diagnostic("cannot-lower", message, culprit.span, help=_help(culprit)))
    if mistakes:
        raise CompileError(mistakes.values())


def _culprits(graph: Graph, node: Node, forms: dict[str, Form]) -> list[Node]:
    """Upstream of a neuron, the floats whose operands are integers or constants; the neuron where there is none."""
    before = graph.upstream(node.inputs) | {node.name}
    producers = (graph.producer(name) for name in sorted(before) if forms[name] == "float")
    floats = {each.name: each for each in producers if each is not None and each.inputs}
    first = [each for each in floats.values() if not any(name in floats for name in each.inputs)]
    return first or [node]


def _help(node: Node) -> str:
    if node.operator.name in WEIGHTED:
        return "it weighs sums, not spikes: put a neuron before it, or make one layer of the two"
    if node.operator.name == "batch_norm":
        return "batch_norm is folded where it directly follows a convolution or linear layer that nothing else reads"
    if node.operator.name in ("add", "sub"):
        return "operands of equal shape that are spikes or sums of weights can be added; a potential cannot"
    return (
        "between spikes stand weighted layers, sums, average pools and movements; functions may stand after a readout"
    )


def _refuse_sums_without_neurons(graph: Graph, forms: dict[str, Form]) -> None:
    """A loop of delays and additions alone would grow without a bound that 32 bits hold."""
    for node in graph:
        if forms[node.name] not in ("sum", "potential") or node.operator.name in NEURONS:
            continue
        seen, pending = set[str](), [name for name in node.inputs if _adds(graph, forms, name)]
        while pending:
            name = pending.pop()
            if name not in seen:
                seen.add(name)
                pending += [each for each in graph.node(name).inputs if _adds(graph, forms, each)]
        if node.name in seen:
            message = f"'{node.name}' ({node.operator.name}) feeds back into itself, and there is no neuron in the loop"
            help = "let a neuron (leaky_integrator, lif, ...) hold what goes round"
            raise CompileError(Diagnostic("cannot-lower", message, node.span, help=help))


def _adds(graph: Graph, forms: dict[str, Form], name: str) -> bool:
    node = graph.producer(name)
    return node is not None and forms[name] == "sum" and node.operator.name not in WEIGHTED
