"""The event-driven kernels: what the chip computes (`_deliver`, `_fire`, `_leak`). They count in kernels/accounting.py.

Compiled by numba at the first call and cached. All integers; nothing here can round.
"""

# pyright: basic
# numba compiles these functions from the types of the arrays in tables/arrays.py, which its decorators cannot express.

from __future__ import annotations

import numpy as np
from numba import njit

from striate_runtime.neuromorphic import native
from striate_runtime.neuromorphic.costs import counts as counts_columns
from striate_runtime.neuromorphic.kernels import (
    accounting,
    blocks,
    changes,
    delivery,
    lanes,
    options,
    plain,
    vectors,
    vectors_plain,
)
from striate_runtime.neuromorphic.kernels.accounting import account, add_up, count_active, count_not_at_rest, tally
from striate_runtime.neuromorphic.kernels.blocks import (
    integrate_block,
    leak_block,
    ones,
    requantize_block,
    rest_block,
    take_block,
    trailing_zeros,
)
from striate_runtime.neuromorphic.kernels.changes import send_changes, send_input_changes
from striate_runtime.neuromorphic.kernels.delivery import deliver
from striate_runtime.neuromorphic.kernels.kept import kept
from striate_runtime.neuromorphic.kernels.options import OPTIONS
from striate_runtime.neuromorphic.kernels.plain import copy_currents, sum_up
from striate_runtime.neuromorphic.tables import arrays
from striate_runtime.neuromorphic.tables.arrays import (
    CUBA_LIF,
    GRADED,
    INPUT,
    INPUT_CHANGES,
    LANES,
    READOUT,
    SIGMA_DELTA,
)

_MASK = (1 << LANES) - 1
_COMPILED_FROM = (
    *(counts_columns, accounting, blocks, changes, delivery, options),
    *(plain, lanes, native, arrays, vectors, vectors_plain),
)
_jit = njit(**OPTIONS)


@_jit
def _run_samples(
    inputs, tables, state, rate, limit, snapshots, outputs, costs, counts, pair_sent, totals, saturation, busiest
):
    """Run every sample from rest through `busiest.shape[1]` steps.

    inputs i32 [N * steps or N, input neurons], with LANES numbers to spare in each row: given at each step, or at all
    rate: whether inputs integrate and fire; then, or in a native network, populations fire at every step from theirs on
    limit: the largest |potential| that the chip holds
    snapshots i64 [K]: the steps after which outputs are copied to `outputs` i32 [N, K, output numbers]
    counts i64 [N, steps, cores, COLUMNS] and pair_sent i32 [N, steps, pairs]: zeroed; with no cores, nothing is
    counted, and with no pairs, the messages of each step are not kept; for an N of 0, the state has room for a sample's
    totals: i64 [pairs, PAIR_COLUMNS] and [cores, COLUMNS], which are added to, as is saturation i64 [cores, 2] (how
    often, first step)
    busiest f64 [N, steps]: how long the busiest core or link works by `costs`, in ns; where nothing is counted, 0
    """
    pair_totals, core_totals = totals
    populations, projections = tables.populations, tables.projections
    slots = state.event_count.shape[0]
    neurons = state.event_neuron.shape[0] // slots
    counting = counts.shape[2] > 0
    every_step = rate or tables.native == 1
    steps = busiest.shape[1]
    rows = inputs.shape[0] // busiest.shape[0]
    for sample in range(busiest.shape[0]):
        own_counts, own_sent = state.counts, state.pair_sent
        if counts.shape[0] > 0:
            own_counts, own_sent = counts[sample], pair_sent[sample]
        else:
            own_counts[:] = 0
            own_sent[:] = 0
        state.accumulator[:] = 0
        state.sums[:] = 0
        state.event_count[:] = 0
        state.waiting[:] = 0
        for n in range(len(tables.initial)):
            state.potential[n] = tables.initial[n]
        state.current[:] = 0
        state.spike_count[:] = 0
        state.resting[:] = 0
        taken = 0
        for step in range(steps):
            slot = step % slots
            given = inputs[sample * rows + min(step, rows - 1)]
            for j in range(len(projections.source)):
                sent = step - projections.delay[j]
                source = projections.source[j]
                if sent >= 0 and state.event_count[sent % slots, source] > 0:
                    first = populations.neuron[source]
                    start = (sent % slots) * neurons + first
                    end = start + state.event_count[sent % slots, source]
                    payloads = state.event_payload[start:end]
                    sources = state.event_neuron[start:end]
                    state.waiting[projections.target[j]] = 1
                    room = (state.ready, state.ready_end)
                    if populations.plain[projections.target[j]] == 1:
                        half = len(state.sums) // 2
                        sums = state.sums[(step % 2) * half : (step % 2 + 1) * half]
                        deliver(projections, tables.synapses, j, first, sources, payloads, sums, *room)
                    else:
                        deliver(projections, tables.synapses, j, first, sources, payloads, state.accumulator, *room)
            for p in range(len(populations.kind)):
                start = slot * neurons + populations.neuron[p]
                end = start
                if step == populations.fires_at[p] or (every_step and step > populations.fires_at[p]):
                    row = own_counts[step]
                    if counting and populations.counts_changed[p] == 0:
                        count_not_at_rest(tables, state, p, step, row)
                    if populations.plain[p] == 1:
                        end = sum_up(tables, state, p, start, step, row, saturation)
                    elif populations.kind[p] == CUBA_LIF:
                        end = _leak(tables, state, p, start, step, row, saturation)
                    elif populations.kind[p] == SIGMA_DELTA:
                        if step == populations.fires_at[p] or state.waiting[p] == 1:
                            end = send_changes(tables, state, p, start, limit, step, row, saturation)
                    elif populations.kind[p] == INPUT_CHANGES:
                        end = send_input_changes(tables, state, p, start, given, row)
                    else:
                        end = _fire(tables, state, p, start, given, rate, limit, step, row, saturation)
                    state.waiting[p] = 0
                elif counting and state.waiting[p] == 1:
                    count_active(populations.segment, tables.segments, p, state.accumulator, own_counts[step])
                state.event_count[slot, p] = end - start
                if counting and end > start:
                    for j in range(populations.projection[p], populations.projection[p + 1]):
                        events = state.event_neuron[start:end]
                        account(
                            *(projections, tables.accounts, j, populations.neuron[p], events, state.pair_step),
                            *(step, own_counts, pair_totals, own_sent),
                        )
            while taken < len(snapshots) and snapshots[taken] == step + 1:
                _copy_outputs(populations, tables.segments, state, step, outputs[sample, taken])
                taken += 1
        if counting:
            add_up(costs, own_counts, own_sent, core_totals, busiest[sample])


def _compiled(stamp, keep):
    """`_run_samples`, compiled at its first call and kept on disk: found there by its own file and by `stamp`."""

    @njit(cache=keep, **OPTIONS)
    def run_samples(given, tables, state, rate, limit, kept, outputs, costs, counts, sent, totals, late, busiest):
        if stamp != -1:  # never -1: it is named here so that it counts
            _run_samples(
                *(given, tables, state, rate, limit, kept, outputs),
                *(costs, counts, sent, totals, late, busiest),
            )

    return run_samples


@_jit
def _copy_outputs(populations, segments, state, step, row):
    _copy(populations, populations.output_start, state.potential, row)
    _copy(populations, populations.current_start, state.current, row)
    _copy(populations, populations.spike_count_start, state.spike_count, row)
    for p in range(len(populations.kind)):
        if populations.plain[p] == 1 and populations.current_start[p] >= 0:
            copy_currents(populations, segments, state.sums, p, step, row[populations.current_start[p] :])


@_jit
def _copy(populations, starts, values, row):
    for p in range(len(populations.kind)):
        start = starts[p]
        if start >= 0:
            first, number = populations.neuron[p], populations.neurons[p]
            for i in range(number):  # assigning a slice would compile the error message of one that does not fit
                row[start + i] = values[first + i]


# --- function: neurons update and fire ---------------------------------------------------------------------------


@_jit
def _fire(tables, state, p, start, inputs, rate, limit, step, counts, saturation):
    """Update population p and write its events from `start` on; where they end."""
    populations, segments, parameters = tables.populations, tables.segments, tables.parameters
    kind = populations.kind[p]
    low, high = populations.low[p], populations.high[p]
    given = inputs if kind == INPUT else state.accumulator
    clear, spikes = np.int64(0 if kind == INPUT else 1), rate and kind != GRADED
    position = start
    for s in range(populations.segment[p], populations.segment[p + 1]):
        neuron, length = segments.neuron[s], segments.length[s]
        parameter, core = segments.parameter[s], segments.core[s]
        before = position
        active, over = np.int64(0), np.int64(0)
        for i in range(np.int64(0), length, np.int64(LANES)):
            number = length - i
            place = segments.accumulator[s] + i
            if kind == INPUT:
                place = populations.input_start[p] + neuron - populations.neuron[p] + i
            if kind == READOUT:
                masks = _accumulate(given, place, state.potential, neuron + i, limit, number)
            elif kind == INPUT and not rate:
                masks = take_block(given, place, state.potential, neuron + i, number)  # pyright: ignore
            elif kind == GRADED:
                masks = requantize_block(  # pyright: ignore
                    *(given, place, state.potential, neuron + i),
                    *(parameters.bias, parameters.multiplier, parameters.shift, parameter + i),
                    *(low, high, limit, number),
                )
            else:
                masks = integrate_block(  # pyright: ignore
                    *(given, place, state.potential, neuron + i),
                    *(parameters.bias, parameters.threshold, parameter + i),
                    *(limit, clear, number),
                )
            active += ones((masks >> LANES) & _MASK)  # pyright: ignore
            over += ones(masks >> (2 * LANES))  # pyright: ignore
            sends = masks & _MASK
            while sends:
                sender = neuron + i + trailing_zeros(sends)  # pyright: ignore
                state.event_neuron[position] = sender
                state.event_payload[position] = 1 if spikes else state.potential[sender]
                position += 1
                sends &= sends - 1
        if core >= 0:
            tally(core, active * populations.counts_changed[p], over, position - before, step, counts, saturation)
    return position


@_jit
def _leak(tables, state, p, start, step, counts, saturation):
    """The same for Loihi's own neurons, apart because they would make the loop of `_fire` a sixth slower for others."""
    populations, segments, parameters = tables.populations, tables.segments, tables.parameters
    interval, subtracts, refractory = populations.reset_interval[p], populations.subtracts[p], populations.refractory[p]
    if interval > 0 and step % interval == populations.reset_offset[p]:
        first, last = populations.neuron[p], populations.neuron[p] + populations.neurons[p]
        state.potential[first:last] = 0
        state.current[first:last] = 0
    position = start
    for s in range(populations.segment[p], populations.segment[p + 1]):
        before = position
        active, over = np.int64(0), np.int64(0)
        for i in range(np.int64(0), segments.length[s], np.int64(LANES)):
            neuron = segments.neuron[s] + i
            if refractory > 0:
                masks = rest_block(  # pyright: ignore
                    *(state.accumulator, segments.accumulator[s] + i),
                    *(state.potential, state.current, state.spike_count, neuron),
                    *(parameters.bias, parameters.threshold, parameters.current_kept, parameters.voltage_kept),
                    *(segments.parameter[s] + i, tables.sum_spare, subtracts, segments.length[s] - i),
                    *(state.resting, refractory),
                )
            else:
                masks = leak_block(  # pyright: ignore
                    *(state.accumulator, segments.accumulator[s] + i),
                    *(state.potential, state.current, state.spike_count, neuron),
                    *(parameters.bias, parameters.threshold, parameters.current_kept, parameters.voltage_kept),
                    *(segments.parameter[s] + i, tables.sum_spare, subtracts, segments.length[s] - i),
                )
            active += ones((masks >> LANES) & _MASK)  # pyright: ignore
            over += ones(masks >> (2 * LANES))  # pyright: ignore
            sends = masks & _MASK
            while sends:
                state.event_neuron[position] = neuron + trailing_zeros(sends)  # pyright: ignore
                state.event_payload[position] = 1
                position += 1
                sends &= sends - 1
        changed = active * populations.counts_changed[p]
        tally(segments.core[s], changed, over, position - before, step, counts, saturation)
    return position


@_jit
def _accumulate(accumulator, place, potential, neuron, limit, number):
    """A readout adds what arrives; its bias was there from the start. It sends nothing."""
    active, over = np.int64(0), np.int64(0)
    for lane in range(min(number, np.int64(LANES))):
        arrived = accumulator[place + lane]
        accumulator[place + lane] = 0
        value = potential[neuron + lane] + arrived
        potential[neuron + lane] = value
        if arrived != 0:
            active |= np.int64(1) << lane
        if abs(value) > limit:
            over |= np.int64(1) << lane
    return (active << LANES) | (over << (2 * LANES))


run_samples = kept(_compiled, *_COMPILED_FROM)
"""The kernel that the chip calls."""
