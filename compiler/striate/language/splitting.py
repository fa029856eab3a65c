"""`a, b = x |> split(8, dim=1)`: one slice for each part, as torch.split."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from striate.diagnostics import Span
from striate.language import syntax
from striate.language.calls import type_of
from striate.language.naming import Application, Statement
from striate.language.values import Several, Tensor, Value, describe, is_whole
from striate.operators.rules import axis_of
from striate.operators.schema import OperatorError
from striate.operators.shaping import Slice

if TYPE_CHECKING:
    from striate.language.expressions import Expressions

_SPLIT = "it is split(x, size or sizes, dim=1)"


def split(
    expressions: Expressions, call: syntax.Call, piped: tuple[Tensor, ...], statement: Statement, last: bool
) -> Several:
    """`split(size_or_sizes, dim=1)`, as torch.split: one slice for each part."""
    operands, given = list(piped), dict[str, tuple[Any, Span]]()
    for argument in call.arguments:
        value = expressions.evaluate(argument.value, statement)
        if argument.keyword is None and isinstance(value, Tensor) and not given:
            operands.append(value)
            continue
        free = [name for name in ("size", "dim") if name not in given]
        key = argument.keyword.text if argument.keyword else free[0] if free else ""
        if key not in free:
            message = f"split has no attribute '{key}' left to give" if key else "split takes 2 attributes"
            raise expressions.complain("unknown-attribute", message, argument.span, statement, _SPLIT)
        given[key] = value, argument.value.span
    if len(operands) != 1:
        message = f"split takes 1 operand, not {len(operands)}"
        raise expressions.complain("wrong-arity", message, call.callee.span, statement, _SPLIT)
    if "size" not in given:
        raise expressions.complain("missing-attribute", "split needs 'size'", call.callee.span, statement, _SPLIT)
    whole = operands[0]
    dim, dim_span = given.get("dim", (1, call.callee.span))
    if not is_whole(dim):
        raise expressions.complain("bad-attribute", "dim of split is a whole number", dim_span, statement)
    try:
        total = whole.type.shape[axis_of(dim, len(whole.type.shape)) - 1]
    except OperatorError as error:
        raise expressions.complain("shape-mismatch", str(error), dim_span, statement, notes=type_of(whole)) from None
    size, size_span = given["size"]
    sizes = _parts(size, total)
    if sizes is None:
        message = f"size of split is a whole number or a tuple of sizes that add up to {total}, not {describe(size)}"
        raise expressions.complain("bad-attribute", message, size_span, statement, notes=type_of(whole))
    parts: list[Tensor] = []
    start = 0
    names = statement.target_names if last and len(statement.target_names) == len(sizes) else ()
    for index, length in enumerate(sizes):
        applied = Slice(dim, start, start + length)
        name = names[index] if names else f"{statement.name}.split"
        name = expressions.names.take(name, statement) if names else expressions.names.fresh(name, statement)
        type = applied.result(whole.type)
        expressions.note(Application(name, applied, (whole.name,), type, {}, {}, call.span), statement)
        parts.append(Tensor(name, type))
        start += length
    return Several(tuple(parts), "split")


def _parts(size: Value, total: int) -> list[int] | None:
    """The sizes of the parts, or None where `size` is no way to split `total`."""
    if isinstance(size, int) and not isinstance(size, bool) and size > 0:
        return [min(size, total - start) for start in range(0, total, size)]
    if isinstance(size, tuple) and all(is_whole(part) and part > 0 for part in size) and sum(size) == total:
        return [int(part) for part in size]
    return None
