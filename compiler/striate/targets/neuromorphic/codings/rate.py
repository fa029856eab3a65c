"""The coding `rate`: an activation is how often a neuron sends a bare spike, from never (0) to every step (full scale).

Whatever is linear (convolution, linear, average pool, add) becomes synapses; a rectifier ends a sum and becomes
integrate-and-fire neurons with soft reset; an output becomes readout neurons that only add up.

A neuron that gathers `sum_i w_i x_i + b` at every step, and sends a spike and subtracts `L` whenever it holds `L`,
spikes at the rate `relu(sum + b) / L`, at most 1: a relu clipped at L, its layer's full scale, which is taken from
calibration data. One spike of a source therefore stands for its own full scale.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import cast

import msgspec
import numpy as np

from striate.graph import Graph, Node
from striate.operators.pointwise import Clip
from striate.operators.pooling import AdaptiveAvgPool2d, AvgPool2d
from striate.passes.quantization.calibrate import Range, check_calibration, ranges
from striate.targets.neuromorphic.codings.balance import Balanced, balance
from striate.targets.neuromorphic.codings.encoding import Encoded, Encoding, Given, image_of
from striate.targets.neuromorphic.codings.sums import (
    Sum,
    copy_of,
    mapped_sum,
    moved,
    signed_sum,
    weighted_sum,
    window_sum,
)
from striate.targets.neuromorphic.codings.synapses import Synapses, Window, connect, window_of
from striate.targets.neuromorphic.codings.walk import Refusal, Walk
from striate.targets.neuromorphic.not_yet import INTEGERS, MOVEMENTS
from striate.tensor import Array
from striate_runtime.hardware import Chip
from striate_runtime.program.neuromorphic import Population

INPUT_LEVELS = 255
"""An input is injected as an integer of 0..255 at every step; its accumulator sends a spike for every 255."""
FULL_SCALE_PERCENTILE = 99.9
"""The percentile of a layer's activations on calibration data that is its full scale."""


@dataclass(frozen=True)
class Rates:
    """Activations of 0 or more that travel as spikes: who sends them."""

    neurons: Array


@dataclass(frozen=True)
class Positive(Sum):
    """A sum with no negative weight and no bias, so that it cannot be negative."""


Value = Rates | Sum
"""A `Sum` is a membrane current that is no population yet; its weights are the value that one unit of a source adds."""


class Rate:
    """Encodes one float graph (its batch_norms folded) for `steps` steps of input."""

    def __init__(
        self, graph: Graph, chip: Chip, steps: int, calibration: Mapping[str, Array], percentile: float
    ) -> None:
        self.graph = graph
        self.chip = chip
        self.steps = steps
        samples = check_calibration(graph, calibration)
        self.ranges: dict[str, Range] = ranges(graph, samples, percentile if percentile < 100 else None)
        self.encoding = Encoding()
        self.full_scale: dict[str, float] = {}
        self._neurons: dict[str, object] = {"kind": "integrate_and_fire"}
        self.inputs: dict[str, Given] = {}
        self.fed: dict[str, Rates] = {}
        self.outputs: dict[str, str] = {}
        self.walk: Walk[Value] = Walk(
            graph,
            "rate",
            {
                **dict.fromkeys(("conv2d", "conv1d", "linear"), self._weigh),
                "conv_transpose2d": self._map,
                "avg_pool2d": self._avg_pool,
                "adaptive_avg_pool2d": self._adaptive_avg_pool,
                **dict.fromkeys(("reduce_sum", "reduce_mean"), self._map_positive),
                **dict.fromkeys(("add", "sub"), self._add),
                **dict.fromkeys(("relu", "relu6", "clip"), self._rectify),
                **dict.fromkeys(MOVEMENTS, self._move),
            },
        )

    def run(self) -> Encoded:
        """Encode the graph. Raises CompileError[cannot-lower].

        The program takes `steps` steps and as many more as the network is deep, so that the last layer, too, sees
        `steps` of them.
        """
        self.walk.run(self._read)
        for name in sorted(self.graph.inputs.keys() - self.fed.keys()):
            self._feed(name)
        align_readouts(self.encoding)
        depth = max(population.fires_at for population in self.encoding.populations.values())
        return Encoded("rate", self.steps + depth, self.encoding, self.inputs, self.outputs)

    # -- borders

    def _feed(self, port: str) -> Rates:
        """The population that the host injects a port into: pixels that spike in proportion to their value."""
        type = self.graph.inputs[port]
        if not type.is_float:
            raise Refusal(f"the input '{port}' is {type.dtype}: {INTEGERS}")
        range = self.ranges[port]
        if range.low < 0:
            raise Refusal(
                f"the calibration data of '{port}' go down to {range.low:g}, and there is no negative rate",
                "feed values from 0 upwards, and fold the shift into the first layer's bias",
            )
        name, image = self.encoding.fresh(port), image_of(type.shape)
        scale = float(np.float32((range.magnitude or 1.0) / INPUT_LEVELS))
        threshold = self.encoding.store(f"{name}.threshold", np.full(image[0], INPUT_LEVELS, np.int32))
        initial = self.encoding.store(f"{name}.initial", np.full(image[0], INPUT_LEVELS // 2, np.int32))
        self.encoding.add(Population(name, port, image, "input", threshold=threshold, initial=initial))
        self.full_scale[name] = scale * INPUT_LEVELS
        self.inputs[port] = Given(name, scale, 0, INPUT_LEVELS)
        return Rates(self.encoding.neurons(name, type.shape))

    def _read(self, output: str, value: str) -> None:
        """Readout neurons for an output: they add up their current over the steps, and the host divides by those."""
        total = self._value(value)
        if isinstance(total, Rates):
            total = copy_of(self.encoding, value, total.neurons, self.graph.type_of(value).shape, 1.0)
        name = self.encoding.fresh(value)
        balanced = self._balanced(total, 0.0, self.steps)
        scale = self.encoding.store(f"{name}.scale", (balanced.unit / self.steps).astype(np.float32))
        self._install(name, total, balanced, {"kind": "readout", "output": output, "scale": scale})
        self.outputs[output] = name

    # -- sums

    def _weigh(self, node: Node) -> Value:
        return weighted_sum(self.encoding, self.graph, node, self._rates(node.inputs[0]).neurons, self._replant)

    def _map(self, node: Node) -> Sum:
        return mapped_sum(self.encoding, self.graph, node, self._rates(node.inputs[0]).neurons)

    def _map_positive(self, node: Node) -> Positive:
        """A linear operator none of whose weights is negative."""
        total = self._map(node)
        return Positive(total.layer, total.shape, total.synapses)

    def _avg_pool(self, node: Node) -> Value:
        operator, neurons = cast(AvgPool2d, node.operator), self._rates(node.inputs[0]).neurons
        divisors = operator.divisors(*neurons.shape[1:])
        if divisors.min() != divisors.max():
            return self._map_positive(node)
        return self._mean(node, neurons, window_of(operator, neurons.shape), int(divisors.flat[0]))

    def _adaptive_avg_pool(self, node: Node) -> Value:
        operator, neurons = cast(AdaptiveAvgPool2d, node.operator), self._rates(node.inputs[0]).neurons
        cells = operator.bounds(*neurons.shape[1:])
        height, width = (side[0][1] for side in cells)
        for side, size in zip(cells, (height, width), strict=True):
            if side != [(index * size, (index + 1) * size) for index in range(len(side))]:
                return self._map_positive(node)
        return self._mean(node, neurons, Window((height, width), (height, width)), height * width)

    def _mean(self, node: Node, neurons: Array, window: Window, divisor: int) -> Positive:
        total = window_sum(self.encoding, node, neurons, window, 1 / divisor, self._replant)
        return Positive(total.layer, total.shape, total.synapses)

    def _add(self, node: Node) -> Value:
        return signed_sum(self.encoding, node, *(self._sum(node, name) for name in node.inputs))

    def _sum(self, node: Node, name: str) -> Sum:
        """An operand of an addition as a sum."""
        value = self._value(name)
        if isinstance(value, Sum):
            return value
        return copy_of(self.encoding, node.name, value.neurons, node.type.shape, 1.0)

    # -- what ends a sum

    def _rectify(self, node: Node) -> Value:
        """A relu, and with it any clip from 0 to something: no neuron sends more than its full scale."""
        low, high = _limits(node)
        if low != 0:
            raise Refusal(f"it lets numbers down to {low:g} through, and there is no negative rate", "use a relu")
        value = self._value(node.inputs[0])
        if isinstance(value, Rates):
            if self.ranges[node.inputs[0]].high <= high:
                return value
            value = copy_of(self.encoding, node.name, value.neurons, node.type.shape, 1.0)
        return self._fire(node.name, value, min(self.ranges[node.name].magnitude, high))

    def _move(self, node: Node) -> Value:
        if getattr(node.operator, "mode", "nearest") != "nearest":
            return self._map_positive(node)
        return Rates(moved(node, [self._rates(name).neurons for name in node.inputs]))

    # -- building

    def _fire(self, name: str, total: Sum, full_scale: float) -> Rates:
        """Integrate-and-fire neurons whose highest rate stands for `full_scale`; a layer that is never active has 1."""
        name, full_scale = self.encoding.fresh(name), full_scale or 1.0
        balanced = self._balanced(total, full_scale, 1)
        arrays = {"threshold": balanced.threshold, "initial": balanced.threshold // 2}
        stored = {role: self.encoding.store(f"{name}.{role}", a.astype(np.int32)) for role, a in arrays.items()}
        self.full_scale[name] = full_scale
        self._install(name, total, balanced, {**self._neurons, "full_scale": full_scale, **stored})
        return Rates(self.encoding.neurons(name, total.shape))

    def _layer_of(self, value: str, full_scale: float) -> str:
        """The neurons that send a value: those of its layer, if it is one, else a layer of its own."""
        found = self._value(value)
        name = self.encoding.whole_population(found.neurons) if isinstance(found, Rates) else None
        if name is None or self.encoding.populations[name].kind == "input":
            if isinstance(found, Rates):
                found = copy_of(self.encoding, value, found.neurons, self.graph.type_of(value).shape, 1.0)
            name = self.encoding.whole_population(self._fire(value, found, full_scale).neurons)
        assert name is not None, "neurons that were just made are one population"
        return name

    def _replant(self, node: Node, neurons: Array) -> Array:
        """A population that copies scattered rates."""
        copy = copy_of(self.encoding, node.name, neurons, neurons.shape, 1.0)
        return self._fire(f"{node.name}.copied", copy, self.ranges[node.inputs[0]].magnitude).neurons

    def _balanced(self, total: Sum, full_scale: float, steps_of_bias: int) -> Balanced:
        """A sum in the chip's integers, one spike of each source standing for its full scale."""
        channels = image_of(total.shape)[0]
        return balance(self._per_spike(total), total.bias, full_scale, steps_of_bias, self.chip, channels)

    def _per_spike(self, total: Sum) -> list[Synapses]:
        """A sum's synapses, whose weights are what a spike of the source adds."""
        found: list[Synapses] = []
        for each in total.synapses:
            assert each.weights is not None, "in the coding 'rate' every synapse has a weight"
            worth = self.full_scale[each.source]
            found.append(replace(each, weights=each.weights.astype(np.float64) * worth))
        return found

    def _install(self, name: str, total: Sum, balanced: Balanced, fields: Mapping[str, object]) -> None:
        """Add the population and its projections, delayed so that all ways to it are equally long."""
        populations = self.encoding.populations
        sent = max((populations[each.source].fires_at for each in total.synapses), default=0)
        depth = sent + self.chip.time.event_steps
        record = {"name": name, "layer": total.layer, "shape": image_of(total.shape), "fires_at": depth, **fields}
        if balanced.bias is not None:
            record["bias"] = self.encoding.store(f"{name}.bias", balanced.bias.astype(np.int32))
        population = msgspec.convert(record, Population)
        self.encoding.add(population)
        for each in balanced.synapses:
            connect(self.encoding, each, population, depth - populations[each.source].fires_at)

    # -- looking things up

    def _value(self, name: str) -> Value:
        """What a value has become; an input is fed when it is first used."""
        if name not in self.graph.inputs:
            return self.walk.values[name]
        if name not in self.fed:
            self.fed[name] = self._feed(name)
        return self.fed[name]

    def _rates(self, name: str) -> Rates:
        """A value as spikes. Raises Refusal where it may be negative."""
        value = self._value(name)
        if isinstance(value, Rates):
            return value
        if not isinstance(value, Positive):
            raise Refusal(
                f"its operand '{name}' may be negative, and there is no negative rate", "put a relu before it"
            )
        rates = self._fire(name, value, self.ranges[name].magnitude)
        self.walk.values[name] = rates
        return rates


def align_readouts(encoding: Encoding) -> None:
    """Let all outputs begin to listen in the same step, so that the last step leaves each as many of its input."""
    last = max(population.fires_at for population in encoding.populations.values())
    wait = {p.name: last - p.fires_at for p in encoding.populations.values() if p.kind == "readout"}
    for name in wait:
        encoding.revise(name, fires_at=last)
    encoding.projections = [
        msgspec.structs.replace(p, delay=p.delay + wait.get(p.target, 0)) for p in encoding.projections
    ]


def _limits(node: Node) -> tuple[float, float]:
    """What a rectifier lets through."""
    if isinstance(node.operator, Clip):
        return node.operator.min, node.operator.max
    return 0.0, 6.0 if node.operator.name == "relu6" else np.inf
