"""What a projection is on crossbars: which axons of a core its source neurons take, and how many bits each meets.

A core's crossbar has a bit for each pair of axon and neuron. An axon has a type, and a neuron a strength for each type,
so that a weight is the sum of some of its neuron's strengths: a source neuron takes one axon of each type that any of
its weights on the core has a bit of, and an event of it is one message to each of these axons. A neuron sends to one
axon only. So it stands on its core as often as it has axons to feed (and once more where the host reads it), each time
with the same column of bits: copies that fire alike. Merolla et al., Science 2014; Cassidy et al., IJCNN 2013.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from striate_runtime.program.neuromorphic import Projection

Array = npt.NDArray[Any]
Range = tuple[int, int]
Image = tuple[int, int, int]
Extents = tuple[Range, Range, Range]
"""Half-open ranges of channels, rows and columns."""


def bits_met(
    projection: Projection,
    bits: Array,
    types: int,
    source: Image,
    target: Image,
    block: Extents,
    copies: Array | None = None,
) -> tuple[Array, Array]:
    """The source neurons that take axons of a core, ascending, i64 `[n]`, and the bits on each axon, i64 `[n, types]`.

    bits: as in Projection. block: what of the target the core holds. copies: how often each neuron of the target stands
    on its core, `[C, H, W]`, each time with bits of its own; once where it is not given. Where a neuron meets no bit of
    a type it has no axon of it; neurons without any axon are left out.
    """
    held = np.ones(target) if copies is None else copies.astype(np.float64)  # whole numbers, far below 2^53
    held = held[tuple(slice(*extent) for extent in block)].transpose(1, 2, 0)  # [y, x, c]
    found = _COUNTS[projection.kind](projection, bits, types, source, target, block, held)
    found = found.reshape(types, -1)
    neurons = np.flatnonzero(found.any(0))
    return neurons, np.rint(found[:, neurons].T).astype(np.int64)


def _dense(
    projection: Projection, bits: Array, types: int, source: Image, target: Image, block: Extents, held: Array
) -> Array:
    channels, rows, columns = (slice(*extent) for extent in block)
    own = bits.reshape(-1, *target[1:], target[0])[:, rows, columns, channels].reshape(len(bits), -1)
    return np.stack([one @ held.reshape(-1) for one in _by_type(own, types)])


def _one_to_one(
    projection: Projection, bits: Array, types: int, source: Image, target: Image, block: Extents, held: Array
) -> Array:
    channels, rows, columns = (slice(*extent) for extent in block)
    own = np.zeros((*target[1:], target[0]))
    own[rows, columns, channels] = held
    if source[1:] == target[1:]:
        own = own[..., projection.channel_offset : projection.channel_offset + source[0]]
    return np.stack([own.reshape(-1, source[0]) * one for one in _by_type(bits, types)])


def _window(
    projection: Projection, bits: Array, types: int, source: Image, target: Image, block: Extents, held: Array
) -> Array:
    met = np.zeros((*source[1:], source[0]))
    first = max(block[0][0] - projection.channel_offset, 0)
    last = max(first, min(block[0][1] - projection.channel_offset, source[0]))
    own = slice(first + projection.channel_offset - block[0][0], last + projection.channel_offset - block[0][0])
    for _, y, x, rows, columns in _places(projection, source, block):
        met[y, x, first:last] += held[rows, columns, own]
    return np.stack([met * one for one in _by_type(bits, types)])


def _conv2d(
    projection: Projection, bits: Array, types: int, source: Image, target: Image, block: Extents, held: Array
) -> Array:
    met = np.zeros((types, *source[1:], source[0]))
    inputs, outputs = source[0] // projection.groups, target[0] // projection.groups
    for group in range(block[0][0] // outputs, (block[0][1] - 1) // outputs + 1):
        first, last = max(block[0][0], group * outputs), min(block[0][1], (group + 1) * outputs)
        heard, own = slice(group * inputs, (group + 1) * inputs), slice(first - block[0][0], last - block[0][0])
        for (ky, kx), y, x, rows, columns in _places(projection, source, block):
            for type, one in enumerate(_by_type(bits[ky, kx, :, first:last], types)):
                met[type, y, x, heard] += held[rows, columns, own] @ one.T
    return met


_COUNTS = {"dense": _dense, "one_to_one": _one_to_one, "window": _window, "conv2d": _conv2d}
"""kind of projection -> how many bits of each type each source neuron meets, channels last, `[types, ...]`."""


def _by_type(bits: Array, types: int) -> list[Array]:
    """Where the bit of each type is set, f64 0 and 1."""
    return [(bits >> type & 1).astype(np.float64) for type in range(types)]


def _places(
    projection: Projection, source: Image, block: Extents
) -> Iterator[tuple[tuple[int, int], *tuple[slice, ...]]]:
    """For each tap of the windows: the rows and columns of the source that it sees, and of the block that see it."""
    left, _, top, _ = projection.padding
    (sy, sx), (dy, dx) = projection.stride, projection.dilation
    for ky, kx in np.ndindex(*projection.kernel):
        y, rows = _seen(block[1], sy, ky * dy - top, source[1])
        x, columns = _seen(block[2], sx, kx * dx - left, source[2])
        yield (ky, kx), y, x, rows, columns


def _seen(outputs: Range, stride: int, shift: int, extent: int) -> tuple[slice, slice]:
    """Where a tap of the windows `outputs` lies within the source, and which of them those are."""
    first = max(outputs[0], -(shift // stride))  # the first whose tap is not before the source
    last = min(outputs[1], (extent - 1 - shift) // stride + 1)
    if last <= first:
        return slice(0, 0), slice(0, 0)
    at = first * stride + shift
    return slice(at, at + (last - first - 1) * stride + 1, stride), slice(first - outputs[0], last - outputs[0])
