"""Events arrive: what the events of one population add to, or compare with, the accumulators that they reach."""

# pyright: basic
# numba compiles these functions from the types of the arrays in tables.py, which its decorators cannot express.

from __future__ import annotations

import numpy as np
from numba import njit

from striate_runtime.neuromorphic.events_blocks import add_block, add_unit_block
from striate_runtime.neuromorphic.tables import MAXIMA, ROWS

_jit = njit(nogil=True, error_model="numpy")


@_jit
def deliver(tables, j, first_neuron, event_neuron, event_payload, accumulator):
    """Add (or, for a maximum, compare) what the events of one population bring along projection j."""
    projections = tables.projections
    at = np.uint64(projections.table[j] - first_neuron)
    if projections.mode[j] == ROWS and projections.unit[j] == 1:
        _add_units(tables.synapses, at, event_neuron, accumulator)
        return
    if projections.rescales[j] > 0:
        payloads = _rescaled(projections, j, first_neuron, event_neuron, event_payload)
    else:
        payloads = event_payload
    if projections.mode[j] == ROWS:
        _add_rows(tables.synapses, at, event_neuron, payloads, accumulator)
    elif projections.mode[j] == MAXIMA:
        _compare(tables.synapses, at, event_neuron, payloads, accumulator)
    else:
        _add_singles(tables.synapses, at, event_neuron, payloads, accumulator)


@_jit
def _add_units(synapses, at, event_neuron, accumulator):
    for e in range(len(event_neuron)):
        event = synapses.event[at + np.uint64(event_neuron[e])]
        base, weight = np.int64(event[0]), np.int64(event[1])
        for b in range(np.uint64(event[2]), np.uint64(event[3])):
            target, first = base + synapses.block[b, 0], weight + synapses.block[b, 1]
            add_unit_block(accumulator, target, synapses.weights, first)  # pyright: ignore


@_jit
def _add_rows(synapses, at, event_neuron, payloads, accumulator):
    for e in range(len(event_neuron)):
        event = synapses.event[at + np.uint64(event_neuron[e])]
        base, weight, payload = np.int64(event[0]), np.int64(event[1]), np.int64(payloads[e])
        for b in range(np.uint64(event[2]), np.uint64(event[3])):
            target, first = base + synapses.block[b, 0], weight + synapses.block[b, 1]
            add_block(accumulator, target, synapses.weights, first, payload)  # pyright: ignore


@_jit
def _add_singles(synapses, at, event_neuron, payloads, accumulator):
    for e in range(len(event_neuron)):
        event = synapses.event[at + np.uint64(event_neuron[e])]
        base, weight, payload = np.int64(event[0]), np.int64(event[1]), np.int64(payloads[e])
        for b in range(np.uint64(event[2]), np.uint64(event[3])):
            given = payload * synapses.weights[np.uint64(weight + synapses.block[b, 1])]
            accumulator[np.uint64(base + synapses.block[b, 0])] += np.int32(given)


@_jit
def _compare(synapses, at, event_neuron, payloads, accumulator):
    for e in range(len(event_neuron)):
        event = synapses.event[at + np.uint64(event_neuron[e])]
        base, weight, payload = np.int64(event[0]), np.int64(event[1]), np.int64(payloads[e])
        for b in range(np.uint64(event[2]), np.uint64(event[3])):
            target = np.uint64(base + synapses.block[b, 0])
            arrived = np.int32(payload * synapses.weights[np.uint64(weight + synapses.block[b, 1])])
            if arrived > accumulator[target]:
                accumulator[target] = arrived


@_jit
def _rescaled(projections, j, first_neuron, event_neuron, event_payload):
    """(x * multiplier + (1 << (shift - 1))) >> shift, by channel of the source."""
    rescale, rescales = np.int64(projections.rescale[j]), np.int64(projections.rescales[j])
    payloads = np.empty(len(event_neuron), np.int32)
    for e in range(len(event_neuron)):
        channel = rescale + (event_neuron[e] - first_neuron) % rescales
        shift = projections.shift[channel]
        payloads[e] = (event_payload[e] * projections.multiplier[channel] + (np.int64(1) << (shift - 1))) >> shift
    return payloads
