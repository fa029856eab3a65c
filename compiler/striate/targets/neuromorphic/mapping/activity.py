"""How often every neuron sends: counted on calibration data where there are any, else every neuron alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from striate.graph import Graph
from striate.interpreter import interpret_all
from striate.targets.neuromorphic.codings.encoding import Encoded
from striate.tensor import Array

SAMPLES = 8
"""So many samples of the calibration data are looked at."""

MEASURED_CODINGS = ("graded", "rate", "native")
"""Codings in which a value of the graph says what is sent."""

ESTIMATED = "placement: every neuron is taken to be as active as any other"
MEASURED = "placement: by the events of {samples} samples of the calibration data{others}"
OTHERS = "; populations that are no layer's output are taken to send one each"


@dataclass(frozen=True)
class Activity:
    """Events that neurons send in `samples` samples, i64 `[C, H, W]` by population; of others one in each sample."""

    samples: int = 1
    events: Mapping[str, Array] = field(default_factory=dict[str, Array])
    note: str = ESTIMATED

    def of(self, population: str, shape: tuple[int, int, int]) -> Array:
        """The events of one population, `[C, H, W]`."""
        known = self.events.get(population)
        return np.full(shape, self.samples, np.int64) if known is None else known


def measure(graph: Graph, encoded: Encoded, calibration: Mapping[str, Array]) -> Activity:
    """The activity of a graph's populations on calibration data `[N, *shape]`, with time `[N, T, *shape]`.

    rate: steps times the activation, in units of its full scale, at most 1. Else how often a number is not 0, or
    how often it changes, of what sigma-delta neurons hold; under `delta` that is estimated.
    """
    if encoded.coding not in MEASURED_CODINGS:
        return Activity()
    populations = encoded.encoding.populations
    samples = {name: np.asarray(array)[:SAMPLES] for name, array in calibration.items() if name in graph.inputs}
    sending = {p.source for p in encoded.encoding.projections}
    named = {name for name in sending if name in graph and populations[name].kind != "input"}
    values = interpret_all(graph, samples, float64=True, keep=named) if named else {}
    events: dict[str, Array] = {}
    for name in sorted(named):
        value, full_scale = values[name].reshape(-1, *populations[name].shape), populations[name].full_scale
        if populations[name].kind == "sigma_delta":
            steps = next(iter(samples.values())).shape[1]
            over_time = value.reshape(-1, steps, *populations[name].shape)
            sent = np.count_nonzero(np.diff(over_time, axis=1, prepend=0), axis=(0, 1))
        elif encoded.coding != "rate":
            sent = np.count_nonzero(value, axis=0)
        else:
            assert full_scale is not None, f"'{name}' has a full scale under the rate coding"
            sent = np.rint(np.clip(value / full_scale, 0, 1).sum(axis=0) * encoded.steps)
        events[name] = sent.astype(np.int64)
    inner = {name for name in sending if populations[name].kind != "input"}
    number = len(next(iter(samples.values())))
    note = MEASURED.format(samples=number, others=OTHERS if inner - named else "")
    return Activity(number, events, note)
