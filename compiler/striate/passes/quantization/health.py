"""How well integers stand for floats, value by value: what saturates, what died, how much signal is left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from striate.graph import Graph
from striate.interpreter import interpret_all
from striate.operators.quantized import LIMITS
from striate.operators.shaping import Movement
from striate.passes.quantization.coding import FOLLOWS, clip_limits
from striate.passes.quantization.rewriter import Codes
from striate.tensor import Array

_MOST_ELEMENTS = 1 << 25


@dataclass(frozen=True)
class LayerHealth:
    """One value of the original network as codes, on calibration data.

    `name` is the value in the original, `node` the node of the integer graph that holds it, as `x = scale * code`.
    `saturated` is the part of its floats that lie beyond the largest code by more than half a step. `dead_channels`
    counts channels (of `channels`) that are 0 throughout. `snr_db` is 10 log10(signal power / error power); None
    where there is no signal or no error.
    """

    name: str
    node: str
    dtype: str
    scale: float
    saturated: float
    dead_channels: int
    channels: int
    snr_db: float | None


def examine(
    original: Graph, quantized: Graph, codes: Mapping[str, Codes], calibration: Mapping[str, Array], samples: int
) -> tuple[LayerHealth, ...]:
    """Run both graphs on the first `samples` samples (fewer where the network is large) and compare.

    A value delivered in its reader's codes already (a convolution clipped by its relu) is compared at the reader.
    """
    elements = sum(node.type.elements for node in original) + sum(node.type.elements for node in quantized)
    count = min(samples, max(1, _MOST_ELEMENTS // max(1, elements)))
    first = {name: array[:count] for name, array in calibration.items()}
    nodes = {
        codes[name].name: name
        for name in codes
        if codes[name].name in quantized and not _clipped_later(original, name) and not _only_moved(original, name)
    }
    floats = interpret_all(original, first, keep=set(nodes.values()))
    integers = interpret_all(quantized, first, keep=set(nodes))
    return tuple(_compare(name, codes[name], floats[name], integers[node]) for node, name in nodes.items())


def _clipped_later(graph: Graph, value: str) -> bool:
    """Whether the codes of `value` are clipped already as only a later reader asks."""
    reader = graph.only_user(value)
    while reader and reader.operator.name in FOLLOWS:
        if clip_limits(reader):
            return True
        reader = graph.only_user(reader.name)
    return False


def _only_moved(graph: Graph, value: str) -> bool:
    node = graph.producer(value)
    return isinstance(node.operator, Movement) if node else False


def _compare(name: str, codes: Codes, wanted: Array, found: Array) -> LayerHealth:
    coding = codes.coding
    wanted, values = wanted.astype(np.float64), found.astype(np.float64) * coding.scale
    reach = (LIMITS[coding.dtype][1] + 0.5) * coding.scale
    error, signal = float(((wanted - values) ** 2).sum()), float((wanted**2).sum())
    by_channel = np.moveaxis(found, 1, 0).reshape(found.shape[1], -1)
    return LayerHealth(
        name,
        codes.name,
        coding.dtype,
        coding.scale,
        float((np.abs(wanted) > reach).mean()),
        int((~by_channel.any(axis=1)).sum()),
        len(by_channel),
        10 * float(np.log10(signal / error)) if signal and error else None,
    )
