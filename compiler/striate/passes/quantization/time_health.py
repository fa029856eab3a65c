"""How well integer neurons stand for float ones: which are dead, which never rest, how far off they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from striate.graph import Graph, Node
from striate.interpreter import interpret_all
from striate.operators.changes import Hold
from striate.operators.fixed_point import LARGEST_STATE, FixedPointIntegrator, FixedPointLif
from striate.operators.quantized import LIMITS
from striate.operators.sigma_delta import FixedPointSigmaDelta
from striate.passes.quantization.time_forms import FIRING, HOLDING
from striate.tensor import Array

_MOST_ELEMENTS = 1 << 25
_LARGEST_SUM = 1 << 17
"""In units: what reaches it alone takes a current beyond its 24 bits."""


@dataclass(frozen=True)
class NeuronHealth:
    """The neurons of one layer, in floats and in integers, on the same inputs.

    `rate`, `rate_in_integers`: spikes for each neuron and step. `differing`: the part of all (neuron, step) pairs in
    which just one of the two fired. `dead_channels` (of `channels`) never fired in integers; `saturated` is the part of
    neurons that fired whenever they could. These are None of a layer that never fires. `overflows`: how many sums were
    too large for a current, and how many potentials (of a layer that never fires) stood at their limit.

    Of neurons that hold what changes add up to, a spike is a change that is sent; `differing` is None; `saturated` is
    the part of all (neuron, step) pairs in which what is held stands at a limit other than 0; `error` is the mean
    distance of what is held from what the float neurons have sent so far, in parts of the largest that codes can say.
    """

    name: str
    rate: float | None
    rate_in_integers: float | None
    differing: float | None
    dead_channels: int | None
    channels: int
    saturated: float | None
    overflows: int
    error: float | None = None


def examine_neurons(
    original: Graph,
    quantized: Graph,
    calibration: Mapping[str, Array],
    samples: int,
    scales: Mapping[str, float] | None = None,
) -> tuple[NeuronHealth, ...]:
    """Run both graphs on the first `samples` samples (fewer where the network is large) and compare their neurons.

    `scales`: what the code 1 is worth in what neurons hold.
    """
    kinds = (FixedPointLif, FixedPointIntegrator, FixedPointSigmaDelta, Hold)
    neurons = [node for node in quantized if isinstance(node.operator, kinds)]
    fires = {node.name for node in original if node.operator.name in (*FIRING, *HOLDING)}
    steps = next(iter(calibration.values())).shape[1]
    elements = steps * 2 * sum(node.type.elements for node in neurons)
    count = min(samples, max(1, _MOST_ELEMENTS // max(1, elements)))
    first = {name: array[:count] for name, array in calibration.items()}
    floats = interpret_all(original, first, keep=fires)
    integers = interpret_all(quantized, first, keep={name for node in neurons for name in (node.name, *node.inputs)})
    found: list[NeuronHealth] = []
    for node in neurons:
        if isinstance(node.operator, (FixedPointSigmaDelta, Hold)):
            scale = (scales or {}).get(node.name)
            if scale is not None and node.name in floats:
                found.append(_health_of_held(node, floats[node.name], integers[node.name], scale))
            continue
        sums = np.abs(integers[node.inputs[0]].astype(np.int64))
        overflows = int((sums >= _LARGEST_SUM).sum())
        channels = node.type.shape[0]
        if not isinstance(node.operator, FixedPointLif):
            overflows += int((np.abs(integers[node.name].astype(np.int64)) >= LARGEST_STATE).sum())
            found.append(NeuronHealth(node.name, None, None, None, None, channels, None, overflows))
            continue
        a, b = floats[node.name] != 0, integers[node.name] != 0
        often = b.sum(axis=1) * (1 + node.operator.refractory) >= steps
        silent = ~b.any(axis=(0, 1)).reshape(channels, -1).any(axis=1)
        rates = float(a.mean()), float(b.mean())
        saturated = float(often.mean())
        found.append(
            NeuronHealth(node.name, *rates, float((a != b).mean()), int(silent.sum()), channels, saturated, overflows)
        )
    return tuple(found)


def held_limits(node: Node) -> tuple[int, int]:
    """The limits of what a node's neurons hold."""
    return node.operator.limits if isinstance(node.operator, FixedPointSigmaDelta) else LIMITS[node.type.dtype]


def _health_of_held(node: Node, changes: Array, held: Array, scale: float) -> NeuronHealth:
    """changes: what the float neurons sent; held: the codes of the integer ones; both `[N, T, C, ...]`."""
    low, high = held_limits(node)
    sent = np.diff(held.astype(np.int64), axis=1, prepend=0) != 0
    wanted = np.cumsum(changes.astype(np.float64), axis=1)
    channels = node.type.shape[0]
    silent = ~sent.any(axis=(0, 1)).reshape(channels, -1).any(axis=1)
    return NeuronHealth(
        node.name,
        float((changes != 0).mean()),
        float(sent.mean()),
        None,
        int(silent.sum()),
        channels,
        float(((held == high) | ((held == low) & (low != 0))).mean()),
        0,
        float(np.abs(held * scale - wanted).mean() / (scale * max(high, -low))),
    )
