"""graph -> text in the language, flat: one statement for each node. Parsing it gives the equal graph."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Mapping
from typing import Any, cast

from striate.graph import Graph, Node
from striate.operators.units import write_quantity

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED = frozenset(
    {"block", "network", "compare", "let", "if", "else", "repeat", "in", "and", "or", "not", "true", "false"}
)


def print_graph(graph: Graph) -> str:
    """The graph as a text that means it: types, nodes, operands, attributes and parameter names are all in it.

    Values of parameters are not part of a text.
    """
    given = [f"{write_name(name)}: {type}" for name, type in graph.inputs.items()]
    inputs = ", ".join([*given, *([] if graph.dt_s is None else [f"dt = {write_quantity(graph.dt_s, 'time')}"])])
    outputs = ", ".join(_output(name, value) for name, value in graph.outputs.items())
    lines = [f"network {write_name(graph.name)}({inputs}) -> {outputs} {{"]
    lines += [f"  {write_name(node.name)} = {_application(node)}" for node in graph.topological()]
    return "\n".join([*lines, "}"]) + "\n"


def write_name(name: str) -> str:
    """A name as the text writes it: quoted unless it is an identifier."""
    return name if _PLAIN.fullmatch(name) and name not in _RESERVED else _quote(name)


def write_value(value: object) -> str:
    """An attribute's value as the text writes it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value
    if isinstance(value, tuple):
        items = cast(tuple[Any, ...], value)
        return f"({', '.join(map(write_value, items))}{',' if len(items) == 1 else ''})"
    if isinstance(value, float):
        return _float(float(value))
    assert isinstance(value, int), f"{value!r} is no attribute value"
    return str(int(value))


def _float(value: float) -> str:
    """The shortest text that reads back as this number: `7` for 7.0, so that equal attributes print alike."""
    assert value == value, "an attribute is a number"
    if value.is_integer() and abs(value) < 2**53 and (value or math.copysign(1, value) > 0):
        return str(int(value))
    return repr(value)


def _quote(name: str) -> str:
    return json.dumps(name)


def _output(name: str, value: str) -> str:
    return write_name(name) if name == value else f"{write_name(name)} = {write_name(value)}"


def _application(node: Node) -> str:
    arguments = [*_attributes(node), *_parameter_names(node.name, node.parameters)]
    operands = [write_name(name) for name in node.inputs]
    if len(operands) == 1:
        return f"{operands[0]} |> {node.operator.name}" + (f"({', '.join(arguments)})" if arguments else "")
    return f"{node.operator.name}({', '.join([*operands, *arguments])})"


def _attributes(node: Node) -> list[str]:
    """Required attributes by position, the others by name where they are not the default."""
    written: list[str] = []
    for field in dataclasses.fields(node.operator):
        if not field.init:
            continue
        value = getattr(node.operator, field.name)
        kind = node.operator.UNITS.get(field.name)
        text = write_quantity(value, kind) if kind is not None and isinstance(value, float) else write_value(value)
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required:
            written.append(text)
        elif field.default_factory is not dataclasses.MISSING or value != field.default:
            written.append(f"{field.name}={text}")
    return written


def _parameter_names(name: str, parameters: Mapping[str, str]) -> list[str]:
    """`name=` where all parameters share another prefix than the node's, else one entry for each odd one."""
    if all(parameter == f"{name}.{role}" for role, parameter in parameters.items()):
        return []
    prefixes = {parameter.removesuffix(f".{role}") for role, parameter in parameters.items()}
    prefix = prefixes.pop() if len(prefixes) == 1 else ""
    if prefix and all(parameter == f"{prefix}.{role}" for role, parameter in parameters.items()):
        return [f"name={_quote(prefix)}"]
    odd = {role: parameter for role, parameter in parameters.items() if parameter != f"{name}.{role}"}
    return [f"{role}={_quote(parameter)}" for role, parameter in odd.items()]
