"""Events arrive: what the events of one population add to, or compare with, the accumulators that they reach.

They go a piece at a time, those of one phase together, so that each adds as many blocks as the one before and no jump
is mispredicted. Events from one place reach the same accumulators: where there are four (or two) of them, their rows
are added in one pass. So the more of a layer is active, the less an event costs, down to what a dense product would.
"""

# pyright: basic
# numba compiles these functions from the types of the arrays in tables/arrays.py, which its decorators cannot express.
# They take few arrays each, since it compiles an argument for every one of an array's parts.

from __future__ import annotations

import numpy as np
from numba import njit

from striate_runtime.neuromorphic.kernels.blocks import (
    add_block,
    add_four_blocks,
    add_four_unit_blocks,
    add_two_blocks,
    add_two_unit_blocks,
    add_unit_block,
    trailing_zeros,
)
from striate_runtime.neuromorphic.kernels.options import OPTIONS
from striate_runtime.neuromorphic.tables.arrays import MAXIMA, PIECE, READY, ROWS

_jit = njit(**OPTIONS)
_ONE, _TWO, _THREE, _FOUR, _WIDTH = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4), np.uint64(READY)


@_jit
def deliver(projections, synapses, j, first_neuron, event_neuron, event_payload, accumulator, ready, ready_end):
    """Add (or, for a maximum, compare) what events along projection j bring. first_neuron: the source's.

    accumulator: i32, or i16 for plain neurons, to which only rows of units come. ready: room for a piece by phase.
    """
    mode, units = projections.mode[j], projections.mode[j] == ROWS and projections.unit[j] == 1
    laid = (
        projections.position[j],
        projections.channels[j],
        projections.channel[j],
        projections.phase[j],
        first_neuron,
    )
    rescaling = (projections.rescale[j], projections.rescales[j], projections.multiplier, projections.shift)
    block, weights = synapses.block, synapses.weights
    for piece in range(0, len(event_neuron), PIECE):
        events, payloads = event_neuron[piece : piece + PIECE], event_payload[piece : piece + PIECE]
        _sort(synapses.position, synapses.channel, synapses.phase, laid, events, ready, ready_end)
        if not units:
            _note_payloads(synapses.position, laid, rescaling, events, payloads, ready, ready_end)
        for f in range(projections.phases[j]):
            at = _FOUR * np.uint64(projections.phase[j] + f)
            blocks = (np.uint64(synapses.phase[at + _TWO]), np.uint64(synapses.phase[at + _THREE]))
            own = ready[f * PIECE * READY : ready_end[f]]
            if units:
                _add_units(own, blocks, block, weights, accumulator)
            elif mode == ROWS:
                _add_rows(own, blocks, block, weights, accumulator)
            else:
                _add_singles(own, blocks, block, weights, accumulator, mode == MAXIMA)


@_jit
def _sort(position, channel, phase, laid, event_neuron, ready, ready_end):
    """Write base and first weight of each event to `ready`, those of a phase together."""
    positions, channels, first_phase = np.uint64(laid[0]), np.uint64(laid[1]), np.uint64(laid[3])
    bits, power = np.uint64(trailing_zeros(np.int64(channels))), channels & (channels - _ONE) == np.uint64(0)  # pyright: ignore
    for f in range(len(ready_end)):
        ready_end[f] = f * PIECE * READY
    for e in range(np.uint64(len(event_neuron))):
        neuron = np.uint64(event_neuron[e] - laid[4])
        place = neuron >> bits if power else neuron // channels  # a division costs as much as the rest of it
        own = neuron - place * channels
        at = _TWO * (positions + place)
        base, own_phase = np.int64(position[at]), np.uint64(position[at + _ONE])
        weight = np.int64(phase[_FOUR * own_phase]) + np.int64(own) * phase[_FOUR * own_phase + _ONE]
        if laid[2] >= 0:
            base += channel[np.uint64(laid[2]) + own]
        f = own_phase - first_phase
        to = np.uint64(ready_end[f])
        ready[to], ready[to + _ONE] = base, weight
        ready_end[f] = to + _WIDTH


@_jit
def _note_payloads(position, laid, rescaling, event_neuron, event_payload, ready, ready_end):
    """Write each event's payload beside, (x * multiplier + (1 << (shift - 1))) >> shift where it is rescaled."""
    positions, channels, first_phase = np.uint64(laid[0]), np.uint64(laid[1]), np.uint64(laid[3])
    rescale, rescales, multipliers, shifts = rescaling
    for f in range(len(ready_end)):
        ready_end[f] = f * PIECE * READY
    for e in range(np.uint64(len(event_neuron))):
        neuron = np.uint64(event_neuron[e] - laid[4])
        payload = np.int64(event_payload[e])
        if rescales > 0:
            own = np.int64(rescale) + np.int64(neuron) % np.int64(rescales)
            payload = (payload * multipliers[own] + (np.int64(1) << (shifts[own] - 1))) >> shifts[own]
        f = np.uint64(position[_TWO * (positions + neuron // channels) + _ONE]) - first_phase
        to = np.uint64(ready_end[f])
        ready[to + _TWO] = payload
        ready_end[f] = to + _WIDTH


@_jit
def _add_units(ready, blocks, block, weights, accumulator):
    e, end = np.uint64(0), np.uint64(len(ready))
    while e < end:
        base, weight = np.int64(ready[e]), np.int64(ready[e + _ONE])
        if e + _THREE * _WIDTH < end and ready[e + _THREE * _WIDTH] == base:
            second, third = np.int64(ready[e + _WIDTH + _ONE]), np.int64(ready[e + _TWO * _WIDTH + _ONE])
            fourth = np.int64(ready[e + _THREE * _WIDTH + _ONE])
            for b in range(blocks[0], blocks[1]):
                at, skip = base + block[_TWO * b], np.int64(block[_TWO * b + _ONE])
                four = (weight + skip, second + skip, third + skip, fourth + skip)
                add_four_unit_blocks(accumulator, at, weights, *four)  # pyright: ignore
            e += _FOUR * _WIDTH
        elif e + _WIDTH < end and ready[e + _WIDTH] == base:
            second = np.int64(ready[e + _WIDTH + _ONE])
            for b in range(blocks[0], blocks[1]):
                at, skip = base + block[_TWO * b], np.int64(block[_TWO * b + _ONE])
                add_two_unit_blocks(accumulator, at, weights, weight + skip, second + skip)  # pyright: ignore
            e += _TWO * _WIDTH
        else:
            for b in range(blocks[0], blocks[1]):
                at, skip = base + block[_TWO * b], np.int64(block[_TWO * b + _ONE])
                add_unit_block(accumulator, at, weights, weight + skip)  # pyright: ignore
            e += _WIDTH


@_jit
def _add_rows(ready, blocks, block, weights, accumulator):
    e, end = np.uint64(0), np.uint64(len(ready))
    while e < end:
        base, weight, payload = np.int64(ready[e]), np.int64(ready[e + _ONE]), np.int64(ready[e + _TWO])
        if e + _THREE * _WIDTH < end and ready[e + _THREE * _WIDTH] == base:
            second, third = np.int64(ready[e + _WIDTH + _ONE]), np.int64(ready[e + _TWO * _WIDTH + _ONE])
            fourth = np.int64(ready[e + _THREE * _WIDTH + _ONE])
            payloads = (
                *(payload, np.int64(ready[e + _WIDTH + _TWO]), np.int64(ready[e + _TWO * _WIDTH + _TWO])),
                np.int64(ready[e + _THREE * _WIDTH + _TWO]),
            )
            for b in range(blocks[0], blocks[1]):
                at, skip = base + block[_TWO * b], np.int64(block[_TWO * b + _ONE])
                four = (weight + skip, second + skip, third + skip, fourth + skip)
                add_four_blocks(accumulator, at, weights, *four, *payloads)  # pyright: ignore
            e += _FOUR * _WIDTH
        elif e + _WIDTH < end and ready[e + _WIDTH] == base:
            second, other = np.int64(ready[e + _WIDTH + _ONE]), np.int64(ready[e + _WIDTH + _TWO])
            for b in range(blocks[0], blocks[1]):
                at, skip = base + block[_TWO * b], np.int64(block[_TWO * b + _ONE])
                two = (weight + skip, second + skip)
                add_two_blocks(accumulator, at, weights, *two, payload, other)  # pyright: ignore
            e += _TWO * _WIDTH
        else:
            for b in range(blocks[0], blocks[1]):
                at, skip = base + block[_TWO * b], np.int64(block[_TWO * b + _ONE])
                add_block(accumulator, at, weights, weight + skip, payload)  # pyright: ignore
            e += _WIDTH


@_jit
def _add_singles(ready, blocks, block, weights, accumulator, maxima):
    for e in range(np.uint64(0), np.uint64(len(ready)), _WIDTH):
        base, weight, payload = np.int64(ready[e]), np.int64(ready[e + _ONE]), np.int64(ready[e + _TWO])
        for b in range(blocks[0], blocks[1]):
            at = np.uint64(base + block[_TWO * b])
            arrived = np.int32(payload * weights[np.uint64(weight + block[_TWO * b + _ONE])])
            if not maxima:
                accumulator[at] += arrived
            elif arrived > accumulator[at]:
                accumulator[at] = arrived
