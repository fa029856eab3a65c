"""Rules for functions of one number: clips, which cost nothing after an accumulator, and tables for all others."""

from __future__ import annotations

import numpy as np

from striate.graph import Node
from striate.operators.pointwise import Prelu, Relu
from striate.operators.quantized import Lookup
from striate.passes.quantization.coding import all_codes, clip_limits
from striate.passes.quantization.rewriter import Codes, Rewriter


def clip_codes(rewriter: Rewriter, node: Node) -> bool:
    """relu, relu6, clip: the limits of the requantize before it; of codes that stand already, relu or a table."""
    value = node.inputs[0]
    limits = clip_limits(node)
    assert limits is not None, f"{node.operator.name} is no clip"
    if value not in rewriter.codes and value in rewriter.accumulators:
        wanted = rewriter.plan[node.name]
        rewriter.codes[node.name] = rewriter.requantize(node.name, rewriter.accumulators[value], wanted)
        return True
    x = rewriter.as_codes(value)
    narrowed = x.coding.narrowed(*limits)
    if narrowed == x.coding:
        rewriter.codes[node.name] = x
        return True
    if isinstance(node.operator, Relu):
        rewriter.codes[node.name] = Codes(rewriter.emit(node.name, Relu(), (x.name,), span=node.span), narrowed)
        return True
    return look_up(rewriter, node)


def look_up(rewriter: Rewriter, node: Node) -> bool:
    """Any function of one number: its result for each of the 256 codes, computed in double precision.

    Holds off for a prelu whose slope differs by channel.
    """
    if isinstance(node.operator, Prelu) and node.operator.num_parameters != 1:
        return False
    x, wanted = rewriter.as_codes(node.inputs[0]), rewriter.plan[node.name]
    arguments = np.clip(all_codes(x.coding.dtype), x.coding.low, x.coding.high) * x.coding.scale
    parameters = {role: value.astype(np.float64) for role, value in rewriter.values(node).items()}
    results = node.operator.reference(arguments[:, None], **parameters)
    table = wanted.encode(results[:, 0])
    name = rewriter.emit(node.name, Lookup(wanted.dtype), (x.name,), {"table": table}, span=node.span)
    rewriter.codes[node.name] = Codes(name, wanted)
    return True
