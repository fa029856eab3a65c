"""Rules for operators that keep codes as they are and only move or choose among them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from striate.graph import Node
from striate.operators.shaping import Pad
from striate.passes.quantization.rewriter import Codes, Rewriter


def move_codes(rewriter: Rewriter, node: Node) -> bool:
    """max_pool2d, flatten, reshape, permute, slice, reduce_max, upsample by the nearest, pad by 0: as on floats.

    Holds off for a bilinear upsample and for a pad by anything but 0.
    """
    if getattr(node.operator, "mode", "nearest") != "nearest" or getattr(node.operator, "value", 0) != 0:
        return False
    x = rewriter.as_codes(node.inputs[0])
    name = rewriter.emit(node.name, node.operator, (x.name,), span=node.span)
    limits = {"low": min(x.coding.low, 0), "high": max(x.coding.high, 0)} if isinstance(node.operator, Pad) else {}
    rewriter.codes[node.name] = Codes(name, replace(x.coding, **limits))
    return True


def choose_among_codes(rewriter: Rewriter, node: Node) -> bool:
    """argmax: the largest integer is the largest number, at one scale. Holds off at a scale for each channel."""
    value = node.inputs[0]
    accumulator = rewriter.accumulators.get(value)
    if accumulator and accumulator.scale.size == 1:
        integers = accumulator.name
    elif accumulator is None and value in rewriter.codes:
        integers = rewriter.codes[value].name
    else:
        return False
    rewriter.set_plain(node.name, rewriter.emit(node.name, node.operator, (integers,), span=node.span))
    return True


def concatenate_codes(rewriter: Rewriter, node: Node) -> bool:
    """concat: every branch at the scale of the result."""
    wanted = rewriter.plan[node.name]
    branches = [rewriter.as_codes(name, wanted) for name in node.inputs]
    name = rewriter.emit(node.name, node.operator, tuple(branch.name for branch in branches), span=node.span)
    limits = [(branch.coding.low, branch.coding.high) for branch in branches]
    low, high = np.array(limits).T
    rewriter.codes[node.name] = Codes(name, replace(wanted, low=int(low.min()), high=int(high.max())))
    return True
