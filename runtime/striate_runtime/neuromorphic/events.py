"""The event-driven kernels: what the chip computes (`_deliver`, `_fire`) and, apart from it, what counts (`_account`).

Compiled by numba at the first call and cached. All integers; nothing here can round.
"""

# pyright: basic
# numba compiles these functions from the types of the arrays in tables.py, which its decorators cannot express.

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from striate_runtime.neuromorphic.counts import (
    ACTIVE,
    CHIP_CROSSINGS,
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
from striate_runtime.neuromorphic.tables import GRADED, INPUT, INTEGRATE_AND_FIRE, LANES, MAXIMA, READOUT, ROWS

_jit = njit(cache=True, nogil=True, error_model="numpy")


@_jit
def run_samples(inputs, tables, state, rate, limit, snapshots, outputs, counts, pair_totals, saturation):
    """Run every sample from rest through `counts.shape[1]` steps.

    inputs i32 [N, input neurons]
    rate: whether populations fire at every step from theirs on, instead of once
    limit: the largest |potential| that the chip holds
    snapshots i64 [K]: the steps after which outputs are copied to `outputs` i32 [N, K, output neurons]
    counts i64 [N, steps, cores, COLUMNS]: zeroed; with no cores, nothing is counted
    pair_totals i64 [pairs, PAIR_COLUMNS] and saturation i64 [cores, 2] (how often, first step): are added to
    """
    populations = tables.populations
    projections = tables.projections
    slots = state.event_count.shape[0]
    neurons = len(tables.initial)
    counting = counts.shape[2] > 0
    for sample in range(inputs.shape[0]):
        _reset(tables, state)
        taken = 0
        for step in range(counts.shape[1]):
            slot = step % slots
            for j in range(len(projections.source)):
                sent = step - projections.delay[j]
                source = projections.source[j]
                if sent >= 0 and state.event_count[sent % slots, source] > 0:
                    start = (sent % slots) * neurons + populations.neuron[source]
                    _deliver(tables, state, j, start, state.event_count[sent % slots, source])
            for p in range(len(populations.kind)):
                start = slot * neurons + populations.neuron[p]
                number = np.int64(0)
                if step == populations.fires_at[p] or (rate and step > populations.fires_at[p]):
                    number = _fire(
                        tables, state, p, start, inputs[sample], rate, limit, step, counts[sample], saturation
                    )
                elif counting:
                    _count_active(tables, state, p, counts[sample, step])
                state.event_count[slot, p] = number
                if counting and number > 0:
                    for j in range(populations.projection[p], populations.projection[p + 1]):
                        _account(tables, state, j, start, number, step, counts[sample], pair_totals)
            while taken < len(snapshots) and snapshots[taken] == step + 1:
                _copy_outputs(tables, state, outputs[sample, taken])
                taken += 1


@_jit
def _reset(tables, state):
    state.accumulator[:] = 0
    state.event_count[:] = 0
    state.potential[:] = tables.initial


@_jit
def _copy_outputs(tables, state, row):
    populations = tables.populations
    for p in range(len(populations.kind)):
        start = populations.output_start[p]
        if start >= 0:
            first = populations.neuron[p]
            row[start : start + populations.neurons[p]] = state.potential[first : first + populations.neurons[p]]


# --- function: events arrive ---------------------------------------------------------------------------------------


@intrinsic
def _add_rows(typing_context, accumulator, at, weights, first, payload, blocks):
    """accumulator[at + i] += weights[first + i] * payload for i < blocks * LANES, one vector at a time."""
    signature = types.void(accumulator, at, weights, first, payload, blocks)

    def generate(context, builder, signature, arguments):
        accumulator_, at_, weights_, first_, payload_, blocks_ = arguments
        i32, i64 = ir.IntType(32), ir.IntType(64)
        wide, narrow = ir.VectorType(i32, LANES), ir.VectorType(ir.IntType(16), LANES)
        target = context.make_array(signature.args[0])(context, builder, accumulator_).data
        source = context.make_array(signature.args[2])(context, builder, weights_).data
        undefined = ir.Constant(wide, ir.Undefined)
        single = builder.insert_element(undefined, builder.trunc(payload_, i32), ir.Constant(i32, 0))
        factor = builder.shuffle_vector(single, undefined, ir.Constant(wide, [0] * LANES))
        with cgutils.for_range(builder, blocks_) as loop:
            offset = builder.mul(loop.index, ir.Constant(i64, LANES))
            sums = builder.bitcast(builder.gep(target, [builder.add(at_, offset)]), wide.as_pointer())
            row = builder.bitcast(builder.gep(source, [builder.add(first_, offset)]), narrow.as_pointer())
            product = builder.mul(builder.sext(builder.load(row, align=2), wide), factor)
            builder.store(builder.add(builder.load(sums, align=4), product), sums, align=4)
        return context.get_dummy_value()

    return signature, generate


@_jit
def _deliver(tables, state, j, start, number):
    projections = tables.projections
    synapses = tables.synapses
    mode = projections.mode[j]
    rescale = np.int64(projections.rescale[j])
    rescales = np.int64(projections.rescales[j])
    source = tables.populations.neuron[projections.source[j]]
    table = projections.table[j] - source
    for e in range(start, start + number):
        payload = np.int64(state.event_payload[e])
        if rescales > 0:
            channel = rescale + (state.event_neuron[e] - source) % rescales
            shift = projections.shift[channel]
            payload = (payload * projections.multiplier[channel] + (np.int64(1) << (shift - 1))) >> shift
        at = table + state.event_neuron[e]
        base = np.int64(synapses.base[at])
        weight = np.int64(synapses.weight[at])
        phase = synapses.phase[at]
        for r in range(synapses.run[phase], synapses.run[phase + 1]):
            target = base + synapses.run_offset[r]
            first = weight + synapses.run_weight[r]
            if mode == ROWS:
                blocks = np.int64(synapses.run_blocks[r])
                _add_rows(state.accumulator, target, synapses.weights, first, payload, blocks)  # pyright: ignore
            elif mode == MAXIMA:
                arrived = np.int32(payload * synapses.weights[first])
                if arrived > state.accumulator[target]:
                    state.accumulator[target] = arrived
            else:
                state.accumulator[target] += np.int32(payload * synapses.weights[first])


# --- function: neurons update and fire ---------------------------------------------------------------------------


@_jit
def _fire(tables, state, p, start, values, rate, limit, step, counts, saturation):
    """Update population p and write its events from `start`; how many there are."""
    populations = tables.populations
    segments = tables.segments
    kind = populations.kind[p]
    counting = counts.shape[1] > 0
    position = start
    for s in range(populations.segment[p], populations.segment[p + 1]):
        neuron = segments.neuron[s]
        length = segments.length[s]
        core = segments.core[s]
        if kind == INPUT:
            first = populations.input_start[p] + neuron - populations.neuron[p]
            given = values[first : first + length]
        else:
            given = state.accumulator[segments.accumulator[s] : segments.accumulator[s] + length]
        if kind == READOUT:
            active, over = _accumulate(state, neuron, given, limit)
            before = position
        elif kind == INTEGRATE_AND_FIRE or (kind == INPUT and rate):
            active, over = _integrate(tables, state, neuron, segments.parameter[s], given, limit)
            before = position
            position = _emit_spikes(state, neuron, length, position)
        else:
            active, over = _requantize(tables, state, p, neuron, segments.parameter[s], given, limit)
            before = position
            position = _emit_payloads(state, neuron, length, position)
        if kind != INPUT:
            given[:] = 0
        if core >= 0:
            if over > 0:
                if saturation[core, 0] == 0 or step < saturation[core, 1]:
                    saturation[core, 1] = step
                saturation[core, 0] += over
            if counting:
                counts[step, core, ACTIVE] += active
                counts[step, core, EVENTS_OUT] += position - before
    return position - start


@_jit
def _accumulate(state, neuron, given, limit):
    """A readout: what arrives is added; the bias was there from the start."""
    length = len(given)
    potential = state.potential[neuron : neuron + length]
    active, over = np.int64(0), np.int64(0)
    for i in range(length):
        value = potential[i] + given[i]
        potential[i] = value
        active += given[i] != 0
        over += abs(np.int64(value)) > limit
    return active, over


@_jit
def _integrate(tables, state, neuron, parameter, given, limit):
    """v += input + bias; fire at v >= threshold and take the threshold off."""
    length = len(given)
    potential = state.potential[neuron : neuron + length]
    fired = state.fired[neuron : neuron + length]
    bias = tables.parameters.bias[parameter : parameter + length]
    threshold = tables.parameters.threshold[parameter : parameter + length]
    active, over = np.int32(0), np.int32(0)
    high = np.int32(limit)
    for i in range(length):
        before = potential[i]
        value = before + given[i] + bias[i]
        spike = np.int32(value >= threshold[i])
        after = value - spike * threshold[i]
        potential[i] = after
        fired[i] = spike
        active += np.int32(after != before)
        over += np.int32(value > high) | np.int32(value < -high)
    return np.int64(active), np.int64(over)


@_jit
def _emit_spikes(state, neuron, length, position):
    for i in range(neuron, neuron + length):
        if state.fired[i]:
            state.event_neuron[position] = i
            state.event_payload[position] = 1
            position += 1
    return position


@_jit
def _requantize(tables, state, p, neuron, parameter, given, limit):
    """clip((acc * multiplier + (1 << (shift - 1))) >> shift, low, high), in 64 bits."""
    length = len(given)
    low, high = tables.populations.low[p], tables.populations.high[p]
    potential = state.potential[neuron : neuron + length]
    bias = tables.parameters.bias[parameter : parameter + length]
    multiplier = tables.parameters.multiplier[parameter : parameter + length]
    shift = tables.parameters.shift[parameter : parameter + length]
    active, over = np.int64(0), np.int64(0)
    for i in range(length):
        value = np.int64(given[i] + bias[i])
        scaled = (value * multiplier[i] + ((np.int64(1) << shift[i]) >> 1)) >> shift[i]
        potential[i] = np.int32(min(max(scaled, low), high))
        active += given[i] != 0
        over += abs(value) > limit
    return active, over


@_jit
def _emit_payloads(state, neuron, length, position):
    for i in range(neuron, neuron + length):
        payload = state.potential[i]
        if payload != 0:
            state.event_neuron[position] = i
            state.event_payload[position] = payload
            position += 1
    return position


# --- accounting ----------------------------------------------------------------------------------------------------


@_jit
def _count_active(tables, state, p, counts):
    """Neurons that hold a sum in a step in which their population does not fire."""
    segments = tables.segments
    if tables.populations.kind[p] != GRADED and tables.populations.kind[p] != READOUT:
        return
    for s in range(tables.populations.segment[p], tables.populations.segment[p + 1]):
        if segments.core[s] >= 0:
            first = segments.accumulator[s]
            active = np.int64(0)
            for i in range(first, first + segments.length[s]):
                active += state.accumulator[i] != 0
            counts[segments.core[s], ACTIVE] += active


@_jit
def _account(tables, state, j, start, number, step, counts, pair_totals):
    """What the events of one population cost along projection j: sent in this step, received `delay` steps later."""
    accounts = tables.accounts
    projections = tables.projections
    first_pair, last_pair = projections.pair[j], projections.pair[j + 1]
    shift = projections.entry[j] - tables.populations.neuron[projections.source[j]]
    state.pair_step[first_pair:last_pair] = 0
    for e in range(start, start + number):
        at = shift + state.event_neuron[e]
        for k in range(accounts.first[at], accounts.first[at + 1]):
            pair = accounts.entries[k, 0]
            state.pair_step[pair, 0] += 1
            state.pair_step[pair, 1] += accounts.entries[k, 1]
            state.pair_step[pair, 2] += accounts.entries[k, 2]
    arrival = step + projections.delay[j]
    for pair in range(first_pair, last_pair):
        messages = state.pair_step[pair, 0]
        source, target = accounts.pair_source[pair], accounts.pair_target[pair]
        pair_totals[pair, SENT] += messages
        if source >= 0:
            counts[step, source, MESSAGES_OUT] += messages
            counts[step, source, HOPS_EAST_WEST] += messages * accounts.pair_hops_east_west[pair]
            counts[step, source, HOPS_NORTH_SOUTH] += messages * accounts.pair_hops_north_south[pair]
            counts[step, source, CHIP_CROSSINGS] += messages * accounts.pair_crossings[pair]
        if arrival < counts.shape[0]:
            pair_totals[pair, RECEIVED] += messages
            pair_totals[pair, PAIR_SYNOPS] += state.pair_step[pair, 1]
            pair_totals[pair, PAIR_WORDS] += state.pair_step[pair, 2]
            counts[arrival, target, MESSAGES_IN] += messages
            counts[arrival, target, SYNOPS_DENSE + accounts.pair_format[pair]] += state.pair_step[pair, 1]
            counts[arrival, target, WORDS] += state.pair_step[pair, 2]
