"""Rules for weighted sums and averages: codes in, an i32 accumulator out."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import cast

import numpy as np

from striate.graph import Node
from striate.operators.convolution import Conv2d
from striate.operators.normalization import BatchNorm
from striate.operators.pooling import AdaptiveAvgPool2d, AvgPool2d, SumPool2d
from striate.operators.reduction import ReduceMean, ReduceSum
from striate.operators.transposed import ConvTranspose2d
from striate.passes.quantization.rewriter import LARGEST_ACCUMULATOR, LARGEST_CODE, Accumulator, Rewriter
from striate.passes.quantization.weights import quantize_weights
from striate.tensor import Array


def sum_by_weights(rewriter: Rewriter, node: Node) -> bool:
    """conv1d, conv2d, conv_transpose2d, linear: the same operator on codes, i8 weights and an i32 bias.

    One weight scale for each output channel, where the output's channels are its first dimension.
    """
    x = rewriter.as_codes(node.inputs[0])
    weight, bias = rewriter.source.value(node, "weight"), rewriter.source.value(node, "bias")
    assert weight is not None, f"the weights of '{node.name}' are not loaded"
    by_output, restore = by_output_channel(node, weight)
    per_channel = node.operator.name != "linear" or len(node.type.shape) == 1
    integers = quantize_weights(by_output, bias, x.coding.scale, x.coding.magnitude, per_channel=per_channel)
    values = {"weight": restore(integers.weight)} | ({} if integers.bias is None else {"bias": integers.bias})
    rewriter.emit(node.name, node.operator, (x.name,), values, node.parameters, node.span)
    scale = integers.scale if per_channel else integers.scale[:1]
    rewriter.accumulators[node.name] = Accumulator(node.name, scale, integers.bound)
    return True


def sum_windows(rewriter: Rewriter, node: Node) -> bool:
    """avg_pool2d, adaptive_avg_pool2d: sum_pool2d, and the division in the scale.

    Holds off where windows cover different numbers of elements, so that one division does not serve them all.
    """
    pool = as_sum_pool(node, rewriter.source.type_of(node.inputs[0]).shape)
    if pool is None:
        return False
    operator, divisor = pool
    terms = int(np.prod(operator.kernel))
    if terms * LARGEST_CODE > LARGEST_ACCUMULATOR:
        return False
    x = rewriter.as_codes(node.inputs[0])
    rewriter.emit(node.name, operator, (x.name,), span=node.span)
    rewriter.accumulators[node.name] = Accumulator(
        node.name, np.array([x.coding.scale / divisor]), terms * x.coding.magnitude
    )
    return True


def sum_dimensions(rewriter: Rewriter, node: Node) -> bool:
    """reduce_sum, reduce_mean: reduce_sum, and the division in the scale. Holds off where the sum could overflow."""
    assert isinstance(node.operator, (ReduceSum, ReduceMean)), f"{node.operator.name} is no sum over dimensions"
    terms = rewriter.source.type_of(node.inputs[0]).elements // node.type.elements
    if terms * LARGEST_CODE > LARGEST_ACCUMULATOR:
        return False
    x = rewriter.as_codes(node.inputs[0])
    rewriter.emit(node.name, ReduceSum(node.operator.dim, node.operator.keepdim), (x.name,), span=node.span)
    divisor = terms if isinstance(node.operator, ReduceMean) else 1
    scale = np.array([x.coding.scale / divisor])
    rewriter.accumulators[node.name] = Accumulator(node.name, scale, terms * x.coding.magnitude)
    return True


def scale_channels(rewriter: Rewriter, node: Node) -> bool:
    """batch_norm that could not be folded: a depthwise convolution of one pixel. Holds off for all but images."""
    assert isinstance(node.operator, BatchNorm), f"{node.operator.name} is no batch_norm"
    if len(node.type.shape) != 3:
        return False
    values = {role: value.astype(np.float64) for role, value in rewriter.values(node).items()}
    factor = values["weight"] / np.sqrt(values["running_var"] + node.operator.eps)
    offset = values["bias"] - factor * values["running_mean"]
    x, channels = rewriter.as_codes(node.inputs[0]), node.type.shape[0]
    integers = quantize_weights(factor[:, None], offset, x.coding.scale, x.coding.magnitude, per_channel=True)
    weights = {"weight": integers.weight.reshape(channels, 1, 1, 1), "bias": cast(Array, integers.bias)}
    names = {role: node.parameters[role] for role in weights}
    rewriter.emit(node.name, Conv2d(channels, 1, groups=channels), (x.name,), weights, names, node.span)
    rewriter.accumulators[node.name] = Accumulator(node.name, integers.scale, integers.bound)
    return True


def as_sum_pool(node: Node, shape: tuple[int, ...]) -> tuple[SumPool2d, int] | None:
    """An average over an image of that shape as a sum and what to divide it by; None where windows differ."""
    operator = node.operator
    if isinstance(operator, AvgPool2d):
        divisors = np.unique(operator.divisors(*shape[1:]))
        sums = SumPool2d(operator.kernel_size, operator.stride, operator.padding, operator.ceil_mode)
        return (sums, int(divisors[0])) if len(divisors) == 1 else None
    assert isinstance(operator, AdaptiveAvgPool2d), f"{operator.name} is no average over windows"
    rows, columns = operator.bounds(*shape[1:])
    down, along = _even(rows), _even(columns)
    if down is None or along is None:
        return None
    return SumPool2d((down[0], along[0]), (down[1], along[1])), down[0] * along[0]


def _even(cells: list[tuple[int, int]]) -> tuple[int, int] | None:
    """(size, step) of cells that have one size and stand at equal steps from 0; None for any others."""
    sizes = {end - first for first, end in cells}
    steps = {after[0] - before[0] for before, after in pairwise(cells)} or set(sizes)
    return (sizes.pop(), steps.pop()) if len(sizes) == len(steps) == 1 else None


def by_output_channel(node: Node, weight: Array) -> tuple[Array, Callable[[Array], Array]]:
    """A layer's weight as [output channels, terms], and the way back."""
    if not isinstance(node.operator, ConvTranspose2d):
        return weight.reshape(len(weight), -1), lambda codes: codes.reshape(weight.shape)
    groups = node.operator.groups
    split = weight.reshape(groups, len(weight) // groups, weight.shape[1], -1)
    turned = split.transpose(0, 2, 1, 3)

    def restore(codes: Array) -> Array:
        return codes.reshape(turned.shape).transpose(0, 2, 1, 3).reshape(weight.shape)

    return turned.reshape(groups * weight.shape[1], -1), restore
