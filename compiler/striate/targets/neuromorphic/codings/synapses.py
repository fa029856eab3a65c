"""Where events go: the synapses of convolutions, pools, dense layers and copies, for any arrangement of senders.

Weights are numbers: integers in `graded`; in `rate` floats, the value that one unit of the source adds to the target.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from striate.operators.schema import Operator
from striate.operators.windows import Windowed
from striate.targets.neuromorphic.codings.encoding import Encoding, Image, image_of
from striate.targets.neuromorphic.codings.planes import Planes, planes_of
from striate.tensor import Array, Shape
from striate_runtime.program.neuromorphic import Population, Projection

LARGEST_DENSE_COPY = 1 << 26
"""How many synapses the compiler writes down to copy an arrangement that is no shifted image."""


@dataclass(frozen=True)
class Rescale:
    """A payload's rescaling on arrival, i32 `[1]` or `[C]`: (x * multiplier + (1 << (shift - 1))) >> shift."""

    multiplier: Array
    shift: Array


@dataclass(frozen=True)
class Synapses:
    """All synapses from one population to a target that is still to be made. Fields as in Projection.

    `delay` is in steps of the network (0: what is sent in the same step); chips add what their hops take.
    """

    source: str
    kind: Literal["conv2d", "window", "dense", "one_to_one"]
    weights: Array | None
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    kernel: tuple[int, int] = (1, 1)
    groups: int = 1
    channel_offset: int = 0
    rescale: Rescale | None = None
    delay: int = 0


@dataclass(frozen=True)
class Window:
    """A sliding window: (height, width) pairs, and padding (left, right, top, bottom)."""

    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)


def window_of(operator: Operator, shape: Shape) -> Window:
    """An operator's window over an image of that shape."""
    assert isinstance(operator, Windowed), f"{operator.name} has no window"
    _, h, w = image_of(shape)
    return Window(operator.kernel, operator.strides, operator.dilations, operator.pads(h, w))


def convolution(
    encoding: Encoding, neurons: Array, weight: Array, window: Window, groups: int
) -> list[Synapses] | None:
    """A convolution's synapses: neurons `[C, H, W]`, weight `[out, C / groups, kh, kw]`; None for scattered senders."""
    planes = planes_of(encoding, neurons)
    if planes is None:
        return None
    channels = neurons.shape[0]
    result: list[Synapses] = []
    for plane in planes:
        size = encoding.populations[plane.population].shape[0]
        if plane.is_run(size) and size == channels:
            taps, split = weight, groups
        else:
            taps, split = _slice(_ungroup(weight, channels, groups), plane, size), 1
        taps = taps.transpose(2, 3, 1, 0)
        padding = _shifted(window.padding, plane, encoding.populations[plane.population].shape, neurons.shape)
        result.append(
            Synapses(
                plane.population,
                "conv2d",
                np.ascontiguousarray(taps),
                window.stride,
                window.dilation,
                padding,
                window.kernel,
                split,
            )
        )
    return result


def pooling(encoding: Encoding, neurons: Array, window: Window, weight: float | None = None) -> list[Synapses] | None:
    """A window on each channel by itself, each synapse of weight 1 (or `weight`); None where a copy must come first."""
    planes = planes_of(encoding, neurons)
    if planes is None:
        return None
    result: list[Synapses] = []
    for plane in planes:
        image = encoding.populations[plane.population].shape
        if not plane.is_run(image[0]):
            return None
        weights = None if weight is None else np.full(image[0], weight)
        padding = _shifted(window.padding, plane, image, neurons.shape)
        result.append(
            Synapses(
                plane.population,
                "window",
                weights,
                window.stride,
                window.dilation,
                padding,
                window.kernel,
                channel_offset=plane.targets[0],
            )
        )
    return result


def dense(encoding: Encoding, neurons: Array, weight: Array) -> list[Synapses]:
    """A dense layer's synapses: neurons in any shape, flattened; weight `[out, in]`, outputs in the target's order."""
    flat = neurons.reshape(-1)
    result: list[Synapses] = []
    for population in encoding.senders(flat):
        mine, local = encoding.local(population, flat)
        c, h, w = encoding.populations[population].shape
        places = local[mine]
        if len(np.unique(places)) == len(places):
            rows = np.zeros((c * h * w, weight.shape[0]), weight.dtype)
            rows[places] = weight[:, mine].T
        else:
            rows = np.zeros((c * h * w, weight.shape[0]), weight.dtype if weight.dtype.kind == "f" else np.int32)
            np.add.at(rows, places, weight[:, mine].T)
        result.append(Synapses(population, "dense", rows))
    return result


def copies(
    encoding: Encoding, neurons: Array, image: Image, weights: Array | None = None, rescale: Rescale | None = None
) -> list[Synapses] | None:
    """Each neuron to its own place in the target; None where that takes too many synapses.

    `weights` (1 where absent) and `rescale` are `[C]` by channel of the target, `rescale` also `[1]` for all.
    """
    neurons = neurons.reshape(image)
    planes = planes_of(encoding, neurons)
    if planes is None:
        by_channel = rescale is not None and rescale.multiplier.size > 1
        too_many = by_channel or _pairs(encoding, neurons) > LARGEST_DENSE_COPY
        return None if too_many else _scattered(encoding, neurons, weights, rescale)
    result: list[Synapses] = []
    for plane in planes:
        source = encoding.populations[plane.population].shape
        arriving = None if rescale is None else _by_source(rescale, plane, source[0])
        if plane.is_run(source[0]) and source[1:] == image[1:]:
            first = plane.targets[0]
            run = None if weights is None else weights[first : first + source[0]]
            result.append(Synapses(plane.population, "one_to_one", run, channel_offset=first, rescale=arriving))
            continue
        ones = np.ones(image[0], np.int32) if weights is None else weights
        taps = np.zeros((image[0], source[0], 1, 1), ones.dtype)
        taps[plane.targets, plane.sources, 0, 0] = ones[plane.targets]
        padding = _shifted((0, 0, 0, 0), plane, source, neurons.shape)
        taps = taps.transpose(2, 3, 1, 0)
        result.append(Synapses(plane.population, "conv2d", taps, padding=padding, rescale=arriving))
    return result


def negated(synapses: Synapses, encoding: Encoding) -> Synapses:
    """The same synapses with opposite weights."""
    weights = synapses.weights
    if weights is None:
        weights = np.ones(encoding.populations[synapses.source].shape[0], np.int32)
    wide = weights if weights.dtype.kind == "f" else weights.astype(np.int32)
    return replace(synapses, weights=-wide)


def total_weight(synapses: Synapses) -> int:
    """The largest sum of |integer weights| into one neuron."""
    taps = synapses.kernel[0] * synapses.kernel[1]
    if synapses.weights is None:
        return taps
    weights = synapses.weights.reshape(-1, synapses.weights.shape[-1])
    above, below = (part(weights, 0).sum(axis=0, dtype=np.int64) for part in (np.maximum, np.minimum))
    return int((above - below).max()) * (taps if synapses.kind in ("window", "one_to_one") else 1)


def connect(encoding: Encoding, synapses: Synapses, target: Population, delay: int = 1) -> None:
    """Make synapses (with integer weights) a projection to a population, in the smallest type that holds them."""
    name = encoding.fresh_projection(f"{synapses.source}->{target.name}")
    arrays = {} if synapses.weights is None else {"weights": _smallest(synapses, target)}
    if synapses.rescale is not None:
        arrays |= {"multiplier": synapses.rescale.multiplier, "shift": synapses.rescale.shift}
    encoding.projections.append(
        Projection(
            name,
            target.layer,
            synapses.source,
            target.name,
            synapses.kind,
            stride=synapses.stride,
            dilation=synapses.dilation,
            padding=synapses.padding,
            kernel=synapses.kernel,
            groups=synapses.groups,
            channel_offset=synapses.channel_offset,
            delay=delay,
            channels=None,
            **{role: encoding.store(f"{name}.{role}", array) for role, array in arrays.items()},
        )
    )


def _smallest(synapses: Synapses, target: Population) -> Array:
    """The weights as i8, i16 or i32; those of windows and copies, `[C]`, always as i32."""
    weights = synapses.weights
    assert weights is not None, "only weights that there are can be stored"
    assert weights.dtype.kind == "i", "weights of synapses on a chip are integers"
    if synapses.kind in ("window", "one_to_one") or not weights.size:
        return weights.astype(np.int32)
    for dtype in (np.int8, np.int16):
        if weights.min() >= np.iinfo(dtype).min and weights.max() <= np.iinfo(dtype).max:
            return weights.astype(dtype)
    return weights.astype(np.int32)


def _by_source(rescale: Rescale, plane: Planes, channels: int) -> Rescale:
    """A rescaling by channel of the target as one by channel of the source."""
    if rescale.multiplier.size == 1:
        return rescale
    multiplier, shift = np.zeros(channels, np.int32), np.ones(channels, np.int32)
    multiplier[plane.sources] = rescale.multiplier[plane.targets]
    shift[plane.sources] = rescale.shift[plane.targets]
    return Rescale(multiplier, shift)


def _scattered(encoding: Encoding, neurons: Array, by_channel: Array | None, rescale: Rescale | None) -> list[Synapses]:
    """Each neuron to its place by a dense matrix that is almost empty."""
    order = neurons.transpose(1, 2, 0).reshape(-1)
    ones = np.ones(neurons.shape[0], np.int8) if by_channel is None else by_channel
    result: list[Synapses] = []
    for population in encoding.senders(order):
        mine, local = encoding.local(population, order)
        c, h, w = encoding.populations[population].shape
        weights = np.zeros((c * h * w, order.size), ones.dtype)
        places = np.flatnonzero(mine)
        weights[local[mine], places] = ones[places % neurons.shape[0]]
        result.append(Synapses(population, "dense", weights, rescale=rescale))
    return result


def _pairs(encoding: Encoding, neurons: Array) -> int:
    images = [encoding.populations[name].shape for name in encoding.senders(neurons)]
    return sum(c * h * w for c, h, w in images) * neurons.size


def _ungroup(weight: Array, channels: int, groups: int) -> Array:
    """A grouped weight as the one of an ordinary convolution, zeros between the groups."""
    if groups == 1:
        return weight
    outputs, inputs = weight.shape[:2]
    full = np.zeros((outputs, channels, *weight.shape[2:]), weight.dtype)
    for output in range(outputs):
        group = output // (outputs // groups)
        full[output, group * inputs : (group + 1) * inputs] = weight[output]
    return full


def _slice(weight: Array, plane: Planes, channels: int) -> Array:
    """The weights that one population's channels meet."""
    sliced = np.zeros((weight.shape[0], channels, *weight.shape[2:]), weight.dtype)
    for source, target in zip(plane.sources, plane.targets, strict=True):
        sliced[:, source] = weight[:, target]
    return sliced


def _shifted(
    padding: tuple[int, int, int, int], plane: Planes, image: Image, tensor: Shape
) -> tuple[int, int, int, int]:
    """A window's padding as seen from the population, whose image lies shifted inside the tensor."""
    left, right, top, bottom = padding
    rows, columns = tensor[1] - image[1] - plane.top, tensor[2] - image[2] - plane.left
    return left + plane.left, right + columns, top + plane.top, bottom + rows
