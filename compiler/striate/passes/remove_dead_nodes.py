"""y = f(x), z = g(x), output y => y = f(x)"""

from __future__ import annotations

from collections.abc import Iterable

from striate.graph import Graph


def remove_unread(graph: Graph, names: Iterable[str]) -> None:
    """Delete those of the nodes `names` that nothing reads any more, for a pass that has just bypassed them."""
    for name in names:
        if graph.producer(name) and not graph.users(name) and not graph.is_output(name):
            graph.remove(name)


def remove_dead_nodes(graph: Graph) -> int:
    """Delete every node from which no output can be reached, and the parameters that only such nodes used.

    Benefit: work and weights that nobody reads. Sound because operators have no effects besides their result. Inputs
    stay, read or not: they are the network's signature.
    """
    removed = graph.keep_only(graph.upstream(graph.outputs.values()))
    graph.drop_unused_parameters()
    return removed
