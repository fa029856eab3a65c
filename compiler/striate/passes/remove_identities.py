"""slice(x, all of it) => x"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from striate.graph import Graph, Node
from striate.operators.constant import Constant
from striate.operators.pooling import AvgPool2d, MaxPool2d
from striate.operators.shaping import Permute

_Rule = Callable[[Graph, Node], str | None]
"""The operand that a node merely repeats, if it does."""


def remove_identities(graph: Graph) -> int:
    """Let readers of a node that changes nothing read its operand.

    flatten of a vector, reshape to the same shape, permute to the same order, slice of everything, pad by nothing,
    upsample by 1, concat of one tensor, a pool whose window is one pixel, adaptive_avg_pool2d to the same size, an
    addition of 0, a product with 1. Benefit: no copy. Sound on every number (x + 0 turns -0 into 0, which compare
    equal). Holds off where the constant widens the shape, and for a delay that would come to read itself.
    """
    removed = 0
    for name in [node.name for node in graph.topological()]:
        node = graph.node(name)
        rule = _RULES.get(node.operator.name)
        operand = rule(graph, node) if rule else None
        if operand is not None and graph.type_of(operand) == node.type and not _is_loop(graph, node, operand):
            graph.redirect(name, operand)
            graph.remove(name)
            removed += 1
    return removed


def _is_loop(graph: Graph, node: Node, operand: str) -> bool:
    producer = graph.producer(operand)
    return producer is not None and node.name in producer.inputs


def _same_type(graph: Graph, node: Node) -> str | None:
    """What keeps every number in its place unless it changes the type."""
    return node.inputs[0]


def _same_order(graph: Graph, node: Node) -> str | None:
    assert isinstance(node.operator, Permute), "only permute has an order"
    axes = node.operator.axes(len(node.type.shape))
    return node.inputs[0] if axes == tuple(sorted(axes)) else None


def _one_pixel(graph: Graph, node: Node) -> str | None:
    assert isinstance(node.operator, (MaxPool2d, AvgPool2d)), "only pools have a window"
    return node.inputs[0] if node.operator.kernel == (1, 1) else None


def _only_operand(graph: Graph, node: Node) -> str | None:
    return node.inputs[0] if len(node.inputs) == 1 else None


def _neutral(number: float, *, on_either_side: bool) -> _Rule:
    def rule(graph: Graph, node: Node) -> str | None:
        for index in (1, 0) if on_either_side else (1,):
            other = graph.producer(node.inputs[index])
            value = graph.value(other, "value") if other and isinstance(other.operator, Constant) else None
            if value is not None and np.all(value == number):
                return node.inputs[1 - index]
        return None

    return rule


_RULES: dict[str, _Rule] = {
    "flatten": _same_type,
    "reshape": _same_type,
    "slice": _same_type,
    "pad": _same_type,
    "upsample": _same_type,
    "adaptive_avg_pool2d": _same_type,
    "permute": _same_order,
    "concat": _only_operand,
    "max_pool2d": _one_pixel,
    "avg_pool2d": _one_pixel,
    "add": _neutral(0, on_either_side=True),
    "sub": _neutral(0, on_either_side=False),
    "mul": _neutral(1, on_either_side=True),
    "div": _neutral(1, on_either_side=False),
}
