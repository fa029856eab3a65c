"""Every operator's cases as two graphs, floats and integers, so that one program runs them all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from striate.graph import Graph
from striate.operators import OPERATORS
from striate.operators.schema import Case
from striate.tensor import Array, TensorType

BATCH = 2


@dataclass(frozen=True)
class Cases:
    """A graph with one node and one output, both called `c<n>`, for each case; its inputs; and the cases by name."""

    graph: Graph
    inputs: dict[str, Array]
    cases: dict[str, Case]


def is_exact(case: Case) -> bool:
    """Whether the case must agree bit for bit: anything that reads or makes integers, and what only moves numbers."""
    name, result = case.operator.name, case.operator.result(*case.inputs)
    reads_integers = any(not type.is_float for type in case.inputs)
    return reads_integers or not result.is_float or name == "constant"


def all_cases() -> list[Case]:
    """Every case of every operator without state."""
    return [case for operator in OPERATORS.values() if not operator.stateful for case in operator.cases()]


def gather(cases: Iterable[Case]) -> Cases:
    """One graph of independent nodes; every case with the same batch."""
    graph, inputs, named = Graph("cases"), dict[str, Array](), dict[str, Case]()
    graph.add_input("unused", TensorType("f32", (1,)))
    inputs["unused"] = np.zeros((BATCH, 1), np.float32)
    for number, case in enumerate(cases):
        name = f"c{number}"
        named[name] = replace(case, batch=BATCH)
        operands, parameters = named[name].arrays(number)
        names = [f"{name}.x{position}" for position in range(len(operands))]
        for operand, type, array in zip(names, case.inputs, operands, strict=True):
            graph.add_input(operand, type)
            inputs[operand] = array
        node = graph.add(name, case.operator, names)
        for role, value in parameters.items():
            graph.set_parameter(node.parameters[role], value, graph.parameter(node, role).type)
        graph.outputs[name] = name
    return Cases(graph, inputs, named)


def with_halves(cases: Cases) -> Cases:
    """The same with every float rounded to f16, so that a half-precision program reads exactly these numbers."""
    graph = cases.graph.copy()
    for name, parameter in list(graph.parameters.items()):
        assert parameter.value is not None, "cases come with parameters"
        graph.set_parameter(name, _halved(parameter.value), parameter.type)
    return Cases(graph, {name: _halved(array) for name, array in cases.inputs.items()}, cases.cases)


def _halved(array: Array) -> Array:
    return array.astype(np.float16).astype(array.dtype) if array.dtype.kind == "f" else array
