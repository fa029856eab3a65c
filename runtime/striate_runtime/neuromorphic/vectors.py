"""The innermost operations of the event kernels, LANES numbers at a time, written directly as LLVM vectors.

Compiled from loops, they are many times slower: a compiler cannot know that accumulators, weights and potentials do
not overlap. Every function takes an LLVM builder, then pointers to i32, i16 or i64 numbers, and i64 scalars. Blocks may
reach past the end of what they work on by up to LANES - 1 numbers; what lies there keeps its value.
"""

# pyright: basic
# llvmlite has no types.

from __future__ import annotations

from typing import Any

from llvmlite import ir

from striate_runtime.neuromorphic.native import STATE_BITS, SUM_SHIFT
from striate_runtime.neuromorphic.tables import LANES

Value = Any
"""An LLVM value."""

_BIT, _I16, _I32, _I64 = (ir.IntType(bits) for bits in (1, 16, 32, 64))
_MASK_BITS = ir.IntType(LANES)


def add_blocks(builder: Value, accumulator: Value, at: Value, weights: Value, *rest: Value) -> None:
    """accumulator[at + i] += sum over n of weights[first[n] + i] * payload[n]. rest: each first, then each payload."""
    firsts, payloads = rest[: len(rest) // 2], rest[len(rest) // 2 :]
    total = _load(builder, accumulator, at, _I32)
    for first, payload in zip(firsts, payloads, strict=True):
        row = builder.sext(_load(builder, weights, first, _I16), _vector(_I32))
        total = builder.add(total, builder.mul(row, _splat(builder, builder.trunc(payload, _I32))))
    _store(builder, accumulator, at, total)


def add_unit_blocks(builder: Value, accumulator: Value, at: Value, weights: Value, *firsts: Value) -> None:
    """accumulator[at + i] += sum over n of weights[first[n] + i], for accumulators of 32 or 16 bits."""
    element = accumulator.type.pointee
    total = _load(builder, accumulator, at, element)
    for first in firsts:
        row = _load(builder, weights, first, _I16)
        total = builder.add(total, row if element == _I16 else builder.sext(row, _vector(element)))
    builder.store(total, _pointer(builder, accumulator, at, element), align=element.width // 8)


def take_block(builder: Value, given: Value, at: Value, potential: Value, neuron: Value, number: Value) -> Value:
    """potential = given, which is sent where it is not 0. Gives masks: sends, and the same again."""
    valid = _first_lanes(builder, number)
    value, before = _load(builder, given, at, _I32), _load(builder, potential, neuron, _I32)
    _store(builder, potential, neuron, builder.select(valid, value, before))
    sends = builder.and_(builder.icmp_signed("!=", value, _zeros(_I32)), valid)
    return _masks(builder, sends, sends)


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
    valid = _first_lanes(builder, number)
    arrived = _load(builder, given, at, _I32)
    before = _load(builder, potential, neuron, _I32)
    level = _load(builder, threshold, parameter, _I32)
    value = builder.add(builder.add(before, arrived), _load(builder, bias, parameter, _I32))
    fires = builder.and_(builder.icmp_signed(">=", value, level), valid)
    after = builder.sub(value, builder.select(fires, level, _zeros(_I32)))
    _store(builder, potential, neuron, builder.select(valid, after, before))
    _clear(builder, given, at, arrived, builder.and_(valid, _splat(builder, builder.trunc(clear, _BIT))))
    changed = builder.and_(builder.icmp_signed("!=", after, before), valid)
    return _masks(builder, fires, changed, _beyond(builder, value, builder.trunc(limit, _I32), valid))


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
    valid = _first_lanes(builder, number)
    arrived = _load(builder, accumulator, at, _I32)
    value = builder.add(arrived, _load(builder, bias, parameter, _I32))
    result = _requantized(builder, value, multiplier, shift, parameter, low, high)
    before = _load(builder, potential, neuron, _I32)
    _store(builder, potential, neuron, builder.select(valid, result, before))
    _clear(builder, accumulator, at, arrived, valid)
    sends = builder.and_(builder.icmp_signed("!=", result, _zeros(_I32)), valid)
    active = builder.and_(builder.icmp_signed("!=", arrived, _zeros(_I32)), valid)
    return _masks(builder, sends, active, _beyond(builder, value, builder.trunc(limit, _I32), valid))


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
    valid = _first_lanes(builder, number)
    arrived = _load(builder, accumulator, at, _I32)
    before = _load(builder, total, neuron, _I32)
    after = builder.add(before, arrived)
    value = builder.add(after, _load(builder, bias, parameter, _I32))
    known = _load(builder, sent, neuron, _I32)
    change = builder.sub(_requantized(builder, value, multiplier, shift, parameter, low, high), known)
    level = _load(builder, threshold, parameter, _I32)
    above, below = (
        builder.icmp_signed(sign, change, bound) for sign, bound in ((">=", level), ("<=", builder.neg(level)))
    )
    sends = builder.and_(builder.or_(above, below), valid)
    leaves = builder.select(sends, change, _zeros(_I32))
    _store(builder, total, neuron, builder.select(valid, after, before))
    _store(builder, sent, neuron, builder.add(known, leaves))
    _store(builder, accumulator, at, builder.select(valid, leaves, arrived))
    active = builder.and_(builder.or_(builder.icmp_signed("!=", arrived, _zeros(_I32)), sends), valid)
    return _masks(builder, sends, active, _beyond(builder, value, builder.trunc(limit, _I32), valid))


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
    valid = _first_lanes(builder, number)
    arrived = _load(builder, accumulator, at, _I32)
    spare = _splat(builder, builder.trunc(sum_spare, _I32))
    weighed = builder.ashr(builder.shl(arrived, spare), spare)
    u, v = _load(builder, current, neuron, _I32), _load(builder, potential, neuron, _I32)
    shifted = builder.shl(builder.sext(weighed, _vector(_I64)), ir.Constant(_vector(_I64), [SUM_SHIFT] * LANES))
    given = builder.add(_kept(builder, u, _load(builder, current_kept, parameter, _I32)), shifted)
    above = ir.Constant(_vector(_I64), [64 - STATE_BITS] * LANES)
    wrapped = builder.ashr(builder.shl(given, above), above)
    driven = builder.add(_kept(builder, v, _load(builder, voltage_kept, parameter, _I32)), wrapped)
    driven = builder.add(driven, builder.sext(_load(builder, bias, parameter, _I32), _vector(_I64)))
    most = ir.Constant(_vector(_I64), [(1 << (STATE_BITS - 1)) - 1] * LANES)
    least = ir.Constant(_vector(_I64), [1 - (1 << (STATE_BITS - 1))] * LANES)
    clipped = builder.select(builder.icmp_signed("<", driven, least), least, driven)
    clipped = builder.select(builder.icmp_signed(">", clipped, most), most, clipped)
    after, next_u = builder.trunc(clipped, _vector(_I32)), builder.trunc(wrapped, _vector(_I32))
    level = _load(builder, threshold, parameter, _I32)
    fires = builder.and_(builder.icmp_signed(">", after, level), valid)
    left = builder.and_(builder.sub(after, level), _splat(builder, builder.trunc(subtracts, _I32)))
    awake = valid
    if rest is not None:
        resting, refractory = rest
        steps = _load(builder, resting, neuron, _I32)
        awake = builder.icmp_signed("==", steps, _zeros(_I32))
        after, fires = builder.select(awake, after, v), builder.and_(fires, awake)
        fewer = builder.select(awake, steps, builder.sub(steps, _splat(builder, _I32(1))))
        left_to_rest = builder.select(fires, _splat(builder, builder.trunc(refractory, _I32)), fewer)
        _store(builder, resting, neuron, builder.select(valid, left_to_rest, steps))
    next_v = builder.select(fires, left, after)
    count = _load(builder, spike_count, neuron, _I32)
    _store(builder, spike_count, neuron, builder.add(count, builder.zext(fires, _vector(_I32))))
    _store(builder, current, neuron, builder.select(valid, next_u, u))
    _store(builder, potential, neuron, builder.select(valid, next_v, v))
    _clear(builder, accumulator, at, arrived, valid)
    changed = builder.or_(builder.icmp_signed("!=", next_u, u), builder.icmp_signed("!=", next_v, v))
    cut = builder.and_(builder.icmp_signed("!=", clipped, driven), awake)
    beyond = builder.or_(builder.icmp_signed("!=", wrapped, given), cut)
    return _masks(builder, fires, builder.and_(changed, valid), builder.and_(beyond, valid))


def plain_block(
    builder: Value,
    sums: Value,
    at: Value,
    before: Value,
    potential: Value,
    neuron: Value,
    bias: Value,
    threshold: Value,
    parameter: Value,
    number: Value | None = None,
) -> Value:
    """v = clip(v + (sums[at + i] << 6) + bias); those with v > threshold fire, and their v becomes 0.

    sums[before + i], the sums of the step before, become 0. Without `number`, all lanes are neurons. Gives masks:
    fired, u or v changed, v was clipped. |v| < 2^23, |sum << 6| <= 2^21 and |bias| < 2^19 add up to less than 2^24.
    """
    valid = ir.Constant(_vector(_BIT), [1] * LANES) if number is None else _first_lanes(builder, number)
    given, old = _load(builder, sums, at, _I16), _load(builder, sums, before, _I16)
    v = _load(builder, potential, neuron, _I32)
    u = builder.shl(builder.sext(given, _vector(_I32)), _constant(SUM_SHIFT))
    driven = builder.add(builder.add(v, u), _load(builder, bias, parameter, _I32))
    most, least = _constant((1 << (STATE_BITS - 1)) - 1), _constant(1 - (1 << (STATE_BITS - 1)))
    clipped = builder.select(builder.icmp_signed("<", driven, least), least, driven)
    clipped = builder.select(builder.icmp_signed(">", clipped, most), most, clipped)
    fires = builder.and_(builder.icmp_signed(">", clipped, _load(builder, threshold, parameter, _I32)), valid)
    after = builder.select(fires, _zeros(_I32), clipped)
    _store(builder, potential, neuron, builder.select(valid, after, v))
    kept = builder.select(valid, _zeros(_I16), old)
    builder.store(kept, _pointer(builder, sums, before, _I16), align=2)
    changed = builder.or_(builder.icmp_signed("!=", given, old), builder.icmp_signed("!=", after, v))
    beyond = builder.icmp_signed("!=", clipped, driven)
    return _masks(builder, fires, builder.and_(changed, valid), builder.and_(beyond, valid))


def nothing_new(builder: Value, sums: Value, at: Value, before: Value) -> Value:
    """Whether LANES sums and those of the step before are all 0."""
    return _all_zero(builder, builder.or_(_load(builder, sums, at, _I16), _load(builder, sums, before, _I16)), 1)


def far_nothing_new(builder: Value, sums: Value, at: Value, before: Value) -> Value:
    """The same for four times as many."""
    four = ir.VectorType(_I16, 4 * LANES).as_pointer()
    given, old = (builder.load(builder.bitcast(builder.gep(sums, [place]), four), align=2) for place in (at, before))
    return _all_zero(builder, builder.or_(given, old), 4)


def rest_block(builder: Value, *operands: Value) -> Value:
    """As `leak_block`, with two operands more: `resting` (by neuron) and `refractory`.

    While resting is not 0 it counts down, v stays as it is and nothing fires; those that fire rest for `refractory`.
    """
    *common, resting, refractory = operands
    return leak_block(builder, *common, rest=(resting, refractory))


def count_trailing_zeros(builder: Value, mask: Value) -> Value:
    """The position of the lowest bit that is set."""
    return builder.cttz(mask, _BIT(1))


def count_ones(builder: Value, mask: Value) -> Value:
    """How many bits are set."""
    return builder.ctpop(mask)


def _requantized(
    builder: Value, value: Value, multiplier: Value, shift: Value, parameter: Value, low: Value, high: Value
) -> Value:
    """clip((value * multiplier + ((1 << shift) >> 1)) >> shift, low, high) in i64."""
    places = _load(builder, shift, parameter, _I64)
    one = _splat(builder, _I64(1))
    half = builder.lshr(builder.shl(one, places), one)
    scaled = builder.mul(builder.sext(value, _vector(_I64)), _load(builder, multiplier, parameter, _I64))
    rounded = builder.ashr(builder.add(scaled, half), places)
    least, most = _splat(builder, low), _splat(builder, high)
    clipped = builder.select(builder.icmp_signed("<", rounded, least), least, rounded)
    clipped = builder.select(builder.icmp_signed(">", clipped, most), most, clipped)
    return builder.trunc(clipped, _vector(_I32))


def _kept(builder: Value, state: Value, kept: Value) -> Value:
    """state * kept / 4096 in i64, rounded towards 0."""
    product = builder.mul(builder.sext(state, _vector(_I64)), builder.sext(kept, _vector(_I64)))
    negative = builder.ashr(product, ir.Constant(_vector(_I64), [63] * LANES))
    up = builder.and_(negative, ir.Constant(_vector(_I64), [4095] * LANES))
    return builder.ashr(builder.add(product, up), ir.Constant(_vector(_I64), [12] * LANES))


def _all_zero(builder: Value, value: Value, blocks: int) -> Value:
    bits = ir.IntType(16 * LANES * blocks)
    return builder.icmp_unsigned("==", builder.bitcast(value, bits), bits(0))


def _vector(element: ir.IntType) -> ir.VectorType:
    return ir.VectorType(element, LANES)


def _zeros(element: ir.IntType) -> Value:
    return ir.Constant(_vector(element), [0] * LANES)


def _constant(number: int) -> Value:
    return ir.Constant(_vector(_I32), [number] * LANES)


def _splat(builder: Value, scalar: Value) -> Value:
    undefined = ir.Constant(_vector(scalar.type), ir.Undefined)
    return builder.shuffle_vector(
        builder.insert_element(undefined, scalar, _I32(0)), undefined, ir.Constant(_vector(_I32), [0] * LANES)
    )


def _pointer(builder: Value, array: Value, index: Value, element: ir.IntType) -> Value:
    return builder.bitcast(builder.gep(array, [index]), _vector(element).as_pointer())


def _load(builder: Value, array: Value, index: Value, element: ir.IntType) -> Value:
    return builder.load(_pointer(builder, array, index, element), align=element.width // 8)


def _store(builder: Value, array: Value, index: Value, value: Value) -> None:
    builder.store(value, _pointer(builder, array, index, _I32), align=4)


def _clear(builder: Value, array: Value, index: Value, old: Value, where: Value) -> None:
    _store(builder, array, index, builder.select(where, _zeros(_I32), old))


def _first_lanes(builder: Value, number: Value) -> Value:
    lanes = ir.Constant(_vector(_I32), list(range(LANES)))
    return builder.icmp_signed("<", lanes, _splat(builder, builder.trunc(number, _I32)))


def _beyond(builder: Value, value: Value, limit: Value, valid: Value) -> Value:
    above = builder.icmp_signed(">", value, _splat(builder, limit))
    below = builder.icmp_signed("<", value, _splat(builder, builder.neg(limit)))
    return builder.and_(builder.or_(above, below), valid)


def _masks(builder: Value, *masks: Value) -> Value:
    packed = _I64(0)
    for position, mask in enumerate(masks):
        bits = builder.zext(builder.bitcast(mask, _MASK_BITS), _I64)
        packed = builder.or_(packed, builder.shl(bits, _I64(position * LANES)))
    return packed
