"""Rules for arithmetic between two tensors: sums at one scale, products at the product of the scales."""

from __future__ import annotations

import numpy as np

from striate.graph import Graph, Node
from striate.passes.quantization.fixed_point import LARGEST_FACTOR
from striate.passes.quantization.rewriter import LARGEST_ACCUMULATOR, LARGEST_CODE, Accumulator, Rewriter

_FINE = 2.0**-12
"""The scale at which codes are added, as a part of the coarser of theirs: 8 * 255 * 2^12 still fits in the
24 bits of a chip's membrane."""


def add_at_one_scale(rewriter: Rewriter, node: Node) -> bool:
    """add, sub: one operand stays an accumulator if nothing else reads it, the other is brought to its scale.

    Where that is no accumulator or would overflow, both operands are codes, brought to i32 at a fine scale.
    """
    host = _host(rewriter, node)
    if host is None or not _add_to(rewriter, node, host):
        _add_codes(rewriter, node)
    return True


def multiply_codes(rewriter: Rewriter, node: Node) -> bool:
    """mul, matmul: codes by codes in i32. Holds off where a sum of so many products could overflow."""
    terms = rewriter.source.type_of(node.inputs[0]).shape[-1] if node.operator.name == "matmul" else 1
    if terms * LARGEST_CODE**2 > LARGEST_ACCUMULATOR:
        return False
    a, b = (rewriter.as_codes(name) for name in node.inputs)
    bound = terms * a.coding.magnitude * b.coding.magnitude
    rewriter.emit(node.name, node.operator, (a.name, b.name), span=node.span)
    rewriter.accumulators[node.name] = Accumulator(node.name, np.array([a.coding.scale * b.coding.scale]), bound)
    return True


def _host(rewriter: Rewriter, node: Node) -> int | None:
    """Which operand the other may be added to: an accumulator of the result's shape that is read only here.

    Of two, the one with more work behind it: a kernel that ends in the sum should be the larger one.
    """
    legal = [index for index in (0, 1) if _can_host(rewriter, node, node.inputs[index])]
    return max(legal, key=lambda index: _macs(rewriter.source, node.inputs[index])) if legal else None


def _can_host(rewriter: Rewriter, node: Node, name: str) -> bool:
    return (
        name in rewriter.accumulators
        and name not in rewriter.codes
        and rewriter.source.only_user(name) is not None
        and node.inputs[0] != node.inputs[1]
        and rewriter.source.type_of(name).shape == node.type.shape
    )


def _macs(graph: Graph, name: str) -> int:
    node = graph.node(name)
    return node.operator.macs(*graph.input_types(node))


def _add_to(rewriter: Rewriter, node: Node, host: int) -> bool:
    accumulator, guest = rewriter.accumulators[node.inputs[host]], node.inputs[1 - host]
    guest_shape = rewriter.source.type_of(guest).shape
    scale = accumulator.scale
    if len(scale) > 1 and (len(guest_shape) != len(node.type.shape) or guest_shape[0] != node.type.shape[0]):
        return False
    codes = rewriter.as_codes(guest)
    arriving = int(np.ceil(codes.coding.magnitude * codes.coding.scale / scale.min())) + 1
    too_fine = codes.coding.scale / scale.min() > LARGEST_FACTOR
    if too_fine or accumulator.bound + arriving > LARGEST_ACCUMULATOR:
        return False
    widened = rewriter.widen(rewriter.fresh(f"{node.name}.requantize"), codes, scale)
    operands = (accumulator.name, widened) if host == 0 else (widened, accumulator.name)
    rewriter.emit(node.name, node.operator, operands, span=node.span)
    rewriter.accumulators[node.name] = Accumulator(node.name, scale, accumulator.bound + arriving)
    return True


def _add_codes(rewriter: Rewriter, node: Node) -> None:
    pair = [rewriter.as_codes(name) for name in node.inputs]
    scale = np.array([max(codes.coding.scale for codes in pair) * _FINE])
    names: list[str] = []
    bound = 0
    for codes in pair:
        names.append(rewriter.widen(rewriter.fresh(f"{node.name}.requantize"), codes, scale))
        bound += int(np.ceil(codes.coding.magnitude * codes.coding.scale / scale[0])) + 1
    rewriter.emit(node.name, node.operator, tuple(names), span=node.span)
    rewriter.accumulators[node.name] = Accumulator(node.name, scale, bound)
