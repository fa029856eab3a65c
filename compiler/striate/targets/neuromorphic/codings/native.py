"""The coding `native`: a network with time, whose own neurons are the chip's. Exact, step by step, a few steps later.

Takes the integer graph that `quantize_time` makes. Neurons become `cuba_lif` populations; whatever sums becomes
synapses onto them; what moves codes renumbers neurons; a `delay` makes synapses slower. retime.py says how much later
than in the network each population works. What the chip's registers cannot hold is refused with the numbers.
"""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np

from striate.diagnostics import CompileError, Diagnostic
from striate.graph import Graph, Node
from striate.operators.changes import Delta
from striate.operators.fixed_point import FixedPointLif
from striate.operators.pooling import MaxPool2d, SumPool2d
from striate.operators.quantized import LIMITS, Requantize
from striate.operators.readout import Delay
from striate.operators.sigma_delta import FixedPointSigmaDelta
from striate.targets.neuromorphic.codings.encoding import Encoded, Given, image_of
from striate.targets.neuromorphic.codings.feeding import quantized_port
from striate.targets.neuromorphic.codings.native_changes import (
    complete_sigma_delta,
    relay_changes,
    reserve_sigma_delta,
    threshold_of,
)
from striate.targets.neuromorphic.codings.native_neurons import LARGEST_WEIGHT, NativeNeurons
from striate.targets.neuromorphic.codings.native_readouts import NativeReadouts
from striate.targets.neuromorphic.codings.native_sums import (
    Gather,
    as_sum,
    copies_by_delay,
    gather_by_delay,
)
from striate.targets.neuromorphic.codings.native_values import Codes, Reading, Value, at_delay
from striate.targets.neuromorphic.codings.retime import LoopError, retime
from striate.targets.neuromorphic.codings.sums import (
    Sum,
    check_changes,
    mapped_sum,
    moved,
    signed_sum,
    weighted_sum,
    window_sum,
)
from striate.targets.neuromorphic.codings.synapses import Rescale, window_of
from striate.targets.neuromorphic.codings.walk import Refusal, Walk
from striate.targets.neuromorphic.not_yet import (
    HELD,
    MOVED_SUM,
    MOVEMENTS,
    NATIVE_ISLAND,
    ONLY_INPUTS,
)
from striate.tensor import NUMPY, Array
from striate_runtime.hardware import Chip

NEURONS = ("fixed_point_lif", "fixed_point_integrator", "fixed_point_sigma_delta")
"""Operators that become neurons, through which loops may close."""

COUNTED_ONCE = "an input number is injected as one event, whatever it is; {title} would take as many spikes as it says"


class Native:
    """Encodes one integer graph with time, for samples of `steps` steps."""

    def __init__(self, graph: Graph, chip: Chip, steps: int) -> None:
        self.graph, self.chip, self.steps = graph, chip, steps
        self.neurons = NativeNeurons(chip)
        self.encoding = self.neurons.encoding
        self.inputs: dict[str, Given] = {}
        self.fed: dict[str, Codes] = {}
        self.read: dict[str, Reading] = {}
        self.readouts = NativeReadouts(self.neurons, graph, steps, self._value)
        self.walk: Walk[Value] = Walk(
            graph,
            "native",
            {
                "quantize": self._quantize,
                "requantize": self._multiply,
                **dict.fromkeys(("conv2d", "conv1d", "linear"), self._weigh),
                **dict.fromkeys(("conv_transpose2d", "reduce_sum"), self._map),
                "sum_pool2d": self._sum_pool,
                "max_pool2d": self._max_pool,
                **dict.fromkeys(("add", "sub"), self._add),
                **dict.fromkeys(MOVEMENTS, self._move),
                "delay": self._delay,
                "fixed_point_lif": self._spikes,
                "fixed_point_integrator": self._potential,
                "fixed_point_sigma_delta": self._spikes,
                "hold": self._hold,
                "delta": self._change,
                **self.readouts.encoders,
            },
            waits_for_nothing=NEURONS,
        )

    def run(self) -> Encoded:
        """Encode the graph. Raises CompileError[cannot-lower]."""
        self.neurons.check_chip()
        for node in self.graph:
            if isinstance(node.operator, FixedPointSigmaDelta):
                reserve_sigma_delta(self.neurons, node, node.operator)
            elif node.operator.name in NEURONS:
                self.neurons.reserve(node)
        self.walk.run(self._read, self._connect)
        for name in sorted(self.graph.inputs.keys() - self.fed.keys()):
            self._feed(name, 1.0, 0, 0)
        encoding = self.encoding
        try:
            offsets = retime(
                encoding.populations, self.neurons.edges, [given.population for given in self.inputs.values()]
            )
        except LoopError as error:
            raise CompileError(self._too_fast(error)) from error
        self.neurons.write(offsets)
        ends = {output: self.steps + offsets[reading.population] for output, reading in self.read.items()}
        many = any(given.high > 1 or given.low < 0 for given in self.inputs.values())
        spikes_only = self.chip.numerics.payload_bits.value == 0 and self.chip.crossbar is None
        return Encoded(
            "native",
            max(ends.values(), default=self.steps),
            encoding,
            self.inputs,
            {output: reading.population for output, reading in self.read.items()},
            samples_of=self.steps,
            reads={output: reading.what for output, reading in self.read.items() if reading.what is not None},
            read_at=ends,
            series=tuple(output for output, reading in self.read.items() if reading.series),
            remarks=(COUNTED_ONCE.format(title=self.chip.title),) if many and spikes_only else (),
        )

    # -- borders

    def _feed(self, port: str, scale: float, low: int, high: int) -> Codes:
        """The population that the host injects a port into."""
        shape, threshold = self.graph.inputs[port].shape, threshold_of(self.graph, port)
        if threshold is not None:
            check_changes(self.chip, low, high)
        name = self.neurons.add_input(port, image_of(shape), low, high, threshold)
        self.inputs[port] = Given(name, scale, low, high)
        return Codes(self.encoding.neurons(name, shape), held=threshold is not None)

    def _quantize(self, node: Node) -> Value:
        port, scale, low, high = quantized_port(node, self.graph.inputs, self.inputs, NATIVE_ISLAND)
        if port not in self.fed:
            self.fed[port] = self._feed(port, scale, low, high)
        return self.fed[port]

    def _value(self, name: str) -> Value:
        """A value; an input of integers is fed when it is first used. Raises Refusal for floats."""
        if name not in self.graph.inputs:
            return self.walk.values[name]
        type = self.graph.inputs[name]
        if type.dtype not in ("i8", "u8"):
            raise Refusal(NATIVE_ISLAND)
        if name not in self.fed:
            limits = np.iinfo(NUMPY[type.dtype])
            self.fed[name] = self._feed(name, 1.0, int(limits.min), int(limits.max))
        return self.fed[name]

    def _codes(self, name: str) -> Codes:
        value = self._value(name)
        if not isinstance(value, Codes):
            raise Refusal(
                NATIVE_ISLAND if isinstance(value, Reading) else "it takes spikes, and is given a sum of weights"
            )
        return value

    def _read(self, output: str, value: str) -> None:
        """Let the host read a value: what a readout gave, or what there was in every step."""
        reading = self.readouts.in_every_step(value, self._value(value))
        channels = self.encoding.populations[reading.population].shape[0]
        self.neurons.mark(reading.population, output, reading.scale_of(channels))
        self.read[output] = reading

    # -- sums

    def _by_delay(self, node: Node, gather: Gather) -> Sum:
        return gather_by_delay(self.neurons, self.graph, node, self._codes(node.inputs[0]), gather)

    def _multiply(self, node: Node) -> Value:
        """Codes times a whole number for each channel: synapses one to one with that weight.

        What is held may be rescaled by any factor, by neurons that pass on every change of what that gives.
        """
        codes, limits = self._codes(node.inputs[0]), cast(Requantize, node.operator).limits
        multiplier, shift = (self._parameter(node, role).astype(np.int64) for role in ("multiplier", "shift"))
        factors = multiplier >> shift
        whole = limits == LIMITS["i32"] and not (multiplier % (1 << shift)).any()
        if whole and (not codes.held or np.abs(factors).max() <= LARGEST_WEIGHT):
            channels = image_of(node.type.shape)[0]
            return copies_by_delay(self.encoding, node.name, codes, np.broadcast_to(factors.astype(np.int32), channels))
        if not codes.held or limits != LIMITS["i32"]:
            raise Refusal("a neuron multiplies spikes by whole numbers, and this rescales them")
        rescale = Rescale(multiplier.astype(np.int32), shift.astype(np.int32))
        copies = copies_by_delay(self.encoding, node.name, codes)
        made = relay_changes(self.neurons, copies, node.name, node.name, rescale)
        return copies_by_delay(self.encoding, node.name, Codes(self.encoding.neurons(made, node.type.shape), held=True))

    def _weigh(self, node: Node) -> Value:
        total = self._by_delay(
            node, lambda neurons, plant: weighted_sum(self.encoding, self.graph, node, neurons, plant)
        )
        return total if total.bias is None or total.bias.any() else replace(total, bias=None)

    def _map(self, node: Node) -> Value:
        return self._by_delay(node, lambda neurons, _: mapped_sum(self.encoding, self.graph, node, neurons))

    def _sum_pool(self, node: Node) -> Value:
        window = window_of(cast(SumPool2d, node.operator), self._codes(node.inputs[0]).neurons.shape)
        return self._by_delay(
            node, lambda neurons, plant: window_sum(self.encoding, node, neurons, window, None, plant)
        )

    def _add(self, node: Node) -> Value:
        first, second = (self._value(name) for name in node.inputs)
        if not isinstance(first, Sum) or not isinstance(second, Sum):
            raise Refusal(NATIVE_ISLAND)
        if first.held != second.held:
            raise Refusal(HELD)
        return replace(signed_sum(self.encoding, node, first, second), held=first.held)

    def _move(self, node: Node) -> Value:
        operands = [self._value(name) for name in node.inputs]
        if any(isinstance(value, Sum) for value in operands):
            raise Refusal(MOVED_SUM, f"put the neurons before the {node.operator.name}")
        codes = [self._codes(name) for name in node.inputs]
        if len({each.held for each in codes}) > 1:
            raise Refusal(HELD)
        neurons, delays = (moved(node, [getattr(each, part) for each in codes]) for part in ("neurons", "delays"))
        return Codes(neurons, delays, codes[0].held)

    def _delay(self, node: Node) -> Value:
        value, steps = self._value(node.inputs[0]), cast(Delay, node.operator).steps
        if isinstance(value, Codes):
            return replace(value, delays=value.delays + steps)
        if isinstance(value, Sum) and value.bias is None:
            return at_delay(value, steps)
        if isinstance(value, Sum):
            raise Refusal("the sum has a bias, which it would not have in the first steps", "delay the spikes instead")
        raise Refusal("a potential cannot be sent, so that nobody can keep it for later")

    # -- neurons

    def _spikes(self, node: Node) -> Value:
        """What neurons send: spikes, or changes of what they hold."""
        held = isinstance(node.operator, FixedPointSigmaDelta)
        return Codes(self.encoding.neurons(self.neurons.of[node.name], node.type.shape), held=held)

    def _hold(self, node: Node) -> Value:
        codes = self._codes(node.inputs[0])
        if not all(self.encoding.populations[name].changes for name in self.encoding.senders(codes.neurons)):
            raise Refusal(ONLY_INPUTS)
        return replace(codes, held=True)

    def _change(self, node: Node) -> Value:
        """By how much what is held has changed: what is sent."""
        value, operator = self._value(node.inputs[0]), cast(Delta, node.operator)
        if isinstance(value, Reading) or not value.held or operator.threshold > 1:
            raise Refusal(ONLY_INPUTS)
        if isinstance(value, Sum) and value.bias is not None:
            raise Refusal("the sum has a bias, which does not change", "leave the bias out")
        return replace(value, held=False)

    def _potential(self, node: Node) -> Value:
        return Reading(self.neurons.of[node.name], "potential", series=True)

    def _max_pool(self, node: Node) -> Value:
        """Neurons that fire where any of their window did: the largest of 0s and 1s."""
        codes = self._codes(node.inputs[0])
        if not self.neurons.are_spikes(codes.neurons):
            raise Refusal("the largest of several numbers is not a sum of events; of spikes it is encoded")
        window = window_of(cast(MaxPool2d, node.operator), codes.neurons.shape)
        total = self._by_delay(
            node, lambda neurons, plant: window_sum(self.encoding, node, neurons, window, None, plant)
        )
        return Codes(self.encoding.neurons(self.neurons.relay(total, node.name, node.name), node.type.shape))

    def _connect(self) -> None:
        """Give every neuron its synapses, now that everything that may lead to it is known."""
        for node in self.graph:
            if node.name not in self.neurons.of or node.inputs[0] not in {*self.walk.values, *self.graph.inputs}:
                continue
            with self.walk.refusing(node):
                total = self._value(node.inputs[0])
                if isinstance(total, Reading):
                    raise Refusal(NATIVE_ISLAND)
                total = as_sum(self.encoding, node.name, total)
                parameters = {role: self._parameter(node, role) for role in node.parameters}
                if isinstance(node.operator, FixedPointSigmaDelta):
                    complete_sigma_delta(self.neurons, node, node.operator, parameters, total)
                    continue
                if total.held:
                    raise Refusal(HELD)
                operator = node.operator if isinstance(node.operator, FixedPointLif) else None
                self.neurons.complete(node, operator, parameters, total)

    # -- mistakes

    def _too_fast(self, error: LoopError) -> Diagnostic:
        names, each = error.populations, self.chip.time.event_steps
        hops = each * len(names)
        way = " -> ".join(f"'{name}'" for name in (*names, names[0]))
        node = next((self.graph.node(name) for name in names if self.graph.producer(name)), None)
        message = (
            f"the loop {way} passes {len(names)} populations, an event takes {each} step{'s' if each > 1 else ''} of "
            f"{self.chip.title} to each, and the network's delays on it add up to {error.delay}"
        )
        help = f"raise the delay of the feedback to {hops} or more"
        return Diagnostic("cannot-lower", message, node.span if node else None, help=help)

    def _parameter(self, node: Node, role: str) -> Array:
        value = self.graph.value(node, role)
        assert value is not None, f"the {role} of '{node.name}' is not loaded"
        return value
