"""What the events of the kernels count: messages, synaptic operations, words, hops, and neurons that are active."""

# pyright: basic
# numba compiles these functions from the types of the arrays in tables.py, which its decorators cannot express.

from __future__ import annotations

import numpy as np
from numba import njit

from striate_runtime.neuromorphic.counts import (
    ACTIVE,
    CHIP_CROSSINGS,
    HOPS_EAST_WEST,
    HOPS_NORTH_SOUTH,
    MESSAGES_IN,
    MESSAGES_OUT,
    PAIR_SYNOPS,
    PAIR_WORDS,
    RECEIVED,
    SENT,
    SYNOPS_DENSE,
    WORDS,
)

from striate_runtime.neuromorphic.events_blocks import add_entry

_jit = njit(nogil=True, error_model="numpy")


@_jit
def count_active(populations, segments, p, accumulator, counts):
    """Neurons that hold a sum in a step in which their population does not fire."""
    for s in range(populations.segment[p], populations.segment[p + 1]):
        if segments.core[s] >= 0:
            first = segments.accumulator[s]
            active = np.int64(0)
            for i in range(first, first + segments.length[s]):
                active += accumulator[i] != 0
            counts[segments.core[s], ACTIVE] += active


@_jit
def account(tables, j, event_neuron, pair_step, step, counts, pair_totals):
    """What the events of one population cost along projection j: sent in this step, received `delay` steps later."""
    projections, accounts = tables.projections, tables.accounts
    first_neuron = tables.populations.neuron[projections.source[j]]
    first_pair, last_pair = projections.pair[j], projections.pair[j + 1]
    entry = np.uint64(projections.entry[j] - first_neuron)
    pair_step[first_pair:last_pair] = 0
    for e in range(len(event_neuron)):
        at = entry + np.uint64(event_neuron[e])
        for k in range(np.int64(accounts.first[at]), np.int64(accounts.first[at + np.uint64(1)])):
            add_entry(pair_step, np.int64(accounts.entries[np.uint64(k), 3]), accounts.entries, k)  # pyright: ignore
    arrival = step + projections.delay[j]
    for pair in range(first_pair, last_pair):
        messages = pair_step[pair, 0]
        if messages == 0:
            continue
        source, target = accounts.pair_source[pair], accounts.pair_target[pair]
        pair_totals[pair, SENT] += messages
        if source >= 0:
            counts[step, source, MESSAGES_OUT] += messages
            counts[step, source, HOPS_EAST_WEST] += messages * accounts.pair_hops_east_west[pair]
            counts[step, source, HOPS_NORTH_SOUTH] += messages * accounts.pair_hops_north_south[pair]
            counts[step, source, CHIP_CROSSINGS] += messages * accounts.pair_crossings[pair]
        if arrival < counts.shape[0]:
            pair_totals[pair, RECEIVED] += messages
            pair_totals[pair, PAIR_SYNOPS] += pair_step[pair, 1]
            pair_totals[pair, PAIR_WORDS] += pair_step[pair, 2]
            counts[arrival, target, MESSAGES_IN] += messages
            counts[arrival, target, SYNOPS_DENSE + accounts.pair_format[pair]] += pair_step[pair, 1]
            counts[arrival, target, WORDS] += pair_step[pair, 2]
