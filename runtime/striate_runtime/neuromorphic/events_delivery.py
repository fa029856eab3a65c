"""Events arrive: what the events of one population add to, or compare with, the accumulators that they reach."""

# pyright: basic
# numba compiles these functions from the types of the arrays in tables.py, which its decorators cannot express.

from __future__ import annotations

import numpy as np
from numba import njit

from striate_runtime.neuromorphic.events_blocks import add_block, add_unit_block
from striate_runtime.neuromorphic.tables import MAXIMA, PIECE, ROWS

_jit = njit(nogil=True, error_model="numpy")


@_jit
def deliver(tables, state, j, first_neuron, event_neuron, event_payload, step):
    """Add (or, for a maximum, compare) what the events of one population bring along projection j."""
    projections = tables.projections
    first = np.uint64(first_neuron)
    if projections.mode[j] == ROWS and projections.unit[j] == 1:
        if tables.populations.plain[projections.target[j]] == 1:
            half = len(state.sums) // 2
            start = (step % 2) * half
            _add_units(tables, state, j, first, event_neuron, state.sums[start : start + half])
        else:
            _add_units(tables, state, j, first, event_neuron, state.accumulator)
        return
    payloads = event_payload
    if projections.rescales[j] > 0:
        payloads = _rescaled(projections, j, first_neuron, event_neuron, event_payload)
    if projections.mode[j] == ROWS:
        _add_rows(tables, j, first, event_neuron, payloads, state.accumulator)
    elif projections.mode[j] == MAXIMA:
        _compare(tables, j, first, event_neuron, payloads, state.accumulator)
    else:
        _add_singles(tables, j, first, event_neuron, payloads, state.accumulator)


@_jit
def _add_units(tables, state, j, first_neuron, event_neuron, accumulator):
    """Events of one phase at a time: as each then adds as many blocks as the one before, none is mispredicted."""
    synapses = tables.synapses
    first_phase = np.uint64(tables.projections.phase[j])
    for piece in range(0, len(event_neuron), PIECE):
        _sort(tables, state, j, first_neuron, event_neuron[piece : piece + PIECE])
        for f in range(np.uint64(tables.projections.phases[j])):
            phase = np.uint64(4) * (first_phase + f)
            first, last = (
                np.uint64(synapses.phase[phase + np.uint64(2)]),
                np.uint64(synapses.phase[phase + np.uint64(3)]),
            )
            start = f * np.uint64(PIECE)
            for e in range(start, start + np.uint64(state.ready_count[f])):
                base, weight = (
                    np.int64(state.ready[np.uint64(2) * e]),
                    np.int64(state.ready[np.uint64(2) * e + np.uint64(1)]),
                )
                for b in range(first, last):
                    target = base + synapses.block[np.uint64(2) * b]
                    skip = weight + synapses.block[np.uint64(2) * b + np.uint64(1)]
                    add_unit_block(accumulator, target, synapses.weights, skip)  # pyright: ignore


@_jit
def _sort(tables, state, j, first_neuron, event_neuron):
    """Write base and first weight of each event to `state.ready`, those of a phase together."""
    synapses, projections = tables.synapses, tables.projections
    channels, channel = np.uint64(projections.channels[j]), projections.channel[j]
    positions, first_phase = np.uint64(projections.position[j]), np.uint64(projections.phase[j])
    state.ready_count[:] = 0
    for e in range(np.uint64(len(event_neuron))):
        neuron = np.uint64(event_neuron[e]) - first_neuron
        place = neuron // channels
        own = neuron - place * channels
        at = np.uint64(2) * (positions + place)
        base, phase = np.int64(synapses.position[at]), np.uint64(synapses.position[at + np.uint64(1)])
        weight = np.int64(synapses.phase[np.uint64(4) * phase])
        weight += np.int64(own) * synapses.phase[np.uint64(4) * phase + np.uint64(1)]
        if channel >= 0:
            base += synapses.channel[np.uint64(channel) + own]
        f = phase - first_phase
        ready = np.uint64(2) * (f * np.uint64(PIECE) + np.uint64(state.ready_count[f]))
        state.ready[ready], state.ready[ready + np.uint64(1)] = base, weight
        state.ready_count[f] += 1


@_jit
def _add_rows(tables, j, first_neuron, event_neuron, payloads, accumulator):
    synapses = tables.synapses
    channels, channel = np.uint64(tables.projections.channels[j]), tables.projections.channel[j]
    positions = np.uint64(tables.projections.position[j])
    e, number = np.uint64(0), np.uint64(len(event_neuron))
    while e < number:
        neuron = np.uint64(event_neuron[e]) - first_neuron
        place = neuron // channels
        start = place * channels
        at = np.uint64(2) * (positions + place)
        base, phase = np.int64(synapses.position[at]), np.uint64(4) * np.uint64(synapses.position[at + np.uint64(1)])
        weights, of_a_channel = np.int64(synapses.phase[phase]), np.int64(synapses.phase[phase + np.uint64(1)])
        first, last = np.uint64(synapses.phase[phase + np.uint64(2)]), np.uint64(synapses.phase[phase + np.uint64(3)])
        while True:
            weight = weights + np.int64(neuron - start) * of_a_channel
            payload = np.int64(payloads[e])
            shift = np.int64(synapses.channel[np.uint64(channel) + neuron - start]) if channel >= 0 else np.int64(0)
            for b in range(first, last):
                target = base + shift + synapses.block[np.uint64(2) * b]
                skip = weight + synapses.block[np.uint64(2) * b + np.uint64(1)]
                add_block(accumulator, target, synapses.weights, skip, payload)  # pyright: ignore
            e += np.uint64(1)
            if e == number:
                break
            neuron = np.uint64(event_neuron[e]) - first_neuron
            if neuron - start >= channels:
                break


@_jit
def _add_singles(tables, j, first_neuron, event_neuron, payloads, accumulator):
    synapses = tables.synapses
    channels, channel = np.uint64(tables.projections.channels[j]), tables.projections.channel[j]
    positions = np.uint64(tables.projections.position[j])
    e, number = np.uint64(0), np.uint64(len(event_neuron))
    while e < number:
        neuron = np.uint64(event_neuron[e]) - first_neuron
        place = neuron // channels
        start = place * channels
        at = np.uint64(2) * (positions + place)
        base, phase = np.int64(synapses.position[at]), np.uint64(4) * np.uint64(synapses.position[at + np.uint64(1)])
        weights, of_a_channel = np.int64(synapses.phase[phase]), np.int64(synapses.phase[phase + np.uint64(1)])
        first, last = np.uint64(synapses.phase[phase + np.uint64(2)]), np.uint64(synapses.phase[phase + np.uint64(3)])
        while True:
            weight = weights + np.int64(neuron - start) * of_a_channel
            payload = np.int64(payloads[e])
            shift = np.int64(synapses.channel[np.uint64(channel) + neuron - start]) if channel >= 0 else np.int64(0)
            for b in range(first, last):
                target = base + shift + synapses.block[np.uint64(2) * b]
                skip = weight + synapses.block[np.uint64(2) * b + np.uint64(1)]
                accumulator[np.uint64(target)] += np.int32(payload * synapses.weights[np.uint64(skip)])
            e += np.uint64(1)
            if e == number:
                break
            neuron = np.uint64(event_neuron[e]) - first_neuron
            if neuron - start >= channels:
                break


@_jit
def _compare(tables, j, first_neuron, event_neuron, payloads, accumulator):
    synapses = tables.synapses
    channels, channel = np.uint64(tables.projections.channels[j]), tables.projections.channel[j]
    positions = np.uint64(tables.projections.position[j])
    e, number = np.uint64(0), np.uint64(len(event_neuron))
    while e < number:
        neuron = np.uint64(event_neuron[e]) - first_neuron
        place = neuron // channels
        start = place * channels
        at = np.uint64(2) * (positions + place)
        base, phase = np.int64(synapses.position[at]), np.uint64(4) * np.uint64(synapses.position[at + np.uint64(1)])
        weights, of_a_channel = np.int64(synapses.phase[phase]), np.int64(synapses.phase[phase + np.uint64(1)])
        first, last = np.uint64(synapses.phase[phase + np.uint64(2)]), np.uint64(synapses.phase[phase + np.uint64(3)])
        while True:
            weight = weights + np.int64(neuron - start) * of_a_channel
            payload = np.int64(payloads[e])
            shift = np.int64(synapses.channel[np.uint64(channel) + neuron - start]) if channel >= 0 else np.int64(0)
            for b in range(first, last):
                target = base + shift + synapses.block[np.uint64(2) * b]
                skip = weight + synapses.block[np.uint64(2) * b + np.uint64(1)]
                arrived = np.int32(payload * synapses.weights[np.uint64(skip)])
                if arrived > accumulator[np.uint64(target)]:
                    accumulator[np.uint64(target)] = arrived
            e += np.uint64(1)
            if e == number:
                break
            neuron = np.uint64(event_neuron[e]) - first_neuron
            if neuron - start >= channels:
                break


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
