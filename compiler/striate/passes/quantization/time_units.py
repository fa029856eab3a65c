"""What one unit of each sum is worth, channel by channel: fine enough for the weights, coarse enough for the registers.

Sums that are added, moved, delayed, or read by the same neuron, share their unit; such sums are a group.

    unit[c] = max over all weights w into channel c of |w| / 127, coarser where the bias has more than 12 bits, where a
    threshold has more than 17, or a potential came near 23 on the calibration data; then
    unit[c] = threshold[c] / floor(threshold[c] / unit[c]), so that the threshold is a whole number of units.

Sums that no spiking neuron reads (sigma-delta neurons have no such registers) are as fine as weights of 8 bits and sums
of 32 bits let them be, as those of networks without time.

Weights that were trained on a grid of few levels stay on it, where the threshold allows that (grids.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from striate.graph import Graph, Node
from striate.operators.fixed_point import LARGEST_STATE, LARGEST_THRESHOLD, SUM_SHIFT
from striate.operators.resampling import Upsample
from striate.operators.shaping import Movement
from striate.passes.quantization.grids import grid_steps, on_grid
from striate.passes.quantization.layers import by_output_channel
from striate.passes.quantization.time_codings import holds_codes
from striate.passes.quantization.time_forms import FIRING, HOLDING, NEURONS, WEIGHTED, Form
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
_LARGEST_FINE = 2.0**30
"""In units, of a bias or a weighted sum of the largest codes, where 32 bits are all that must hold it."""
_LARGEST_PASSED_ON = 2.0**21
"""In units, of what is held and added as it is: a chip passes its changes on, which are twice as large, in 24 bits."""
_FINE = 2.0**-12
"""The unit at which codes of several scales are added, as a part of the coarsest scale."""


@dataclass
class _Group:
    """What one group's units must not be below, f64 `[C]` or `[1]`, and the thresholds to be whole numbers of units.

    `floors` bind in any group, those of `registers` where `spiking` neurons read it, those of `fine` where none do.
    `bare` are the scales of what is held and added as it is, beside sums of weights or not. `steps` are those of
    weights on a grid; `starts_over`: whether every neuron that reads it sums, and is set to 0.
    """

    channels: int
    uniform: bool = False
    spiking: bool = True
    weighted: bool = False
    floors: list[Array] = field(default_factory=list[Array])
    registers: list[Array] = field(default_factory=list[Array])
    fine: list[Array] = field(default_factory=list[Array])
    bare: list[float] = field(default_factory=list[float])
    thresholds: list[Array] = field(default_factory=list[Array])
    steps: list[Array] = field(default_factory=list[Array])
    starts_over: bool = True

    def unit(self) -> Array:
        """The unit of each channel, or one for all."""
        size = 1 if self.uniform else self.channels
        floors = self.floors + (self.registers if self.spiking else self.fine)
        if self.bare and not self.spiking and not self.weighted:
            floors.append(np.array([max(self.bare) * (1.0 if len(set(self.bare)) == 1 else _FINE)]))
        floors = [floor.max(keepdims=True) if self.uniform else np.broadcast_to(floor, size) for floor in floors]
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


@dataclass(frozen=True)
class Sums:
    """What units are chosen from, besides the graph: `scales`, what 1 is worth in each value of codes, and
    `magnitudes`, the largest code; which values are `held`; `largest` magnitudes seen, of potentials and totals.
    """

    graph: Graph
    forms: Mapping[str, Form]
    held: set[str]
    scales: Mapping[str, float]
    magnitudes: Mapping[str, int]
    largest: Mapping[str, float]

    def units(self) -> dict[str, Array]:
        """The unit of every sum, and of what every neuron reads under the neuron's name; f64 `[C]` or `[1]`."""
        leader = _leaders(self.graph, self.forms, self.held)
        groups: dict[str, _Group] = {}
        for name, first in leader.items():
            shape = self.graph.type_of(name).shape
            group = groups.setdefault(first, _Group(shape[0]))
            group.uniform |= shape[0] != group.channels
        for name, first in leader.items():
            self._demand(self.graph.node(name), groups[first])
        for first, group in groups.items():
            members = [name for name in leader if leader[name] == first]
            holds = any(name in self.held for name in members)
            group.spiking = not holds or any(self._spikes(self.graph.node(name)) for name in members)
        units = {first: group.unit() for first, group in groups.items()}
        return {name: units[first] for name, first in leader.items()}

    def _spikes(self, node: Node) -> bool:
        return node.operator.name in NEURONS and node.operator.name not in HOLDING

    def _demand(self, node: Node, group: _Group) -> None:
        """What one node asks of the unit of the sum that it gives, or (a neuron, a readout) reads."""
        graph, operator = self.graph, node.operator
        codes = [name for name in node.inputs if self.forms[name] == "codes"]
        if operator.name in WEIGHTED:
            self._demand_of_weights(node, group)
        else:
            group.uniform |= isinstance(operator, Movement) and not isinstance(operator, Upsample)
            for name in codes:
                scale, held = self.scales[name], name in self.held
                (group.registers if held else group.floors).append(np.array([scale / LARGEST_WEIGHT]))
                if held:
                    group.bare.append(scale)
                    group.fine.append(np.array([scale * self.magnitudes[name] / _LARGEST_PASSED_ON]))
        if operator.name in FIRING:
            neuron = neuron_of(graph, node)
            threshold = neuron.threshold
            assert threshold is not None, f"{operator.name} fires"
            group.starts_over &= neuron.keeps_all and neuron.reset == "zero"
            group.thresholds.append(threshold)
            group.registers.append(threshold / LARGEST_THRESHOLD)
        if operator.name == "sigma_delta" and (bias := graph.value(node, "bias")) is not None:
            group.floors.append(np.abs(bias.astype(np.float64)) / _LARGEST_FINE)
        limits = {
            ("leaky_integrator", "sum"): _LARGEST_POTENTIAL,
            ("leaky_integrator", "codes"): _LARGEST_POTENTIAL,
            **dict.fromkeys(product(("sum_over_time", "sigma", "sigma_delta"), ("sum", "codes")), _LARGEST_SUM),
            **dict.fromkeys(product(("sum_over_time", "sigma"), ("potential",)), _LARGEST_TOTAL / (1 << SUM_SHIFT)),
        }
        limit = limits.get((operator.name, self.forms[node.inputs[0]]))
        if limit is not None and node.name in self.largest:
            group.floors.append(np.array([self.largest[node.name] / limit]))

    def _demand_of_weights(self, node: Node, group: _Group) -> None:
        group.weighted = True
        group.uniform |= node.operator.name == "linear" and len(node.type.shape) != 1
        weight, bias = self.graph.value(node, "weight"), self.graph.value(node, "bias")
        assert weight is not None, f"the weights of '{node.name}' are not loaded"
        rows = np.abs(by_output_channel(node, weight.astype(np.float64))[0])
        scale = self.scales[node.inputs[0]]
        group.floors.append(rows.max(axis=1, initial=0.0) * scale / LARGEST_WEIGHT)
        group.steps.append(grid_steps(rows * scale))
        largest = rows.sum(axis=1) * scale * self.magnitudes[node.inputs[0]]
        if bias is not None:
            sizes = np.abs(bias.astype(np.float64))
            group.registers.append(sizes / LARGEST_BIAS)
            largest += sizes
        group.fine.append(largest / _LARGEST_FINE)


def _leaders(graph: Graph, forms: Mapping[str, Form], held: set[str]) -> dict[str, str]:
    """Every sum, and everything that reads one, -> the first of its group."""
    leader: dict[str, str] = {}

    def find(name: str) -> str:
        while leader.setdefault(name, name) != name:
            name = leader[name]
        return name

    for node in graph:
        gives = forms[node.name] in ("sum", "potential")
        reads = node.operator.name in NEURONS and forms[node.name] != "float"
        reads = reads and (node.operator.name not in HOLDING or holds_codes(node, forms, held))
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
