"""The pointwise functions and neurons that run at the end of a kernel, written as the kernel's lines: its epilogue."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from striate.graph import Graph, Node
from striate.targets.gpu.clock import ONCE, Clock
from striate.targets.gpu.layout import Place, Value
from striate.targets.gpu.neurons import NEURONS
from striate.targets.gpu.pointwise import FIELDS, POINTWISE, arrays_of, literal
from striate.tensor import Array

Store = Callable[[str, Array], Place]
"""Puts an array into the program under a name."""


class Epilogue:
    """The lines that turn a kernel's `value` into what it stores, and the places that they read.

    A kernel that has an epilogue defines `at` (where in the result each number goes), `live` (whether it is one),
    `channel` and `channel_live` (its index in the first dimension), all of shapes that broadcast to `value`'s.

    In a kernel with its own steps, `lines` run in each of them, `before` once before the first, and `after` once after
    the last. `states` lie in memory where the kernel does one step.
    """

    def __init__(self, graph: Graph, store: Store, clock: Clock = ONCE, shape: str = "(BM, BN)") -> None:
        self.lines: list[str] = []
        self.before: list[str] = []
        self.after: list[str] = []
        self.places: list[Place] = []
        self.states: list[Place] = []
        self.clock = clock
        self.is_over = False
        self._shape = shape
        self._graph = graph
        self._store = store
        self._holder: str | None = None

    @property
    def now(self) -> Clock:
        """The moment that the next line reads operands of."""
        return Clock("once", self.clock.steps) if self.is_over else self.clock

    def pointer(self, place: Place) -> str:
        """The name of the kernel parameter that points to `place`."""
        if place not in self.places:
            self.places.append(place)
        return f"p{self.places.index(place)}_ptr"

    def read(self, value: Value) -> str:
        """The expression that loads a value that lies like the result."""
        guard = self.now.guard(value, f"at // {value.place.elements}")
        mask = f"live & {guard}" if guard else "live"
        return load(self.pointer(value.place), self.now.number(value), value.type.is_float, mask)

    def apply(self, node: Node, operands: Mapping[str, str], into: str = "value") -> None:
        """Write one pointwise node. `operands` names or loads each of them, by the names in its expression."""
        operator, template = node.operator, POINTWISE[node.operator.name]
        fields = _attributes(operator)
        if operator.name in FIELDS:
            fields |= FIELDS[operator.name](operator, self._graph.input_types(node)[0])
        texts = {name: literal(value) for name, value in fields.items()}
        for role, array in arrays_of(self._graph, node).items():
            place = self._store(f"{node.name}.{role}", array)
            texts[role] = self.pointer(place) if role == "table" else self._load_parameter(role, place)
        expression = template.format(**texts, a="{a}", b="{b}").format(**operands)
        self._write(f"{into} = {expression}" if node.type.is_float else f"{into} = ({expression}).to(tl.int32)")

    def apply_neuron(self, node: Node, rounded: str, make_state: Callable[[str, str], Place]) -> None:
        """Write one operator with state, of `value`. `make_state` makes the buffer of a state, by its name and type."""
        neuron, number = NEURONS[node.operator.name](self._graph, node), len(self.before)
        is_float = self._graph.input_types(node)[0].is_float
        names = {"a": "value", "rounded": rounded}
        for state, at_rest in neuron.states.items():
            names[state] = f"{state}_{number}"
            whole = state == "resting" or not (is_float or node.type.is_float)
            kind = "i32" if whole else "f32"
            if self.clock.kind == "loop":
                start = f"tl.full({self._shape}, {at_rest}, dtype=tl.{_TRITON[kind]})"
            else:
                place = make_state(f"{node.name}.{state}", kind)
                self.states.append(place)
                start = f"tl.load({self.pointer(place)} + home, mask=live & (step > 0), other={at_rest})"
                self.after.append(f"tl.store({self.pointer(place)} + home, {names[state]}, mask=live)")
            self.before.append(f"{names[state]} = {start}")
        for role, array in neuron.constants.items():
            names[role] = self._constant(node, role, array)
        self.lines += [line.format(**names) for line in neuron.lines]
        self.lines.append(f"value = {neuron.result.format(**names)}")
        self._holder = names[neuron.result.strip("{}")] if neuron.result.startswith("{") else None

    def end_steps(self, is_float: bool) -> None:
        """What is written from here on is computed once, of the value after the last step."""
        holder = self._holder
        if holder is None:
            holder = "final"
            self.before.append(f"final = tl.zeros({self._shape}, dtype=tl.{_TRITON['f32' if is_float else 'i32']})")
            self.lines.append("final = value")
        self.after.append(f"value = {holder}")
        self.is_over = True

    def add_bias(self, layer: str, bias: Array) -> None:
        """Add one number for each channel."""
        name = self._load_parameter("bias", self._store(f"{layer}.bias", bias))
        self._write(f"value = value + {name}")

    def _write(self, line: str) -> None:
        (self.after if self.is_over else self.lines).append(line)

    def _constant(self, node: Node, role: str, array: Array) -> str:
        """A neuron's constant: written out where all channels share it."""
        if (array == array.flat[0]).all():
            return literal(array.flat[0].item())
        return self._load_parameter(role, self._store(f"{node.name}.{role}", array))

    def _load_parameter(self, role: str, place: Place) -> str:
        """Load one number for each channel, or the only one; the name it then has."""
        name, pointer = f"{role}_{len(self.lines) + len(self.before) + len(self.after)}", self.pointer(place)
        index = "" if place.elements == 1 else " + channel, mask=channel_live, other=0"
        into = self.lines if not self.clock.keeps_state else self.after if self.is_over else self.before
        into.append(f"{name} = tl.load({pointer}{index})")
        return name


_TRITON = {"f32": "float32", "i32": "int32"}


def is_pointwise(node: Node) -> bool:
    """Whether the node can run at the end of another's kernel."""
    return node.operator.name in POINTWISE


def is_per_channel(graph: Graph, node: Node) -> bool:
    """Whether a pointwise node reads a parameter for each channel."""
    return any(role != "table" and graph.parameter(node, role).type.elements > 1 for role in node.parameters)


def load(pointer: str, index: str, is_float: bool, mask: str = "live") -> str:
    """The expression that loads one operand, widened to f32 or i32."""
    return f"tl.load({pointer} + {index}, mask={mask}, other=0).to(tl.{'float32' if is_float else 'int32'})"


def _attributes(operator: Any) -> dict[str, object]:
    return {field.name: getattr(operator, field.name) for field in dataclasses.fields(operator)}
