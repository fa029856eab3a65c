"""What a projection is on crossbars: which axons of a core its source neurons take, and how many bits each of them meets.

A core's crossbar has a bit for each pair of axon and neuron. An axon has a type, and a neuron a strength for each type,
so that a weight is the sum of some of its neuron's strengths: a source neuron takes one axon of each type that any of
its weights on the core has a bit of, and an event of it is one message to each of these axons. A neuron sends to one
axon only. So it stands on its core as often as it has axons to feed (and once more where the host reads it), each time
with the same column of bits: copies that fire alike. Merolla et al., Science 2014; Cassidy et al., IJCNN 2013.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from striate_runtime.program.neuromorphic import Projection

Array = npt.NDArray[Any]
Range = tuple[int, int]
Image = tuple[int, int, int]


def bits_met(
    projection: Projection, bits: Array, types: int, source: Image, target: Image, block: tuple[Range, Range, Range]
) -> tuple[Array, Array]:
    """The source neurons that take axons of a core, ascending, i64 `[n]`, and the bits on each axon, i64 `[n, types]`.

    bits: as in Projection. block: the channels, rows and columns of the target that the core holds. Where a neuron
    meets no bit of a type it has no axon of it; neurons without any axon are left out.
    """
    if projection.kind == "dense":
        neurons, met = _dense(bits, types, target, block)
    elif projection.kind == "one_to_one":
        neurons, met = _one_to_one(projection, bits, types, source, target, block)
    else:
        neurons, met = _windows(projection, bits, types, source, target, block)
    used = met.any(1)
    return neurons[used], met[used]


def number_of_bits(bits: Array, types: int) -> Array:
    """How many bits are set in each entry, of each type: bits u8 `[...]` -> i64 `[..., types]`."""
    return (bits[..., None] >> np.arange(types, dtype=np.uint8) & 1).astype(np.int64)


def _dense(bits: Array, types: int, target: Image, block: tuple[Range, Range, Range]) -> tuple[Array, Array]:
    (c0, c1), (y0, y1), (x0, x1) = block
    channels, height, width = target
    held = bits.reshape(-1, height, width, channels)[:, y0:y1, x0:x1, c0:c1].reshape(len(bits), -1)
    met = np.stack([np.count_nonzero(held & (1 << type), axis=1) for type in range(types)], axis=1)
    return np.arange(len(bits)), met.astype(np.int64)


def _one_to_one(
    projection: Projection, bits: Array, types: int, source: Image, target: Image, block: tuple[Range, Range, Range]
) -> tuple[Array, Array]:
    (c0, c1), (y0, y1), (x0, x1) = block
    channels, height, width = target
    own = np.zeros((height, width, channels), np.bool_)
    own[y0:y1, x0:x1, c0:c1] = True
    if source[1:] == target[1:]:
        own = own[:, :, projection.channel_offset : projection.channel_offset + source[0]]
    neurons = np.flatnonzero(own.reshape(-1))
    return neurons, number_of_bits(bits, types)[neurons % source[0]]


def _windows(
    projection: Projection, bits: Array, types: int, source: Image, target: Image, block: tuple[Range, Range, Range]
) -> tuple[Array, Array]:
    channels, height, width = source
    left, _, top, _ = projection.padding
    (sy, sx), (dy, dx), (kh, kw) = projection.stride, projection.dilation, projection.kernel
    by_row = _lands(height, kh, sy, dy, top, block[1])
    by_column = _lands(width, kw, sx, dx, left, block[2])
    rows, columns = np.flatnonzero(by_row.any(1)), np.flatnonzero(by_column.any(1))
    if projection.kind == "window":
        own = np.arange(channels) + projection.channel_offset
        held = (own >= block[0][0]) & (own < block[0][1])
        taps = np.broadcast_to(number_of_bits(bits, types) * held[:, None], (kh, kw, channels, types))
    else:
        taps = _taps(projection, bits, types, target[0], block[0])
    by_tap = np.tensordot(by_row[rows], taps, axes=1)  # [y, kw, c, type]
    met = np.tensordot(by_tap, by_column[columns], axes=(1, 1)).transpose(0, 3, 1, 2)
    neurons = ((rows[:, None] * width + columns)[:, :, None] * channels + np.arange(channels)).reshape(-1)
    return neurons, met.reshape(-1, types)


def _taps(projection: Projection, bits: Array, types: int, outputs: int, held: Range) -> Array:
    """The bits that each tap of each source channel has in the held channels, i64 `[kh, kw, C, types]`."""
    each = outputs // projection.groups
    parts: list[Array] = []
    for group in range(projection.groups):
        first, last = max(held[0], group * each), min(held[1], (group + 1) * each)
        parts.append(number_of_bits(bits[..., first : max(first, last)], types).sum(3))
    return np.concatenate(parts, axis=2)


def _lands(extent: int, kernel: int, stride: int, dilation: int, before: int, held: Range) -> Array:
    """Whether an event at each place of an axis arrives within `held` through each tap, i64 `[extent, kernel]`."""
    shifted = np.arange(extent)[:, None] + before - np.arange(kernel)[None, :] * dilation
    at = shifted // stride
    return ((shifted % stride == 0) & (at >= held[0]) & (at < held[1])).astype(np.int64)
