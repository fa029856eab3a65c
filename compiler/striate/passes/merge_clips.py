"""relu6(relu(x)) => relu6(x)"""

from __future__ import annotations

import math

from striate.graph import Graph, Node
from striate.operators.activation import HardSigmoid, Sigmoid
from striate.operators.normalization import Softmax
from striate.operators.pointwise import Clip, Pointwise, Relu, Relu6

_Limits = tuple[float, float]


def merge_clips(graph: Graph) -> int:
    """Make one of two clips in a row (relu, relu6, clip), and none of a clip that changes nothing.

    clip(clip(x, a, b), c, d) = clip(x, clip(a, c, d), clip(b, c, d)). Benefit: one function less to apply. Sound on
    every number. What lies within limits already (the result of a clip, of sigmoid, hard_sigmoid or softmax) needs no
    wider ones. Holds off where the inner clip has other readers and the outer one does change something: two would
    still be computed.
    """
    merged = 0
    for name in [node.name for node in graph.topological()]:
        node = graph.node(name)
        outer, inner = _limits(node), graph.producer(node.inputs[0]) if node.inputs else None
        if outer is None or inner is None or not node.type.is_float:
            continue
        within = _limits(inner) or _reach(inner)
        if within is None:
            continue
        both = (_clipped(within[0], outer), _clipped(within[1], outer))
        if both == within:
            graph.redirect(name, inner.name)
            graph.remove(name)
        elif _limits(inner) and graph.only_user(inner.name) and _operator(both):
            graph.replace(name, operator=_operator(both), inputs=inner.inputs)
            graph.remove(inner.name)
        else:
            continue
        merged += 1
    return merged


def _limits(node: Node) -> _Limits | None:
    """What a clip clips to; None for anything else."""
    if isinstance(node.operator, Relu):
        return 0.0, math.inf
    if isinstance(node.operator, Relu6):
        return 0.0, 6.0
    return (node.operator.min, node.operator.max) if isinstance(node.operator, Clip) else None


def _reach(node: Node) -> _Limits | None:
    """What a function's results lie within, where that is the same whatever the operand."""
    return (0.0, 1.0) if isinstance(node.operator, (Sigmoid, HardSigmoid, Softmax)) else None


def _clipped(x: float, limits: _Limits) -> float:
    return min(max(x, limits[0]), limits[1])


def _operator(limits: _Limits) -> Pointwise | None:
    if limits == (0.0, math.inf):
        return Relu()
    if limits == (0.0, 6.0):
        return Relu6()
    return Clip(*limits) if math.isfinite(limits[0]) and math.isfinite(limits[1]) else None
