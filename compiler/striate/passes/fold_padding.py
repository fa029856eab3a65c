"""conv2d(pad(x)) => conv2d(x, padding=...)"""

from __future__ import annotations

from dataclasses import replace

from striate.graph import Graph, Node
from striate.operators.convolution import Conv1d, Conv2d
from striate.operators.shaping import Pad
from striate.passes.remove_dead_nodes import remove_unread


def fold_padding(graph: Graph) -> int:
    """Let a conv2d or conv1d pad by zeros itself what a pad before it pads.

    The paddings add up, side by side. Benefit: no padded copy of the image in memory. Sound because a convolution's
    own padding is zeros. Holds off for a border of any other value, and for a pad of the channels. Not for pools:
    max_pool2d's own padding never wins, which is not the same as 0.
    """
    folded = 0
    for name in [node.name for node in graph.topological() if isinstance(node.operator, (Conv1d, Conv2d))]:
        node = graph.node(name)
        pad = graph.producer(node.inputs[0])
        if pad is None or not isinstance(pad.operator, Pad) or pad.operator.value != 0:
            continue
        borders = pad.operator.borders(len(pad.type.shape))
        if any(borders[0]):
            continue
        assert isinstance(node.operator, (Conv1d, Conv2d)), "only convolutions were chosen"
        padding = _sum(_declared(node, graph), tuple(side for pair in reversed(borders[1:]) for side in pair))
        graph.replace(name, operator=replace(node.operator, padding=_short(padding)), inputs=pad.inputs)
        remove_unread(graph, [pad.name])
        folded += 1
    return folded


def _declared(node: Node, graph: Graph) -> tuple[int, ...]:
    """The convolution's own padding, (left, right) or (left, right, top, bottom)."""
    sizes = graph.type_of(node.inputs[0]).shape[1:]
    if isinstance(node.operator, Conv1d):
        return node.operator.as_conv2d().declared_pads(1, *sizes)[:2]
    assert isinstance(node.operator, Conv2d), "only convolutions were chosen"
    height, width = sizes
    return node.operator.declared_pads(height, width)


def _sum(first: tuple[int, ...], second: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(a + b for a, b in zip(first, second, strict=True))


def _short(padding: tuple[int, ...]) -> int | tuple[int, ...]:
    return padding[0] if len(set(padding)) == 1 else padding
