"""Pointwise operators on their own, and everything that only moves numbers: views, concatenations, borders."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from striate.graph import Node
from striate.operators import Concat, Pad, Permute, Slice, Upsample
from striate.operators.rules import axis_of
from striate.operators.windows import pair
from striate.targets.gpu.candidates import flat_tiles
from striate.targets.gpu.chain import Epilogue, load
from striate.targets.gpu.emission import Emission
from striate.targets.gpu.fuse import Chain, absorb
from striate.targets.gpu.layout import (
    Coordinates,
    Map,
    Order,
    Place,
    Value,
    broadcast,
    channels_last,
    coordinates_of,
    index_of,
    over,
    plus,
    times,
)
from striate.targets.gpu.pointwise import literal
from striate.tensor import Shape


# -- views: an index instead of a copy, as long as the only reader can follow it


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
    _view(emission, node, _along(dim, lambda at: plus(times(at, kept.step), str(kept.start))))


def lower_nearest(emission: Emission, node: Node) -> None:
    """Pixel i of the result is pixel i // factor of x."""
    assert isinstance(node.operator, Upsample), "the table maps upsample here"
    down, along = pair(node.operator.scale_factor)
    _view(emission, node, lambda at: (at[0], over(at[1], down), over(at[2], along)))


def lower_constant(emission: Emission, node: Node) -> None:
    """An array of the program, of which every sample reads the same numbers."""
    value = emission.graph.value(node, "value")
    assert value is not None, f"the value of '{node.name}' is not loaded"
    place = emission.store(f"{node.name}.value", value.reshape(node.type.shape))
    emission.values[node.name] = Value(node.type, place, nodes=(node.name,))


def _along(dim: int, move: Callable[[str], str]) -> Map:
    return lambda at: tuple(move(one) if position == dim else one for position, one in enumerate(at))


def _view(emission: Emission, node: Node, move: Map) -> None:
    """A view where one node reads it, a copy where several do or the user does."""
    source = emission.values[node.inputs[0]]
    view = source.viewed(node.type, move, node.name)
    emission.values[node.name] = view
    if len(emission.graph.users(node.name)) + list(emission.graph.outputs.values()).count(node.name) > 1:
        materialize(emission, node.name, channels_last(len(node.type.shape)))


# -- launches that go over the result number by number


def lower_pointwise(emission: Emission, node: Node) -> None:
    """A pointwise node that no kernel's end could take, and those behind it; operands broadcast as they are read."""
    chain = absorb(emission, node, lambda _: True)
    _flat_launch(emission, chain, None)


def lower_concat(emission: Emission, node: Node) -> None:
    """Each number is read from the operand that its place along the dimension belongs to."""
    assert isinstance(node.operator, Concat), "the table maps concat here"
    dim = axis_of(node.operator.dim, len(node.type.shape)) - 1
    operands = [emission.values[name] for name in node.inputs]

    def lines(at: Coordinates, read: Callable[[Value, Coordinates, str], str]) -> list[str]:
        written: list[str] = []
        start = 0
        for operand in operands:
            size = operand.type.shape[dim]
            if size == node.type.shape[dim]:
                return [f"value = {read(operand, at, 'live')}"]
            inside = f"({at[dim]} >= {start}) & ({at[dim]} < {start + size})"
            shifted = tuple(plus(one, str(-start)) if position == dim else one for position, one in enumerate(at))
            loaded = read(operand, shifted if start else at, f"live & {inside}")
            written.append(f"value = tl.where({inside}, {loaded}, value)" if start else f"value = {loaded}")
            start += size
        return written

    _flat_launch(emission, absorb(emission, node, lambda _: True), lines)


def lower_pad(emission: Emission, node: Node) -> None:
    """Each number is read from inside the border, or is the border's value."""
    assert isinstance(node.operator, Pad), "the table maps pad here"
    operator, operand = node.operator, emission.values[node.inputs[0]]
    borders = operator.borders(len(node.type.shape))
    fill = literal(float(operator.value) if node.type.is_float else int(operator.value))

    def lines(at: Coordinates, read: Callable[[Value, Coordinates, str], str]) -> list[str]:
        guards = [
            f"({one} >= {before}) & ({one} < {before + size})"
            for one, size, (before, after) in zip(at, operand.type.shape, borders, strict=True)
            if before or after
        ]
        inner = tuple(plus(one, str(-before)) if before else one for one, (before, _) in zip(at, borders, strict=True))
        inside = " & ".join(guards) or "live"
        return [f"value = tl.where({inside}, {read(operand, inner, f'live & {inside}')}, {fill})"]

    _flat_launch(emission, absorb(emission, node, lambda _: True), lines)


def materialize(emission: Emission, name: str, order: Order) -> Value:
    """Copy a value into a buffer of its own, stored in `order`; from now on it is read from there."""
    value = emission.values[name]
    dtype = emission.stored_dtype(value.type)
    place = emission.new_buffer(name, dtype, value.type.shape, order)
    copy(emission, value, place, layer=name, operator="layout" if not value.nodes else _operator(emission, value))
    emission.values[name] = Value(value.type, place)
    return emission.values[name]


def copy(emission: Emission, value: Value, place: Place, *, layer: str, operator: str) -> None:
    """One launch that moves a value to a place of its own layout and type."""
    sketch = _Sketch(emission, place, Epilogue(emission.graph, emission.store))
    sketch.lines.append(f"value = {sketch.read(value, sketch.coordinates)}")
    sketch.launch(layer, operator, value.nodes)


def plain(emission: Emission, name: str, order: Order) -> Value:
    """A value as a buffer stored in `order` and in the type that kernels compute on; copied at most once."""
    value = emission.values[name]
    wanted = Place("buffer", "", emission.stored_dtype(value.type), value.type.shape, order)
    if value.is_plain and value.place.lies_like(wanted) and value.place.dtype == wanted.dtype:
        return value
    key = f"{name} {order}"
    if key not in emission.copies:
        if value.maps or value.place.kind == "array":
            emission.copies[key] = materialize(emission, name, order)
        else:
            place = emission.new_buffer(f"{name}.layout", wanted.dtype, wanted.shape, order)
            copy(emission, value, place, layer=name, operator="layout")
            emission.copies[key] = Value(value.type, place)
    return emission.copies[key]


def _operator(emission: Emission, value: Value) -> str:
    return emission.graph.node(value.nodes[-1]).operator.name


Lines = Callable[[Coordinates, Callable[[Value, Coordinates, str], str]], list[str]]


def _flat_launch(emission: Emission, chain: Chain, lines: Lines | None) -> None:
    first, last = chain.nodes[0], chain.nodes[-1]
    operands = [emission.values[name] for node in chain.nodes for name in node.inputs if name in emission.values]
    place = emission.result(last, _order(emission, last, operands))
    epilogue = Epilogue(emission.graph, emission.store)
    sketch = _Sketch(emission, place, epilogue)
    previous = first.name
    if lines is not None:
        sketch.lines += lines(sketch.coordinates, sketch.read)
    else:
        sketch.lines.append(f"value = {sketch.read(emission.values[first.inputs[0]], sketch.coordinates)}")
        previous = first.inputs[0]
    for node in chain.nodes[0 if lines is None else 1 :]:
        texts = {
            role: "value" if name == previous else sketch.read(emission.values[name], sketch.coordinates)
            for role, name in zip(("a", "b"), node.inputs, strict=False)
        }
        epilogue.apply(node, texts)
        previous = node.name
    views = [one for operand in operands for one in operand.nodes]
    sketch.launch(first.name, first.operator.name, [*dict.fromkeys(views), *(node.name for node in chain.nodes)])
    emission.values[last.name] = Value(last.type, place)


def _order(emission: Emission, node: Node, operands: list[Value]) -> Order:
    """How a result is best stored: channels last where only the user reads it, else like an operand of its shape."""
    shape: Shape = node.type.shape
    if emission.graph.is_output(node.name) and not emission.graph.users(node.name):
        return channels_last(len(shape))
    alike = [value.place.order for value in operands if value.is_plain and value.place.shape == shape]
    return alike[0] if alike else channels_last(len(shape))


class _Sketch:
    """A launch of `pointwise.py` while its lines are being written."""

    def __init__(self, emission: Emission, place: Place, epilogue: Epilogue) -> None:
        self.emission = emission
        self.place = place
        self.epilogue = epilogue
        self.lines: list[str] = []
        self.coordinates: Coordinates = tuple("0" if n == 1 else f"d{dim}" for dim, n in enumerate(place.shape))

    def read(self, value: Value, at: Coordinates, mask: str = "live") -> str:
        """The expression that loads the number of `value` at these coordinates of the result."""
        pointer = self.epilogue.pointer(value.place)
        as_it_lies = value.is_plain and value.place.lies_like(self.place) and at == self.coordinates
        index = "at" if as_it_lies else value.index(broadcast(at, value.type.shape))
        return load(pointer, f"({index})", value.type.is_float, mask)

    def launch(self, layer: str, operator: str, nodes: Sequence[str]) -> None:
        """Write the index lines that are needed, and append the launch."""
        place = self.place
        elements = max(1, place.elements)
        self.emission.launch(
            layer=layer,
            operator=operator,
            nodes=nodes,
            kernel="pointwise",
            slots={
                "index": index_lines(place, [*self.lines, *self.epilogue.lines]),
                "value": self.lines,
                "epilogue": self.epilogue.lines,
            },
            arguments=[("y_ptr", place)],
            extra=self.epilogue.places,
            result=place,
            rows_per_sample=elements,
            constants={"ELEMENTS": elements},
            tiles=flat_tiles(elements),
            programs=lambda sizes: 1,
        )


def index_lines(place: Place, lines: Sequence[str]) -> list[str]:
    """The lines that find `sample`, the coordinates and the channel of number `at` of a place, as far as they are read."""
    text = "\n".join(lines)
    stored = coordinates_of("element", place.stored_shape)
    named = {f"d{dim}": stored[position] for position, dim in enumerate(place.order)}
    channel = named["d0"] if place.shape else "0"
    wanted = [f"{name} = {index}" for name, index in named.items() if mentions(text, name) and index != "0"]
    if mentions(text, "channel"):
        wanted += [f"channel = {channel}" if channel != "0" else "channel = at * 0", "channel_live = live"]
    head = ["element = at % ELEMENTS"] if any("element" in line for line in wanted) else []
    return [*head, *(["sample = at // ELEMENTS"] if mentions(text, "sample") else []), *wanted]


def mentions(text: str, name: str) -> bool:
    """Whether an expression reads `name`."""
    return re.search(rf"\b{name}\b", text) is not None
