"""What the events of the kernels count: messages, synaptic operations, words, hops, and neurons that are active.

And what it adds up to once a sample is through: totals, and how long the busiest core or link of each step works.
"""

# pyright: basic
# numba compiles these functions from the types of the arrays in tables/arrays.py, which its decorators cannot express.

from __future__ import annotations

import numpy as np
from numba import njit

from striate_runtime.neuromorphic.costs.counts import (
    ACTIVE,
    CHIP_CROSSINGS,
    COLUMNS,
    EVENTS_OUT,
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
from striate_runtime.neuromorphic.kernels.blocks import busy_block, ones
from striate_runtime.neuromorphic.kernels.options import OPTIONS
from striate_runtime.neuromorphic.tables.arrays import LANES

_jit = njit(**OPTIONS)


@njit(inline="always", **OPTIONS)
def tally(core, active, over, sent, step, counts, saturation):
    """What a core's neurons did in a step: how many changed, went beyond the membrane (and when first), and sent."""
    if over > 0:
        if saturation[core, 0] == 0 or step < saturation[core, 1]:
            saturation[core, 1] = step
        saturation[core, 0] += over
    if len(counts) > 0:
        counts[core, ACTIVE] += active
        counts[core, EVENTS_OUT] += sent


@_jit
def count_not_at_rest(tables, state, p, step, counts):
    """Neurons that have a potential or a bias, or a sum to take in: before their population updates."""
    populations, segments = tables.populations, tables.segments
    half = len(state.sums) // 2
    sums = state.sums[(step % 2) * half : (step % 2 + 1) * half]
    for s in range(populations.segment[p], populations.segment[p + 1]):
        where = (state.potential, segments.neuron[s], tables.parameters.bias, segments.parameter[s])
        place, length = segments.accumulator[s], segments.length[s]
        if populations.plain[p] == 1:
            busy = _busy(sums, place, *where, length)
        else:
            busy = _busy(state.accumulator, place, *where, length)
        counts[segments.core[s], ACTIVE] += busy


@_jit
def _busy(sums, place, potential, neuron, bias, parameter, length):
    found = np.int64(0)
    for i in range(np.int64(0), length, np.int64(LANES)):
        where = (sums, place + i, potential, neuron + i, bias, parameter + i)
        found += ones(busy_block(*where, length - i))  # pyright: ignore
    return found


@_jit
def count_active(first_segment, segments, p, accumulator, counts):
    """Neurons that hold a sum in a step in which their population does not fire."""
    for s in range(first_segment[p], first_segment[p + 1]):
        if segments.core[s] >= 0:
            first = segments.accumulator[s]
            active = np.int64(0)
            for i in range(first, first + segments.length[s]):
                active += accumulator[i] != 0
            counts[segments.core[s], ACTIVE] += active


@_jit
def account(projections, accounts, j, first_neuron, event_neuron, pair_step, step, counts, pair_totals, pair_sent):
    """What events along projection j cost: sent in this step, received `delay` later. first_neuron: the source's."""
    _add_up(accounts, projections.entry[j], first_neuron, event_neuron, pair_step)
    arrival = step + projections.delay[j]
    for pair in range(projections.pair[j], projections.pair[j + 1]):
        messages = pair_step[pair, 0]
        if messages == 0:
            continue
        operations, words = pair_step[pair, 1], pair_step[pair, 2]
        pair_step[pair] = 0
        source, target = accounts.pair_source[pair], accounts.pair_target[pair]
        pair_totals[pair, SENT] += messages
        if pair_sent.shape[1] > 0:
            pair_sent[step, pair] = messages
        if source >= 0:
            counts[step, source, MESSAGES_OUT] += messages
            counts[step, source, HOPS_EAST_WEST] += messages * accounts.pair_hops_east_west[pair]
            counts[step, source, HOPS_NORTH_SOUTH] += messages * accounts.pair_hops_north_south[pair]
            counts[step, source, CHIP_CROSSINGS] += messages * accounts.pair_crossings[pair]
        if arrival < counts.shape[0]:
            pair_totals[pair, RECEIVED] += messages
            pair_totals[pair, PAIR_SYNOPS] += operations
            pair_totals[pair, PAIR_WORDS] += words
            counts[arrival, target, MESSAGES_IN] += messages
            counts[arrival, target, SYNOPS_DENSE + accounts.pair_format[pair]] += operations
            counts[arrival, target, WORDS] += words


@_jit
def _add_up(accounts, neurons_before, first_neuron, event_neuron, pair_step):
    """Messages, synaptic operations and words of each pair, summed over the events of a span before they are kept."""
    e, number = np.uint64(0), np.uint64(len(event_neuron))
    shift = np.uint64(neurons_before) - np.uint64(first_neuron)
    while e < number:
        span = np.uint64(5) * np.uint64(accounts.span_of[np.uint64(event_neuron[e]) + shift])
        first = first_neuron + accounts.span[span]
        last = first_neuron + accounts.span[span + np.uint64(1)]
        pairs, reached = np.uint64(accounts.span[span + np.uint64(2)]), np.uint64(accounts.span[span + np.uint64(3)])
        entries = np.uint64(accounts.span[span + np.uint64(4)])
        end = e + np.uint64(1)
        while end < number and event_neuron[end] < last:
            end += np.uint64(1)
        for k in range(reached):
            operations, words = np.int64(0), np.int64(0)
            for i in range(e, end):
                at = np.uint64(2) * (entries + np.uint64(event_neuron[i] - first) * reached + k)
                operations += accounts.entries[at]
                words += accounts.entries[at + np.uint64(1)]
            pair = np.uint64(accounts.span_pair[pairs + k])
            pair_step[pair, 0] += np.int64(end - e)
            pair_step[pair, 1] += operations
            pair_step[pair, 2] += words
        e = end


@_jit
def add_up(costs, counts, pair_sent, core_totals, busiest):
    """What `timing.core_times_ns` and `Links.loads` tell, of one sample's busiest only: the same sums in order.

    counts: i64 [steps, cores, COLUMNS]; pair_sent: i32 [steps, pairs]; core_totals: i64 [cores, COLUMNS] are added to;
    busiest: f64 [steps], in ns.
    """
    for step in range(counts.shape[0]):
        most = 0.0
        for core in range(counts.shape[1]):
            messages, neurons = 0.0, 0.0
            for k in range(len(costs.messages)):
                messages += counts[step, core, MESSAGES_IN + k] * costs.messages[k]
            for k in range(len(costs.neurons)):
                neurons += counts[step, core, ACTIVE + k] * costs.neurons[k]
            neurons += (costs.slots[core] + costs.passes * counts[step, core, ACTIVE]) * costs.access
            most = max(most, messages + neurons if costs.in_turn else max(messages, neurons))
            for column in range(COLUMNS):
                core_totals[core, column] += counts[step, core, column]
        for link in range(len(costs.link_first) - 1):
            load = np.int64(0)
            for k in range(costs.link_first[link], costs.link_first[link + 1]):
                load += pair_sent[step, costs.link_pairs[k]]
            most = max(most, load * costs.link)
        busiest[step] = most
