"""An operator's attributes, read from its dataclass: which values fit, and what to say about one that does not."""

from __future__ import annotations

import dataclasses
import types
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from striate.language.values import Quantity, Value
from striate.operators.schema import Operator
from striate.operators.units import example_of


@dataclass(frozen=True)
class Attribute:
    """One attribute: its annotation, its bare words, whether it may be `none` or must be given, what it measures."""

    name: str
    kind: Any
    words: tuple[str, ...]
    optional: bool
    required: bool
    unit: str | None = None


class MisfitError(Exception):
    """A value that is not of the attribute's kind."""


@cache
def attributes_of(operator: type[Operator]) -> dict[str, Attribute]:
    """The operator's attributes by name, in positional order."""
    hints = get_type_hints(operator)
    words: dict[str, tuple[str, ...]] = getattr(operator, "WORDS", {})
    return {
        field.name: Attribute(
            field.name,
            hints[field.name],
            (*words.get(field.name, ()), *_literals(hints[field.name])),
            type(None) in _members(hints[field.name]),
            field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING,
            operator.UNITS.get(field.name),
        )
        for field in dataclasses.fields(operator)
        if field.init
    }


def fit(attribute: Attribute, value: Value | str) -> Any:
    """The value as the operator's constructor takes it; a `str` is a bare word. Raises MisfitError."""
    if isinstance(value, str):
        if value in attribute.words:
            return value
        if value == "none" and attribute.optional:
            return None
        raise MisfitError
    if attribute.unit is not None:
        if isinstance(value, Quantity) and value.kind == attribute.unit:
            return value.value
        raise MisfitError
    return _fit(attribute.kind, value)


def wanted(attribute: Attribute) -> str:
    """What the attribute takes, in words: `a whole number or a tuple of 2 whole numbers`."""
    if attribute.unit is not None:
        return " or ".join([example_of(attribute.unit), *(f"the word {word}" for word in attribute.words)])
    kinds = [
        _KINDS.get(kind) or _tuple(kind)
        for kind in _members(attribute.kind)
        if kind in _KINDS or get_origin(kind) is tuple
    ]
    kinds += [f"the word {word}" for word in (*attribute.words, *(("none",) if attribute.optional else ()))]
    return kinds[0] if len(kinds) == 1 else f"{', '.join(kinds[:-1])} or {kinds[-1]}"


_KINDS: dict[Any, str] = {bool: "true or false", int: "a whole number", float: "a number"}


def _members(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)


def _literals(kind: Any) -> tuple[str, ...]:
    return tuple(word for member in _members(kind) if get_origin(member) is Literal for word in get_args(member))


def _fit(kind: Any, value: Any) -> Any:
    for member in _members(kind):
        if member is bool and isinstance(value, bool):
            return value
        if member is int and isinstance(value, int) and not isinstance(value, bool):
            return value
        if member is float and isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
        if get_origin(member) is tuple and isinstance(value, tuple):
            value = cast(tuple[Any, ...], value)
            items = get_args(member)
            if items[-1] is ...:
                return tuple(_fit(items[0], item) for item in value)
            if len(items) == len(value):
                return tuple(_fit(item, part) for item, part in zip(items, value, strict=True))
    raise MisfitError


def _tuple(kind: Any) -> str:
    items = get_args(kind)
    plural = _KINDS[items[0]].removeprefix("a ") + "s"
    return f"a tuple of {plural}" if items[-1] is ... else f"a tuple of {len(items)} {plural}"
