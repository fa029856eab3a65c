"""max_pool2d(relu(x)) => relu(max_pool2d(x))"""

from __future__ import annotations

from striate.graph import Graph, Node
from striate.operators.activation import Elu, HardSigmoid, Sigmoid, Tanh
from striate.operators.pointwise import Clip, LeakyRelu, Relu, Relu6
from striate.operators.pooling import MaxPool2d


def hoist_pointwise_over_pool(graph: Graph) -> int:
    """Pool first, so that a function of one number runs on fewer of them.

    Sound for functions that never fall (relu, relu6, clip, leaky_relu, elu, hard_sigmoid, sigmoid, tanh): they keep
    the largest number the largest. Padding never wins in max_pool2d, before or after, since every window holds at
    least one pixel. Holds off where anything else reads the function's result (it would be computed twice), where the
    pool gives no fewer numbers, for functions that fall somewhere (silu, gelu, hard_swish, a negative slope), and for
    a dilated pool with padding, whose windows may miss the image.
    """
    hoisted = 0
    for name in [node.name for node in graph.topological() if isinstance(node.operator, MaxPool2d)]:
        pool = graph.node(name)
        function = graph.producer(pool.inputs[0])
        if function is None or graph.only_user(function.name) is None or not _never_falls(function):
            continue
        if pool.type.elements >= function.type.elements or _may_miss_the_image(pool, function):
            continue
        graph.replace(name, inputs=function.inputs)
        graph.replace(function.name, inputs=[name])
        graph.redirect(name, function.name)
        hoisted += 1
    return hoisted


def _never_falls(node: Node) -> bool:
    operator = node.operator
    if isinstance(operator, LeakyRelu):
        return operator.negative_slope >= 0
    if isinstance(operator, Elu):
        return operator.alpha >= 0
    return isinstance(operator, (Relu, Relu6, Clip, HardSigmoid, Sigmoid, Tanh))


def _may_miss_the_image(pool: Node, function: Node) -> bool:
    assert isinstance(pool.operator, MaxPool2d), "only pools were chosen"
    padded = any(pool.operator.pads(*function.type.shape[1:]))
    return padded and pool.operator.dilations != (1, 1)
