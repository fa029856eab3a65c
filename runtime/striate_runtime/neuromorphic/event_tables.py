"""The tables of a network that runs event by event: where each event goes, along which runs of neurons and weights.

Neurons are numbered channels last, so that what an event meets along one row of its target is one run of neurons. Weights
lie in the same order: for each channel of the source and row of the kernel, the columns of each phase of the stride, from
the last to the first, with all channels of the target. A dense projection is a convolution whose kernel is its image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from striate_runtime.neuromorphic.check import Network, neurons
from striate_runtime.neuromorphic.layout import reached
from striate_runtime.neuromorphic.tables import I32, I64, concatenated
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
    threshold: I32
    low: I32
    zero: I32
    """1 where a spike leaves a potential of 0, 0 where it takes the threshold off."""
    biased: I32
    """1 where any channel has a bias."""


class EventTables(NamedTuple):
    """The network. `row_first` says which of `row_target` and `row_weight` a row's events go along: [first, last + 1)."""

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
    weights: npt.NDArray[np.int8]
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
    columns: dict[str, list[int]] = {name: [] for name in Layers._fields}
    parts: dict[str, list[Array]] = {name: [] for name in EventTables._fields if name != "layers"}
    pairs = rows = width = weights = 0
    operations: dict[str, Array] = {}
    for p, population in enumerate(order):
        channels, height, _ = population.shape
        projection = into.get(population.name)
        laid = None if projection is None else _lay(network, projection)
        bias = np.tile(network.channels_of(population.bias, population, 0), neurons(population) // channels)
        initial = network.channels_of(population.initial, population, 0)
        entry = {
            "source": -1 if projection is None else index[projection.source],
            "neuron": int(first[p]),
            "neurons": neurons(population),
            "channels": channels,
            "columns": population.shape[2],
            "row": rows,
            "column": width,
            "weight": weights,
            "stride": 0 if laid is None else laid.stride,
            "reach": 0 if laid is None else laid.reach,
            "threshold": int(network.channels_of(population.threshold, population, 1)[0]),
            "low": population.low,
            "zero": int(population.reset == "zero" and population.kind == "event_driven"),
            "biased": int(bias.any()),
        }
        for name, value in entry.items():
            columns[name].append(value)
        parts["bias"].append(bias)
        parts["initial"].append(np.tile(initial, neurons(population) // channels))
        if laid is None:
            continue
        operations[population.name] = laid.operations
        parts["row_first"].append(pairs + laid.row_first)
        for name in ("row_target", "row_weight", "column_target", "column_weight", "column_length", "weights"):
            parts[name].append(getattr(laid, name))
        pairs, rows = pairs + len(laid.row_target), rows + len(laid.row_first)
        width, weights = width + len(laid.column_target), weights + len(laid.weights)
    types = {name: np.int8 if name == "weights" else np.int32 for name in parts}
    narrow = ("threshold", "low", "zero", "biased")
    layers = Layers(
        **{name: np.array(values, np.int32 if name in narrow else np.int64) for name, values in columns.items()}
    )
    tables = EventTables(layers, **{name: concatenated(arrays, types[name]) for name, arrays in parts.items()})
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
        weights, target = weights.reshape(*source[1:], source[0], -1), (neurons_of(target), 1, 1)
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
    by_row = np.tensordot(y_lands.astype(np.int64), by_tap, axes=1)  # [y, kx, c]
    operations = np.einsum("ykc,xk->yxc", by_row, x_lands.astype(np.int64))
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


def neurons_of(shape: tuple[int, int, int]) -> int:
    """How many neurons a population of that shape has."""
    return shape[0] * shape[1] * shape[2]


def _ordered(network: Network) -> tuple[Population, ...]:
    """Populations, sources before their targets; what is left over in a loop comes last."""
    source = {projection.target: projection.source for projection in network.body.projections}

    def depth(name: str) -> int:
        way = [name]
        while way[-1] in source and source[way[-1]] not in way:
            way.append(source[way[-1]])
        return len(way)

    return tuple(sorted(network.body.populations, key=lambda population: depth(population.name)))
