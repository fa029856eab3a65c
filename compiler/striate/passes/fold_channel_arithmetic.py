"""mul(conv2d(x, w, b), constant) => conv2d(x, w', b')"""

from __future__ import annotations

import numpy as np

from striate.graph import Graph, Node
from striate.operators.arithmetic import Add, Div, Mul, Sub
from striate.operators.constant import Constant
from striate.passes.affine import scale_and_shift, shared_parameters, takes_affine
from striate.passes.remove_dead_nodes import remove_unread
from striate.tensor import Array


def fold_channel_arithmetic(graph: Graph) -> int:
    """Put add, sub, mul, div by a constant (one number, or one for each channel) into the layer before it.

    k * y: w' = k w, b' = k b;  y + k: b' = b + k. Benefit and soundness as fold_batch_norm's. Holds off where anything
    else reads the layer, where the constant differs within a channel, for a division by 0, and for k / y.
    """
    folded, shared = 0, shared_parameters(graph)
    for name in [node.name for node in graph.topological() if isinstance(node.operator, (Add, Sub, Mul, Div))]:
        node = graph.node(name)
        for index, operand in enumerate(node.inputs):
            layer, other = graph.producer(operand), node.inputs[1 - index]
            if layer is None or graph.only_user(operand) is None or not takes_affine(graph, layer):
                continue
            constant = _per_channel(graph, layer, other)
            affine = None if constant is None or layer.type != node.type else _affine(node, index, constant)
            if affine:
                scale_and_shift(graph, layer, *affine, shared)
                graph.redirect(name, layer.name)
                graph.remove(name)
                remove_unread(graph, [other])
                folded += 1
                break
    graph.drop_unused_parameters()
    return folded


def _per_channel(graph: Graph, layer: Node, value: str) -> Array | None:
    """The value of a constant as `[channels]`, f64; None where it is none or differs within a channel of `layer`."""
    node = graph.producer(value)
    constant = graph.value(node, "value") if node and isinstance(node.operator, Constant) else None
    if constant is None or constant.ndim > len(layer.type.shape):
        return None
    aligned = constant.reshape(*[1] * (len(layer.type.shape) - constant.ndim), *constant.shape).astype(np.float64)
    if aligned.size != aligned.shape[0]:
        return None
    return np.broadcast_to(aligned.ravel(), layer.type.shape[:1])


def _affine(node: Node, index: int, constant: Array) -> tuple[Array, Array] | None:
    """(scale, shift) of what `node` does to its operand `index`, the other being `constant`."""
    one, none = np.ones_like(constant), np.zeros_like(constant)
    if isinstance(node.operator, Add):
        return one, constant
    if isinstance(node.operator, Mul):
        return constant, none
    if isinstance(node.operator, Sub):
        return (one, -constant) if index == 0 else (-one, constant)
    return (1 / constant, none) if index == 0 and constant.all() else None
