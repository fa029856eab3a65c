"""reduce_mean(x, (2, 3)) => flatten(adaptive_avg_pool2d(x, 1))"""

from __future__ import annotations

from striate.graph import Graph
from striate.operators.pooling import AdaptiveAvgPool2d
from striate.operators.reduction import ReduceMean
from striate.operators.shaping import Flatten


def pool_for_mean(graph: Graph) -> int:
    """Write the mean over an image's rows and columns as the pool that it is.

    Benefit: every machine has the pool, on integers and as synapses too, and the flatten moves nothing. Sound because
    both divide the sum over the image by its size. Holds off for the mean over any other dimensions.
    """
    written = 0
    for name in [node.name for node in graph.topological() if isinstance(node.operator, ReduceMean)]:
        node = graph.node(name)
        assert isinstance(node.operator, ReduceMean), "only means were chosen"
        rank = len(graph.type_of(node.inputs[0]).shape)
        if rank != 3 or node.operator.axes(rank) != (2, 3):
            continue
        if node.operator.keepdim:
            graph.replace(name, operator=AdaptiveAvgPool2d(1))
        else:
            pool = graph.add(graph.fresh(f"{name}.pool"), AdaptiveAvgPool2d(1), node.inputs, span=node.span)
            graph.replace(name, operator=Flatten(), inputs=[pool.name])
        written += 1
    return written
