"""The innermost operations of the event kernels, LANES numbers at a time, written directly as LLVM vectors.

Compiled from loops, they are many times slower: a compiler cannot know that accumulators, weights and potentials do
not overlap. Every function takes an LLVM builder, then pointers to i32, i16 or i64 numbers, and i64 scalars. Blocks may
reach past the end of what they work on by up to LANES - 1 numbers; what lies there keeps its value.
"""

# pyright: basic
# llvmlite has no types.

from __future__ import annotations

from llvmlite import ir

from striate_runtime.neuromorphic.kernels.lanes import (
    BIT,
    I32,
    I64,
    Value,
    are_beyond,
    clear_where,
    first_lanes,
    load,
    packed_masks,
    splat,
    store,
    vector,
    zeros,
)
from striate_runtime.neuromorphic.native import STATE_BITS, SUM_SHIFT
from striate_runtime.neuromorphic.tables.arrays import LANES


def take_block(builder: Value, given: Value, at: Value, potential: Value, neuron: Value, number: Value) -> Value:
    """potential = given, which is sent where it is not 0. Gives masks: sends, and the same again."""
    valid = first_lanes(builder, number)
    value, before = load(builder, given, at, I32), load(builder, potential, neuron, I32)
    store(builder, potential, neuron, builder.select(valid, value, before))
    sends = builder.and_(builder.icmp_signed("!=", value, zeros(I32)), valid)
    return packed_masks(builder, sends, sends)


def integrate_block(
    builder: Value,
    given: Value,
    at: Value,
    potential: Value,
    neuron: Value,
    bias: Value,
    threshold: Value,
    parameter: Value,
    limit: Value,
    clear: Value,
    number: Value,
) -> Value:
    """v += given + bias; where v >= threshold, fire and take it off. Only the first `number` lanes are neurons.

    `given` becomes 0 where `clear` is 1. Gives masks of LANES bits each: fired, then changed, then beyond `limit`.
    """
    valid = first_lanes(builder, number)
    arrived = load(builder, given, at, I32)
    before = load(builder, potential, neuron, I32)
    level = load(builder, threshold, parameter, I32)
    value = builder.add(builder.add(before, arrived), load(builder, bias, parameter, I32))
    fires = builder.and_(builder.icmp_signed(">=", value, level), valid)
    after = builder.sub(value, builder.select(fires, level, zeros(I32)))
    store(builder, potential, neuron, builder.select(valid, after, before))
    clear_where(builder, given, at, arrived, builder.and_(valid, splat(builder, builder.trunc(clear, BIT))))
    changed = builder.and_(builder.icmp_signed("!=", after, before), valid)
    return packed_masks(builder, fires, changed, are_beyond(builder, value, builder.trunc(limit, I32), valid))


def requantize_block(
    builder: Value,
    accumulator: Value,
    at: Value,
    potential: Value,
    neuron: Value,
    bias: Value,
    multiplier: Value,
    shift: Value,
    parameter: Value,
    low: Value,
    high: Value,
    limit: Value,
    number: Value,
) -> Value:
    """potential = clip((v * multiplier + ((1 << shift) >> 1)) >> shift, low, high) for v = accumulator + bias, in i64.

    The accumulator becomes 0. Gives masks: potential not 0, accumulator was not 0, |v| beyond `limit`.
    """
    valid = first_lanes(builder, number)
    arrived = load(builder, accumulator, at, I32)
    value = builder.add(arrived, load(builder, bias, parameter, I32))
    result = _requantized(builder, value, multiplier, shift, parameter, low, high)
    before = load(builder, potential, neuron, I32)
    store(builder, potential, neuron, builder.select(valid, result, before))
    clear_where(builder, accumulator, at, arrived, valid)
    sends = builder.and_(builder.icmp_signed("!=", result, zeros(I32)), valid)
    active = builder.and_(builder.icmp_signed("!=", arrived, zeros(I32)), valid)
    return packed_masks(builder, sends, active, are_beyond(builder, value, builder.trunc(limit, I32), valid))


def change_block(
    builder: Value,
    accumulator: Value,
    at: Value,
    total: Value,
    sent: Value,
    neuron: Value,
    bias: Value,
    multiplier: Value,
    shift: Value,
    threshold: Value,
    parameter: Value,
    low: Value,
    high: Value,
    limit: Value,
    number: Value,
) -> Value:
    """total += accumulator; change = total + bias, requantized as in `requantize_block`, - sent.

    Where |change| >= threshold, sent += change, and the accumulator becomes the change; elsewhere it becomes 0. Gives
    masks: changes that are sent; something came or is sent; |total + bias| beyond `limit`.
    """
    valid = first_lanes(builder, number)
    arrived = load(builder, accumulator, at, I32)
    before = load(builder, total, neuron, I32)
    after = builder.add(before, arrived)
    value = builder.add(after, load(builder, bias, parameter, I32))
    known = load(builder, sent, neuron, I32)
    change = builder.sub(_requantized(builder, value, multiplier, shift, parameter, low, high), known)
    level = load(builder, threshold, parameter, I32)
    above, below = (
        builder.icmp_signed(sign, change, bound) for sign, bound in ((">=", level), ("<=", builder.neg(level)))
    )
    sends = builder.and_(builder.or_(above, below), valid)
    leaves = builder.select(sends, change, zeros(I32))
    store(builder, total, neuron, builder.select(valid, after, before))
    store(builder, sent, neuron, builder.add(known, leaves))
    store(builder, accumulator, at, builder.select(valid, leaves, arrived))
    active = builder.and_(builder.or_(builder.icmp_signed("!=", arrived, zeros(I32)), sends), valid)
    return packed_masks(builder, sends, active, are_beyond(builder, value, builder.trunc(limit, I32), valid))


def leak_block(
    builder: Value,
    accumulator: Value,
    at: Value,
    potential: Value,
    current: Value,
    spike_count: Value,
    neuron: Value,
    bias: Value,
    threshold: Value,
    current_kept: Value,
    voltage_kept: Value,
    parameter: Value,
    sum_spare: Value,
    subtracts: Value,
    number: Value,
    rest: tuple[Value, Value] | None = None,
) -> Value:
    """u = wrap(u * current_kept / 4096 + (sum << 6)), v = clip(v * voltage_kept / 4096 + u + bias).

    Those with v > threshold fire. Quotients are rounded towards 0, in i64. The accumulator becomes 0, and the v of
    those that fire, too, or (v - threshold) & `subtracts`; sums lose their upper `sum_spare` of 32 bits. Gives masks:
    fired, u or v changed, u wrapped or v was clipped. `rest`, where given, is as in `rest_block`.
    """
    valid = first_lanes(builder, number)
    arrived = load(builder, accumulator, at, I32)
    spare = splat(builder, builder.trunc(sum_spare, I32))
    weighed = builder.ashr(builder.shl(arrived, spare), spare)
    u, v = load(builder, current, neuron, I32), load(builder, potential, neuron, I32)
    shifted = builder.shl(builder.sext(weighed, vector(I64)), ir.Constant(vector(I64), [SUM_SHIFT] * LANES))
    given = builder.add(_kept(builder, u, load(builder, current_kept, parameter, I32)), shifted)
    above = ir.Constant(vector(I64), [64 - STATE_BITS] * LANES)
    wrapped = builder.ashr(builder.shl(given, above), above)
    driven = builder.add(_kept(builder, v, load(builder, voltage_kept, parameter, I32)), wrapped)
    driven = builder.add(driven, builder.sext(load(builder, bias, parameter, I32), vector(I64)))
    most = ir.Constant(vector(I64), [(1 << (STATE_BITS - 1)) - 1] * LANES)
    least = ir.Constant(vector(I64), [1 - (1 << (STATE_BITS - 1))] * LANES)
    clipped = builder.select(builder.icmp_signed("<", driven, least), least, driven)
    clipped = builder.select(builder.icmp_signed(">", clipped, most), most, clipped)
    after, next_u = builder.trunc(clipped, vector(I32)), builder.trunc(wrapped, vector(I32))
    level = load(builder, threshold, parameter, I32)
    fires = builder.and_(builder.icmp_signed(">", after, level), valid)
    left = builder.and_(builder.sub(after, level), splat(builder, builder.trunc(subtracts, I32)))
    awake = valid
    if rest is not None:
        resting, refractory = rest
        steps = load(builder, resting, neuron, I32)
        awake = builder.icmp_signed("==", steps, zeros(I32))
        after, fires = builder.select(awake, after, v), builder.and_(fires, awake)
        fewer = builder.select(awake, steps, builder.sub(steps, splat(builder, I32(1))))
        left_to_rest = builder.select(fires, splat(builder, builder.trunc(refractory, I32)), fewer)
        store(builder, resting, neuron, builder.select(valid, left_to_rest, steps))
    next_v = builder.select(fires, left, after)
    count = load(builder, spike_count, neuron, I32)
    store(builder, spike_count, neuron, builder.add(count, builder.zext(fires, vector(I32))))
    store(builder, current, neuron, builder.select(valid, next_u, u))
    store(builder, potential, neuron, builder.select(valid, next_v, v))
    clear_where(builder, accumulator, at, arrived, valid)
    changed = builder.or_(builder.icmp_signed("!=", next_u, u), builder.icmp_signed("!=", next_v, v))
    cut = builder.and_(builder.icmp_signed("!=", clipped, driven), awake)
    beyond = builder.or_(builder.icmp_signed("!=", wrapped, given), cut)
    return packed_masks(builder, fires, builder.and_(changed, valid), builder.and_(beyond, valid))


def rest_block(builder: Value, *operands: Value) -> Value:
    """As `leak_block`, with two operands more: `resting` (by neuron) and `refractory`.

    While resting is not 0 it counts down, v stays as it is and nothing fires; those that fire rest for `refractory`.
    """
    *common, resting, refractory = operands
    return leak_block(builder, *common, rest=(resting, refractory))


def count_trailing_zeros(builder: Value, mask: Value) -> Value:
    """The position of the lowest bit that is set."""
    return builder.cttz(mask, BIT(1))


def count_ones(builder: Value, mask: Value) -> Value:
    """How many bits are set."""
    return builder.ctpop(mask)


def _requantized(
    builder: Value, value: Value, multiplier: Value, shift: Value, parameter: Value, low: Value, high: Value
) -> Value:
    """clip((value * multiplier + ((1 << shift) >> 1)) >> shift, low, high) in i64."""
    places = load(builder, shift, parameter, I64)
    one = splat(builder, I64(1))
    half = builder.lshr(builder.shl(one, places), one)
    scaled = builder.mul(builder.sext(value, vector(I64)), load(builder, multiplier, parameter, I64))
    rounded = builder.ashr(builder.add(scaled, half), places)
    least, most = splat(builder, low), splat(builder, high)
    clipped = builder.select(builder.icmp_signed("<", rounded, least), least, rounded)
    clipped = builder.select(builder.icmp_signed(">", clipped, most), most, clipped)
    return builder.trunc(clipped, vector(I32))


def _kept(builder: Value, state: Value, kept: Value) -> Value:
    """state * kept / 4096 in i64, rounded towards 0."""
    product = builder.mul(builder.sext(state, vector(I64)), builder.sext(kept, vector(I64)))
    negative = builder.ashr(product, ir.Constant(vector(I64), [63] * LANES))
    up = builder.and_(negative, ir.Constant(vector(I64), [4095] * LANES))
    return builder.ashr(builder.add(product, up), ir.Constant(vector(I64), [12] * LANES))
