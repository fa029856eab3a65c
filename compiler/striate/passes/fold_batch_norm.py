"""batch_norm(conv2d(x, w, b)) => conv2d(x, w', b')"""

from __future__ import annotations

import numpy as np

from striate.graph import Graph
from striate.operators.normalization import BatchNorm
from striate.passes.affine import scale_and_shift, shared_parameters, takes_affine
from striate.tensor import Array


def fold_batch_norm(graph: Graph) -> int:
    """Put a batch_norm into the weights of the conv2d, conv1d, conv_transpose2d or linear before it.

    With s = weight / sqrt(running_var + eps):  w' = s w,  b' = s (b - running_mean) + bias, per output channel.
    Benefit: an operator, its memory traffic and four parameters less. Sound because both are affine in x, channel by
    channel. Holds off where anything else reads the convolution (it would need the unfolded weights as well), where
    a linear layer's features are not the channels, where weights are not loaded, and for a batch_norm on its own.
    """
    folded, shared = 0, shared_parameters(graph)
    for name in [node.name for node in graph.topological() if isinstance(node.operator, BatchNorm)]:
        node = graph.node(name)
        layer = graph.producer(node.inputs[0])
        if layer is None or graph.only_user(layer.name) is None or not takes_affine(graph, layer):
            continue
        values: dict[str, Array] = {}
        for role in node.parameters:
            value = graph.value(node, role)
            if value is not None:
                values[role] = value.astype(np.float64)
        if len(values) < len(node.parameters):
            continue
        assert isinstance(node.operator, BatchNorm), "only batch_norm nodes were chosen"
        scale = values["weight"] / np.sqrt(values["running_var"] + node.operator.eps)
        scale_and_shift(graph, layer, scale, values["bias"] - scale * values["running_mean"], shared)
        graph.redirect(name, layer.name)
        graph.remove(name)
        folded += 1
    graph.drop_unused_parameters()
    return folded
