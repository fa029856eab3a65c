"""Which values of a network are changes, of which the integer graph has what they add up to: what is held.

Between two neurons that send changes everything is linear: for such an L, the sum over time of L(change) is L of the
sum over time of the changes, which is what the sender has sent so far. So the integer graph computes on what is held,
ordinary activations of 8 bits; spec/neuromorphic.md, "Integers in time", has the proof.
"""

from __future__ import annotations

from collections.abc import Mapping

from striate.diagnostics import CompileError, Diagnostic
from striate.graph import Graph, Node
from striate.operators.shaping import Concat
from striate.passes.quantization.time_forms import FIRING, HOLDING, WEIGHTED, Form, is_movement
from striate.tensor import Array


def held_values(graph: Graph, forms: Mapping[str, Form]) -> set[str]:
    """The values that are changes: what sigma_delta and delta send, and what is linear in it.

    Raises CompileError[cannot-lower] where changes meet a bias, a maximum, or numbers given anew in every step.
    """
    found = {node.name for node in graph if node.operator.name in HOLDING and forms[node.name] == "codes"}
    linear = [node for node in graph if _is_linear(node) and forms[node.name] in ("codes", "sum")]
    while more := {node.name for node in linear if node.name not in found and found.intersection(node.inputs)}:
        found |= more
    mistakes = [each for node in linear if node.name in found for each in _mistakes(graph, node, found)]
    mistakes += [_maximum(node) for node in graph if node.operator.name == "max_pool2d" and found & {*node.inputs}]
    if mistakes:
        raise CompileError(mistakes)
    return found


def origins(graph: Graph, value: str, stops: set[str]) -> set[str]:
    """The inputs, and the nodes of `stops`, that codes come from; spikes come from neither."""
    seen, pending, found = set[str](), [value], set[str]()
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in graph.inputs or name in stops:
            found.add(name)
        elif graph.node(name).operator.name not in FIRING:
            pending += graph.node(name).inputs
    return found


def only_encoded(graph: Graph, port: str) -> bool:
    """Whether nothing but `delta` reads an input, at whatever place and time."""
    pending, seen, encoded = [port], set[str](), False
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        if graph.is_output(name):
            return False
        for user in graph.users(name):
            if user.operator.name == "delta":
                encoded = True
            elif user.operator.breaks_cycles or is_movement(user):
                pending.append(user.name)
            else:
                return False
    return encoded


def _is_linear(node: Node) -> bool:
    operator = node.operator
    return operator.name in (*WEIGHTED, "add", "sub") or operator.breaks_cycles or is_movement(node)


def _maximum(node: Node) -> Diagnostic:
    message = f"'{node.name}' (max_pool2d) takes the largest change, which says nothing of what the neurons hold"
    return Diagnostic("cannot-lower", message, node.span, help="use avg_pool2d, which is linear")


def _mistakes(graph: Graph, node: Node, held: set[str]) -> list[Diagnostic]:
    others = [name for name in node.inputs if name not in held]
    if others:
        joins = "puts side by side" if isinstance(node.operator, Concat) else "adds"
        changes = next(name for name in node.inputs if name in held)
        message = (
            f"'{node.name}' ({node.operator.name}) {joins} '{changes}', which are changes, and '{others[0]}', which is "
            "given anew in every step: the first add up over time, the second do not"
        )
        help = f"let a delta send '{others[0]}' as changes, or read '{changes}' through sigma after the last neuron"
        return [Diagnostic("cannot-lower", message, node.span, help=help)]
    bias: Array | None = graph.value(node, "bias") if "bias" in node.parameters else None
    if bias is None or not bias.any():
        return []
    message = f"'{node.name}' ({node.operator.name}) weighs changes, and would add its bias to them in every step anew"
    help = "write bias=false here, and bias=true at the sigma_delta that reads it"
    return [Diagnostic("cannot-lower", message, node.span, help=help)]
