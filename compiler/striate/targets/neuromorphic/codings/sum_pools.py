"""conv2d(avg_pool2d(x)) => conv2d(x): where a chip adds up events on their way, a pool is no layer of its own."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from striate.graph import Graph, Node
from striate.operators.convolution import Conv2d
from striate.operators.pooling import AvgPool2d
from striate.passes.remove_dead_nodes import remove_unread
from striate.tensor import Array, TensorType


def fold_average_pools(graph: Graph) -> dict[str, int]:
    """Let the convolution or linear layer after an average pool of k x k take its windows; layer -> k.

    A weight of the layer, over k^2, stands k x k times: the window is k times as large, with k times the stride. Sound
    because both are linear. Holds off for pools that overlap, overhang or pad, and where anything else reads the pool.
    """
    folded: dict[str, int] = {}
    for pool in [node for node in graph.topological() if isinstance(node.operator, AvgPool2d)]:
        size, reader = _size(pool, graph), graph.only_user(pool.name)
        if size is None or reader is None or graph.is_output(pool.name):
            continue
        if isinstance(reader.operator, Conv2d) and reader.operator.dilations == (1, 1):
            _fold_into_convolution(graph, pool, reader, size)
            folded[reader.name] = size
        elif reader.operator.name == "flatten" and (linear := graph.only_user(reader.name)) is not None:
            if linear.operator.name != "linear":
                continue
            _fold_into_linear(graph, pool, reader, linear, size)
            folded[linear.name] = size
    return folded


def _size(pool: Node, graph: Graph) -> int | None:
    """k of a pool of k x k that tiles its image; None for any other."""
    assert isinstance(pool.operator, AvgPool2d), "only pools were chosen"
    (kh, kw), (_, h, w) = pool.operator.kernel, graph.type_of(pool.inputs[0]).shape
    tiles = pool.operator.strides == (kh, kw) and not any(pool.operator.pads(h, w)) and h % kh == w % kw == 0
    return kh if tiles and kh == kw else None


def _fold_into_convolution(graph: Graph, pool: Node, reader: Node, size: int) -> None:
    operator = reader.operator
    assert isinstance(operator, Conv2d), "only convolutions were chosen"
    (kh, kw), (sh, sw) = operator.kernel, operator.strides
    pads = operator.declared_pads(*pool.type.shape[1:])
    larger = replace(
        operator,
        kernel_size=(kh * size, kw * size),
        stride=(sh * size, sw * size),
        padding=tuple(side * size for side in pads),
    )
    weight = _spread(_weight(graph, reader), size)
    graph.replace(reader.name, operator=larger, inputs=pool.inputs, parameters=_parameters(graph, reader, weight))
    remove_unread(graph, [pool.name])


def _fold_into_linear(graph: Graph, pool: Node, flatten: Node, linear: Node, size: int) -> None:
    weight = _weight(graph, linear)
    image = weight.reshape(len(weight), *pool.type.shape)
    spread = _spread(image, size).reshape(len(weight), math.prod(graph.type_of(pool.inputs[0]).shape))
    graph.replace(flatten.name, inputs=pool.inputs)
    graph.replace(linear.name, parameters=_parameters(graph, linear, spread))
    remove_unread(graph, [pool.name])


def _weight(graph: Graph, node: Node) -> Array:
    weight = graph.value(node, "weight")
    assert weight is not None, f"the weight of '{node.name}' is loaded"
    return weight


def _parameters(graph: Graph, node: Node, weight: Array) -> dict[str, str]:
    """A node's parameters with another weight, under a name of its own."""
    name = graph.fresh_parameter(f"{node.name}.weight")
    return {**node.parameters, "weight": graph.set_parameter(name, weight, TensorType(node.type.dtype, weight.shape))}


def _spread(weight: Array, size: int) -> Array:
    """Each of the last two axes' numbers `size` times, divided by how often that makes it stand there."""
    return np.repeat(np.repeat(weight, size, axis=-2), size, axis=-1) / np.float32(size * size)
