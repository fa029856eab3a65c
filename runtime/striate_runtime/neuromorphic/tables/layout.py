"""Where the numbers of each population lie: accumulators with their margins, segments by core, parameters by row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from striate_runtime.neuromorphic.check import LARGEST, Network, neurons
from striate_runtime.neuromorphic.native import THRESHOLD_SHIFT
from striate_runtime.neuromorphic.tables.arrays import LANES, Parameters, Segments, concatenated
from striate_runtime.neuromorphic.tables.plain import is_plain
from striate_runtime.program.neuromorphic import Population, Projection

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Place:
    """One population: its first neuron, its accumulators (first, rows of `row` numbers), and the core of each neuron.

    `cores` is `[H, W, C]`, -1 where no core holds it (an input that the host injects). The accumulators of `plain`
    neurons are numbered apart from the others'.
    """

    population: Population
    neuron: int
    accumulator: int
    top: int
    left: int
    row: int
    accumulators: int
    cores: Array
    plain: bool

    def accumulator_at(self, y: Array, x: Array) -> Array:
        """The accumulator of channel 0 at (y, x), which may lie in the margin."""
        return self.accumulator + (y + self.top) * self.row + (x + self.left) * self.population.shape[0]


def place_populations(network: Network) -> tuple[dict[str, Place], int, int]:
    """Every population's place, and how many accumulators there are in all, of plain neurons and of others."""
    places: dict[str, Place] = {}
    neuron, taken = 0, [0, 0]
    for population in network.body.populations:
        channels, height, width = population.shape
        arriving = [p for p in network.body.projections if p.target == population.name]
        top, bottom, left, right = _margins(network, arriving, height, width)
        row = (left + width + right) * channels
        accumulators = row * (top + height + bottom)
        cores = _cores(network, population)
        plain = is_plain(network, population)
        place = Place(population, neuron, taken[plain], top, left, row, accumulators, cores, plain)
        places[population.name] = place
        neuron += neurons(population)
        taken[plain] += accumulators + LANES
    network.check(max(neuron, *taken) < LARGEST, "populations", "are more than 32 bits can number")
    return places, taken[False], taken[True]


def reached(position: Array, tap: Array, stride: int, dilation: int, before: int) -> tuple[Array, Array]:
    """Where along one axis an event at each position arrives through each tap.

    position: [P], tap: [K] -> (whether it lands between strides [P, K], the target's position [P, K]).
    """
    shifted = position[:, None] + before - tap[None, :] * dilation
    return shifted % stride == 0, shifted // stride


def build_segments(places: dict[str, Place]) -> tuple[Segments, list[int]]:
    """Each population cut wherever a row ends or the core changes; and the index of each population's first segment."""
    neuron: list[Array] = []
    accumulator: list[Array] = []
    parameter: list[Array] = []
    length: list[Array] = []
    core: list[Array] = []
    starts = [0]
    row_start = 0
    for place in places.values():
        channels, height, width = place.population.shape
        rows = place.cores.reshape(height, width * channels)
        cut = np.ones(rows.shape, np.bool_)
        cut[:, 1:] = rows[:, 1:] != rows[:, :-1]
        y, x = np.nonzero(cut)
        flat = y * (width * channels) + x
        neuron.append(place.neuron + flat)
        accumulator.append(place.accumulator + (y + place.top) * place.row + place.left * channels + x)
        parameter.append(row_start + x)
        length.append(np.diff(np.append(flat, rows.size)))
        core.append(rows[y, x])
        starts.append(starts[-1] + len(flat))
        row_start += width * channels
    numbers = [concatenated(part, np.int64) for part in (neuron, accumulator, parameter, length)]
    return Segments(*numbers, core=concatenated(core, np.int32)), starts


def build_parameters(network: Network) -> tuple[Parameters, Array]:
    """Per-channel parameters repeated along one row of each population, and every neuron's initial potential."""
    columns: dict[str, list[Array]] = {name: [] for name in Parameters._fields}
    initial: list[Array] = []
    for population in network.body.populations:
        _, height, width = population.shape
        named = {
            "bias": network.channels_of(population.bias, population, 0),
            "multiplier": network.channels_of(population.multiplier, population, 1),
            "shift": network.channels_of(population.shift, population, 0),
            "threshold": network.channels_of(population.threshold, population, 1),
            "current_kept": 4096 - 1 - network.channels_of(population.current_decay, population, 0),
            "voltage_kept": 4096 - network.channels_of(population.voltage_decay, population, 0),
        }
        if population.kind == "cuba_lif":
            fires = np.full(len(named["threshold"]), population.fires)
            named["threshold"] = np.where(fires, named["threshold"] << THRESHOLD_SHIFT, LARGEST)
        in_range = bool(((named["shift"] >= 0) & (named["shift"] < 63)).all())
        network.check(in_range, f"population '{population.name}'", "a shift is outside 0..62")
        for key, values in named.items():
            columns[key].append(np.tile(values, width))
        start = network.channels_of(population.initial, population, 0)
        if population.kind == "readout":  # its bias counts once
            start = start + named["bias"]
        initial.append(np.tile(start, height * width))
    spare = np.zeros(LANES, np.int64)
    for parts in (*columns.values(), initial):
        parts.append(spare)
    parameters = Parameters(
        bias=concatenated(columns["bias"], np.int32),
        multiplier=concatenated(columns["multiplier"], np.int64),
        shift=concatenated(columns["shift"], np.int64),
        threshold=concatenated(columns["threshold"], np.int32),
        current_kept=concatenated(columns["current_kept"], np.int32),
        voltage_kept=concatenated(columns["voltage_kept"], np.int32),
    )
    return parameters, concatenated(initial, np.int32)


def _margins(network: Network, arriving: list[Projection], height: int, width: int) -> tuple[int, int, int, int]:
    """How far beyond (top, bottom, left, right) the arriving projections write."""
    margins = [0, 0, 0, 0]
    for projection in arriving:
        if projection.kind not in ("conv2d", "window"):
            continue
        _, source_height, source_width = network.populations[projection.source].shape
        left, _, top, _ = projection.padding
        axes = ((source_height, height, 0, top), (source_width, width, 1, left))
        for axis, (extent, own, at, before) in enumerate(axes):
            kernel, stride, dilation = projection.kernel[at], projection.stride[at], projection.dilation[at]
            lands, where = reached(np.arange(extent), np.arange(kernel), stride, dilation, before)
            if lands.any():
                margins[2 * axis] = max(margins[2 * axis], -int(where[lands].min()))
                margins[2 * axis + 1] = max(margins[2 * axis + 1], int(where[lands].max()) - own + 1)
    return margins[0], margins[1], margins[2], margins[3]


def _cores(network: Network, population: Population) -> Array:
    """The core of each neuron `[H, W, C]`; each must be held once."""
    channels, height, width = population.shape
    cores = np.full((height, width, channels), -1, np.int32)
    place = f"population '{population.name}'"
    held = 0
    for index, core in enumerate(network.body.cores):
        if core.population != population.name:
            continue
        (c0, c1), (y0, y1), (x0, x1) = core.channels, core.rows, core.columns
        inside = 0 <= c0 < c1 <= channels and 0 <= y0 < y1 <= height and 0 <= x0 < x1 <= width
        network.check(inside, place, f"core {core.index} holds neurons that it does not have")
        network.check(bool((cores[y0:y1, x0:x1, c0:c1] == -1).all()), place, f"core {core.index} overlaps another")
        cores[y0:y1, x0:x1, c0:c1] = index
        held += (c1 - c0) * (y1 - y0) * (x1 - x0)
    complete = held == neurons(population) or (held == 0 and not population.on_cores)
    network.check(complete, place, f"{neurons(population) - held} of its neurons are on no core")
    return cores
