"""Who sends to whom: how many axons run from each core to each other core."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from striate.targets.neuromorphic.demand import Demand, reach
from striate.targets.neuromorphic.partition import Blocks
from striate.tensor import Array


def axons_between(demand: Demand, blocks: Blocks) -> Array:
    """Axons from core to core, i64 `[cores, cores]`; cores are numbered as `blocks` lists them.

    A source's neuron (or, where weights are shared, all channels of its position) has one axon to every core that
    holds a target of it. Where every neuron is as active as any other, this is proportional to the traffic.
    """
    first = _first_core(blocks)
    total = sum(len(pieces) for pieces in blocks.values())
    axons = np.zeros((total, total), np.int64)
    for target, pieces in blocks.items():
        for projection in demand.into[target]:
            source = projection.source
            for there, piece in enumerate(pieces, first[target]):
                heard = reach(projection, demand.shapes[source], demand.shapes[target], piece)
                for here, sender in enumerate(blocks.get(source, []), first.get(source, 0)):
                    axons[here, there] += demand.axons(projection, *heard.within(sender))
    return axons


def _first_core(blocks: Mapping[str, list[object]] | Blocks) -> dict[str, int]:
    first: dict[str, int] = {}
    count = 0
    for name, pieces in blocks.items():
        first[name] = count
        count += len(pieces)
    return first
