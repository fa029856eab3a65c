"""Writes spec/operators.md from the table: `python -m striate.operators.document > spec/operators.md`."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator
from typing import Any

from striate.operators import OPERATORS
from striate.operators.schema import Case, Operator
from striate.operators.units import write_quantity

_HEAD = """\
# Operators

Generated from the operator table by `python -m striate.operators.document > spec/operators.md`; do not edit.

Shapes in brackets such as `f32[3, 224, 224]` leave out the batch, `[N, C, H, W]` counts it. An attribute that names a
dimension counts the batch too, as PyTorch does: 1 is the channels, and 0, the batch, is never legal. Attributes are
positional in the order given. f16 is computed in f32 and rounded once. Integers are exact; a sum beyond i32 wraps
modulo 2^32. MACs are multiply-accumulates for one sample, operations all other arithmetic. Neurons, delay and readouts
have state and stand in networks with dt; their work is that of one step.
"""


def document() -> str:
    """The whole page: a summary, then each operator with its attributes, parameters and cases."""
    rows = [f"| [`{name}`](#{name}) | {_first_line(operator)} |" for name, operator in OPERATORS.items()]
    summary = "\n".join(["| operator | what it is |", "|---|---|", *rows])
    return "\n\n".join([_HEAD.rstrip(), summary, *(_section(operator) for operator in OPERATORS.values())]) + "\n"


def signature(operator: type[Operator]) -> str:
    """The operator as it is called, with the defaults: `max_pool2d(x, kernel_size, stride, padding=0)`."""
    operands = [*operator.operands[:-1], f"{operator.operands[-1]}, ..."] if operator.variadic else operator.operands
    attributes = [
        field.name if field.default in (dataclasses.MISSING, None) else f"{field.name}={_word(field.default)}"
        for field in dataclasses.fields(operator)
    ]
    return f"{operator.name}({', '.join([*operands, *attributes])})"


def _section(operator: type[Operator]) -> str:
    parts = [f"## {operator.name}", f"`{signature(operator)}`", inspect.cleandoc(operator.__doc__ or "")]
    attributes = list(_attributes(operator))
    if attributes:
        parts.append("\n".join(["| attribute | takes | default |", "|---|---|---|", *attributes]))
    if operator.buffers:
        parts.append(f"Measured, not learnt: {', '.join(f'`{role}`' for role in operator.buffers)}.")
    head = ["| case | | operands | parameters | result | MACs | operations |", "|---|---|---|---|---|---|---|"]
    parts.append("\n".join([*head, *(_case(case) for case in operator.cases())]))
    return "\n\n".join(parts)


def _attributes(operator: type[Operator]) -> Iterator[str]:
    for field in dataclasses.fields(operator):
        words = operator.WORDS.get(field.name, ())
        kinds = [kind for kind in str(field.type).split(" | ") if kind not in ("None", "str")]
        kinds = [operator.UNITS[field.name]] if field.name in operator.UNITS else kinds
        takes = " or ".join([f"`{kind}`" for kind in kinds] + [f"`{word}`" for word in words])
        default = {dataclasses.MISSING: "required", None: "left out"}.get(field.default) or f"`{_word(field.default)}`"
        yield f"| `{field.name}` | {takes} | {default} |"


def _case(case: Case) -> str:
    operator, inputs = case.operator, case.inputs
    given = [
        f"{field.name}={_given(operator, field.name, value)}"
        for field in dataclasses.fields(operator)
        if (value := getattr(operator, field.name)) != field.default
    ]
    roles = [f"{role} `{type}`" for role, type in operator.parameters(*inputs).items()]
    work = operator.work(*inputs)
    cells = (
        case.note,
        f"`{operator.name}({', '.join(given)})`",
        ", ".join(f"`{type}`" for type in inputs) or "none",
        ", ".join(roles) or "none",
        f"`{operator.result(*inputs)}`",
        f"{work.macs:,}",
        f"{work.operations:,}",
    )
    return f"| {' | '.join(cells)} |"


def _first_line(operator: type[Operator]) -> str:
    return inspect.cleandoc(operator.__doc__ or "").split("\n")[0].replace("|", "\\|")


def _given(operator: Operator, attribute: str, value: Any) -> str:
    has_unit = attribute in operator.UNITS and isinstance(value, float)
    return write_quantity(value, operator.UNITS[attribute]) if has_unit else _word(value)


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


if __name__ == "__main__":
    print(document(), end="")
