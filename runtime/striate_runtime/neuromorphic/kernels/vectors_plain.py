"""The operations that most time goes into, as in vectors.py: rows added to accumulators, and plain neurons."""

# pyright: basic
# llvmlite has no types.

from __future__ import annotations

from llvmlite import ir

from striate_runtime.neuromorphic.kernels.lanes import (
    BIT,
    I16,
    I32,
    Value,
    constant,
    first_lanes,
    load,
    packed_masks,
    pointer,
    splat,
    store,
    vector,
    zeros,
)
from striate_runtime.neuromorphic.native import STATE_BITS, SUM_SHIFT
from striate_runtime.neuromorphic.tables.arrays import LANES


def add_blocks(builder: Value, accumulator: Value, at: Value, weights: Value, *rest: Value) -> None:
    """accumulator[at + i] += sum over n of weights[first[n] + i] * payload[n]. rest: each first, then each payload."""
    firsts, payloads = rest[: len(rest) // 2], rest[len(rest) // 2 :]
    total = load(builder, accumulator, at, I32)
    for first, payload in zip(firsts, payloads, strict=True):
        row = builder.sext(load(builder, weights, first, I16), vector(I32))
        total = builder.add(total, builder.mul(row, splat(builder, builder.trunc(payload, I32))))
    store(builder, accumulator, at, total)


def add_unit_blocks(builder: Value, accumulator: Value, at: Value, weights: Value, *firsts: Value) -> None:
    """accumulator[at + i] += sum over n of weights[first[n] + i], for accumulators of 32 or 16 bits."""
    element = accumulator.type.pointee
    total = load(builder, accumulator, at, element)
    for first in firsts:
        row = load(builder, weights, first, I16)
        total = builder.add(total, row if element == I16 else builder.sext(row, vector(element)))
    builder.store(total, pointer(builder, accumulator, at, element), align=element.width // 8)


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
    valid = ir.Constant(vector(BIT), [1] * LANES) if number is None else first_lanes(builder, number)
    given, old = load(builder, sums, at, I16), load(builder, sums, before, I16)
    v = load(builder, potential, neuron, I32)
    u = builder.shl(builder.sext(given, vector(I32)), constant(SUM_SHIFT))
    driven = builder.add(builder.add(v, u), load(builder, bias, parameter, I32))
    most, least = constant((1 << (STATE_BITS - 1)) - 1), constant(1 - (1 << (STATE_BITS - 1)))
    clipped = builder.select(builder.icmp_signed("<", driven, least), least, driven)
    clipped = builder.select(builder.icmp_signed(">", clipped, most), most, clipped)
    fires = builder.and_(builder.icmp_signed(">", clipped, load(builder, threshold, parameter, I32)), valid)
    after = builder.select(fires, zeros(I32), clipped)
    store(builder, potential, neuron, builder.select(valid, after, v))
    kept = builder.select(valid, zeros(I16), old)
    builder.store(kept, pointer(builder, sums, before, I16), align=2)
    changed = builder.or_(builder.icmp_signed("!=", given, old), builder.icmp_signed("!=", after, v))
    beyond = builder.icmp_signed("!=", clipped, driven)
    return packed_masks(builder, fires, builder.and_(changed, valid), builder.and_(beyond, valid))


def busy_block(
    builder: Value,
    sums: Value,
    at: Value,
    potential: Value,
    neuron: Value,
    bias: Value,
    parameter: Value,
    number: Value,
) -> Value:
    """A mask of the neurons that have a sum (of 32 or 16 bits), a potential or a bias that is not 0."""
    element = sums.type.pointee
    given = load(builder, sums, at, element)
    given = builder.sext(given, vector(I32)) if element == I16 else given
    held = builder.or_(load(builder, potential, neuron, I32), load(builder, bias, parameter, I32))
    busy = builder.icmp_signed("!=", builder.or_(given, held), zeros(I32))
    return packed_masks(builder, builder.and_(busy, first_lanes(builder, number)))


def nothing_new(builder: Value, sums: Value, at: Value, before: Value) -> Value:
    """Whether LANES sums and those of the step before are all 0."""
    return _all_zero(builder, builder.or_(load(builder, sums, at, I16), load(builder, sums, before, I16)), 1)


def far_nothing_new(builder: Value, sums: Value, at: Value, before: Value) -> Value:
    """The same for four times as many."""
    four = ir.VectorType(I16, 4 * LANES).as_pointer()
    given, old = (builder.load(builder.bitcast(builder.gep(sums, [place]), four), align=2) for place in (at, before))
    return _all_zero(builder, builder.or_(given, old), 4)


def _all_zero(builder: Value, value: Value, blocks: int) -> Value:
    bits = ir.IntType(16 * LANES * blocks)
    return builder.icmp_unsigned("==", builder.bitcast(value, bits), bits(0))
