"""The coding `graded`: an event carries an activation of the integer graph, sent once if it is not 0. Exact.

Whatever sums (convolution, linear, sum pool, add) becomes synapses; what ends a sum (requantize, or the reading of an
output) becomes a population; what only moves data renumbers neurons and costs nothing. A relu is a clip at 0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import msgspec
import numpy as np
from striate_runtime.program.neuromorphic import Population

from striate.graph import Graph, Node
from striate.operators.convolution import Conv1d, Conv2d
from striate.operators.pooling import MaxPool2d, SumPool2d
from striate.operators.quantized import LIMITS, Quantize, Requantize
from striate.targets.neuromorphic.encoding import Encoded, Encoding, Given, image_of
from striate.targets.neuromorphic.not_yet import FILLED, INTERPOLATED, ISLAND, MOVEMENTS, ROWS, SCATTERED, WIDE_MAXIMUM
from striate.targets.neuromorphic.synapses import Rescale, Synapses, Window, connect, convolution, copies, dense, negated, pooling, window_of
from striate.targets.neuromorphic.walk import Refusal, Walk
from striate.tensor import NUMPY, Array, Shape

LARGEST_OFFSET = 1 << 20
"""How far a signed number may lie below 0 to be lifted for a maximum."""


@dataclass(frozen=True)
class Codes:
    """Integers `low..high` that travel as events: who sends them, and a rescaling that still waits for an addition."""

    neurons: Array
    low: int
    high: int
    rescale: Rescale | None = None


@dataclass(frozen=True)
class Sum:
    """An i32 accumulator that is not a population yet: its shape, the synapses that feed it, the bias `[C]`."""

    layer: str
    shape: Shape
    synapses: tuple[Synapses, ...]
    bias: Array | None = None


@dataclass(frozen=True)
class Reading:
    """Floats that the host reads: integers times `scale` `[C]`."""

    value: Codes | Sum
    scale: Array


Value = Codes | Sum | Reading


class Graded:
    """Encodes one integer graph. `fed` are the ports that the host injects so far."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.encoding = Encoding()
        self.inputs: dict[str, Given] = {}
        self.fed: dict[str, Codes] = {}
        self.outputs: dict[str, str] = {}
        self.walk: Walk[Value] = Walk(
            graph,
            "graded",
            {
                "quantize": self.quantize,
                "requantize": self.requantize,
                "dequantize": self.dequantize,
                "conv2d": self.conv2d,
                "conv1d": self.conv1d,
                "linear": self.linear,
                "sum_pool2d": self.sum_pool2d,
                "max_pool2d": self.max_pool2d,
                "add": self.add,
                "sub": self.sub,
                "relu": self.relu,
                **dict.fromkeys(MOVEMENTS, self.move),
            },
        )

    def run(self) -> Encoded:
        """Encode the graph. Raises CompileError[cannot-lower]."""
        for name, type in self.graph.inputs.items():
            if not type.is_float:
                low, high = int(np.iinfo(NUMPY[type.dtype]).min), int(np.iinfo(NUMPY[type.dtype]).max)
                self.fed[name] = self.feed(name, 1.0, low, high)
        self.walk.run(self.read)
        steps = 1 + max(population.fires_at for population in self.encoding.populations.values())
        return Encoded("graded", steps, self.encoding, self.inputs, self.outputs)

    # -- borders

    def feed(self, port: str, scale: float, low: int, high: int) -> Codes:
        """The population that the host injects a port into."""
        shape = self.graph.inputs[port].shape
        name = self.encoding.fresh(port)
        self.encoding.add(Population(name, port, image_of(shape), "input", low=low, high=high))
        self.inputs[port] = Given(name, scale, low, high)
        return Codes(self.encoding.neurons(name, shape), low, high)

    def quantize(self, node: Node) -> Value:
        port, operator = node.inputs[0], cast(Quantize, node.operator)
        if port not in self.graph.inputs:
            raise Refusal(ISLAND)
        low, high = LIMITS[operator.to]
        wanted = (float(np.float32(operator.scale)), low, high)
        if port not in self.fed:
            self.fed[port] = self.feed(port, *wanted)
        given = self.inputs[port]
        if (given.scale, given.low, given.high) != wanted:
            raise Refusal(f"the input '{port}' is already sent at the scale {given.scale:g}")
        return self.fed[port]

    def dequantize(self, node: Node) -> Value:
        return Reading(self.integers(node.inputs[0]), self.parameter(node, "scale"))

    def read(self, output: str, value: str) -> None:
        """Let the host read a value: of the population that sends it already, or of a new readout."""
        known = self.graph.inputs.get(value)
        if known is not None and known.is_float:
            raise Refusal(f"the output '{output}' is the input '{value}' itself")
        result = self.fed[value] if known else self.walk.values[value]
        scale = result.scale if isinstance(result, Reading) else None
        numbers = result.value if isinstance(result, Reading) else result
        shape = self.graph.type_of(value).shape
        if isinstance(numbers, Codes):
            if numbers.rescale is not None:
                numbers = self.settle(value, numbers)
            sender = self.encoding.whole_population(numbers.neurons)
            uniform = scale is None or len(set(scale.tolist())) == 1 or len(shape) == 3
            if sender is not None and uniform:
                population = self.encoding.populations[sender]
                if population.kind == "graded" and population.output is None:
                    self.mark(sender, output, scale)
                    return
            numbers = Sum(value, shape, tuple(self.copy(numbers, shape)))
        name = self.make(numbers, "readout", value)
        self.mark(name, output, scale)

    def mark(self, population: str, output: str, scale: Array | None) -> None:
        self.outputs[output] = population
        self.encoding.revise(population, output=output)
        if scale is not None:
            channels = self.encoding.populations[population].shape[0]
            every = np.broadcast_to(scale if scale.size == channels else scale[:1], channels).astype(np.float32)
            self.encoding.revise(population, scale=self.encoding.store(f"{population}.scale", every))

    # -- sums

    def conv2d(self, node: Node) -> Value:
        operator = cast(Conv2d, node.operator)
        weight = self.parameter(node, "weight")
        return self.convolve(node, weight, window_of(operator, self.input_shape(node)), operator.groups)

    def conv1d(self, node: Node) -> Value:
        operator, weight = cast(Conv1d, node.operator).as_conv2d(), self.parameter(node, "weight")[:, :, None, :]
        return self.convolve(node, weight, window_of(operator, self.input_shape(node)), operator.groups)

    def convolve(self, node: Node, weight: Array, window: Window, groups: int) -> Sum:
        neurons = self.codes(node.inputs[0]).neurons
        neurons = neurons.reshape(image_of(neurons.shape))
        synapses = convolution(self.encoding, neurons, weight, window, groups)
        if synapses is None:
            synapses = convolution(self.encoding, self.replant(node, neurons), weight, window, groups)
        return Sum(node.name, node.type.shape, tuple(synapses or ()), self.optional(node, "bias"))

    def linear(self, node: Node) -> Value:
        codes = self.codes(node.inputs[0])
        if codes.neurons.ndim != 1:
            raise Refusal(ROWS)
        synapses = dense(self.encoding, codes.neurons, self.parameter(node, "weight"))
        return Sum(node.name, node.type.shape, tuple(synapses), self.optional(node, "bias"))

    def sum_pool2d(self, node: Node) -> Value:
        return Sum(node.name, node.type.shape, tuple(self.pool(node, self.codes(node.inputs[0]).neurons)))

    def max_pool2d(self, node: Node) -> Value:
        codes = self.codes(node.inputs[0])
        lift = max(0, -codes.low)
        if lift > LARGEST_OFFSET:
            raise Refusal(WIDE_MAXIMUM)
        if lift:
            codes = self.lift(node, codes, lift)
        synapses = self.pool(node, codes.neurons)
        channels = node.type.shape[0]
        bias = np.full(channels, -lift, np.int32) if lift else None
        made = Sum(node.name, node.type.shape, tuple(synapses), bias)
        low, high = codes.low - lift, codes.high - lift
        name = self.make(made, "graded", node.name, low=low, high=high, reduce="max")
        return Codes(self.neurons_of(name, node.type.shape), low, high)

    def pool(self, node: Node, neurons: Array) -> list[Synapses]:
        window = window_of(node.operator, neurons.shape)
        synapses = pooling(self.encoding, neurons, window)
        return synapses if synapses is not None else pooling(self.encoding, self.replant(node, neurons), window) or []

    def add(self, node: Node) -> Value:
        return self.combine(node, 1)

    def sub(self, node: Node) -> Value:
        return self.combine(node, -1)

    def combine(self, node: Node, sign: int) -> Sum:
        """Both operands' synapses into one accumulator; the second times `sign`."""
        synapses: list[Synapses] = []
        bias = np.zeros(image_of(node.type.shape)[0], np.int64)
        layer = node.name
        for name, factor in zip(node.inputs, (1, sign), strict=True):
            value = self.integers(name)
            if isinstance(value, Codes):
                synapses += self.copy(value, node.type.shape, factor)
                continue
            if value.shape != node.type.shape:
                raise Refusal(f"a sum of shape {list(value.shape)} would have to be repeated to {list(node.type.shape)}")
            synapses += [each if factor == 1 else negated(each, self.encoding) for each in value.synapses]
            layer = value.layer if len(node.inputs) == 1 else layer
            if value.bias is not None:
                bias += factor * value.bias.astype(np.int64)
        return Sum(layer, node.type.shape, tuple(synapses), bias if bias.any() else None)

    # -- what ends a sum

    def requantize(self, node: Node) -> Value:
        operator, value = cast(Requantize, node.operator), self.integers(node.inputs[0])
        rescale = Rescale(self.parameter(node, "multiplier"), self.parameter(node, "shift"))
        low, high = operator.limits
        if isinstance(value, Codes):
            if value.rescale is not None:
                value = self.settle(node.inputs[0], value)
            wide = (low, high) == LIMITS["i32"] and _stays_within_i32(value, rescale)
            if wide and len(value.neurons.shape) > 0:
                return replace(value, rescale=rescale, low=low, high=high)
            value = Sum(node.name, node.type.shape, tuple(self.copy(value, node.type.shape)))
        name = self.make(value, "graded", node.name, rescale=rescale, low=low, high=high)
        return Codes(self.neurons_of(name, node.type.shape), low, high)

    def relu(self, node: Node) -> Value:
        value = self.integers(node.inputs[0])
        if isinstance(value, Codes) and value.rescale is None and value.low >= 0:
            return value
        high = (1 << 31) - 1 if isinstance(value, Sum) else value.high
        if isinstance(value, Codes):
            value = Sum(node.name, node.type.shape, tuple(self.copy(value, node.type.shape)))
        name = self.make(value, "graded", node.name, low=0, high=high)
        return Codes(self.neurons_of(name, node.type.shape), 0, high)

    def move(self, node: Node) -> Value:
        """Data movement: the operator's own reference, applied to the numbers of the neurons."""
        operands = [self.codes(name) for name in node.inputs]
        if getattr(node.operator, "value", 0) != 0:
            raise Refusal(FILLED)
        if getattr(node.operator, "mode", "nearest") != "nearest":
            raise Refusal(INTERPOLATED, "use mode=nearest")
        moved = node.operator.reference(*(codes.neurons[None] for codes in operands))[0]
        return Codes(moved, min(0, *(c.low for c in operands)), max(0, *(c.high for c in operands)))

    # -- building

    def make(
        self,
        total: Sum,
        kind: str,
        name: str,
        *,
        rescale: Rescale | None = None,
        low: int = -(1 << 31),
        high: int = (1 << 31) - 1,
        reduce: str = "sum",
    ) -> str:
        """A population of accumulators; returns its name."""
        encoding, image = self.encoding, image_of(total.shape)
        name = encoding.fresh(name)
        arrays = {"bias": total.bias} if total.bias is not None else {}
        if rescale is not None:
            arrays |= {"multiplier": rescale.multiplier, "shift": rescale.shift}
        stored = {
            role: encoding.store(f"{name}.{role}", np.broadcast_to(array, image[0]).astype(np.int32))
            for role, array in arrays.items()
        }
        depth = 1 + max((encoding.populations[each.source].fires_at for each in total.synapses), default=0)
        fields = {"name": name, "layer": total.layer, "shape": image, "kind": kind, "reduce": reduce, "fires_at": depth}
        population = msgspec.convert(fields | {"low": low, "high": high} | stored, Population)
        encoding.add(population)
        for each in total.synapses:
            connect(encoding, each, population)
        return name

    def copy(self, codes: Codes, shape: Shape, factor: int = 1) -> list[Synapses]:
        """Codes into an accumulator of that shape (to which they broadcast), one by one."""
        image = image_of(shape)
        neurons = np.broadcast_to(codes.neurons, shape)
        weights = None if factor == 1 else np.full(image[0], factor, np.int32)
        rescale = codes.rescale
        made = copies(self.encoding, neurons, image, weights, rescale)
        if made is None:
            raise Refusal(SCATTERED)
        return made

    def settle(self, name: str, codes: Codes) -> Codes:
        """A population that sends rescaled codes."""
        shape = codes.neurons.shape
        total = Sum(name, shape, tuple(self.copy(replace(codes, rescale=None), shape)))
        made = self.make(total, "graded", name, rescale=codes.rescale, low=codes.low, high=codes.high)
        return Codes(self.neurons_of(made, shape), codes.low, codes.high)

    def lift(self, node: Node, codes: Codes, offset: int) -> Codes:
        """A population that sends codes + offset, so that nothing is below 0."""
        shape = codes.neurons.shape
        bias = np.full(image_of(shape)[0], offset, np.int32)
        total = Sum(node.name, shape, tuple(self.copy(codes, shape)), bias)
        high = codes.high + offset
        name = self.make(total, "graded", f"{node.name}.lifted", low=0, high=high)
        return Codes(self.neurons_of(name, shape), 0, high)

    def replant(self, node: Node, neurons: Array) -> Array:
        """A population that copies rearranged codes, so that each channel is an image again."""
        total = Sum(node.name, neurons.shape, tuple(self.copy(Codes(neurons, 0, 0), neurons.shape)))
        return self.neurons_of(self.make(total, "graded", f"{node.name}.copied"), neurons.shape)

    # -- looking things up

    def integers(self, name: str) -> Codes | Sum:
        """A value as integers. Raises Refusal for floats."""
        value = self.fed.get(name) if name in self.graph.inputs else self.walk.values[name]
        if value is None or isinstance(value, Reading):
            raise Refusal(ISLAND)
        return value

    def codes(self, name: str) -> Codes:
        """A value as events. Raises Refusal for floats."""
        value = self.integers(name)
        if isinstance(value, Sum):
            made = self.make(value, "graded", name)
            value = Codes(self.neurons_of(made, value.shape), *LIMITS["i32"])
            self.walk.values[name] = value
        elif value.rescale is not None:
            value = self.settle(name, value)
            self.walk.values[name] = value
        return value

    def neurons_of(self, population: str, shape: Shape) -> Array:
        return self.encoding.neurons(population, shape)

    def input_shape(self, node: Node) -> Shape:
        return self.graph.type_of(node.inputs[0]).shape

    def parameter(self, node: Node, role: str) -> Array:
        value = self.graph.value(node, role)
        assert value is not None, f"the {role} of '{node.name}' is not loaded"
        return value

    def optional(self, node: Node, role: str) -> Array | None:
        return self.graph.value(node, role)


def _stays_within_i32(codes: Codes, rescale: Rescale) -> bool:
    """Whether no code can be clipped when it is brought to 32 bits."""
    largest = max(abs(codes.low), abs(codes.high))
    factors = zip(rescale.multiplier.tolist(), rescale.shift.tolist(), strict=True)
    return all((largest * abs(multiplier) >> shift) + 1 < 1 << 31 for multiplier, shift in factors)
