"""The kernel of chips without steps: each event is followed to its end, layer by layer, neuron by neuron."""

# pyright: basic
# numba compiles these functions from the types of arrays in event_driven/tables.py, which its decorators cannot say.

from __future__ import annotations

import numpy as np
from numba import njit

from striate_runtime.neuromorphic.event_driven import tables as event_tables
from striate_runtime.neuromorphic.kernels import options
from striate_runtime.neuromorphic.kernels.kept import kept
from striate_runtime.neuromorphic.kernels.options import OPTIONS

_jit = njit(**OPTIONS)


@_jit
def _run_samples(given, tables, state, rate, ticks, largest, taken, read, held, counts, potentials, fired, late):
    """Run samples from rest; how many were run before an event found no room in a queue, and which population's.

    given: i32 `[samples (x ticks), input neurons]`, a row per tick unless `rate`. After each tick of `taken`, the
    spikes so far of the neurons `read` go into counts `[samples, taken, read]`, and potentials of those `held`. What
    neurons sent is added to `fired`, what exceeded `largest` to late `[populations, 2]`: how often, and at which event.
    """
    for n in range(len(counts)):
        full = _run(given, n, tables, state, rate, ticks, largest, taken, read, held, counts, potentials)
        if full >= 0:
            return n, full
        for i in range(len(fired)):
            fired[i] += state.spike_count[i]
        for p in range(len(late)):
            if state.late[p, 0] > 0:
                late[p, 1] = state.late[p, 1] if late[p, 0] == 0 else min(late[p, 1], state.late[p, 1])
                late[p, 0] += state.late[p, 0]
    return len(counts), -1


@_jit
def _run(given, n, tables, state, rate, ticks, largest, taken, read, held, counts, potentials):
    """One sample. -1, or the population whose queue is full."""
    layers = tables.layers
    state.spike_count[:] = 0
    state.received[:] = 0
    state.late[:] = 0
    for i in range(len(state.potential)):
        state.potential[i] = tables.initial[i]
    snapshot = 0
    for tick in range(ticks):
        start = 0
        for p in range(len(layers.source)):
            if layers.source[p] < 0:
                full = _inject(given, n if rate else n * ticks + tick, start, tables, state, rate, p)
                start += layers.neurons[p]
            else:
                full = _deliver(tables, state, p, largest)
                if not full and layers.biased[p] == 1:
                    full = _leak(tables, state, p, largest)
            if full:
                return p
        while snapshot < len(taken) and taken[snapshot] == tick + 1:
            for i in range(len(read)):
                counts[n, snapshot, i] = state.spike_count[read[i]]
            for i in range(len(held)):
                potentials[n, snapshot, i] = state.potential[held[i]]
            snapshot += 1
    return -1


@_jit
def _inject(given, row, start, tables, state, rate, p):
    """Send what the host injects in a tick: under rate a spike for every threshold, else as many as the number says."""
    layers = tables.layers
    first, threshold = layers.neuron[p], layers.threshold[p]
    position, end = state.start[p], state.start[p + 1]
    for i in range(layers.neurons[p]):
        number = given[row, start + i]
        if rate:
            v = state.potential[first + i] + number
            number = 0
            if v >= threshold:
                v -= threshold
                number = 1
            state.potential[first + i] = v
        if position + number > end:
            return True
        for _ in range(number):
            state.queue[position] = i
            position += 1
        state.spike_count[first + i] += number
    state.length[p] = position - state.start[p]
    return False


@_jit
def _deliver(tables, state, p, largest):
    """Take the events of population p's source one by one; True where its own found no room."""
    layers = tables.layers
    source = layers.source[p]
    channels, columns = layers.channels[source], layers.columns[source]
    first, weight, stride = layers.neuron[p], layers.weight[p], layers.stride[p]
    row, column, reach = layers.row[p], layers.column[p], layers.reach[p]
    threshold, low = np.int32(layers.threshold[p]), np.int32(layers.low[p])
    position, end = state.start[p], state.start[p + 1]
    queue = state.start[source]
    for e in range(state.length[source]):
        if position + reach > end:
            return True
        place, channel = divmod(state.queue[queue + e], channels)
        y, x = divmod(place, columns)
        state.received[p] += 1
        length = np.int64(tables.column_length[column + x])
        if length == 0:
            continue
        at = weight + channel * stride + tables.column_weight[column + x]
        to = first + tables.column_target[column + x]
        for r in range(tables.row_first[row + y], tables.row_first[row + y + 1]):
            target, taps = to + tables.row_target[r], at + tables.row_weight[r]
            if _add(state.potential, target, tables.weights, taps, length, low) >= threshold:
                position = _fire(tables, state, p, target, taps, length, position, largest)
    state.length[p] = position - state.start[p]
    return False


@_jit
def _add(potential, target, weights, at, length, low):
    """Add a run of weights to a run of potentials, none of which falls below `low`; the highest of them."""
    highest = low
    for i in range(length):
        v = np.int32(potential[np.uint64(target + i)] + weights[np.uint64(at + i)])
        v = max(v, low)
        potential[np.uint64(target + i)] = v
        highest = max(highest, v)
    return highest


@_jit
def _fire(tables, state, p, target, at, length, position, largest):
    """Let those of a run fire that a weight brought to the threshold; where their events end."""
    layers = tables.layers
    threshold, first = layers.threshold[p], layers.neuron[p]
    for i in range(length):
        neuron = np.uint64(target + i)
        if state.potential[neuron] >= threshold and tables.weights[np.uint64(at + i)] != 0:
            position = _spike(state, p, neuron, first, threshold, layers.zero[p], position, largest)
    return position


@_jit
def _leak(tables, state, p, largest):
    """Add population p's biases, once; True where an event found no room."""
    layers = tables.layers
    first, threshold, low = layers.neuron[p], layers.threshold[p], np.int32(layers.low[p])
    position, end = state.start[p] + state.length[p], state.start[p + 1]
    if position + layers.neurons[p] > end:
        return True
    for i in range(first, first + layers.neurons[p]):
        neuron = np.uint64(i)
        if tables.bias[neuron] != 0:
            v = max(np.int32(state.potential[neuron] + tables.bias[neuron]), low)
            state.potential[neuron] = v
            if v >= threshold:
                position = _spike(state, p, neuron, first, threshold, layers.zero[p], position, largest)
    state.length[p] = position - state.start[p]
    return False


@_jit
def _spike(state, p, neuron, first, threshold, zero, position, largest):
    """Send one neuron's event, and reset it."""
    v = state.potential[neuron]
    if v > largest:
        v = largest
        if state.late[p, 0] == 0:
            state.late[p, 1] = state.received[p]
        state.late[p, 0] += 1
    state.potential[neuron] = 0 if zero == 1 else v - threshold
    state.spike_count[neuron] += 1
    state.queue[position] = np.int32(neuron - np.uint64(first))
    return position + 1


def _compiled(stamp, keep):
    """`_run_samples`, compiled at its first call and kept on disk: found there by its own file and by `stamp`."""

    @njit(cache=keep, **OPTIONS)
    def run_samples(given, tables, state, rate, ticks, largest, taken, read, held, counts, potentials, fired, late):
        if stamp == -1:  # never -1: it is named here so that it counts
            return 0, 0
        return _run_samples(
            *(given, tables, state, rate, ticks, largest, taken),
            *(read, held, counts, potentials, fired, late),
        )

    return run_samples


run_samples = kept(_compiled, event_tables, options)
"""The kernel that the device calls."""
