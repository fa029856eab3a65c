"""The coding `graded`: an event carries an activation of the integer graph, sent once if it is not 0. Exact.

Whatever sums (convolution, linear, sum pool, add) becomes synapses; what ends a sum (requantize, or the reading of an
output) becomes a population; what only moves data renumbers neurons and costs nothing. A relu is a clip at 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, cast

import msgspec
import numpy as np

from striate.graph import Graph, Node
from striate.operators.pooling import MaxPool2d, SumPool2d
from striate.operators.quantized import LIMITS, Requantize
from striate.targets.neuromorphic.codings.encoding import Encoded, Encoding, Given, image_of
from striate.targets.neuromorphic.codings.feeding import quantized_port
from striate.targets.neuromorphic.codings.sums import (
    Sum,
    check_payload,
    copy_of,
    largest_sum,
    mapped_sum,
    moved,
    rescaled_bound,
    signed_sum,
    weighted_sum,
    window_sum,
)
from striate.targets.neuromorphic.codings.synapses import Rescale, connect, window_of
from striate.targets.neuromorphic.codings.walk import Refusal, Walk
from striate.targets.neuromorphic.not_yet import ISLAND, MOVEMENTS
from striate.tensor import NUMPY, Array
from striate_runtime.hardware import Chip
from striate_runtime.program.neuromorphic import Population


@dataclass(frozen=True)
class Codes:
    """Integers `low..high` that travel as events: who sends them, and a rescaling that still waits for an addition."""

    neurons: Array
    low: int
    high: int
    rescale: Rescale | None = None


@dataclass(frozen=True)
class Reading:
    """Floats that the host reads: integers times `scale` `[C]`."""

    value: Codes | Sum
    scale: Array


Value = Codes | Sum | Reading
"""A `Sum` is an i32 accumulator that is not a population yet."""


class Graded:
    """Encodes one integer graph. `fed` are the ports that the host injects so far."""

    coding: ClassVar[Literal["graded", "delta"]] = "graded"
    sender: ClassVar[str] = "graded"
    """The kind of population that sends codes."""
    _rescales_on_arrival: ClassVar[bool] = True

    def __init__(self, graph: Graph, chip: Chip) -> None:
        self.graph = graph
        self.chip = chip
        self.encoding = Encoding()
        self.inputs: dict[str, Given] = {}
        self.fed: dict[str, Codes] = {}
        self.outputs: dict[str, str] = {}
        self.walk: Walk[Value] = Walk(
            graph,
            self.coding,
            {
                "quantize": self._quantize,
                "requantize": self._requantize,
                "dequantize": self._dequantize,
                **dict.fromkeys(("conv2d", "conv1d", "linear"), self._weigh),
                **dict.fromkeys(("conv_transpose2d", "reduce_sum"), self._map),
                "sum_pool2d": self._sum_pool,
                "max_pool2d": self._max_pool,
                **dict.fromkeys(("add", "sub"), self._add),
                "relu": self._relu,
                **dict.fromkeys(MOVEMENTS, self._move),
            },
        )

    def run(self) -> Encoded:
        """Encode the graph. Raises CompileError[cannot-lower]."""
        return Encoded("graded", 1 + self._encode(), self.encoding, self.inputs, self.outputs)

    def _encode(self) -> int:
        """Encode the graph; gives how many projections lie between inputs and the last population."""
        self.walk.run(self._read)
        for name in sorted(self.graph.inputs.keys() - self.fed.keys()):
            self._feed(name, 1.0, 0, 0)
        return max(population.fires_at for population in self.encoding.populations.values())

    # -- borders

    def _feed(self, port: str, scale: float, low: int, high: int) -> Codes:
        """The population that the host injects a port into."""
        self._check_payload(low, high)
        shape = self.graph.inputs[port].shape
        name = self.encoding.fresh(port)
        self.encoding.add(Population(name, port, image_of(shape), "input", low=low, high=high))
        self.inputs[port] = Given(name, scale, low, high)
        return Codes(self.encoding.neurons(name, shape), low, high)

    def _quantize(self, node: Node) -> Value:
        port, scale, low, high = quantized_port(node, self.graph.inputs, self.inputs, ISLAND)
        if port not in self.fed:
            self.fed[port] = self._feed(port, scale, low, high)
        return self.fed[port]

    def _dequantize(self, node: Node) -> Value:
        return Reading(self._integers(node.inputs[0]), self._parameter(node, "scale"))

    def _read(self, output: str, value: str) -> None:
        """Let the host read a value: of the population that sends it already, or of a new readout."""
        result = self._integers(value) if value in self.graph.inputs else self.walk.values[value]
        scale = result.scale if isinstance(result, Reading) else None
        numbers = result.value if isinstance(result, Reading) else result
        shape = self.graph.type_of(value).shape
        if isinstance(numbers, Codes):
            numbers = self._settled(value, numbers)
            sender = self.encoding.whole_population(numbers.neurons)
            known = self.encoding.populations[sender] if sender is not None else None
            by_neuron = scale is not None and len(set(scale.tolist())) > 1 and len(shape) != 3
            if known is not None and known.kind == self.sender and known.output is None and not by_neuron:
                return self._mark(known.name, output, scale)
            numbers = copy_of(self.encoding, value, numbers.neurons, shape)
        return self._mark(self._make(numbers, value, {"kind": "readout"}), output, scale)

    def _mark(self, population: str, output: str, scale: Array | None) -> None:
        self.outputs[output] = population
        self.encoding.revise(population, output=output)
        if scale is not None:
            channels = self.encoding.populations[population].shape[0]
            every = np.broadcast_to(scale if scale.size == channels else scale[:1], channels).astype(np.float32)
            self.encoding.revise(population, scale=self.encoding.store(f"{population}.scale", every))

    # -- sums

    def _weigh(self, node: Node) -> Value:
        return weighted_sum(self.encoding, self.graph, node, self._codes(node.inputs[0]).neurons, self._replant)

    def _map(self, node: Node) -> Value:
        return mapped_sum(self.encoding, self.graph, node, self._codes(node.inputs[0]).neurons)

    def _sum_pool(self, node: Node) -> Value:
        neurons = self._codes(node.inputs[0]).neurons
        window = window_of(cast(SumPool2d, node.operator), neurons.shape)
        return window_sum(self.encoding, node, neurons, window, None, self._replant)

    def _max_pool(self, node: Node) -> Value:
        """A maximum, where a silent 0 is the smallest number; codes below 0 are lifted first, and let down after."""
        codes = self._codes(node.inputs[0])
        lift = max(0, -codes.low)
        window = window_of(cast(MaxPool2d, node.operator), codes.neurons.shape)
        if lift:
            bias = np.full(image_of(codes.neurons.shape)[0], lift, np.int32)
            copy = replace(copy_of(self.encoding, node.name, codes.neurons, codes.neurons.shape), bias=bias)
            lifted = self._fire(copy, f"{node.name}.lifted", 0, codes.high + lift)
            total = window_sum(self.encoding, node, lifted.neurons, window, None, self._replant)
            total = replace(total, bias=np.full(node.type.shape[0], -lift, np.int32))
        else:
            total = window_sum(self.encoding, node, codes.neurons, window, None, self._replant)
        return self._fire(total, node.name, codes.low, codes.high, reduce="max")

    def _add(self, node: Node) -> Value:
        return signed_sum(self.encoding, node, *(self._sum(node, name) for name in node.inputs))

    def _sum(self, node: Node, name: str) -> Sum:
        """An operand of an addition as a sum: codes are copied, and rescaled as they arrive."""
        value = self._integers(name)
        if isinstance(value, Sum):
            return value
        return copy_of(self.encoding, node.name, value.neurons, node.type.shape, rescale=value.rescale)

    # -- what ends a sum

    def _requantize(self, node: Node) -> Value:
        value = self._integers(node.inputs[0])
        rescale = Rescale(self._parameter(node, "multiplier"), self._parameter(node, "shift"))
        low, high = cast(Requantize, node.operator).limits
        if isinstance(value, Codes):
            value = self._settled(node.inputs[0], value)
            bound = rescaled_bound(max(abs(value.low), abs(value.high)), rescale)
            if self._rescales_on_arrival and (low, high) == LIMITS["i32"] and bound <= high:
                return replace(value, rescale=rescale, low=-bound if value.low < 0 else 0, high=bound)
            value = copy_of(self.encoding, node.name, value.neurons, node.type.shape)
        return self._fire(value, node.name, low, high, rescale)

    def _relu(self, node: Node) -> Value:
        value = self._integers(node.inputs[0])
        if isinstance(value, Sum):
            return self._fire(value, node.name, 0, LIMITS["i32"][1])
        if value.low >= 0:
            return value
        value = self._settled(node.inputs[0], value)
        return self._fire(copy_of(self.encoding, node.name, value.neurons, node.type.shape), node.name, 0, value.high)

    def _move(self, node: Node) -> Value:
        operands = [self._codes(name) for name in node.inputs]
        neurons = moved(node, [codes.neurons for codes in operands])
        return Codes(neurons, min(0, *(c.low for c in operands)), max(0, *(c.high for c in operands)))

    # -- building

    def _fire(
        self, total: Sum, name: str, low: int, high: int, rescale: Rescale | None = None, reduce: str = "sum"
    ) -> Codes:
        """A population that sends a sum as codes `low..high`, or what of that the sum can reach."""
        reached = rescaled_bound(largest_sum(self.encoding, total, maximum=reduce == "max"), rescale)
        low, high = max(low, -reached), min(high, reached)
        self._check_payload(low, high)
        fields = {"kind": self.sender, "low": low, "high": high, "reduce": reduce}
        made = self._make(total, name, fields, rescale)
        return Codes(self.encoding.neurons(made, total.shape), low, high)

    def _make(self, total: Sum, name: str, fields: Mapping[str, object], rescale: Rescale | None = None) -> str:
        """A population that gathers a sum; returns its name."""
        encoding, image = self.encoding, image_of(total.shape)
        name = encoding.fresh(name)
        arrays = {} if total.bias is None else {"bias": total.bias}
        if rescale is not None:
            arrays |= {"multiplier": rescale.multiplier, "shift": rescale.shift}
        stored = {
            role: encoding.store(f"{name}.{role}", np.broadcast_to(array, image[0]).astype(np.int32))
            for role, array in arrays.items()
        }
        sent = max((encoding.populations[each.source].fires_at for each in total.synapses), default=0)
        depth = sent + self.chip.time.event_steps
        record = {"name": name, "layer": total.layer, "shape": image, "fires_at": depth, **fields, **stored}
        population = msgspec.convert(record, Population)
        encoding.add(population)
        for each in total.synapses:
            connect(encoding, each, population, self._delay(each.source, depth))
        return name

    def _delay(self, source: str, depth: int) -> int:
        """After how many steps an event arrives: the sums of a coding that sends once may wait for the last."""
        return self.chip.time.event_steps

    def _replant(self, node: Node, neurons: Array) -> Array:
        """A population that copies scattered codes."""
        copy = copy_of(self.encoding, node.name, neurons, neurons.shape)
        codes = self._codes(node.inputs[0])
        return self._fire(copy, f"{node.name}.copied", codes.low, codes.high).neurons

    def _settled(self, name: str, codes: Codes) -> Codes:
        """Codes without a waiting rescaling: a population applies it."""
        if codes.rescale is None:
            return codes
        copy = copy_of(self.encoding, name, codes.neurons, codes.neurons.shape)
        return self._fire(copy, name, codes.low, codes.high, codes.rescale)

    def _check_payload(self, low: int, high: int) -> None:
        check_payload(self.chip, low, high)

    # -- looking things up

    def _integers(self, name: str) -> Codes | Sum:
        """A value as integers; an input of integers is fed when it is first used. Raises Refusal for floats."""
        type = self.graph.inputs.get(name)
        if type is not None and not type.is_float and name not in self.fed:
            limits = np.iinfo(NUMPY[type.dtype])
            self.fed[name] = self._feed(name, 1.0, int(limits.min), int(limits.max))
        value = self.fed.get(name) if type is not None else self.walk.values[name]
        if value is None or isinstance(value, Reading):
            raise Refusal(ISLAND)
        return value

    def _codes(self, name: str) -> Codes:
        """A value as events that nothing waits for; a population is made where there is none yet."""
        value = self._integers(name)
        codes = self._fire(value, name, *LIMITS["i32"]) if isinstance(value, Sum) else self._settled(name, value)
        if codes is not value:
            self.walk.values[name] = codes
        return codes

    def _parameter(self, node: Node, role: str) -> Array:
        value = self.graph.value(node, role)
        assert value is not None, f"the {role} of '{node.name}' is not loaded"
        return value
