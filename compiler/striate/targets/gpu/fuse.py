"""Which nodes run at the end of another's kernel: pointwise nodes and neurons, and what their operands need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from striate.graph import Node
from striate.targets.gpu.chain import Epilogue, is_per_channel, is_pointwise
from striate.targets.gpu.emission import Emission, has_steps
from striate.targets.gpu.layout import Order, Place, Value
from striate.targets.gpu.neurons import is_neuron
from striate.tensor import Array

LONGEST_CHAIN = 32
"""How many nodes one kernel takes along at most: compiling it takes time for each."""

Accepts = Callable[[Value], bool]


@dataclass(frozen=True)
class Chain:
    """Nodes that share a kernel: what it computes, then pointwise nodes, each the only reader of the one before.

    `beside` are pointwise nodes that another operand goes through on its way in, by the name of what reads them.
    """

    nodes: tuple[Node, ...]
    beside: dict[str, Node]

    @property
    def last(self) -> Node:
        """The node whose value is stored."""
        return self.nodes[-1]

    @property
    def names(self) -> list[str]:
        """Every node's name, what is beside a node before it."""
        return [name for node in self.nodes for name in (*self._before(node), node.name)]

    def _before(self, node: Node) -> list[str]:
        other = self.beside.get(node.name)
        return [] if other is None else [*self._before(other), other.name]


def absorb(
    emission: Emission, node: Node, accepts: Accepts, *, knows_channel: bool = True, has_steps: bool = True
) -> Chain:
    """The node and the pointwise nodes and neurons behind it, as long as each is the only reader of the one before.

    Their other operands must be accepted by the kernel; those not computed yet are computed first where that is
    possible. `knows_channel` says whether the kernel can tell which channel a number belongs to, `has_steps` whether it
    can go through time. A chain never changes the shape, and lies in a loop as a whole or not at all.
    """
    nodes, beside = [node], dict[str, Node]()

    def fits(user: Node) -> bool:
        if emission.loops.get(user.name, frozenset()) != emission.loop:
            return False
        is_possible = is_pointwise(user) or (has_steps and is_neuron(user))
        return is_possible and (knows_channel or not is_per_channel(emission.graph, user))

    def can_read(reader: Node, name: str) -> bool:
        """Whether `reader` can read operand `name` in this kernel, maybe through pointwise nodes beside the chain."""
        if name not in emission.values and _is_between(emission, reader, name) and emission.can_compute(name):
            between = emission.graph.node(name)
            if fits(between) and can_read(between, between.inputs[0]):
                beside[reader.name] = between
                return True
        if not emission.can_compute(name):
            return False
        emission.compute(name)
        return name in emission.values and accepts(emission.values[name])

    while len(nodes) < LONGEST_CHAIN:
        user = emission.graph.only_user(nodes[-1].name)
        if user is None or user.type.shape != nodes[-1].type.shape or not fits(user):
            break
        if not all(can_read(user, name) for name in user.inputs if name != nodes[-1].name):
            break
        nodes.append(user)
        emission.absorbed.add(user.name)
        emission.absorbed.update(_names_beside(beside, user))
    kept = {name for one in nodes for name in (one.name, *_names_beside(beside, one))}
    return Chain(tuple(nodes), {name: other for name, other in beside.items() if name in kept})


def can_wait(emission: Emission, node: Node) -> bool:
    """Whether a pointwise node's only reader, which joins it with a value that is not there yet, may take it along."""
    user = emission.graph.only_user(node.name)
    if user is None or not _is_between(emission, user, node.name):
        return False
    return is_pointwise(user) and any(name not in emission.values for name in user.inputs if name != node.name)


def write_chain(
    emission: Emission, chain: Chain, epilogue: Epilogue, order: Order, read: Callable[[Value], str]
) -> None:
    """Write the nodes of a chain, all but its first, for a result in `order`; `read` writes what loads an operand."""

    def operand(reader: Node, name: str) -> str:
        between = chain.beside.get(reader.name)
        if between is None:
            return read(emission.values[name])
        epilogue.apply(between, {"a": operand(between, between.inputs[0])}, into="other")
        return "other"

    previous = chain.nodes[0]
    _pass_time(emission, chain, previous, epilogue)
    for node in chain.nodes[1:]:
        if is_neuron(node):
            write_neuron(emission, node, epilogue, order)
        else:
            texts = {
                role: "value" if name == previous.name else operand(node, name)
                for role, name in zip(("a", "b"), node.inputs, strict=False)
            }
            epilogue.apply(node, texts)
        _pass_time(emission, chain, node, epilogue)
        previous = node


def write_neuron(emission: Emission, node: Node, epilogue: Epilogue, order: Order) -> None:
    """Write one step of an operator with state; what it keeps between launches lies in `order`."""

    def make_state(name: str, dtype: str) -> Place:
        return emission.new_buffer(name, dtype, node.type.shape, order)

    rounded = ".to(tl.float16).to(tl.float32)" if emission.precision == "f16" else ""
    epilogue.apply_neuron(node, rounded, make_state)


def _pass_time(emission: Emission, chain: Chain, node: Node, epilogue: Epilogue) -> None:
    """Behind the last neuron of a chain whose result is only needed at the end, the steps are over."""
    last = next((one for one in reversed(chain.nodes) if is_neuron(one)), None)
    if epilogue.clock.kind == "loop" and node is last and chain.last.name not in emission.over_time:
        epilogue.end_steps(node.type.is_float)


@dataclass(frozen=True)
class Fused:
    """What a kernel does besides its own work: the nodes it stands for, where the result goes, and its last lines."""

    names: list[str]
    result: Place
    epilogue: Epilogue


def fuse_behind(
    emission: Emission,
    node: Node,
    kernel: str,
    order: Order,
    *,
    bias: Array | None = None,
    knows_channel: bool = True,
) -> Fused:
    """Take along all that can run at the end of a kernel whose result lies in `order`: other operands lie like it."""
    alike = Place("buffer", "", "", node.type.shape, order)
    read_values: list[Value] = []

    def read(value: Value) -> str:
        read_values.append(value)
        return epilogue.read(value)

    chain = absorb(
        emission,
        node,
        lambda value: value.is_stored and value.place.lies_like(alike),
        knows_channel=knows_channel,
        has_steps=has_steps(kernel),
    )
    epilogue = Epilogue(emission.graph, emission.store, emission.clock(chain.nodes))
    if bias is not None:
        epilogue.add_bias(node.name, bias)
    write_chain(emission, chain, epilogue, order, read)
    result = emission.result(chain.last, order)
    emission.values[chain.last.name] = Value(chain.last.type, result)
    views = dict.fromkeys(name for value in read_values for name in value.nodes)
    return Fused([*views, *chain.names], result, epilogue)


def _is_between(emission: Emission, reader: Node, name: str) -> bool:
    """Whether `name` is a pointwise function of one value, of the reader's shape, that only `reader` reads."""
    node = emission.graph.producer(name)
    if node is None or not is_pointwise(node) or len(node.inputs) != 1:
        return False
    return emission.graph.only_user(name) == reader and node.type.shape == reader.type.shape


def _names_beside(beside: dict[str, Node], reader: Node) -> list[str]:
    other = beside.get(reader.name)
    return [] if other is None else [other.name, *_names_beside(beside, other)]
