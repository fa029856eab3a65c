"""What an expression can be while a network is elaborated: tensors of the graph, and numbers known at compile time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, TypeGuard

from striate.tensor import TensorType


@dataclass(frozen=True)
class Tensor:
    """A value of the graph: a node's or an input's name, and its type without the batch."""

    name: str
    type: TensorType


@dataclass(frozen=True)
class Several:
    """What an application with several results gives; only an assignment to several names takes it."""

    values: tuple[Tensor, ...]
    by: str


@dataclass(frozen=True)
class Quantity:
    """A number with a unit: `value` in SI units, `kind` what it measures, `text` as it was written."""

    value: float
    kind: str
    text: str


Number: TypeAlias = int | float | bool
Value: TypeAlias = Tensor | Several | Quantity | Number | tuple[Number, ...]

SIZES: dict[int, dict[str, int]] = {
    1: {"channels": 0},
    2: {"channels": 0, "length": 1},
    3: {"channels": 0, "height": 1, "width": 2},
}
"""Rank of a tensor -> its properties and the dimension each one is the size of."""


def is_whole(value: object) -> TypeGuard[int]:
    """Whether a value is a whole number; true and false are none."""
    return isinstance(value, int) and not isinstance(value, bool)


def describe(value: Value) -> str:
    """A value as a diagnostic names it: `the tensor 'x' (f32[1, 28, 28])`, `the number 3`."""
    if isinstance(value, Tensor):
        return f"the tensor '{value.name}' ({value.type})"
    if isinstance(value, Several):
        return f"the {len(value.values)} results of '{value.by}'"
    if isinstance(value, Quantity):
        return f"the {value.kind} {value.text}"
    if isinstance(value, tuple):
        return f"the tuple {write(value)}"
    return write(value) if isinstance(value, bool) else f"the number {write(value)}"


def write(value: Number | tuple[Number, ...]) -> str:
    """A number or a tuple as the text writes it."""
    if isinstance(value, tuple):
        return f"({write(value[0])},)" if len(value) == 1 else f"({', '.join(map(write, value))})"
    return str(value).lower() if isinstance(value, bool) else repr(value)
