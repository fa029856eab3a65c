"""The metrics of a program whose neurons send over time: what its trace holds, layer by layer and step by step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from striate_runtime.metrics.connection import Connection
from striate_runtime.metrics.neurobench import Call
from striate_runtime.program import Program
from striate_runtime.program.neuromorphic import NeuromorphicBody, Projection
from striate_runtime.trace import POTENTIALS, SPIKES

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Spiking:
    """What metrics are computed from. `uncounted` are the layers whose synapses NeuroBench does not count (pooling)."""

    calls: tuple[Call, ...]
    outputs: Mapping[str, Array]
    potentials: Mapping[str, Array]
    uncounted: tuple[str, ...]


def spiking_layers(program: Program, values: Mapping[str, Array]) -> Spiking:
    """The synapses, spikes and potentials of a traced program whose neurons spike over time."""
    body = msgspec.convert(program.body, NeuromorphicBody)
    firing = [p.name for p in body.populations if p.kind not in ("input", "readout", "graded")]  # graded: relays
    return Spiking(
        calls=tuple(_calls(program, body, values)),
        outputs={name: _sent(body, name, values) for name in firing},
        potentials={name: values[name + POTENTIALS] for name in firing},
        uncounted=tuple(p.name for p in body.projections if p.kind not in ("conv2d", "dense")),
    )


def _calls(program: Program, body: NeuromorphicBody, values: Mapping[str, Array]) -> Iterator[Call]:
    for projection in body.projections:
        if projection.kind in ("conv2d", "dense") and projection.weights is not None:
            sent = _sent(body, projection.source, values)[:, :, slice(*projection.channels or (None,))]
            steps = sent.reshape(-1, *sent.shape[2:])
            yield _call(projection, program.arrays[projection.weights], steps)


def _sent(body: NeuromorphicBody, name: str, values: Mapping[str, Array]) -> Array:
    """What the events of each step carried: 1 for a spike, or by how much what a neuron stands for has changed."""
    (population,) = (each for each in body.populations if each.name == name)
    if population.sends_changes(body.coding):
        return np.diff(values[name + POTENTIALS], axis=1, prepend=0)
    return values[name + SPIKES]


def _call(projection: Projection, weights: Array, steps: Array) -> Call:
    """All steps of all samples in one call: spikes are accumulates in every step, and changes are not."""
    if projection.kind == "dense":
        channels_last = np.ascontiguousarray(steps.transpose(0, 2, 3, 1)).reshape(len(steps), -1)
        return Connection(projection.name, weights.T), channels_last
    connection = Connection(
        projection.name,
        weights.transpose(3, 2, 0, 1),
        projection.stride,
        projection.padding,
        projection.dilation,
        projection.groups,
    )
    return connection, steps
