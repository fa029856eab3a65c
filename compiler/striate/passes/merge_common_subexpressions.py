"""a = f(x), b = f(x), y = g(a, b) => a = f(x), y = g(a, a)"""

from __future__ import annotations

from striate.graph import Graph
from striate.operators.schema import Operator

_Key = tuple[Operator, tuple[str, ...], frozenset[tuple[str, str]]]


def merge_common_subexpressions(graph: Graph) -> int:
    """Let the first of several equal nodes serve the readers of all of them.

    Equal means: the same operator with the same attributes, the same operands in the same order, and the same named
    parameters. Benefit: the work is done once. Sound because a node is a function of exactly these. Two layers whose
    parameters have different names stay apart, even if the values are equal: they were trained as two.
    """
    first: dict[_Key, str] = {}
    merged = 0
    for name in [node.name for node in graph.topological()]:
        node = graph.node(name)
        kept = first.setdefault((node.operator, node.inputs, frozenset(node.parameters.items())), name)
        if kept != name:
            graph.redirect(name, kept)
            graph.remove(name)
            merged += 1
    return merged
