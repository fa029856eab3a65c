"""The coding `rate`: an activation is how often a neuron sends a bare spike, from 0 (never) to its layer's full scale (every step).

Whatever is linear (convolution, linear, average pool, add, batch_norm) becomes synapses; a rectifier ends a sum and
becomes integrate-and-fire neurons with soft reset; an output becomes readout neurons that only add up.

A neuron whose input, in units of the value, is `sum_i w_i x_i + b` at every step, and which sends a spike and subtracts
`L` whenever it has gathered `L`, spikes at the rate `relu(sum + b) / L`, at most 1: that is relu clipped at L, the
layer's full scale, taken from calibration data. One spike of a source therefore stands for its own full scale.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import cast

import msgspec
import numpy as np
from striate_runtime.hardware import Chip
from striate_runtime.program.neuromorphic import Population

from striate.graph import Graph, Node
from striate.operators.convolution import Conv1d, Conv2d
from striate.operators.pooling import AdaptiveAvgPool2d, AvgPool2d
from striate.passes.quantization.calibrate import Range, ranges
from striate.targets.neuromorphic.balance import Balanced, balance
from striate.targets.neuromorphic.encoding import Encoded, Encoding, Given, image_of
from striate.targets.neuromorphic.not_yet import FILLED, INTERPOLATED, MOVEMENTS, NOT_YET, ROWS, SCATTERED
from striate.targets.neuromorphic.synapses import (
    Synapses,
    Window,
    connect,
    convolution,
    copies,
    dense,
    negated,
    pooling,
    window_of,
)
from striate.targets.neuromorphic.walk import Refusal, Walk
from striate.tensor import Array, Shape

INPUT_LEVELS = 255
"""An input is injected as an integer of 0..255 at every step; its accumulator sends a spike for every 255."""
FULL_SCALE_PERCENTILE = 99.9
"""The percentile of a layer's activations on calibration data that is its full scale."""


@dataclass(frozen=True)
class Rates:
    """Activations 0 or above that travel as spikes: who sends them."""

    neurons: Array


@dataclass(frozen=True)
class Sum:
    """A membrane current that is no population yet: its shape, the synapses that feed it, the bias `[C]`, in units of the value.

    `is_mean` says that it averages rates, so that it cannot be negative.
    """

    layer: str
    shape: Shape
    synapses: tuple[Synapses, ...]
    bias: Array | None = None
    is_mean: bool = False


Value = Rates | Sum


class Rate:
    """Encodes one float graph (its batch_norms folded) for `steps` steps of input."""

    def __init__(
        self, graph: Graph, chip: Chip, steps: int, calibration: Mapping[str, Array], percentile: float | None
    ) -> None:
        self.graph = graph
        self.chip = chip
        self.steps = steps
        self.ranges: dict[str, Range] = ranges(graph, calibration, percentile)
        self.encoding = Encoding()
        self.full_scale: dict[str, float] = {}
        self.inputs: dict[str, Given] = {}
        self.fed: dict[str, Rates] = {}
        self.outputs: dict[str, str] = {}
        self.walk: Walk[Value] = Walk(
            graph,
            "rate",
            {
                "conv2d": self.conv2d,
                "conv1d": self.conv1d,
                "linear": self.linear,
                "avg_pool2d": self.avg_pool2d,
                "adaptive_avg_pool2d": self.adaptive_avg_pool2d,
                "add": self.add,
                "sub": self.sub,
                "relu": self.rectify,
                "relu6": self.rectify,
                "clip": self.rectify,
                **dict.fromkeys(MOVEMENTS, self.move),
            },
        )

    def run(self) -> Encoded:
        """Encode the graph. Raises CompileError[cannot-lower]."""
        self.walk.run(self.read)
        depth = max(population.fires_at for population in self.encoding.populations.values())
        return Encoded("rate", self.steps + depth, self.encoding, self.inputs, self.outputs)

    # -- borders

    def feed(self, port: str) -> Rates:
        """The population that the host injects a port into: pixels that spike in proportion to their value."""
        type = self.graph.inputs[port]
        if self.ranges[port].low < 0:
            raise Refusal(
                f"the calibration data of the input '{port}' go down to {self.ranges[port].low:g}, and there is no "
                "negative rate",
                "feed it values from 0 upwards, the shift folded into the first layer's bias",
            )
        name = self.encoding.fresh(port)
        scale = float(np.float32((self.ranges[port].magnitude or 1.0) / INPUT_LEVELS))
        channels = image_of(type.shape)[0]
        threshold = self.encoding.store(f"{name}.threshold", np.full(channels, INPUT_LEVELS, np.int32))
        initial = self.encoding.store(f"{name}.initial", np.full(channels, INPUT_LEVELS // 2, np.int32))
        self.encoding.add(
            Population(name, port, image_of(type.shape), "input", threshold=threshold, initial=initial)
        )
        self.full_scale[name] = scale * INPUT_LEVELS
        self.inputs[port] = Given(name, scale, 0, INPUT_LEVELS)
        return Rates(self.encoding.neurons(name, type.shape))

    def read(self, output: str, value: str) -> None:
        """Readout neurons for an output: they add up their current over the steps, and the host divides by them."""
        total, shape = self.value(value), self.graph.type_of(value).shape
        if isinstance(total, Rates):
            total = Sum(value, shape, tuple(self.copy(total, shape)))
        name = self.encoding.fresh(value)
        balanced = self.balanced(total, 0.0, self.steps)
        scale = self.encoding.store(f"{name}.scale", (balanced.unit / self.steps).astype(np.float32))
        self.install(name, total, balanced, {"kind": "readout", "output": output, "scale": scale})
        self.outputs[output] = name

    # -- sums

    def conv2d(self, node: Node) -> Value:
        return self.convolve(node, cast(Conv2d, node.operator), self.parameter(node, "weight"))

    def conv1d(self, node: Node) -> Value:
        operator = cast(Conv1d, node.operator).as_conv2d()
        return self.convolve(node, operator, self.parameter(node, "weight")[:, :, None, :])

    def convolve(self, node: Node, operator: Conv2d, weight: Array) -> Sum:
        neurons = self.rates(node.inputs[0]).neurons
        window = window_of(operator, neurons.shape)
        image = neurons.reshape(image_of(neurons.shape))
        synapses = convolution(self.encoding, image, weight, window, operator.groups)
        if synapses is None:
            raise Refusal(SCATTERED)
        return Sum(node.name, node.type.shape, tuple(synapses), self.graph.value(node, "bias"))

    def linear(self, node: Node) -> Value:
        neurons = self.rates(node.inputs[0]).neurons
        if neurons.ndim != 1:
            raise Refusal(ROWS)
        synapses = dense(self.encoding, neurons, self.parameter(node, "weight"))
        return Sum(node.name, node.type.shape, tuple(synapses), self.graph.value(node, "bias"))

    def avg_pool2d(self, node: Node) -> Value:
        operator, neurons = cast(AvgPool2d, node.operator), self.rates(node.inputs[0]).neurons
        divisors = operator.divisors(*neurons.shape[1:])
        if divisors.min() != divisors.max():
            raise Refusal(NOT_YET["rate", "avg_pool2d"], "use count_include_pad=true without ceil_mode")
        return self.pool(node, neurons, window_of(operator, neurons.shape), int(divisors.flat[0]))

    def adaptive_avg_pool2d(self, node: Node) -> Value:
        operator, neurons = cast(AdaptiveAvgPool2d, node.operator), self.rates(node.inputs[0]).neurons
        cells = operator.bounds(*neurons.shape[1:])
        height, width = (side[0][1] for side in cells)
        for side, size in zip(cells, (height, width), strict=True):
            if side != [(index * size, (index + 1) * size) for index in range(len(side))]:
                raise Refusal(NOT_YET["rate", "adaptive_avg_pool2d"], "choose an output size that divides the image")
        return self.pool(node, neurons, Window((height, width), (height, width)), height * width)

    def pool(self, node: Node, neurons: Array, window: Window, divisor: int) -> Sum:
        synapses = pooling(self.encoding, neurons, window, 1 / divisor)
        if synapses is None:
            raise Refusal(SCATTERED)
        return Sum(node.name, node.type.shape, tuple(synapses), is_mean=True)

    def add(self, node: Node) -> Value:
        return self.combine(node, 1.0)

    def sub(self, node: Node) -> Value:
        return self.combine(node, -1.0)

    def combine(self, node: Node, sign: float) -> Sum:
        """Both operands' synapses into one membrane; the second times `sign`."""
        synapses: list[Synapses] = []
        bias = np.zeros(image_of(node.type.shape)[0])
        layer = node.name
        for name, factor in zip(node.inputs, (1.0, sign), strict=True):
            value = self.value(name)
            if isinstance(value, Rates):
                synapses += self.copy(value, node.type.shape, factor)
                continue
            if value.shape != node.type.shape:
                raise Refusal(f"a sum of shape {list(value.shape)} would have to be repeated to {list(node.type.shape)}")
            synapses += [each if factor == 1 else negated(each, self.encoding) for each in value.synapses]
            layer = value.layer
            if value.bias is not None:
                bias += factor * value.bias
        return Sum(layer, node.type.shape, tuple(synapses), bias if bias.any() else None)

    # -- what ends a sum

    def rectify(self, node: Node) -> Value:
        """Relu, and with it any clip from 0 to something: no neuron spikes more than once in a step."""
        low, high = _limits(node)
        if low != 0:
            raise Refusal(f"it lets numbers down to {low:g} through, and there is no negative rate", "use a relu")
        value = self.value(node.inputs[0])
        if isinstance(value, Rates):
            if self.ranges[node.inputs[0]].high <= high:
                return value
            value = Sum(node.name, node.type.shape, tuple(self.copy(value, node.type.shape)))
        return self.fire(node.name, value, min(self.ranges[node.name].magnitude, high))

    def fire(self, name: str, total: Sum, full_scale: float) -> Rates:
        """Integrate-and-fire neurons whose highest rate stands for `full_scale`."""
        name = self.encoding.fresh(name)
        full_scale = full_scale or 1.0
        balanced = self.balanced(total, full_scale, 1)
        arrays = {"threshold": balanced.threshold, "initial": balanced.threshold // 2}
        stored = {
            role: self.encoding.store(f"{name}.{role}", array.astype(np.int32)) for role, array in arrays.items()
        }
        self.full_scale[name] = full_scale
        self.install(name, total, balanced, {"kind": "integrate_and_fire", **stored})
        return Rates(self.encoding.neurons(name, total.shape))

    def move(self, node: Node) -> Value:
        """Data movement: the operator's own reference, applied to the numbers of the neurons."""
        operands = [self.rates(name).neurons for name in node.inputs]
        if getattr(node.operator, "value", 0) != 0:
            raise Refusal(FILLED)
        if getattr(node.operator, "mode", "nearest") != "nearest":
            raise Refusal(INTERPOLATED, "use mode=nearest")
        return Rates(node.operator.reference(*(neurons[None] for neurons in operands))[0])

    # -- building

    def balanced(self, total: Sum, full_scale: float, steps_of_bias: int) -> Balanced:
        """A sum in the chip's integers, one spike of each source standing for its full scale."""
        per_spike: list[Synapses] = []
        for each in total.synapses:
            assert each.weights is not None, "in the coding 'rate' every synapse has a weight"
            worth = self.full_scale[each.source]
            per_spike.append(replace(each, weights=each.weights.astype(np.float64) * worth))
        return balance(per_spike, total.bias, full_scale, steps_of_bias, self.chip, image_of(total.shape)[0])

    def install(self, name: str, total: Sum, balanced: Balanced, fields: Mapping[str, object]) -> None:
        """Add the population and its projections, delayed so that all paths to it are equally long."""
        populations = self.encoding.populations
        depth = 1 + max((populations[each.source].fires_at for each in total.synapses), default=0)
        record = {"name": name, "layer": total.layer, "shape": image_of(total.shape), "fires_at": depth, **fields}
        if balanced.bias is not None:
            record["bias"] = self.encoding.store(f"{name}.bias", balanced.bias.astype(np.int32))
        population = msgspec.convert(record, Population)
        self.encoding.add(population)
        for each in balanced.synapses:
            connect(self.encoding, each, population, depth - populations[each.source].fires_at)

    def copy(self, rates: Rates, shape: Shape, factor: float = 1.0) -> list[Synapses]:
        """Rates into a membrane of that shape (to which they broadcast), one by one."""
        image = image_of(shape)
        made = copies(self.encoding, np.broadcast_to(rates.neurons, shape), image, np.full(image[0], factor))
        if made is None:
            raise Refusal(SCATTERED)
        return made

    # -- looking things up

    def value(self, name: str) -> Value:
        """A value as what it has become; an input is fed when it is first used."""
        if name not in self.graph.inputs:
            return self.walk.values[name]
        if name not in self.fed:
            self.fed[name] = self.feed(name)
        return self.fed[name]

    def rates(self, name: str) -> Rates:
        """A value as spikes. Raises Refusal where it may be negative."""
        value = self.value(name)
        if isinstance(value, Sum):
            if not value.is_mean:
                raise Refusal(f"its operand '{name}' may be negative, and there is no negative rate", "put a relu before it")
            value = self.fire(name, value, self.ranges[name].magnitude)
            self.walk.values[name] = value
        return value

    def parameter(self, node: Node, role: str) -> Array:
        value = self.graph.value(node, role)
        assert value is not None, f"the {role} of '{node.name}' is not loaded"
        return value


def _limits(node: Node) -> tuple[float, float]:
    if node.operator.name == "relu":
        return 0.0, np.inf
    if node.operator.name == "relu6":
        return 0.0, 6.0
    return float(getattr(node.operator, "min", 0.0)), float(getattr(node.operator, "max", np.inf))
