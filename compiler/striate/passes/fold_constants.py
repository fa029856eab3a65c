"""add(constant, constant) => constant"""

from __future__ import annotations

import numpy as np

from striate.graph import Graph, Node
from striate.operators.constant import Constant
from striate.passes.remove_dead_nodes import remove_unread
from striate.tensor import Array

_LARGEST_GROWTH_BYTES = 1 << 20


def fold_constants(graph: Graph) -> int:
    """Compute, once and here, every node whose operands are all constants.

    Benefit: no work at run time. Sound because an operator is a function of its operands and parameters; floats are
    computed in double precision. Holds off for an operator with state, which changes from step to step, where a weight
    is not loaded, and where the result would take a megabyte more than what it is made from (an enlarged image, say):
    it is cheaper to compute than to ship.
    """
    folded = 0
    for name in [node.name for node in graph.topological()]:
        node = graph.node(name)
        if (
            not node.inputs
            or node.operator.stateful
            or not all(_is_constant(graph, operand) for operand in node.inputs)
        ):
            continue
        operands = [graph.value(graph.node(operand), "value") for operand in node.inputs]
        parameters = {role: graph.value(node, role) for role in node.parameters}
        known = [value for value in (*operands, *parameters.values()) if value is not None]
        if len(known) < len(operands) + len(parameters) or _grows(graph, node):
            continue
        result = node.operator.reference(
            *(_wide(value)[None] for value in operands if value is not None),
            **{role: _wide(value) for role, value in parameters.items() if value is not None},
        )
        precision = np.result_type(*known) if node.type.is_float and known[0].dtype.kind == "f" else result.dtype
        value_name = graph.fresh_parameter(f"{name}.value")
        graph.set_parameter(value_name, result[0].astype(precision), node.type)
        constant = Constant(node.type.shape, node.type.dtype)
        graph.replace(name, operator=constant, inputs=(), parameters={"value": value_name})
        remove_unread(graph, node.inputs)
        folded += 1
    graph.drop_unused_parameters()
    return folded


def _is_constant(graph: Graph, value: str) -> bool:
    node = graph.producer(value)
    return node is not None and isinstance(node.operator, Constant)


def _grows(graph: Graph, node: Node) -> bool:
    made_from = sum(t.bytes for t in graph.input_types(node)) + sum(
        graph.parameter(node, role).type.bytes for role in node.parameters
    )
    return node.type.bytes - made_from > _LARGEST_GROWTH_BYTES


def _wide(value: Array) -> Array:
    return value.astype(np.float64) if value.dtype.kind == "f" else value
