"""The pointwise functions that run at the end of a kernel, written as the kernel's lines: its epilogue."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from striate.graph import Graph, Node
from striate.targets.gpu.layout import Place
from striate.targets.gpu.pointwise import FIELDS, POINTWISE, arrays_of, literal
from striate.tensor import Array

Store = Callable[[str, Array], Place]
"""Puts an array into the program under a name."""


class Epilogue:
    """The lines that turn a kernel's `value` into what it stores, and the places that they read.

    A kernel that has an epilogue defines `at` (where in the result each number goes), `live` (whether it is one),
    `channel` and `channel_live` (its index in the first dimension), all of shapes that broadcast to `value`'s.
    """

    def __init__(self, graph: Graph, store: Store) -> None:
        self.lines: list[str] = []
        self.places: list[Place] = []
        self._graph = graph
        self._store = store

    def pointer(self, place: Place) -> str:
        """The name of the kernel parameter that points to `place`."""
        if place not in self.places:
            self.places.append(place)
        return f"p{self.places.index(place)}_ptr"

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
        self.lines.append(f"{into} = {expression}" if node.type.is_float else f"{into} = ({expression}).to(tl.int32)")

    def add_bias(self, layer: str, bias: Array) -> None:
        """Add one number for each channel."""
        name = self._load_parameter("bias", self._store(f"{layer}.bias", bias))
        self.lines.append(f"value = value + {name}")

    def _load_parameter(self, role: str, place: Place) -> str:
        """Load one number for each channel, or the only one; the name it then has."""
        name, pointer = f"{role}_{len(self.lines)}", self.pointer(place)
        index = "" if place.elements == 1 else " + channel, mask=channel_live, other=0"
        self.lines.append(f"{name} = tl.load({pointer}{index})")
        return name


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
