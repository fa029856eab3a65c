"""Who sends to whom: how many messages run from each core to each other core."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from striate.targets.neuromorphic.mapping.activity import Activity
from striate.targets.neuromorphic.mapping.demand import Block, Blocks, Demand
from striate.tensor import Array


def messages_between(demand: Demand, blocks: Blocks, activity: Activity) -> Array:
    """Messages from core to core in all samples of the activity, i64 `[cores, cores]`, numbered as `blocks` lists them.

    One for each event and each core that holds a synapse of it, for each projection; on crossbars one for each axon:
    what the emulator counts.
    """
    first = _first_core(blocks)
    total = sum(len(pieces) for pieces in blocks.values())
    messages = np.zeros((total, total), np.int64)
    for target, pieces in blocks.items():
        for projection in demand.into[target]:
            source = projection.source
            events = activity.of(source, demand.shapes[source])
            for there, piece in enumerate(pieces, first[target]):
                sent_by = demand.messages(projection, events, piece)
                for here, sender in enumerate(blocks.get(source, []), first.get(source, 0)):
                    messages[here, there] += sent_by(sender)
    return messages


def _first_core(blocks: Mapping[str, list[Block]]) -> dict[str, int]:
    first: dict[str, int] = {}
    count = 0
    for name, pieces in blocks.items():
        first[name] = count
        count += len(pieces)
    return first
