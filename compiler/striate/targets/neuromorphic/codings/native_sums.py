"""Sums of numbers that may be differently old, for the coding `native`: one set of synapses for each delay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from striate.graph import Graph, Node
from striate.targets.neuromorphic.codings.encoding import Encoding
from striate.targets.neuromorphic.codings.native_changes import relay_changes
from striate.targets.neuromorphic.codings.native_neurons import NativeNeurons
from striate.targets.neuromorphic.codings.native_values import Codes, Value, at_delay, delays_of, masked
from striate.targets.neuromorphic.codings.sums import Replant, Sum, copy_of, mapped_sum
from striate.tensor import Array

Gather = Callable[[Array, Replant], Sum]
"""Makes a sum of what neurons send; the Replant copies those that lie scattered."""


class ScatteredNumbersError(Exception):
    """An input is rearranged, and its numbers cannot be relayed."""


def gather_by_delay(neurons: NativeNeurons, graph: Graph, node: Node, codes: Codes, gather: Gather) -> Sum:
    """What a node makes of codes, by `gather`.

    Where an operand is rearranged so that no channel is an image any more, relays put it in order; of an input's
    numbers, which no neuron can send on, every synapse is stored by itself.
    """
    parts = [_gathered(neurons, graph, node, codes, delay, gather) for delay in delays_of(codes)]
    return replace(_together(parts), held=codes.held)


def copies_by_delay(encoding: Encoding, name: str, codes: Codes, factors: Array | None = None) -> Sum:
    """Codes one by one, times a whole number for each channel."""
    shape = codes.neurons.shape
    parts = [
        at_delay(copy_of(encoding, name, masked(codes, delay), shape, factors), delay) for delay in delays_of(codes)
    ]
    return replace(_together(parts), held=codes.held)


def as_sum(encoding: Encoding, name: str, value: Value) -> Sum:
    """Numbers that are to be added up: a sum as it is, codes one by one."""
    if isinstance(value, Sum):
        return value
    assert isinstance(value, Codes), "a potential is not added up"
    return copies_by_delay(encoding, name, value)


def whole_population(neurons: NativeNeurons, name: str, codes: Codes) -> str:
    """The population that sends exactly these spikes in this step; relays where there is none."""
    found = neurons.encoding.whole_population(codes.neurons)
    if found is not None and not codes.delays.any():
        return found
    return neurons.relay(copies_by_delay(neurons.encoding, name, codes), f"{name}.copied", name)


def _gathered(neurons: NativeNeurons, graph: Graph, node: Node, codes: Codes, delay: int, gather: Gather) -> Sum:
    """The part of a sum that comes at one delay; where relays wait for it, what they send does not."""
    encoding, planted = neurons.encoding, list[str]()

    def plant(_: Node, scattered: Array) -> Array:
        if not codes.held and not neurons.are_spikes(scattered):
            raise ScatteredNumbersError
        copy = at_delay(copy_of(encoding, node.name, scattered, scattered.shape), delay)
        relay = relay_changes if codes.held else NativeNeurons.relay
        planted.append(relay(neurons, copy, f"{node.name}.copied", node.name))
        return encoding.neurons(planted[0], scattered.shape)

    try:
        part = gather(masked(codes, delay), plant)
    except ScatteredNumbersError:
        part = mapped_sum(encoding, graph, node, masked(codes, delay))
    return part if planted else at_delay(part, delay)


def _together(parts: list[Sum]) -> Sum:
    """One sum of all; each has the same bias, which counts once."""
    return replace(parts[0], synapses=tuple(each for part in parts for each in part.synapses))
