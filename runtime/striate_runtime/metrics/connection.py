"""A layer of synapses, and how many of them an input uses: exact at borders, with stride, dilation and groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Connection:
    """A convolution, weight `[K, C / groups, kh, kw]`, or a linear layer, weight `[O, I]`; biases do not matter.

    `padding` is (left, right, top, bottom); `stride` and `dilation` are (down, right).
    """

    name: str
    weight: Array
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1


def count_operations(connection: Connection, active: Array, *, dense: bool = False) -> int:
    """How many pairs of an active input and a weight that is not 0 meet, over all outputs and samples.

    active: bool `[B, C, H, W]`, or `[B, ..., I]` of a linear layer. `dense` counts weights that are 0 as well.
    """
    weights = np.ones(connection.weight.shape, np.int64) if dense else (connection.weight != 0).astype(np.int64)
    if weights.ndim == 2:
        by_input = active.reshape(-1, active.shape[-1]).sum(0, dtype=np.int64)
        return int(by_input @ weights.sum(0))
    outputs, within, height, width = map(int, weights.shape)
    by_tap = weights.reshape(connection.groups, outputs // connection.groups, within, height, width).sum(1)
    by_tap = by_tap.reshape(connection.groups * within, height, width)
    left, right, top, bottom = connection.padding
    padded = np.pad(active, ((0, 0), (0, 0), (top, bottom), (left, right)))
    (sy, sx), (dy, dx) = connection.stride, connection.dilation
    rows = (padded.shape[2] - dy * (height - 1) - 1) // sy + 1
    columns = (padded.shape[3] - dx * (width - 1) - 1) // sx + 1
    total = 0
    for r in range(height):
        for s in range(width):
            seen = padded[
                :, :, r * dy : r * dy + sy * (rows - 1) + 1 : sy, s * dx : s * dx + sx * (columns - 1) + 1 : sx
            ]
            total += int(seen.sum((0, 2, 3), dtype=np.int64) @ by_tap[:, r, s])
    return total
