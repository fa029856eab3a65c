"""What the emulator counts: the columns of its tables, and the sums that timing and energy are functions of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]

MESSAGES_IN, SYNOPS_DENSE, SYNOPS_SPARSE, SYNOPS_CONV, WORDS, ACTIVE, EVENTS_OUT = range(7)
MESSAGES_OUT, HOPS_EAST_WEST, HOPS_NORTH_SOUTH, CHIP_CROSSINGS = range(7, 11)
COLUMNS = 11
"""Columns of the table that has a row per sample, step and core."""

CORE_COLUMNS = (
    "messages_in",
    "synops_dense",
    "synops_sparse",
    "synops_conv",
    "synapse_words",
    "active_neurons",
    "events_out",
    "messages_out",
    "hops_east_west",
    "hops_north_south",
    "chip_crossings",
)
"""Their names, in order. `active_neurons`: those whose state changed in the step, or that were not at rest."""

SENT, RECEIVED, PAIR_SYNOPS, PAIR_WORDS = range(4)
PAIR_COLUMNS = 4
"""Columns of the table that has a row per projection, source core and target core: messages sent, messages that
arrived within the sample's steps, and the synaptic operations and synapse words that those cost."""

FORMAT_OF = {"dense": 0, "one_to_one": 1, "conv2d": 2, "window": 2}
"""Projection kind -> synapse format (dense, sparse, conv), whose costs differ: its column is SYNOPS_DENSE + format."""


@dataclass(frozen=True)
class Mapping:
    """Where everything is: what turns counts of cores and pairs into counts of layers. Core i is `body.cores[i]`."""

    core_layer: tuple[str, ...]
    core_slots: npt.NDArray[np.int64]
    core_chip: npt.NDArray[np.int64]
    tiles: int
    pair_layer: tuple[str, ...]
    pair_source: npt.NDArray[np.int32]
    pair_target: npt.NDArray[np.int32]
    pair_format: npt.NDArray[np.int32]
    pair_hops_east_west: npt.NDArray[np.int32]
    pair_hops_north_south: npt.NDArray[np.int32]
    pair_crossings: npt.NDArray[np.int32]

    @property
    def chips(self) -> int:
        """How many chips are used."""
        return len(set(self.core_chip.tolist()))


@dataclass
class Totals:
    """Sums over samples: `cores` [cores, COLUMNS], `pairs` [pairs, PAIR_COLUMNS], `updates` [cores]."""

    cores: Counts
    pairs: Counts
    updates: Counts
    samples: int = 0

    @staticmethod
    def empty(mapping: Mapping) -> Totals:
        """No samples yet."""
        cores, pairs = len(mapping.core_layer), len(mapping.pair_layer)
        return Totals(
            np.zeros((cores, COLUMNS), np.int64), np.zeros((pairs, PAIR_COLUMNS), np.int64), np.zeros(cores, np.int64)
        )


def neuron_updates(counts: Counts, mapping: Mapping, every_step: bool, passes: int) -> Counts:
    """Neuron updates `[N, steps, cores]`: slots of all neurons in every step, or active neurons; times passes."""
    if every_step:
        return np.broadcast_to(mapping.core_slots * passes, counts.shape[:3])
    return counts[..., ACTIVE] * passes
