"""What the host reads of a network with time, under the coding `native`: populations, and which of their states."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from striate.graph import Graph, Node
from striate.targets.neuromorphic.codings.native_neurons import NativeNeurons
from striate.targets.neuromorphic.codings.native_sums import as_sum, whole_population
from striate.targets.neuromorphic.codings.native_values import Codes, Reading, Value
from striate.targets.neuromorphic.codings.sums import Sum
from striate.targets.neuromorphic.codings.walk import Refusal
from striate.targets.neuromorphic.not_yet import ADDED_TWICE, NATIVE_ISLAND, TOTAL_OF_POTENTIALS, ZERO_POTENTIALS
from striate.tensor import Array


class NativeReadouts:
    """Encodes readouts, for samples of `steps` steps; `value` looks up what an operand has become."""

    def __init__(self, neurons: NativeNeurons, graph: Graph, steps: int, value: Callable[[str], Value]) -> None:
        self.neurons, self.graph, self.steps = neurons, graph, steps
        self.encoding = neurons.encoding
        self._value = value

    @property
    def encoders(self) -> Mapping[str, Callable[[Node], Value]]:
        """By operator."""
        return {
            "spike_count": self._count,
            "sum_over_time": self._total,
            "sigma": self._sigma,
            "last": self._last,
            "dequantize": self._dequantize,
        }

    def _count(self, node: Node) -> Value:
        value = self._value(node.inputs[0])
        if not isinstance(value, Codes) or not self.neurons.are_spikes(value.neurons):
            raise Refusal(ZERO_POTENTIALS, "count the spikes of neurons")
        return Reading(self._whole(node, value), "spike_count")

    def _total(self, node: Node) -> Value:
        value = self._value(node.inputs[0])
        if isinstance(value, Codes) and self.neurons.are_spikes(value.neurons):
            return Reading(self._whole(node, value), "spike_count")
        total = self._added(node, value)
        return Reading(self.neurons.accumulate(total, node.name, self.steps), None)

    def _sigma(self, node: Node) -> Value:
        """The same after every step."""
        total = self._added(node, self._value(node.inputs[0]))
        made = self.neurons.accumulate(replace(total, bias=None), node.name)
        if total.bias is not None:
            self.neurons.drive(made, total.bias)
        return Reading(made, None, series=True)

    def _added(self, node: Node, value: Value) -> Sum:
        if isinstance(value, Reading):
            raise Refusal(TOTAL_OF_POTENTIALS, "give the potential out over time, and add it up")
        if value.held:
            raise Refusal(ADDED_TWICE)
        return as_sum(self.encoding, node.name, value)

    def _last(self, node: Node) -> Value:
        value = self._value(node.inputs[0])
        if isinstance(value, Reading):
            if value.what == "spike_count":
                raise Refusal(NATIVE_ISLAND)
            return replace(value, series=False)
        return replace(self.in_every_step(node.name, value), series=False)

    def _dequantize(self, node: Node) -> Value:
        value, scale = self._value(node.inputs[0]), self._scale(node)
        reading = value if isinstance(value, Reading) else self.in_every_step(node.name, value)
        return replace(reading, scale=scale.astype(np.float32) * np.float32(reading.scale))

    def in_every_step(self, name: str, value: Value) -> Reading:
        """What a value is in each step: spikes, a potential, or a sum of weights: a current that nothing keeps."""
        if isinstance(value, Reading):
            return value
        if isinstance(value, Codes) and self.neurons.are_spikes(value.neurons):
            return Reading(whole_population(self.neurons, name, value), "spikes", series=True)
        if value.held:
            return self._held_in_every_step(name, value)
        made = self.neurons.watch(as_sum(self.encoding, name, value), name)
        return Reading(made, "current", series=True, scale=1 / 64)

    def _held_in_every_step(self, name: str, value: Codes | Sum) -> Reading:
        """What neurons hold; else, neurons that add up what is sent to them."""
        known = self.encoding.whole_population(value.neurons) if isinstance(value, Codes) else None
        late = isinstance(value, Codes) and value.delays.any()
        if known is not None and not late and self.encoding.populations[known].kind == "sigma_delta":
            return Reading(known, "potential", series=True)
        return Reading(self.neurons.accumulate(as_sum(self.encoding, name, value), name), None, series=True)

    def _whole(self, node: Node, codes: Codes) -> str:
        return whole_population(self.neurons, node.name, codes)

    def _scale(self, node: Node) -> Array:
        scale = self.graph.value(node, "scale")
        assert scale is not None, f"the scale of '{node.name}' is not loaded"
        return np.asarray(scale)
