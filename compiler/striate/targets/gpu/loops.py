"""Recurrent parts: nodes that depend on themselves in an earlier step, launched step by step."""

from __future__ import annotations

from striate.graph import Node
from striate.operators import Delay
from striate.targets.gpu.emission import Emission
from striate.targets.gpu.flat import copy
from striate.targets.gpu.fuse import can_wait
from striate.targets.gpu.layout import Value, channels_last


def lower_loop(emission: Emission, loop: frozenset[str]) -> None:
    """All nodes of a loop, as launches that are repeated for each step.

    What they read from outside is there for all steps before. A value that a delay of the loop reads is promised a
    place, from which the delay reads the earlier steps.
    """
    graph = emission.graph
    nodes = [node for node in graph.topological() if node.name in loop]
    for node in nodes:
        for name in node.inputs:
            if name not in loop:
                emission.compute(name)
    emission.loop, emission.loop_number = loop, emission.loop_number + 1
    for node in nodes:
        if isinstance(node.operator, Delay):
            emission.values[node.name] = _promise(emission, node)
    for node in nodes:
        if node.name not in emission.values and not can_wait(emission, node):
            emission.compute(node.name)
    for node in nodes:
        _keep_promise(emission, node.name)
    emission.loop = frozenset()


def _promise(emission: Emission, node: Node) -> Value:
    """What a delay of a loop gives, of a value that is not there yet."""
    source, steps, names = node, 0, list[str]()
    while isinstance(source.operator, Delay):
        names.append(source.name)
        steps += source.operator.steps
        source = emission.graph.node(source.inputs[0])
    if source.name not in emission.promised:
        type, order = source.type, channels_last(len(source.type.shape))
        emission.promised[source.name] = emission.new_buffer(
            source.name, emission.stored_dtype(type), type.shape, order, emission.steps
        )
    return Value(source.type, emission.promised[source.name], (), (*reversed(names),), steps)


def _keep_promise(emission: Emission, name: str) -> None:
    """Copy a value to where it was promised, if it lies elsewhere."""
    place, value = emission.promised.get(name), emission.values.get(name)
    if place is not None and value is not None and value.place != place:
        emission.values[name] = copy(emission, name, place)
