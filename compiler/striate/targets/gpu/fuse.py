"""Which nodes run at the end of another's kernel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from striate.graph import Node
from striate.targets.gpu.chain import Epilogue, is_per_channel, is_pointwise, load
from striate.targets.gpu.emission import Emission
from striate.targets.gpu.layout import Place, Value


@dataclass(frozen=True)
class Chain:
    """Nodes that share a kernel, in order: what the kernel computes, then the pointwise nodes at its end."""

    nodes: tuple[Node, ...]


def absorb(emission: Emission, node: Node, accepts: Callable[[Value], bool], *, per_channel: bool = True) -> Chain:
    """The node and the pointwise nodes behind it, as long as each is the only reader of the one before.

    Their other operands must be computed already and be accepted by the kernel; `per_channel` says whether the kernel
    knows which channel a number belongs to. A chain never changes the shape.
    """
    nodes = [node]
    while True:
        user = emission.graph.only_user(nodes[-1].name)
        if user is None or not is_pointwise(user) or user.type.shape != nodes[-1].type.shape:
            break
        others = [emission.values.get(name) for name in user.inputs if name != nodes[-1].name]
        if not all(other is not None and accepts(other) for other in others):
            break
        if not per_channel and is_per_channel(emission.graph, user):
            break
        nodes.append(user)
    emission.absorbed.update(one.name for one in nodes[1:])
    return Chain(tuple(nodes))


def write_epilogue(emission: Emission, chain: Chain, result: Place, epilogue: Epilogue) -> None:
    """Write the pointwise nodes of a chain whose first node is the kernel itself; other operands lie like the result."""
    previous = chain.nodes[0].name
    for node in chain.nodes[1:]:
        texts: dict[str, str] = {}
        for role, name in zip(("a", "b"), node.inputs, strict=False):
            texts[role] = "value" if name == previous else _load_alike(emission.values[name], epilogue)
        epilogue.apply(node, texts)
        previous = node.name
    emission.values[previous] = Value(chain.nodes[-1].type, result)


def _load_alike(value: Value, epilogue: Epilogue) -> str:
    return load(epilogue.pointer(value.place), "at", value.type.is_float)
