"""Runs a graph by its operators' references: slow, simple, and right by definition."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from striate.graph import Graph
from striate.tensor import NUMPY, Array


def interpret(graph: Graph, inputs: Mapping[str, Array], *, float64: bool = False) -> dict[str, Array]:
    """The network's outputs `[N, *shape]` for its inputs `[N, *shape]`; in double precision on request."""
    values = interpret_all(graph, inputs, float64=float64, keep=set(graph.outputs.values()))
    return {output: values[value] for output, value in graph.outputs.items()}


def interpret_all(
    graph: Graph, inputs: Mapping[str, Array], *, float64: bool = False, keep: set[str] | None = None
) -> dict[str, Array]:
    """Every value of the graph (or those in `keep`), by name. The weights must be loaded."""
    values = {name: _cast(np.asarray(inputs[name]), NUMPY[t.dtype], float64) for name, t in graph.inputs.items()}
    order = graph.topological()
    last_use = {name: index for index, node in enumerate(order) for name in node.inputs}
    for index, node in enumerate(order):
        parameters: dict[str, Array] = {}
        for role, name in node.parameters.items():
            parameter = graph.parameters[name]
            assert parameter.value is not None, f"the weights of '{name}' are not loaded"
            parameters[role] = _cast(parameter.value, NUMPY[parameter.type.dtype], float64)
        result = node.operator.reference(*(values[name] for name in node.inputs), **parameters)
        values[node.name] = _cast(result, NUMPY[node.type.dtype], float64)
        if keep is not None:
            for name in set(node.inputs):
                if last_use[name] == index and name not in keep:
                    del values[name]
    return values


def _cast(array: Array, dtype: np.dtype[np.generic], float64: bool) -> Array:
    if float64 and dtype.kind == "f":
        return array.astype(np.float64, copy=False)
    return array.astype(dtype, copy=False)
