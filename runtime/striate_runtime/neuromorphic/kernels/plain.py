"""Plain neurons (tables/plain.py) update and fire: sums of 16 bits, no products, nothing where nothing arrives."""

# pyright: basic
# numba compiles these functions from the types of the arrays in tables/arrays.py, which its decorators cannot express.

from __future__ import annotations

import numpy as np
from numba import njit

from striate_runtime.neuromorphic.kernels.accounting import tally
from striate_runtime.neuromorphic.kernels.blocks import (
    far_nothing_new,
    nothing_new,
    ones,
    plain_block,
    trailing_zeros,
    whole_plain_block,
)
from striate_runtime.neuromorphic.kernels.options import OPTIONS
from striate_runtime.neuromorphic.native import SUM_SHIFT
from striate_runtime.neuromorphic.tables.arrays import LANES

_MASK = (1 << LANES) - 1
_STRIDE = 4 * LANES
_jit = njit(**OPTIONS)


@_jit
def sum_up(tables, state, p, start, step, counts, saturation):
    """Update population p and write its events from `start` on; where they end."""
    populations, segments, parameters = tables.populations, tables.segments, tables.parameters
    now, then = _halves(state.sums, step)
    interval = populations.reset_interval[p]
    if interval > 0 and step % interval == populations.reset_offset[p]:
        _reset(populations, segments, state, p, then)
    still = populations.still[p] == 1 and step > 0
    sums, potential = state.sums, state.potential
    position = start
    for s in range(populations.segment[p], populations.segment[p + 1]):
        before = position
        active, over = np.int64(0), np.int64(0)
        neuron, parameter, length = segments.neuron[s], segments.parameter[s], segments.length[s]
        at, old = now + segments.accumulator[s], then + segments.accumulator[s]
        i = np.int64(0)
        while i + _STRIDE <= length:
            if not (still and far_nothing_new(sums, at + i, old + i)):  # pyright: ignore
                where = (sums, at + i, old + i, potential, neuron + i)
                fires, changed, beyond = _far_block(*where, parameters.bias, parameters.threshold, parameter + i)
                active += ones(changed)  # pyright: ignore
                over += beyond
                position = _send(state, neuron + i, fires, position)
            i += _STRIDE
        while i < length:
            if not (still and nothing_new(sums, at + i, old + i)):  # pyright: ignore
                where = (sums, at + i, old + i, potential, neuron + i)
                what = (parameters.bias, parameters.threshold, parameter + i, length - i)
                masks = plain_block(*where, *what)  # pyright: ignore
                active += ones((masks >> LANES) & _MASK)  # pyright: ignore
                over += ones(masks >> (2 * LANES))  # pyright: ignore
                position = _send(state, neuron + i, masks & _MASK, position)
            i += LANES
        changed = active * populations.counts_changed[p]
        tally(segments.core[s], changed, over, position - before, step, counts, saturation)
    return position


@_jit
def _far_block(sums, at, before, potential, neuron, bias, threshold, parameter):
    """Four blocks: 64 bits for who fires and for what changed, and how many were clipped. No branch among the four."""
    fires, changed, clipped = np.int64(0), np.int64(0), np.int64(0)
    for k in range(4):
        i = k * LANES
        where = (sums, at + i, before + i, potential, neuron + i)
        masks = whole_plain_block(*where, bias, threshold, parameter + i)  # pyright: ignore
        fires |= (masks & _MASK) << i
        changed |= ((masks >> LANES) & _MASK) << i
        clipped |= (masks >> (2 * LANES)) << i
    return fires, changed, ones(clipped) if clipped != 0 else np.int64(0)  # pyright: ignore


@_jit
def _send(state, neuron, fires, position):
    """Write the events of those who fire, from `neuron` on; where they end. Their payload, always 1, stands there."""
    while fires:
        sender = np.uint64(neuron + trailing_zeros(fires))  # pyright: ignore
        state.spike_count[sender] += 1
        state.event_neuron[np.uint64(position)] = sender
        position += 1
        fires &= fires - 1
    return position


@_jit
def copy_currents(populations, segments, sums, p, step, row):
    """The currents of population p after `step`: the sums that arrived in it, counted 64 times."""
    now, _ = _halves(sums, step)
    first = populations.neuron[p]
    for s in range(populations.segment[p], populations.segment[p + 1]):
        for i in range(segments.length[s]):
            row[segments.neuron[s] - first + i] = np.int32(sums[now + segments.accumulator[s] + i]) << SUM_SHIFT


@_jit
def _halves(sums, step):
    """Where the sums of this step start, and those of the step before, which are the next step's."""
    half = len(sums) // 2
    return (step % 2) * half, (1 - step % 2) * half


@_jit
def _reset(populations, segments, state, p, then):
    """v and u become 0."""
    first = populations.neuron[p]
    state.potential[first : first + populations.neurons[p]] = 0
    sums = state.sums
    for s in range(populations.segment[p], populations.segment[p + 1]):
        place = then + segments.accumulator[s]
        sums[place : place + segments.length[s]] = 0
