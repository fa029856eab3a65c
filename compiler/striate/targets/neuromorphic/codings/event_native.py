"""The coding `native` on a chip without steps: a network's own integrate-and-fire neurons, event by event.

Takes the float graph of a network with time. The events of a step are sent one after the other, and each works its way
to the end before the next: what the network adds up in a step and then compares, the chip compares after every event.
So results are near those of the network, and not equal to them. What leaks, rests or waits has no place on such a chip.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from striate.graph import Graph, Node
from striate.operators.neuron import PER_CHANNEL
from striate.operators.neurons import IntegrateAndFire
from striate.targets.neuromorphic.codings.balance import balance_in_one
from striate.targets.neuromorphic.codings.encoding import Encoded, Encoding, Given, image_of
from striate.targets.neuromorphic.codings.event_rate import floor_of
from striate.targets.neuromorphic.codings.sums import Sum, moved, weighted_sum
from striate.targets.neuromorphic.codings.synapses import connect
from striate.targets.neuromorphic.codings.walk import Refusal, Walk
from striate.targets.neuromorphic.not_yet import MOVED_SUM, MOVEMENTS, NATIVE_ISLAND, SCATTERED
from striate.tensor import Array
from striate_runtime.hardware import Chip
from striate_runtime.program.neuromorphic import Population

MOST_EVENTS = 255
"""How many events of one pixel in one step the host sends at most."""

LEAKS = "its neurons leak a part of their potential, and those of {title} lose a fixed amount at every tick, or nothing"
STEPPED = "it is about steps, and {title} has none"
POTENTIAL = "a potential is read, and what {title} sends are spikes"
POOL = "{title} adds up k x k places side by side on the way to a layer of weights, and this is another pool"
NOT_HERE = {
    **dict.fromkeys(("lif", "cuba_lif"), LEAKS),
    "leaky_integrator": POTENTIAL,
    "sigma_delta": "it sends how much its value has changed, and an event of {title} carries no number",
    **dict.fromkeys(("delay", "last"), STEPPED),
    "max_pool2d": "whether any of a window fired in a step is a matter of steps, and {title} has none; use avg_pool2d",
    "avg_pool2d": POOL,
    **dict.fromkeys(("add", "sub"), "a core of {title} has one kernel, so that a sum of two layers has no place"),
}
"""operator -> why it is refused here, beyond what not_yet.py says of `native`."""


@dataclass(frozen=True)
class Spikes:
    """What neurons send: who."""

    neurons: Array


@dataclass(frozen=True)
class Count:
    """How many spikes a population has sent."""

    population: str


Value = Spikes | Sum | Count


class EventNative:
    """Encodes one float graph with time, for samples of `steps` steps."""

    def __init__(self, graph: Graph, chip: Chip, steps: int) -> None:
        self.graph, self.chip, self.steps = graph, chip, steps
        self.encoding = Encoding()
        self.inputs: dict[str, Given] = {}
        self.fed: dict[str, Spikes] = {}
        self.outputs: dict[str, str] = {}
        self.walk: Walk[Value] = Walk(
            graph,
            "native",
            {
                **dict.fromkeys(("conv2d", "conv1d", "linear"), self._weigh),
                **dict.fromkeys(MOVEMENTS, self._move),
                "integrate_and_fire": self._fire,
                **dict.fromkeys(("spike_count", "sum_over_time"), self._count),
                **dict.fromkeys(NOT_HERE, self._refuse),
            },
            waits_for_nothing=("delay",),
        )

    def run(self) -> Encoded:
        """Encode the graph. Raises CompileError[cannot-lower]."""
        self.walk.run(self._read)
        for port in sorted(self.graph.inputs.keys() - self.fed.keys()):
            self._feed(port)
        return Encoded(
            "native",
            self.steps,
            self.encoding,
            self.inputs,
            self.outputs,
            samples_of=self.steps,
            reads=dict.fromkeys(self.outputs, "spike_count"),
            tick_us=None if self.graph.dt_s is None else self.graph.dt_s * 1e6,
        )

    def _feed(self, port: str) -> Spikes:
        """The population that the host injects a port into: as many events as its number says, from 0 up."""
        shape, name = self.graph.inputs[port].shape, self.encoding.fresh(port)
        self.encoding.add(Population(name, port, image_of(shape), "input", low=0, high=MOST_EVENTS))
        self.inputs[port] = Given(name, 1.0, 0, MOST_EVENTS)
        return Spikes(self.encoding.neurons(name, shape))

    def _weigh(self, node: Node) -> Value:
        return weighted_sum(self.encoding, self.graph, node, self._spikes(node.inputs[0]).neurons, _scattered)

    def _move(self, node: Node) -> Value:
        if any(isinstance(self._value(name), Sum) for name in node.inputs):
            raise Refusal(MOVED_SUM, f"put the neurons before the {node.operator.name}")
        return Spikes(moved(node, [self._spikes(name).neurons for name in node.inputs]))

    def _fire(self, node: Node) -> Value:
        """Neurons of the chip. Their thresholds may differ by channel in the network: weights make up for that."""
        operator, total = cast(IntegrateAndFire, node.operator), self._value(node.inputs[0])
        if operator.refractory:
            reason = (
                f"its neurons rest for {operator.refractory} steps after a spike, and {self.chip.title} has no steps"
            )
            raise Refusal(reason, "leave 'refractory' out")
        if not isinstance(total, Sum):
            reason = f"its neurons hear spikes without weights, and a layer of {self.chip.title} is weights and neurons"
            raise Refusal(reason, "put a conv2d or a linear layer before them")
        image, name = image_of(total.shape), self.encoding.fresh(node.name)
        given = self.graph.value(node, "threshold") if operator.threshold == PER_CHANNEL else operator.threshold
        assert given is not None, f"the thresholds of '{node.name}' are loaded"
        thresholds = np.broadcast_to(np.asarray(given, np.float64), image[:1])
        balanced = balance_in_one(total.synapses, total.bias, thresholds, self.chip, image[0])
        bias = balanced.bias
        population = Population(
            name,
            total.layer,
            image,
            "event_driven",
            low=floor_of(self.chip),
            threshold=self.encoding.store(f"{name}.threshold", balanced.threshold.astype(np.int32)),
            bias=None if bias is None else self.encoding.store(f"{name}.bias", bias.astype(np.int32)),
            reset="zero" if operator.reset == "zero" else "subtract",
        )
        self.encoding.add(population)
        for each in balanced.synapses:
            connect(self.encoding, each, population, 0)
        return Spikes(self.encoding.neurons(name, node.type.shape))

    def _count(self, node: Node) -> Value:
        value = self._value(node.inputs[0])
        name = self.encoding.whole_population(value.neurons) if isinstance(value, Spikes) else None
        if name is None or self.encoding.populations[name].kind == "input":
            raise Refusal(f"what {self.chip.title} sends are spikes, and only a layer's are counted", "count neurons")
        return Count(name)

    def _refuse(self, node: Node) -> Value:
        raise Refusal(NOT_HERE[node.operator.name].format(title=self.chip.title))

    def _read(self, output: str, value: str) -> None:
        found = self._value(value)
        if not isinstance(found, Count):
            reason = f"spikes of {self.chip.title} are counted over a whole sample: it has no steps to tell them by"
            raise Refusal(reason, "end the network in spike_count")
        self.encoding.revise(found.population, output=output)
        self.outputs[output] = found.population

    def _value(self, name: str) -> Value:
        """What a value has become; an input is fed when it is first used."""
        if name not in self.graph.inputs:
            return self.walk.values[name]
        if name not in self.fed:
            self.fed[name] = self._feed(name)
        return self.fed[name]

    def _spikes(self, name: str) -> Spikes:
        value = self._value(name)
        if not isinstance(value, Spikes):
            raise Refusal(NATIVE_ISLAND)
        return value


def _scattered(node: Node, neurons: Array) -> Array:
    raise Refusal(SCATTERED)
