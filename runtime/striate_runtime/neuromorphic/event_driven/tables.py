"""The tables of a network that runs event by event: where each event goes, along which runs of neurons and weights.

Neurons are numbered channels last, so that what an event meets along one row of its target is one run of neurons.
Weights lie in the same order: for each channel of the source and row of the kernel, the columns of each phase of the
stride, from the last to the first, with all channels of the target. A dense projection is a convolution whose kernel is
its image.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from striate_runtime.neuromorphic.check import Network, neurons
from striate_runtime.neuromorphic.event_driven.check import depths
from striate_runtime.neuromorphic.tables.arrays import I32, I64, concatenated
from striate_runtime.neuromorphic.tables.layout import reached
from striate_runtime.program.neuromorphic import Population, Projection

Array = npt.NDArray[Any]


class Layers(NamedTuple):
    """One entry per population, sources before their targets. `source` is -1 for what the host injects.

    Of its source an event comes from row y and column x, whose entries in `EventTables` are `row + y` and `column + x`,
    and from a channel, whose weights start at `weight + channel * stride`. `reach` is the most neurons that one meets.
    """

    source: I64
    neuron: I64
    neurons: I64
    channels: I64
    columns: I64
    row: I64
    column: I64
    weight: I64
    stride: I64
    reach: I64
    threshold: I64
    low: I64
    zero: I64
    """1 where a spike leaves a potential of 0, 0 where it takes the threshold off."""
    biased: I64
    """1 where any channel has a bias."""


class EventTables(NamedTuple):
    """The network. A row's events go along `row_target` and `row_weight` from its `row_first` to the next one's."""

    layers: Layers
    row_first: I32
    row_target: I32
    """Where in its population a row of targets starts."""
    row_weight: I32
    """How far from its channel's start the weights of a row of the kernel start."""
    column_target: I32
    column_weight: I32
    column_length: I32
    """How far into a row of targets, and of weights, a column's run starts; how many neurons it has."""
    weights: npt.NDArray[np.int16]
    bias: I32
    """Of every neuron, as is the potential at the start."""
    initial: I32


class EventState(NamedTuple):
    """Everything that changes while a sample runs. The events that population p sends in a tick are the first
    `length[p]` in its part of the queue, `queue[start[p] : start[p + 1]]`. `late` `[populations, 2]` is how often a
    potential was too large for the chip, and which of the population's events was the first to make it so."""

    potential: I32
    spike_count: I32
    received: I64
    late: I64
    length: I64
    queue: I32
    start: I64


@dataclass(frozen=True)
class Placed:
    """Tables, whose entries are the populations in `order`; and for each layer, how many synaptic operations an event
    of each neuron of its source causes there."""

    tables: EventTables
    order: tuple[Population, ...]
    operations: dict[str, Array]


def place(network: Network) -> Placed:
    """Build the tables of a network whose populations have at most one projection each."""
    order = _ordered(network)
    into = {projection.target: projection for projection in network.body.projections}
    index = {population.name: p for p, population in enumerate(order)}
    first = np.cumsum([0, *(neurons(population) for population in order)])
    layers: list[list[int]] = []
    laid: list[_Laid] = []
    bias: list[Array] = []
    initial: list[Array] = []
    operations: dict[str, Array] = {}
    rows = pairs = columns = weights = 0
    for p, population in enumerate(order):
        channels, projection = population.shape[0], into.get(population.name)
        biases, start = (network.channels_of(name, population, 0) for name in (population.bias, population.initial))
        bias.append(np.tile(biases, neurons(population) // channels))
        initial.append(np.tile(start, neurons(population) // channels))
        one = None if projection is None else _lay(network, projection)
        entry = {
            "source": -1 if projection is None else index[projection.source],
            "neuron": int(first[p]),
            "neurons": neurons(population),
            "channels": channels,
            "columns": population.shape[2],
            "row": rows,
            "column": columns,
            "weight": weights,
            "stride": 0 if one is None else one.stride,
            "reach": 0 if one is None else one.reach,
            "threshold": int(network.channels_of(population.threshold, population, 1)[0]),
            "low": population.low,
            "zero": int(population.reset == "zero"),
            "biased": int(biases.any()),
        }
        layers.append([entry[name] for name in Layers._fields])
        if one is not None:
            laid.append(replace(one, row_first=pairs + one.row_first))
            operations[population.name] = one.operations
            rows, pairs = rows + len(one.row_first), pairs + len(one.row_target)
            columns, weights = columns + len(one.column_target), weights + len(one.weights)
    tables = EventTables(
        layers=Layers(*np.array(layers, np.int64).T.copy()),
        row_first=concatenated([one.row_first for one in laid], np.int32),
        row_target=concatenated([one.row_target for one in laid], np.int32),
        row_weight=concatenated([one.row_weight for one in laid], np.int32),
        column_target=concatenated([one.column_target for one in laid], np.int32),
        column_weight=concatenated([one.column_weight for one in laid], np.int32),
        column_length=concatenated([one.column_length for one in laid], np.int32),
        weights=concatenated([one.weights for one in laid], np.int16),
        bias=concatenated(bias, np.int32),
        initial=concatenated(initial, np.int32),
    )
    return Placed(tables, order, operations)


def new_state(tables: EventTables, room: Array) -> EventState:
    """A state with room for so many events of each population."""
    number = len(tables.initial)
    return EventState(
        potential=np.zeros(number, np.int32),
        spike_count=np.zeros(number, np.int32),
        received=np.zeros(len(room), np.int64),
        late=np.zeros((len(room), 2), np.int64),
        length=np.zeros(len(room), np.int64),
        queue=np.zeros(int(room.sum()), np.int32),
        start=np.concatenate([[0], np.cumsum(room)]).astype(np.int64),
    )


@dataclass(frozen=True)
class _Laid:
    row_first: Array
    row_target: Array
    row_weight: Array
    column_target: Array
    column_weight: Array
    column_length: Array
    weights: Array
    stride: int
    reach: int
    operations: Array


def _lay(network: Network, projection: Projection) -> _Laid:
    """One projection's tables, from its first row, column and weight on."""
    source, target = (network.populations[name].shape for name in (projection.source, projection.target))
    weights, (sy, sx), left, top = network.weights_of(projection), projection.stride, 0, 0
    if projection.kind == "dense":
        weights, target = weights.reshape(*source[1:], source[0], -1), (target[0] * target[1] * target[2], 1, 1)
    else:
        left, _, top, _ = projection.padding
    (kh, kw, _, outputs), (_, height, width) = weights.shape, source
    y_lands, y_where = _landing(np.arange(height), kh, sy, top, target[1])
    x_lands, x_where = _landing(np.arange(width), kw, sx, left, target[2])
    phases = [np.arange(kw)[::-1][np.arange(kw)[::-1] % sx == phase] for phase in range(sx)]
    order = np.concatenate(phases)
    at = np.argsort(order)
    ys, kys = np.nonzero(y_lands[:, ::-1])
    kys = kh - 1 - kys  # from the last row of the kernel, so that targets come in order
    last = kw - 1 - x_lands[:, ::-1].argmax(axis=1)  # of each column: the kernel's last column that lands
    lands = x_lands.sum(axis=1)
    by_tap = np.count_nonzero(weights, axis=3)
    operations = np.einsum("yj,jkc,xk->yxc", y_lands.astype(np.int64), by_tap, x_lands.astype(np.int64), optimize=True)
    most = int(y_lands.sum(axis=1).max(initial=0) * lands.max(initial=0)) * outputs
    return _Laid(
        row_first=np.concatenate([[0], np.cumsum(y_lands.sum(axis=1))]),
        row_target=y_where[ys, kys] * target[2] * outputs,
        row_weight=kys * kw * outputs,
        column_target=np.where(lands > 0, x_where[np.arange(width), last], 0) * outputs,
        column_weight=at[last] * outputs,
        column_length=lands * outputs,
        weights=np.ascontiguousarray(weights[:, order].transpose(2, 0, 1, 3)).reshape(-1),
        stride=kh * kw * outputs,
        reach=most,
        operations=operations.reshape(-1),
    )


def _landing(position: Array, kernel: int, stride: int, before: int, extent: int) -> tuple[Array, Array]:
    """Through which taps an event at each position reaches a target, `[position, tap]`, and which."""
    lands, where = reached(position, np.arange(kernel), stride, 1, before)
    return lands & (where >= 0) & (where < extent), where


def _ordered(network: Network) -> tuple[Population, ...]:
    """Populations, sources before their targets."""
    depth = depths(network.body)
    return tuple(sorted(network.body.populations, key=lambda population: depth[population.name]))
