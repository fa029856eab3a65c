"""Traffic on the mesh, link by link: every message goes along its row first, then along its column (XY routing)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from striate_runtime.neuromorphic.counts import SENT, Mapping, Totals
from striate_runtime.profile import LinkProfile
from striate_runtime.program.neuromorphic import Core

Array = npt.NDArray[Any]


def link_traffic(cores: tuple[Core, ...], mapping: Mapping, totals: Totals) -> tuple[LinkProfile, ...]:
    """Messages per sample on each link that carries any, between neighbouring routers of a chip.

    What the host injects and what crosses to another chip has no path on the mesh, and is not among them.
    """
    if not cores:
        return ()
    x, y, chip = (np.array([getattr(core, axis) for core in cores], np.int64) for axis in ("x", "y", "chip"))
    source, target = mapping.pair_source.astype(np.int64), mapping.pair_target.astype(np.int64)
    routed = np.flatnonzero((source >= 0) & (chip[source] == chip[target]) & (totals.pairs[:, SENT] > 0))
    source, target, sent = source[routed], target[routed], totals.pairs[routed, SENT]
    chips, width, height = int(chip.max()) + 1, int(x.max()) + 1, int(y.max()) + 1
    # traffic[d] [chips, width + 1, height + 1]: leaving (x, y) to the east, west, south (y + 1), north
    traffic = np.zeros((4, chips, width + 1, height + 1), np.int64)
    _add(traffic[0], traffic[1], chip[source], x[source], x[target], y[source], sent, axis=0)
    _add(traffic[2], traffic[3], chip[source], y[source], y[target], x[target], sent, axis=1)
    steps = ((1, 0), (-1, 0), (0, 1), (0, -1))
    return tuple(
        LinkProfile(c, i, j, i + steps[d][0], j + steps[d][1], int(traffic[d, c, i, j]) / totals.samples)
        for d, c, i, j in (tuple(int(n) for n in place) for place in np.argwhere(traffic))
    )


def _add(
    ahead: Array, back: Array, chip: Array, start: Array, end: Array, across: Array, sent: Array, *, axis: int
) -> None:
    """Add `sent` to every router that a message leaves along one axis, upwards to `ahead`, downwards to `back`."""
    for table, moving, low, high in ((ahead, end > start, start, end), (back, end < start, end + 1, start + 1)):
        first, last, other, number = low[moving], high[moving], across[moving], sent[moving]
        ends = np.zeros_like(table)
        for position, sign in ((first, 1), (last, -1)):
            place = (position, other) if axis == 0 else (other, position)
            np.add.at(ends, (chip[moving], *place), sign * number)
        table += ends.cumsum(axis=1 + axis)
