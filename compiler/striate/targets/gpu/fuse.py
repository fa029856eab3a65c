"""Which nodes run at the end of another's kernel."""

from __future__ import annotations

from collections.abc import Callable

from striate.graph import Node
from striate.targets.gpu.chain import Epilogue, is_per_channel, is_pointwise, load
from striate.targets.gpu.emission import Emission
from striate.targets.gpu.layout import Place, Value

Chain = tuple[Node, ...]
"""Nodes that share a kernel: what the kernel computes, then the pointwise nodes at its end. Never empty."""


def absorb(emission: Emission, node: Node, accepts: Callable[[Value], bool], *, knows_channel: bool = True) -> Chain:
    """The node and the pointwise nodes behind it, as long as each is the only reader of the one before.

    Their other operands must be computed already and be accepted by the kernel; `knows_channel` says whether the kernel
    can tell which channel a number belongs to. A chain never changes the shape.
    """
    chain = [node]
    while True:
        user = emission.graph.only_user(chain[-1].name)
        if user is None or not is_pointwise(user) or user.type.shape != chain[-1].type.shape:
            break
        others = [emission.values.get(name) for name in user.inputs if name != chain[-1].name]
        if not all(other is not None and accepts(other) for other in others):
            break
        if not knows_channel and is_per_channel(emission.graph, user):
            break
        chain.append(user)
    emission.absorbed.update(one.name for one in chain[1:])
    return tuple(chain)


def write_epilogue(emission: Emission, chain: Chain, result: Place, epilogue: Epilogue) -> None:
    """Write the pointwise nodes behind a chain's first, whose other operands lie like the result; say where it is."""
    previous = chain[0].name
    for node in chain[1:]:
        operands = {
            role: "value" if name == previous else _load_alike(emission.values[name], epilogue)
            for role, name in zip(("a", "b"), node.inputs, strict=False)
        }
        epilogue.apply(node, operands)
        previous = node.name
    emission.values[previous] = Value(chain[-1].type, result)


def _load_alike(value: Value, epilogue: Epilogue) -> str:
    return load(epilogue.pointer(value.place), "at", value.type.is_float)
