"""conv2d(avg_pool2d(x)) => conv2d(x): averages as part of a layer's weights, for integers over time"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from striate.graph import Graph, Node
from striate.operators.convolution import Conv2d
from striate.operators.linear import Linear
from striate.operators.pooling import AdaptiveAvgPool2d, AvgPool2d
from striate.operators.shaping import Flatten, Slice
from striate.passes.affine import shared_parameters
from striate.passes.quantization.layers import as_sum_pool
from striate.tensor import Array, TensorType


@dataclass(frozen=True)
class Average:
    """A pool in which every window has as many places: (height, width) pairs, pads (left, right, top, bottom)."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    pads: tuple[int, int, int, int]
    divisor: int

    @property
    def tiles(self) -> bool:
        """Whether no window reaches into the next, and nothing is added around the image."""
        return not any(self.pads) and self.kernel[0] <= self.stride[0] and self.kernel[1] <= self.stride[1]


def fold_average_into_weights(graph: Graph) -> int:
    """Put an avg_pool2d into the conv2d or linear behind it, or the conv2d before it; else make it a conv2d of its own.

    A pool is a convolution with equal weights, and convolutions compose: behind it, the taps of a kernel k (dilation d)
    lie d times the pool's stride apart, each spread over its window; before it, the kernel grows by (pool - 1) strides.
    Benefit: sums of spikes meet one layer of weights, with one rounding, and a chip needs no neurons in between. Sound
    because both are linear. Costs products: part of `quantize_time`, not of PASSES. Where the layer behind pads what
    overlapping or padded windows give, the pool becomes a depthwise convolution. Holds off where windows count
    different numbers of places, or weights are not loaded.
    """
    folded = 0
    while _fold_one(graph):
        folded += 1
    if folded:
        graph.drop_unused_parameters()
    return folded


def _fold_one(graph: Graph) -> bool:
    """One rewrite of the first node that allows one: into a layer's weights where possible."""
    nodes = graph.topological()
    return any(_into_layer_behind(graph, node) for node in nodes) or any(
        _into_layer_before(graph, node) or _as_layer(graph, node) for node in nodes
    )


def _into_layer_behind(graph: Graph, layer: Node) -> bool:
    if not isinstance(layer.operator, (Conv2d, Linear)) or not _loaded(graph, layer):
        return False
    source = graph.producer(layer.inputs[0])
    if isinstance(layer.operator, Linear):
        if source is None or source.operator != Flatten() or len(graph.type_of(source.inputs[0]).shape) != 3:
            return False
        pool = graph.producer(source.inputs[0])
    else:
        pool = source
    average = _average(graph, pool)
    if pool is None or average is None:
        return False
    if isinstance(layer.operator, Linear):
        _spread(graph, layer, layer.operator, pool, average)
    elif not _stretch(graph, layer, layer.operator, pool, average):
        return False
    for name in (source.name, pool.name) if source and source is not pool else (pool.name,):
        _remove_unread(graph, name)
    return True


def _spread(graph: Graph, layer: Node, operator: Linear, pool: Node, average: Average) -> None:
    """linear(flatten(avg_pool2d(x))) => linear(flatten(x))."""
    c, h, w = graph.type_of(pool.inputs[0]).shape
    weight = _weight(graph, layer).reshape(-1, *pool.type.shape)
    left, right, top, bottom = average.pads
    full = np.zeros((len(weight), c, h + top + bottom, w + left + right))
    (rows, columns), (sh, sw) = pool.type.shape[1:], average.stride
    for i, j in np.ndindex(*average.kernel):
        seen = full[:, :, i : i + sh * (rows - 1) + 1 : sh, j : j + sw * (columns - 1) + 1 : sw]
        seen += weight / average.divisor
    inner = full[:, :, top : top + h, left : left + w].reshape(len(weight), -1)
    flat = graph.add(graph.fresh(f"{layer.name}.flatten"), Flatten(), pool.inputs, span=pool.span)
    _set_layer(graph, layer, operator, inner, (flat.name,))


def _stretch(graph: Graph, layer: Node, operator: Conv2d, pool: Node, average: Average) -> bool:
    """conv2d(avg_pool2d(x)) => conv2d(x). Holds off where zeros around the pool's result are not zeros around x."""
    rows, columns = pool.type.shape[1:]
    left, right, top, bottom = operator.pads(rows, columns)
    padded = any((left, right, top, bottom))
    if padded and not average.tiles:
        return False
    weight = _weight(graph, layer)
    (kh, kw), (dh, dw), (sh, sw), (ph, pw) = operator.kernel, operator.dilations, average.stride, average.kernel
    wide = np.zeros((*weight.shape[:2], (kh - 1) * dh * sh + ph, (kw - 1) * dw * sw + pw))
    for i, j in np.ndindex(ph, pw):
        wide[:, :, i :: dh * sh, j :: dw * sw][:, :, :kh, :kw] += weight / average.divisor
    x = pool.inputs[0]
    if padded:
        x = _cropped(graph, pool, (rows * sh, columns * sw))
        pads = (left * sw, right * sw, top * sh, bottom * sh)
    else:
        pads = average.pads
    strides = operator.strides[0] * sh, operator.strides[1] * sw
    _set_layer(graph, layer, _window(operator, wide, strides, pads), wide, (x,))
    return True


def _cropped(graph: Graph, pool: Node, size: tuple[int, int]) -> str:
    """The pool's operand without the rows and columns that no window reaches."""
    x = pool.inputs[0]
    for dim, extent in zip((2, 3), size, strict=True):
        if graph.type_of(x).shape[dim - 1] > extent:
            x = graph.add(graph.fresh(f"{pool.name}.slice"), Slice(dim, 0, extent), (x,), span=pool.span).name
    return x


def _into_layer_before(graph: Graph, pool: Node) -> bool:
    """avg_pool2d(conv2d(x)) => conv2d(x), where nothing else reads the convolution and the pool pads nothing."""
    average, layer = _average(graph, pool), graph.producer(pool.inputs[0]) if pool.inputs else None
    if average is None or layer is None or any(average.pads) or graph.only_user(layer.name) is None:
        return False
    operator = layer.operator
    if not isinstance(operator, Conv2d) or not _loaded(graph, layer):
        return False
    weight = _weight(graph, layer)
    (kh, kw), (dh, dw), (sh, sw), (ph, pw) = operator.kernel, operator.dilations, operator.strides, average.kernel
    wide = np.zeros((*weight.shape[:2], operator.reach[0] + (ph - 1) * sh, operator.reach[1] + (pw - 1) * sw))
    for i, j in np.ndindex(ph, pw):
        wide[:, :, i * sh :: dh, j * sw :: dw][:, :, :kh, :kw] += weight / average.divisor
    strides = sh * average.stride[0], sw * average.stride[1]
    pads = operator.pads(*graph.type_of(layer.inputs[0]).shape[1:])
    graph.redirect(pool.name, layer.name)
    graph.remove(pool.name)
    _set_layer(graph, layer, _window(operator, wide, strides, pads), wide, layer.inputs)
    return True


def _as_layer(graph: Graph, pool: Node) -> bool:
    """avg_pool2d(x) => conv2d(x), channel by channel, with equal weights."""
    average = _average(graph, pool)
    if average is None:
        return False
    channels = pool.type.shape[0]
    weight = np.full((channels, 1, *average.kernel), 1 / average.divisor, np.float32)
    name = graph.fresh_parameter(f"{pool.name}.weight")
    graph.set_parameter(name, weight, TensorType(pool.type.dtype, weight.shape))
    operator = Conv2d(channels, average.kernel, average.stride, average.pads, groups=channels, bias=False)
    graph.replace(pool.name, operator=operator, parameters={"weight": name})
    return True


def _average(graph: Graph, node: Node | None) -> Average | None:
    if node is None or not isinstance(node.operator, (AvgPool2d, AdaptiveAvgPool2d)):
        return None
    _, h, w = graph.type_of(node.inputs[0]).shape
    found = as_sum_pool(node, graph.type_of(node.inputs[0]).shape)
    if found is None or found[0].pads(h, w) != found[0].declared_pads(h, w):
        return None
    operator, divisor = found
    return Average(operator.kernel, operator.strides, operator.pads(h, w), divisor)


def _window(operator: Conv2d, weight: Array, strides: tuple[int, int], pads: tuple[int, int, int, int]) -> Conv2d:
    kernel = (weight.shape[2], weight.shape[3])
    return replace(operator, kernel_size=kernel, stride=strides, padding=pads, dilation=1)


def _set_layer(graph: Graph, layer: Node, operator: Conv2d | Linear, weight: Array, inputs: tuple[str, ...]) -> None:
    """Give a layer another operator, weight and operand; its bias stays. A weight that others share is left to them."""
    name, old = layer.parameters["weight"], graph.parameter(layer, "weight").value
    assert old is not None, "only loaded weights are folded"
    if name in shared_parameters(graph):
        name = graph.fresh_parameter(f"{layer.name}.weight")
    graph.set_parameter(name, weight.astype(old.dtype), TensorType(layer.type.dtype, weight.shape))
    graph.replace(layer.name, operator=operator, inputs=inputs, parameters={**layer.parameters, "weight": name})


def _weight(graph: Graph, layer: Node) -> Array:
    value = graph.value(layer, "weight")
    assert value is not None, f"the weights of '{layer.name}' are not loaded"
    return value.astype(np.float64)


def _loaded(graph: Graph, layer: Node) -> bool:
    return layer.type.is_float and all(graph.value(layer, role) is not None for role in layer.parameters)


def _remove_unread(graph: Graph, name: str) -> None:
    if name in graph and not graph.users(name) and not graph.is_output(name):
        graph.remove(name)
