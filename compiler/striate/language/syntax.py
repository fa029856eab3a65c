"""What a text says, as a tree: one class for each construct, each with the span it was written at."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from striate.diagnostics import Source, Span


@dataclass(frozen=True)
class Name:
    """An identifier or a quoted name (`"layer1.0"`); `text` is without quotes."""

    text: str
    span: Span
    quoted: bool = False


@dataclass(frozen=True)
class Token:
    """A word or sign that the tree keeps: an infix operator, `not`, `-`."""

    text: str
    span: Span


# -- expressions


@dataclass(frozen=True)
class Literal:
    """`3`, `0.5`, `true`."""

    value: int | float | bool
    span: Span


@dataclass(frozen=True)
class Quantity:
    """`20ms`: a number and a unit; `value` is in SI units, `kind` what it measures."""

    value: float
    kind: str
    text: str
    span: Span


@dataclass(frozen=True)
class Reference:
    """A name read as a value, or a bare word such as `same`, or a quoted parameter name."""

    name: Name
    span: Span


@dataclass(frozen=True)
class Property:
    """`x.channels`."""

    base: Name
    property: Name
    span: Span


@dataclass(frozen=True)
class Tuple:
    """`(3, 5)`."""

    items: tuple[Expression, ...]
    span: Span


@dataclass(frozen=True)
class Prefix:
    """`-x`, `not x`."""

    operator: Token
    operand: Expression
    span: Span


@dataclass(frozen=True)
class Chain:
    """`a + b - c`: operators of one precedence, applied from the left."""

    first: Expression
    rest: tuple[tuple[Token, Expression], ...]
    span: Span


@dataclass(frozen=True)
class Logic:
    """`a and b and c`, or the same with `or`."""

    operator: Token
    operands: tuple[Expression, ...]
    span: Span


@dataclass(frozen=True)
class Choice:
    """`a if c else b if d else e`: `branches` are (value, condition)."""

    branches: tuple[tuple[Expression, Expression], ...]
    otherwise: Expression
    span: Span


@dataclass(frozen=True)
class Argument:
    """`5` or `padding=2`."""

    keyword: Name | None
    value: Expression
    span: Span


@dataclass(frozen=True)
class Call:
    """`conv2d(6, 5)`, or `relu` as a stage: an operator or block and what it is given."""

    callee: Name
    arguments: tuple[Argument, ...]
    span: Span


@dataclass(frozen=True)
class Repeat:
    """`repeat i in 0..3 { ... }`: the stages, `stop - start` times."""

    variable: Name
    start: Expression
    stop: Expression
    stages: tuple[Stage, ...]
    span: Span


@dataclass(frozen=True)
class Pipe:
    """`x |> f |> g(3)`."""

    source: Expression
    stages: tuple[Stage, ...]
    span: Span


Stage: TypeAlias = Call | Repeat
Expression: TypeAlias = (
    Literal | Quantity | Reference | Property | Tuple | Prefix | Chain | Logic | Choice | Call | Pipe
)

# -- statements


@dataclass(frozen=True)
class Assignment:
    """`y = x |> relu`, `a, b = x |> split(8)`."""

    targets: tuple[Name, ...]
    value: Expression
    span: Span


@dataclass(frozen=True)
class Let:
    """`let n = 2 * channels`."""

    name: Name
    value: Expression
    span: Span


@dataclass(frozen=True)
class If:
    """`if c { ... } else if d { ... } else { ... }`."""

    branches: tuple[tuple[Expression, tuple[Statement, ...]], ...]
    otherwise: tuple[Statement, ...]
    span: Span


@dataclass(frozen=True)
class Weights:
    """`weights "file" sha256 "..."` or `weights init(seed)`."""

    path: str | None
    sha256: str | None
    seed: int | None
    span: Span


Statement: TypeAlias = Assignment | Let | If | Weights

# -- a file


@dataclass(frozen=True)
class Parameter:
    """A block's parameter: a tensor or a number, perhaps with a default."""

    name: Name
    default: Expression | None
    span: Span


@dataclass(frozen=True)
class Block:
    """`block f(x, n=1) -> y { ... }`."""

    name: Name
    parameters: tuple[Parameter, ...]
    results: tuple[Name, ...]
    body: tuple[Statement, ...]
    span: Span


@dataclass(frozen=True)
class Input:
    """`image: f32[3, 224, 224]`."""

    name: Name
    dtype: Name
    shape: tuple[int, ...]
    span: Span


@dataclass(frozen=True)
class TimeStep:
    """`dt = 1ms`."""

    name: Name
    quantity: Quantity
    span: Span


@dataclass(frozen=True)
class Result:
    """`logits`, or `logits = fc` where the value has another name."""

    name: Name
    value: Name
    span: Span


@dataclass(frozen=True)
class Network:
    """`network n(x: f32[1, 28, 28]) -> y { ... }`, or with `dt = 1ms` after the inputs."""

    name: Name
    inputs: tuple[Input, ...]
    time_steps: tuple[TimeStep, ...]
    results: tuple[Result, ...]
    body: tuple[Statement, ...]
    span: Span


@dataclass(frozen=True)
class Setting:
    """`data "digits.npz"`."""

    name: Name
    value: str
    span: Span


@dataclass(frozen=True)
class MachineEntry:
    """`gpu(precision=f16)`."""

    name: Name
    arguments: tuple[Argument, ...]
    span: Span


@dataclass(frozen=True)
class Compare:
    """`compare { ... }`."""

    entries: tuple[Setting | MachineEntry, ...]
    span: Span


@dataclass(frozen=True)
class File:
    """A whole text, item by item in the author's order."""

    source: Source
    items: tuple[Block | Network | Compare, ...]


def walk(root: object) -> Iterator[object]:
    """Every syntax object in `root`, itself included."""
    pending = [root]
    while pending:
        item = pending.pop()
        if isinstance(item, tuple):
            pending.extend(item)  # pyright: ignore[reportUnknownArgumentType]
        elif dataclasses.is_dataclass(item) and not isinstance(item, (Span, Source)):
            yield item
            pending.extend(getattr(item, field.name) for field in dataclasses.fields(item))
