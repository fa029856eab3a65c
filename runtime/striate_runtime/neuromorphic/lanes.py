"""LANES numbers side by side as one LLVM vector: loading, storing, comparing, and masks of what holds in which lane."""

# pyright: basic
# llvmlite has no types.

from __future__ import annotations

from typing import Any

from llvmlite import ir

from striate_runtime.neuromorphic.tables import LANES

Value = Any
"""An LLVM value."""

BIT, I16, I32, I64 = (ir.IntType(bits) for bits in (1, 16, 32, 64))
_MASK_BITS = ir.IntType(LANES)


def vector(element: ir.IntType) -> ir.VectorType:
    """The type of LANES such numbers."""
    return ir.VectorType(element, LANES)


def zeros(element: ir.IntType) -> Value:
    """0 in every lane."""
    return ir.Constant(vector(element), [0] * LANES)


def constant(number: int) -> Value:
    """A number of 32 bits in every lane."""
    return ir.Constant(vector(I32), [number] * LANES)


def splat(builder: Value, scalar: Value) -> Value:
    """A scalar in every lane."""
    undefined = ir.Constant(vector(scalar.type), ir.Undefined)
    return builder.shuffle_vector(
        builder.insert_element(undefined, scalar, I32(0)), undefined, ir.Constant(vector(I32), [0] * LANES)
    )


def pointer(builder: Value, array: Value, index: Value, element: ir.IntType) -> Value:
    """Where the lanes from array[index] on lie."""
    return builder.bitcast(builder.gep(array, [index]), vector(element).as_pointer())


def load(builder: Value, array: Value, index: Value, element: ir.IntType) -> Value:
    """array[index + i] in lane i."""
    return builder.load(pointer(builder, array, index, element), align=element.width // 8)


def store(builder: Value, array: Value, index: Value, value: Value) -> None:
    """array[index + i] = lane i, of 32 bits."""
    builder.store(value, pointer(builder, array, index, I32), align=4)


def zero_where(builder: Value, array: Value, index: Value, old: Value, where: Value) -> None:
    """array[index + i] = 0 `where` that holds, else what was there."""
    store(builder, array, index, builder.select(where, zeros(I32), old))


def first_lanes(builder: Value, number: Value) -> Value:
    """Which lanes are among the first `number`."""
    lanes = ir.Constant(vector(I32), list(range(LANES)))
    return builder.icmp_signed("<", lanes, splat(builder, builder.trunc(number, I32)))


def beyond(builder: Value, value: Value, limit: Value, valid: Value) -> Value:
    """In which valid lanes |value| is more than `limit`."""
    above = builder.icmp_signed(">", value, splat(builder, limit))
    below = builder.icmp_signed("<", value, splat(builder, builder.neg(limit)))
    return builder.and_(builder.or_(above, below), valid)


def packed(builder: Value, *masks: Value) -> Value:
    """What holds in which lane as bits: LANES bits for each mask, the first lowest."""
    bits_of_all = I64(0)
    for position, mask in enumerate(masks):
        bits = builder.zext(builder.bitcast(mask, _MASK_BITS), I64)
        bits_of_all = builder.or_(bits_of_all, builder.shl(bits, I64(position * LANES)))
    return bits_of_all
