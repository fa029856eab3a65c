"""Launches that go over a result number by number: `pointwise.py` with its lines written."""

from __future__ import annotations

import re
from collections.abc import Sequence

from striate.graph import Node
from striate.targets.gpu.candidates import flat_tiles
from striate.targets.gpu.chain import Epilogue, load
from striate.targets.gpu.clock import Clock
from striate.targets.gpu.emission import Emission
from striate.targets.gpu.layout import Coordinates, Order, Place, Value, broadcast, coordinates_of
from striate.targets.gpu.steps import by_number, step_slots


class Flat:
    """A launch that writes `place` number by number, while its lines are being written.

    `coordinates` are those of the number of the result; `lines` load `value`, and `epilogue` goes on from there.
    """

    def __init__(self, emission: Emission, place: Place, clock: Clock) -> None:
        self.place = place
        self.lines: list[str] = []
        self.epilogue = Epilogue(emission.graph, emission.store, clock, "(BM,)")
        self.coordinates: Coordinates = tuple("0" if n == 1 else f"d{dim}" for dim, n in enumerate(place.shape))
        self._emission = emission

    def read(self, value: Value, at: Coordinates, mask: str = "live") -> str:
        """The expression that loads the number of `value` at these coordinates of the result, broadcast to it."""
        pointer, now = self.epilogue.pointer(value.place), self.epilogue.now
        in_place = value.is_stored and value.place.lies_like(self.place) and at == self.coordinates
        frame = now.frame(value, "sample")
        index = now.number(value) if in_place else f"({value.index(broadcast(at, value.type.shape), frame)})"
        guard = now.guard(value, "sample")
        return load(pointer, index, value.type.is_float, f"{mask} & {guard}" if guard else mask)

    def launch(self, node: Node | None, nodes: Sequence[str], layer: str = "") -> None:
        """Append the launch; without a node it only changes how the value called `layer` is stored."""
        place, epilogue = self.place, self.epilogue
        slots = {**step_slots(epilogue, place.elements, by_number), "value": self.lines}
        every = [*epilogue.before, *self.lines, *epilogue.lines, *epilogue.after]
        if epilogue.clock.keeps_state:
            slots["before"] = [*index_lines(place, every, "row"), *slots["before"]]
        else:
            slots["index"] = index_lines(place, every)
        self._emission.launch(
            node,
            layer=layer,
            nodes=nodes,
            kernel="pointwise",
            slots=slots,
            arguments={"y_ptr": place},
            extra=self.epilogue.places,
            result=place,
            rows=place.elements,
            constants={"ELEMENTS": place.elements},
            tiles=flat_tiles(place.elements),
            programs=lambda sizes: 1,
            clock=epilogue.clock,
            states=epilogue.states,
        )


def copy(emission: Emission, name: str, place: Place) -> Value:
    """One launch that moves a value to a place with its own layout and type."""
    value = emission.values[name]
    kind = "once" if place.steps is None else "step" if emission.loop else "frames"
    flat = Flat(emission, place, Clock(kind, emission.steps or 1))
    flat.lines.append(f"value = {flat.read(value, flat.coordinates)}")
    flat.launch(emission.graph.node(value.nodes[-1]) if value.nodes else None, value.nodes, layer=name)
    return Value(value.type, place)


def materialize(emission: Emission, name: str, order: Order) -> Value:
    """Copy a value into a buffer of its own; from now on it is read from there."""
    value = emission.values[name]
    place = emission.new_buffer(name, emission.stored_dtype(value.type), value.type.shape, order, value.place.steps)
    emission.values[name] = copy(emission, name, place)
    return emission.values[name]


def plain(emission: Emission, name: str, order: Order, reader: Node, *, delayed: bool = False) -> Value:
    """A value as a buffer stored in `order` and in the type that kernels compute on; copied at most once.

    A kernel that finds its frame by itself (`delayed`) reads an earlier one, or the last, where it lies.
    """
    value = emission.values[name]
    wanted = Place("buffer", "", emission.stored_dtype(value.type), value.type.shape, order)
    if not value.is_stored or (value.delay and not delayed):
        value = materialize(emission, name, order)
    steps = value.place.steps if delayed else emission.steps_of(reader.name)
    if value.place.steps == steps and value.place.lies_like(wanted) and value.place.dtype == wanted.dtype:
        return value
    if (name, order, steps) not in emission.copies:
        place = emission.new_buffer(f"{name}.layout", wanted.dtype, wanted.shape, order, steps)
        emission.copies[name, order, steps] = copy(emission, name, place)
    return emission.copies[name, order, steps]


def index_lines(place: Place, lines: Sequence[str], at: str = "at") -> list[str]:
    """What finds `sample`, the coordinates and the channel of number `at` of a place, as far as `lines` read them."""
    text = "\n".join(lines)
    stored = coordinates_of("element", place.stored_shape)
    index_of_dim = {f"d{dim}": stored[position] for position, dim in enumerate(place.order)}
    written = [f"{name} = {index}" for name, index in index_of_dim.items() if mentions(text, name) and index != "0"]
    if mentions(text, "channel"):
        channel = index_of_dim.get("d0", "0")
        written += [f"channel = {f'{at} * 0' if channel == '0' else channel}", "channel_live = live"]
    if mentions("\n".join(written), "element"):
        written.insert(0, f"element = {at} % {place.elements}")
    if mentions(text, "sample"):
        written.append(f"sample = {at} // {place.elements}")
    return written


def mentions(text: str, name: str) -> bool:
    """Whether an expression reads `name`."""
    return re.search(rf"\b{name}\b", text) is not None
