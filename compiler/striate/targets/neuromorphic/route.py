"""Who sends to whom: how many messages run from each core to each other core."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from striate.targets.neuromorphic.activity import Activity
from striate.targets.neuromorphic.crossbar_demand import CrossbarDemand
from striate.targets.neuromorphic.demand import Block, Blocks, Demand, Reach, reach
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
                if isinstance(demand, CrossbarDemand):
                    sent = events * demand.axons_fed(projection, [piece])
                    for here, sender in enumerate(blocks.get(source, []), first.get(source, 0)):
                        within = sender.channels, sender.rows, sender.columns
                        messages[here, there] += int(sent[tuple(slice(*each) for each in within)].sum())
                    continue
                heard = reach(projection, demand.shapes[source], demand.shapes[target], piece)
                for here, sender in enumerate(blocks.get(source, []), first.get(source, 0)):
                    if heard.within(sender)[1]:
                        messages[here, there] += _sent(events, heard, sender)
    return messages


def _sent(events: Array, heard: Reach, sender: Block) -> int:
    """How many events the neurons of a block send that another block hears."""
    channels = slice(max(heard.channels[0], sender.channels[0]), min(heard.channels[1], sender.channels[1]))
    rows = [row for row in heard.rows if sender.rows[0] <= row < sender.rows[1]]
    columns = [column for column in heard.columns if sender.columns[0] <= column < sender.columns[1]]
    return int(events[channels][:, rows][:, :, columns].sum())


def _first_core(blocks: Mapping[str, list[Block]]) -> dict[str, int]:
    first: dict[str, int] = {}
    count = 0
    for name, pieces in blocks.items():
        first[name] = count
        count += len(pieces)
    return first
