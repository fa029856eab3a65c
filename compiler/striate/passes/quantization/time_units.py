"""What one unit of each sum is worth, channel by channel: fine enough for the weights, coarse enough for the registers.

Sums that are added, moved, delayed, or read by the same neuron, share their unit; such sums are a group.

    unit[c] = max over all weights w into channel c of |w| / 127, coarser where the bias has more than 12 bits, where a
    threshold has more than 17, or a potential came near 23 on the calibration data; then
    unit[c] = threshold[c] / floor(threshold[c] / unit[c]), so that the threshold is a whole number of units.

Weights that were trained on a grid of few levels stay on it, where the threshold allows that (grids.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from striate.graph import Graph, Node
from striate.operators.fixed_point import LARGEST_STATE, LARGEST_THRESHOLD, SUM_SHIFT
from striate.operators.resampling import Upsample
from striate.operators.shaping import Movement
from striate.passes.quantization.grids import grid_steps, on_grid
from striate.passes.quantization.layers import by_output_channel
from striate.passes.quantization.time_forms import FIRING, NEURONS, WEIGHTED, Form
from striate.passes.quantization.time_neurons import neuron_of
from striate.tensor import Array

LARGEST_WEIGHT = 127
LARGEST_BIAS = (1 << 12) - 1
"""A chip's bias has 13 bits with its sign, shifted up as far as sums are."""
_WEAKEST_CHANNEL = 2.0**-20
"""A channel whose weights are smaller than this part of the group's largest gets this part's unit."""
_LARGEST_POTENTIAL = LARGEST_STATE / (1 << SUM_SHIFT) / 2
"""In units; twice as much as was seen still fits."""
_LARGEST_SUM = LARGEST_STATE / 2
"""In units, of what adds up sums over time without an end: it, too, stands in 24 bits of a chip."""
_LARGEST_TOTAL = 2.0**30
"""In 64ths of a unit, of what adds up potentials over time."""


@dataclass
class _Group:
    """What one group's units must not be below, f64 `[C]` or `[1]`, and the thresholds to be whole numbers of units.

    `steps` are those of weights on a grid; `starts_over`: whether every neuron that reads it sums, and is set to 0.
    """

    channels: int
    uniform: bool = False
    floors: list[Array] = field(default_factory=list[Array])
    thresholds: list[Array] = field(default_factory=list[Array])
    steps: list[Array] = field(default_factory=list[Array])
    starts_over: bool = True

    def unit(self) -> Array:
        """The unit of each channel, or one for all."""
        size = 1 if self.uniform else self.channels
        floors = [floor.max(keepdims=True) if self.uniform else np.broadcast_to(floor, size) for floor in self.floors]
        floor = np.max(floors, axis=0)
        coarsest = floor.max() or 1.0
        floor = np.where(floor == 0, coarsest, np.maximum(floor, coarsest * _WEAKEST_CHANNEL))
        threshold = self._threshold(size)
        if threshold is None:
            return floor
        whole = np.floor(threshold / floor * (1 + 1e-12))
        unit = np.where(whole >= 1, threshold / np.maximum(whole, 1), floor)
        steps = self._grid(size, threshold)
        return np.where(steps > 0, on_grid(floor, steps), unit)

    def _grid(self, size: int, threshold: Array) -> Array:
        """The step of each channel's weights, 0 where they share none or where it is no part of the threshold.

        A potential that is set to 0 needs no such threshold: it is reached at the next whole number of steps.
        """
        if not self.steps or self.uniform or any(not np.array_equal(each, self.steps[0]) for each in self.steps):
            return np.zeros(size)
        steps = self.steps[0]
        multiple = np.divide(threshold, steps, where=steps > 0, out=np.zeros(size))
        whole = np.abs(multiple - np.rint(multiple)) <= 1e-6 * multiple
        return np.where(whole | self.starts_over, steps, 0.0)

    def _threshold(self, size: int) -> Array | None:
        """The one threshold of each channel (or of all), where all neurons that read the group agree on it."""
        if not self.thresholds or any(not np.array_equal(each, self.thresholds[0]) for each in self.thresholds):
            return None
        first = self.thresholds[0]
        return first[:size] if not self.uniform or len(np.unique(first)) == 1 else None


def units_of(
    graph: Graph, forms: Mapping[str, Form], scales: Mapping[str, float], largest: Mapping[str, float]
) -> dict[str, Array]:
    """The unit of every sum, and of what every neuron reads under the neuron's name; f64 `[C]` or `[1]`.

    `scales`: what 1 is worth in each value of codes. `largest`: the largest magnitude seen of potentials and totals.
    """
    leader = _leaders(graph, forms)
    groups: dict[str, _Group] = {}
    for name, first in leader.items():
        shape = graph.type_of(name).shape
        group = groups.setdefault(first, _Group(shape[0]))
        group.uniform |= shape[0] != group.channels
    for name, first in leader.items():
        _demand(graph, graph.node(name), forms, scales, largest, groups[first])
    units = {first: group.unit() for first, group in groups.items()}
    return {name: units[first] for name, first in leader.items()}


def _demand(
    graph: Graph,
    node: Node,
    forms: Mapping[str, Form],
    scales: Mapping[str, float],
    largest: Mapping[str, float],
    group: _Group,
) -> None:
    """What one node asks of the unit of the sum that it gives, or (a neuron, a readout) reads."""
    operator, bare = node.operator, [scales[name] for name in node.inputs if forms[name] == "codes"]
    if operator.name in WEIGHTED:
        group.uniform |= operator.name == "linear" and len(node.type.shape) != 1
        weight, bias = graph.value(node, "weight"), graph.value(node, "bias")
        assert weight is not None, f"the weights of '{node.name}' are not loaded"
        rows = by_output_channel(node, weight.astype(np.float64))[0]
        floors = [np.abs(rows).max(axis=1, initial=0.0) * bare[0] / LARGEST_WEIGHT]
        floors += [] if bias is None else [np.abs(bias.astype(np.float64)) / LARGEST_BIAS]
        group.floors += [floor.max(keepdims=True) if group.uniform else floor for floor in floors]
        group.steps.append(grid_steps(rows * bare[0]))
    else:
        group.uniform |= isinstance(operator, Movement) and not isinstance(operator, Upsample)
        group.floors.append(np.array([max(bare, default=0.0) / LARGEST_WEIGHT]))
    if operator.name in FIRING:
        neuron = neuron_of(graph, node)
        threshold = neuron.threshold
        assert threshold is not None, f"{operator.name} fires"
        group.starts_over &= neuron.keeps_all and neuron.reset == "zero"
        group.thresholds.append(threshold)
        group.floors.append(threshold / LARGEST_THRESHOLD)
    limits = {
        ("leaky_integrator", "sum"): _LARGEST_POTENTIAL,
        ("leaky_integrator", "codes"): _LARGEST_POTENTIAL,
        ("sum_over_time", "sum"): _LARGEST_SUM,
        ("sum_over_time", "potential"): _LARGEST_TOTAL / (1 << SUM_SHIFT),
    }
    limit = limits.get((operator.name, forms[node.inputs[0]]))
    if limit is not None:
        group.floors.append(np.array([largest[node.name] / limit]))


def _leaders(graph: Graph, forms: Mapping[str, Form]) -> dict[str, str]:
    """Every sum, and everything that reads one, -> the first of its group."""
    leader: dict[str, str] = {}

    def find(name: str) -> str:
        while leader.setdefault(name, name) != name:
            name = leader[name]
        return name

    for node in graph:
        gives = forms[node.name] in ("sum", "potential")
        reads = node.operator.name in NEURONS and forms[node.name] != "float"
        totals = forms[node.name] == "total" and any(forms[name] in ("sum", "potential") for name in node.inputs)
        if not (gives or reads or totals):
            continue
        find(node.name)
        if node.operator.name in WEIGHTED:
            continue
        for name in node.inputs:
            if forms[name] in ("sum", "potential"):
                a, b = find(name), find(node.name)
                leader[b] = a
    return {name: find(name) for name in leader}
