"""LLVM vectors of LANES numbers: how the operations of vectors.py and vectors_plain.py load, store and mask them."""

# pyright: basic
# llvmlite has no types.

from __future__ import annotations

from typing import Any

from llvmlite import ir

from striate_runtime.neuromorphic.tables.arrays import LANES

Value = Any
"""An LLVM value."""

BIT, I16, I32, I64 = (ir.IntType(bits) for bits in (1, 16, 32, 64))


def vector(element: ir.IntType) -> ir.VectorType:
    """A vector of LANES of them."""
    return ir.VectorType(element, LANES)


def zeros(element: ir.IntType) -> Value:
    """LANES zeros."""
    return ir.Constant(vector(element), [0] * LANES)


def constant(number: int) -> Value:
    """LANES times the same i32."""
    return ir.Constant(vector(I32), [number] * LANES)


def splat(builder: Value, scalar: Value) -> Value:
    """LANES times the same scalar."""
    undefined = ir.Constant(vector(scalar.type), ir.Undefined)
    return builder.shuffle_vector(
        builder.insert_element(undefined, scalar, I32(0)), undefined, ir.Constant(vector(I32), [0] * LANES)
    )


def pointer(builder: Value, array: Value, index: Value, element: ir.IntType) -> Value:
    """A pointer to a vector that starts at an index of an array."""
    return builder.bitcast(builder.gep(array, [index]), vector(element).as_pointer())


def load(builder: Value, array: Value, index: Value, element: ir.IntType) -> Value:
    """LANES numbers from an index on."""
    return builder.load(pointer(builder, array, index, element), align=element.width // 8)


def store(builder: Value, array: Value, index: Value, value: Value) -> None:
    """Write LANES i32 from an index on."""
    builder.store(value, pointer(builder, array, index, I32), align=4)


def clear_where(builder: Value, array: Value, index: Value, old: Value, where: Value) -> None:
    """Write the old numbers, 0 in the lanes of `where`."""
    store(builder, array, index, builder.select(where, zeros(I32), old))


def first_lanes(builder: Value, number: Value) -> Value:
    """Which lanes are among the first `number`."""
    lanes = ir.Constant(vector(I32), list(range(LANES)))
    return builder.icmp_signed("<", lanes, splat(builder, builder.trunc(number, I32)))


def are_beyond(builder: Value, value: Value, limit: Value, valid: Value) -> Value:
    """Which valid lanes are beyond +-limit."""
    above = builder.icmp_signed(">", value, splat(builder, limit))
    below = builder.icmp_signed("<", value, splat(builder, builder.neg(limit)))
    return builder.and_(builder.or_(above, below), valid)


def packed_masks(builder: Value, *masks: Value) -> Value:
    """LANES bits for each mask, the first lowest, in one i64."""
    packed = I64(0)
    for position, mask in enumerate(masks):
        bits = builder.zext(builder.bitcast(mask, ir.IntType(LANES)), I64)
        packed = builder.or_(packed, builder.shl(bits, I64(position * LANES)))
    return packed
