"""permute(permute(x)) => permute(x)"""

from __future__ import annotations

from collections.abc import Callable

from striate.graph import Graph, Node
from striate.operators.schema import Operator
from striate.operators.shaping import Concat, Flatten, Pad, Permute, Reshape

_Merged = tuple[Operator, tuple[str, ...]]


def merge_movement(graph: Graph) -> int:
    """Make one movement of two in a row: permutes, reshapes (and flattens), pads, or concats.

    Benefit: the numbers move once. Sound because each only says where a number comes from, and the one says what both
    said. Holds off where the first has other readers (it would have to be made anyway), and for pads of different
    values.
    """
    merged = 0
    for name in [node.name for node in graph.topological()]:
        node = graph.node(name)
        for index, operand in enumerate(node.inputs):
            first = graph.producer(operand)
            if first is None or graph.only_user(operand) is None or node.inputs.count(operand) > 1:
                continue
            found = next((made for rule in _RULES if (made := rule(graph, first, node, index))), None)
            if found:
                graph.replace(name, operator=found[0], inputs=found[1])
                graph.remove(first.name)
                merged += 1
                break
    return merged


def _permutes(graph: Graph, first: Node, then: Node, index: int) -> _Merged | None:
    if not (isinstance(first.operator, Permute) and isinstance(then.operator, Permute)):
        return None
    rank = len(then.type.shape)
    before, after = first.operator.axes(rank), then.operator.axes(rank)
    return Permute(tuple(before[axis - 1] for axis in after)), first.inputs


def _reshapes(graph: Graph, first: Node, then: Node, index: int) -> _Merged | None:
    if not (isinstance(first.operator, (Reshape, Flatten)) and isinstance(then.operator, (Reshape, Flatten))):
        return None
    return (Flatten() if len(then.type.shape) == 1 else Reshape(then.type.shape)), first.inputs


def _pads(graph: Graph, first: Node, then: Node, index: int) -> _Merged | None:
    if not (isinstance(first.operator, Pad) and isinstance(then.operator, Pad)):
        return None
    if first.operator.value != then.operator.value:
        return None
    length = max(len(first.operator.pad), len(then.operator.pad))
    sides = (pad + (0,) * (length - len(pad)) for pad in (first.operator.pad, then.operator.pad))
    return Pad(tuple(a + b for a, b in zip(*sides, strict=True)), then.operator.value), first.inputs


def _concats(graph: Graph, first: Node, then: Node, index: int) -> _Merged | None:
    if not (isinstance(first.operator, Concat) and isinstance(then.operator, Concat)):
        return None
    rank = len(then.type.shape)
    if first.operator.dim % (rank + 1) != then.operator.dim % (rank + 1):
        return None
    return then.operator, (*then.inputs[:index], *first.inputs, *then.inputs[index + 1 :])


_RULES: tuple[Callable[[Graph, Node, Node, int], _Merged | None], ...] = (_permutes, _reshapes, _pads, _concats)
