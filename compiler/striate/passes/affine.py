"""What follows a convolution channel by channel, y = scale[c] * y + shift[c], put into its weight and bias."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from striate.graph import Graph, Node
from striate.operators.convolution import Conv1d, Conv2d
from striate.operators.linear import Linear
from striate.operators.transposed import ConvTranspose2d
from striate.tensor import Array, TensorType


def takes_affine(graph: Graph, node: Node | None) -> bool:
    """Whether a node is a float convolution or linear layer, weights loaded, whose first dimension is the channels."""
    if node is None or not isinstance(node.operator, (Conv1d, Conv2d, ConvTranspose2d, Linear)):
        return False
    by_channel = not isinstance(node.operator, Linear) or len(node.type.shape) == 1
    loaded = all(graph.value(node, role) is not None for role in node.parameters)
    return node.type.is_float and by_channel and loaded


def shared_parameters(graph: Graph) -> frozenset[str]:
    """The parameters that more than one node names."""
    counts = Counter(name for node in graph for name in node.parameters.values())
    return frozenset(name for name, count in counts.items() if count > 1)


def scale_and_shift(graph: Graph, node: Node, scale: Array, shift: Array, shared: frozenset[str]) -> None:
    """Let `node` give scale[c] * y + shift[c] instead of y; scale, shift: [channels], f64.

    Computed in double precision and kept in the precision of the weight. A parameter in `shared` is left to the
    others and copied.
    """
    assert isinstance(node.operator, (Conv1d, Conv2d, ConvTranspose2d, Linear)), "only weighted sums take a scale"
    weight, bias = graph.value(node, "weight"), graph.value(node, "bias")
    assert weight is not None, f"the weights of '{node.name}' are not loaded"
    values = {
        "weight": _scaled(node, weight.astype(np.float64), scale),
        "bias": shift if bias is None else bias.astype(np.float64) * scale + shift,
    }
    stem = node.parameters["weight"].removesuffix(".weight")
    names = {
        "weight": node.parameters["weight"],
        "bias": node.parameters.get("bias") or graph.fresh_parameter(f"{stem}.bias"),
    }
    for role, value in values.items():
        if names[role] in shared:
            names[role] = graph.fresh_parameter(f"{node.name}.{role}")
        graph.set_parameter(names[role], value.astype(weight.dtype), TensorType(node.type.dtype, value.shape))
    graph.replace(node.name, operator=replace(node.operator, bias=True), parameters=names)


def _scaled(node: Node, weight: Array, scale: Array) -> Array:
    """Each output channel's weights times its scale; conv_transpose2d's lie along the second dimension, by groups."""
    if not isinstance(node.operator, ConvTranspose2d):
        return weight * scale.reshape(-1, *[1] * (weight.ndim - 1))
    groups = node.operator.groups
    split = weight.reshape(groups, len(weight) // groups, *weight.shape[1:])
    return (split * scale.reshape(groups, 1, -1, 1, 1)).reshape(weight.shape)
