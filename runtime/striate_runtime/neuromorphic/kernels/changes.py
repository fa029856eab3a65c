"""What sigma-delta neurons send: the change of what they stand for, where it is large enough."""

# pyright: basic
# numba compiles these functions from the types of the arrays in tables/arrays.py, which its decorators cannot express.

from __future__ import annotations

import numpy as np
from numba import njit

from striate_runtime.neuromorphic.costs.counts import ACTIVE, EVENTS_OUT
from striate_runtime.neuromorphic.kernels.accounting import tally
from striate_runtime.neuromorphic.kernels.blocks import change_block, ones, trailing_zeros
from striate_runtime.neuromorphic.kernels.options import OPTIONS
from striate_runtime.neuromorphic.tables.arrays import LANES

_MASK = (1 << LANES) - 1
_jit = njit(**OPTIONS)


@_jit
def send_changes(tables, state, p, start, limit, step, counts, saturation):
    """Update population p and write its events from `start` on; where they end.

    The block leaves the changes that are sent where the sums were, and zeros elsewhere. What the payload's shift leaves
    of a change may be nothing: then no event is sent.
    """
    populations, segments, parameters = tables.populations, tables.segments, tables.parameters
    low, high, shift = populations.low[p], populations.high[p], populations.payload_shift[p]
    position = start
    for s in range(populations.segment[p], populations.segment[p + 1]):
        before = position
        active, over = np.int64(0), np.int64(0)
        for i in range(np.int64(0), segments.length[s], np.int64(LANES)):
            neuron, place = segments.neuron[s] + i, segments.accumulator[s] + i
            masks = change_block(  # pyright: ignore
                *(state.accumulator, place, state.current, state.potential, neuron),
                *(parameters.bias, parameters.multiplier, parameters.shift, parameters.threshold),
                *(segments.parameter[s] + i, low, high, limit, segments.length[s] - i),
            )
            active += ones((masks >> LANES) & _MASK)  # pyright: ignore
            over += ones(masks >> (2 * LANES))  # pyright: ignore
            sends = masks & _MASK
            while sends:
                lane = trailing_zeros(sends)  # pyright: ignore
                payload = state.accumulator[place + lane] >> shift
                state.accumulator[place + lane] = 0
                if payload != 0:
                    state.event_neuron[position] = neuron + lane
                    state.event_payload[position] = payload
                    position += 1
                sends &= sends - 1
        tally(segments.core[s], active, over, position - before, step, counts, saturation)
    return position


@_jit
def send_input_changes(tables, state, p, start, given, counts):
    """The same for neurons that stand for the numbers they are given."""
    populations, segments, parameters = tables.populations, tables.segments, tables.parameters
    position = start
    for s in range(populations.segment[p], populations.segment[p + 1]):
        before = position
        first = populations.input_start[p] + segments.neuron[s] - populations.neuron[p]
        for i in range(segments.length[s]):
            neuron = segments.neuron[s] + i
            change = given[first + i] - state.potential[neuron]
            if abs(change) >= parameters.threshold[segments.parameter[s] + i]:
                state.event_neuron[position] = neuron
                state.event_payload[position] = change
                state.potential[neuron] = given[first + i]
                position += 1
        core = segments.core[s]
        if core >= 0 and len(counts) > 0:
            counts[core, ACTIVE] += position - before
            counts[core, EVENTS_OUT] += position - before
    return position
