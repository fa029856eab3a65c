"""Pointwise operators on their own, and everything that only moves numbers: views, concatenations, borders."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from striate.graph import Node
from striate.operators import Concat, Delay, Pad, Permute, Slice, Upsample
from striate.operators.rules import axis_of
from striate.operators.windows import pair
from striate.targets.gpu.emission import Emission
from striate.targets.gpu.flat import Flat, materialize
from striate.targets.gpu.fuse import Chain, absorb, write_chain, write_neuron
from striate.targets.gpu.layout import (
    Map,
    Order,
    Value,
    channels_last,
    coordinates_of,
    index_of,
    over,
    plus,
    times,
)
from striate.targets.gpu.pointwise import literal
from striate.targets.gpu.weights import parameter

DEEPEST_VIEW = 3
"""How many views are followed at once: each may make the text of the index several times as long."""

# -- views: an index instead of a copy, which the only reader follows


def lower_flatten(emission: Emission, node: Node) -> None:
    """Flatten and reshape: the same number in row-major order."""
    shape = emission.graph.input_types(node)[0].shape
    _view(emission, node, lambda at: coordinates_of(index_of(at, node.type.shape), shape))


def lower_permute(emission: Emission, node: Node) -> None:
    """Dimension i of the result is dimension axes[i] of x."""
    assert isinstance(node.operator, Permute), "the table maps permute here"
    axes = node.operator.axes(len(node.type.shape))
    _view(emission, node, lambda at: tuple(at[axes.index(axis)] for axis in range(1, len(axes) + 1)))


def lower_slice(emission: Emission, node: Node) -> None:
    """Number i along the dimension is number start + i * step of x."""
    assert isinstance(node.operator, Slice), "the table maps slice here"
    shape = emission.graph.input_types(node)[0].shape
    dim = axis_of(node.operator.dim, len(shape)) - 1
    kept = node.operator.indices(shape[dim])
    _view(emission, node, lambda at: (*at[:dim], plus(times(at[dim], kept.step), str(kept.start)), *at[dim + 1 :]))


def lower_nearest(emission: Emission, node: Node) -> None:
    """Pixel i of the result is pixel i // factor of x."""
    assert isinstance(node.operator, Upsample), "the table maps upsample here"
    down, along = pair(node.operator.scale_factor)
    _view(emission, node, lambda at: (at[0], over(at[1], down), over(at[2], along)))


def lower_constant(emission: Emission, node: Node) -> None:
    """An array of the program, of which every sample reads the same numbers."""
    value = parameter(emission.graph, node, "value").reshape(node.type.shape)
    place = emission.store(f"{node.name}.value", value)
    emission.values[node.name] = Value(node.type, place, nodes=(node.name,))


def lower_delay(emission: Emission, node: Node) -> None:
    """What its operand's place held some steps before; in a loop that was promised before it is there."""
    assert isinstance(node.operator, Delay), "the table maps delay here"
    source = emission.values[node.inputs[0]]
    emission.values[node.name] = source.delayed(node.operator.steps, node.name)


def _view(emission: Emission, node: Node, move: Map) -> None:
    """A view where it is read once, a copy where it is read more often, or where it is a view of a view of a view."""
    if len(emission.values[node.inputs[0]].maps) == DEEPEST_VIEW:
        materialize(emission, node.inputs[0], channels_last(len(emission.graph.input_types(node)[0].shape)))
    emission.values[node.name] = emission.values[node.inputs[0]].viewed(node.type, move, node.name)
    outputs = sum(value == node.name for value in emission.graph.outputs.values())
    if len(emission.graph.users(node.name)) + outputs > 1:
        materialize(emission, node.name, channels_last(len(node.type.shape)))


# -- launches that go over the result number by number

Write = Callable[[Flat], list[str]]


def lower_pointwise(emission: Emission, node: Node) -> None:
    """A pointwise node that no kernel's end could take, and those behind it; operands broadcast as they are read."""

    def write(flat: Flat) -> list[str]:
        first, *others = (flat.read(emission.values[name], flat.coordinates) for name in node.inputs)
        flat.epilogue.apply(node, dict(zip(("a", "b"), ("value", *others), strict=False)))
        return [f"value = {first}"]

    _launch(emission, absorb(emission, node, _anything), write)


def lower_neuron(emission: Emission, node: Node) -> None:
    """An operator with state that no kernel's end could take, and those behind it."""
    chain = absorb(emission, node, _anything)

    def write(flat: Flat) -> list[str]:
        operand = flat.read(emission.values[node.inputs[0]], flat.coordinates)
        write_neuron(emission, node, flat.epilogue, flat.place.order)
        return [f"value = {operand}"]

    _launch(emission, chain, write)


def lower_concat(emission: Emission, node: Node) -> None:
    """Each number is read from the operand that its place along the dimension belongs to."""
    assert isinstance(node.operator, Concat), "the table maps concat here"
    dim = axis_of(node.operator.dim, len(node.type.shape)) - 1
    operands = [emission.values[name] for name in node.inputs]

    def write(flat: Flat) -> list[str]:
        at, start, lines = flat.coordinates, 0, list[str]()
        if len(operands) == 1:
            return [f"value = {flat.read(operands[0], at)}"]
        for operand in operands:
            past = start + operand.type.shape[dim]
            inside = f"({at[dim]} >= {start}) & ({at[dim]} < {past})"
            shifted = (*at[:dim], plus(at[dim], str(-start)), *at[dim + 1 :])
            loaded = flat.read(operand, shifted, f"live & {inside}")
            lines.append(f"value = tl.where({inside}, {loaded}, value)" if lines else f"value = {loaded}")
            start = past
        return lines

    _launch(emission, absorb(emission, node, _anything), write)


def lower_pad(emission: Emission, node: Node) -> None:
    """Each number is read from inside the border, or is the border's value."""
    assert isinstance(node.operator, Pad), "the table maps pad here"
    operand, borders = emission.values[node.inputs[0]], node.operator.borders(len(node.type.shape))
    fill = literal(float(node.operator.value) if node.type.is_float else int(node.operator.value))

    def write(flat: Flat) -> list[str]:
        sides = list(zip(flat.coordinates, operand.type.shape, borders, strict=True))
        guards = [
            f"({at} >= {before}) & ({at} < {before + size})" for at, size, (before, after) in sides if before or after
        ]
        inner = tuple(plus(at, str(-before)) if before else at for at, _, (before, _) in sides)
        inside = " & ".join(guards) or "live"
        return [f"value = tl.where({inside}, {flat.read(operand, inner, f'live & {inside}')}, {fill})"]

    _launch(emission, absorb(emission, node, _anything), write)


def _anything(_: Value) -> bool:
    return True


def _launch(emission: Emission, chain: Chain, write: Write) -> None:
    """The launch of a chain whose first node `write` writes."""
    graph = emission.graph
    operands = [
        emission.values[one] for name in chain.names for one in graph.node(name).inputs if one in emission.values
    ]
    place = emission.result(chain.last, _order(emission, chain.last, operands))
    flat = Flat(emission, place, emission.clock(chain.nodes))
    flat.lines += write(flat)
    write_chain(emission, chain, flat.epilogue, place.order, lambda value: flat.read(value, flat.coordinates))
    views = dict.fromkeys(name for operand in operands for name in operand.nodes)
    flat.launch(chain.nodes[0], [*views, *chain.names])
    emission.values[chain.last.name] = Value(chain.last.type, flat.place)


def _order(emission: Emission, node: Node, operands: Sequence[Value]) -> Order:
    """How a result is best stored: channels last where only the user reads it, else like an operand of its shape."""
    last = channels_last(len(node.type.shape))
    if emission.graph.is_output(node.name) and not emission.graph.users(node.name):
        return last
    return next((one.place.order for one in operands if one.is_plain and one.place.shape == node.type.shape), last)
