"""Sums that are no population yet, in any coding: what convolutions, pools, dense layers and additions gather.

The weights are as in synapses.py: integers in `graded`, in `rate` the value that one unit of the source adds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from striate.graph import Graph, Node
from striate.operators.convolution import Conv1d, Conv2d
from striate.targets.neuromorphic.codings.encoding import Encoding, image_of
from striate.targets.neuromorphic.codings.synapses import (
    LARGEST_DENSE_COPY,
    Rescale,
    Synapses,
    Window,
    convolution,
    copies,
    dense,
    negated,
    pooling,
    total_weight,
    window_of,
)
from striate.targets.neuromorphic.codings.walk import Refusal
from striate.targets.neuromorphic.not_yet import FILLED, ROWS, SCATTERED
from striate.tensor import Array, Shape
from striate_runtime.hardware import Chip

Replant = Callable[[Node, Array], Array]
"""Copies a node's scattered operand into a population of its own, so that each channel is an image again."""


@dataclass(frozen=True)
class Sum:
    """What a neuron will gather: `layer` is whose it is, `shape` the tensor's, `bias` `[C]`.

    Of a `held` sum the changes arrive, which add up to it.
    """

    layer: str
    shape: Shape
    synapses: tuple[Synapses, ...]
    bias: Array | None = None
    held: bool = False


def weighted_sum(encoding: Encoding, graph: Graph, node: Node, neurons: Array, replant: Replant) -> Sum:
    """A conv2d, conv1d or linear of what `neurons` send."""
    weight, bias = graph.value(node, "weight"), graph.value(node, "bias")
    assert weight is not None, f"the weight of '{node.name}' is not loaded"
    if node.operator.name == "linear":
        if neurons.ndim != 1:
            raise Refusal(ROWS)
        return Sum(node.name, node.type.shape, tuple(dense(encoding, neurons, weight)), bias)
    if node.operator.name == "conv1d":
        operator, weight = cast(Conv1d, node.operator).as_conv2d(), weight[:, :, None, :]
    else:
        operator = cast(Conv2d, node.operator)
    image = neurons.reshape(image_of(neurons.shape))
    window = window_of(operator, image.shape)
    synapses = convolution(encoding, image, weight, window, operator.groups)
    if synapses is None:
        synapses = convolution(encoding, replant(node, image), weight, window, operator.groups)
    assert synapses is not None, "a copy is an image"
    return Sum(node.name, node.type.shape, tuple(synapses), bias)


def window_sum(
    encoding: Encoding, node: Node, neurons: Array, window: Window, weight: float | None, replant: Replant
) -> Sum:
    """A window on each channel by itself, its places weighted 1 or `weight`."""
    synapses = pooling(encoding, neurons, window, weight)
    if synapses is None:
        synapses = pooling(encoding, replant(node, neurons), window, weight)
    assert synapses is not None, "a copy is an image"
    return Sum(node.name, node.type.shape, tuple(synapses))


def mapped_sum(encoding: Encoding, graph: Graph, node: Node, neurons: Array) -> Sum:
    """Any linear operator as a dense layer: its weights are what it makes of inputs with a single 1.

    Right for all of them, but each synapse takes memory of its own; Refusal where that is too much.
    """
    inputs, image = neurons.size, image_of(node.type.shape)
    synapses = inputs * node.type.elements
    if synapses > LARGEST_DENSE_COPY:
        raise Refusal(f"it would take {synapses:,} synapses, each stored by itself")
    ones = np.eye(inputs, dtype=np.float32 if node.type.is_float else np.uint8)
    parameters = {role: value for role in node.parameters if (value := graph.value(node, role)) is not None}
    bias = parameters.pop("bias", None)
    answers = node.operator.reference(ones.reshape(inputs, *neurons.shape), **parameters)
    weight = answers.reshape(inputs, *image).transpose(2, 3, 1, 0).reshape(-1, inputs)
    return Sum(node.name, node.type.shape, tuple(dense(encoding, neurons, weight)), bias)


def copy_of(
    encoding: Encoding,
    layer: str,
    neurons: Array,
    shape: Shape,
    factor: float | Array | None = None,
    rescale: Rescale | None = None,
) -> Sum:
    """What `neurons` send (broadcast to `shape`), one by one, times `factor` (for all, or `[C]`).

    Refusal where that takes too many synapses.
    """
    image = image_of(shape)
    weights = None if factor is None else np.full(image[0], factor)
    synapses = copies(encoding, np.broadcast_to(neurons, shape), image, weights, rescale)
    if synapses is None:
        raise Refusal(SCATTERED)
    return Sum(layer, shape, tuple(synapses))


def signed_sum(encoding: Encoding, node: Node, first: Sum, second: Sum) -> Sum:
    """first + second, or first - second for a `sub`, gathered by the same neurons."""
    for operand in (first, second):
        if operand.shape != node.type.shape:
            shapes = f"{list(operand.shape)} would have to be repeated to {list(node.type.shape)}"
            raise Refusal(f"a sum of shape {shapes}")
    if node.operator.name == "sub":
        opposite = tuple(negated(each, encoding) for each in second.synapses)
        second = replace(second, synapses=opposite, bias=None if second.bias is None else -second.bias)
    layers = [operand.layer for operand in (first, second) if operand.layer != node.name]
    layer = layers[0] if layers else node.name
    return Sum(layer, node.type.shape, first.synapses + second.synapses, _total([first.bias, second.bias]))


def largest_sum(encoding: Encoding, total: Sum, maximum: bool = False) -> int:
    """The largest magnitude that a sum of integer payloads can have, whatever the input (or a maximum, of one each)."""
    bounds: list[int] = []
    for each in total.synapses:
        source = encoding.populations[each.source]
        payload = rescaled_bound(max(abs(source.low), abs(source.high)), each.rescale)
        bounds.append(payload * (1 if maximum else total_weight(each)))
    bias = 0 if total.bias is None else int(np.abs(total.bias.astype(np.int64)).max())
    return (max(bounds, default=0) if maximum else sum(bounds)) + bias


def rescaled_bound(largest: int, rescale: Rescale | None) -> int:
    """The largest magnitude that a rescaling makes of integers up to `largest`."""
    if rescale is None:
        return largest
    factors = zip(rescale.multiplier.tolist(), rescale.shift.tolist(), strict=True)
    return max((largest * abs(multiplier) + (1 << (shift - 1))) >> shift for multiplier, shift in factors)


def check_payload(chip: Chip, low: int, high: int) -> None:
    """Refuse numbers that are too wide for an event of the chip. Raises Refusal."""
    bits = chip.numerics.payload_bits.value
    needed = 8 if low >= -128 and high <= 255 else max(-low, high).bit_length() + 1
    if bits is not None and needed > bits:
        carries = f"carries {bits}" if bits else "carries no number"
        raise Refusal(f"its numbers {low}..{high} take {needed} bits, and an event of {chip.title} {carries}")


def check_changes(chip: Chip, low: int, high: int) -> None:
    """The same for the changes of numbers `low..high`, of which the first comes from 0."""
    width = max(high, 0) - min(low, 0)
    check_payload(chip, -width, width)


def moved(node: Node, operands: Sequence[Array]) -> Array:
    """Data movement: the operator's own reference, applied to the numbers of the neurons."""
    if getattr(node.operator, "value", 0) != 0:
        raise Refusal(FILLED)
    return node.operator.reference(*(neurons[None] for neurons in operands))[0]


def _total(biases: Sequence[Array | None]) -> Array | None:
    known = [bias for bias in biases if bias is not None]
    return np.sum(known, axis=0, dtype=known[0].dtype) if known else None
