"""Which numbers of an input a quantized graph cannot hold: they are clipped, on every machine alike."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from striate.graph import Graph
from striate.operators.quantized import LIMITS, Quantize
from striate.tensor import Array


def clipped_inputs(quantized: Graph, inputs: Mapping[str, Array]) -> tuple[str, ...]:
    """A sentence for each input port some of whose numbers, `[N, ...]`, are beyond the integers of its quantize."""
    sentences: dict[str, None] = {}
    for node in quantized:
        if not isinstance(node.operator, Quantize) or node.inputs[0] not in inputs:
            continue
        port, scale = node.inputs[0], node.operator.scale
        numbers, (low, high) = inputs[port], LIMITS[node.operator.to]
        steps = np.rint(numbers.astype(np.float32) / np.float32(scale))
        beyond = int(np.count_nonzero((steps < low) | (steps > high)))
        if beyond:
            sentences[
                f"in integers, {beyond:,} of {numbers.size:,} numbers of '{port}' ({numbers.min():g} to "
                f"{numbers.max():g}) are clipped to {low * scale:g} to {high * scale:g}: 8 bits at the calibrated scale"
            ] = None
    return tuple(sentences)
