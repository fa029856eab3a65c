"""Runs a graph by its operators' references, over time where it has time: slow, simple, and right by definition."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from striate.graph import Graph, Node
from striate.operators.readout import Delay
from striate.operators.stateful import State, StatefulOperator
from striate.tensor import NUMPY, Array


def interpret(graph: Graph, inputs: Mapping[str, Array], *, float64: bool = False) -> dict[str, Array]:
    """The network's outputs `[N, *shape]` for its inputs `[N, *shape]`; in double precision on request.

    With time: `[N, T, *shape]`, and `[N, *shape]` for what depends on a readout.
    """
    values = interpret_all(graph, inputs, float64=float64, keep=set(graph.outputs.values()))
    return {output: values[value] for output, value in graph.outputs.items()}


def interpret_all(
    graph: Graph, inputs: Mapping[str, Array], *, float64: bool = False, keep: set[str] | None = None
) -> dict[str, Array]:
    """Every value of the graph (or those in `keep`), by name. The weights must be loaded.

    With time: `[N, T, *shape]`, and `[N, *shape]` for what depends on a readout.
    """
    if graph.dt_s is not None:
        return _interpret_over_time(graph, inputs, float64, keep)
    values = {name: _cast(np.asarray(inputs[name]), NUMPY[t.dtype], float64) for name, t in graph.inputs.items()}
    order = graph.topological()
    last_use = {name: index for index, node in enumerate(order) for name in node.inputs}
    for index, node in enumerate(order):
        parameters = _parameters(graph, node, float64)
        result = node.operator.reference(*(values[name] for name in node.inputs), **parameters)
        values[node.name] = _cast(result, NUMPY[node.type.dtype], float64)
        if keep is not None:
            for name in set(node.inputs):
                if last_use[name] == index and name not in keep:
                    del values[name]
    return values


def _interpret_over_time(
    graph: Graph, inputs: Mapping[str, Array], float64: bool, keep: set[str] | None
) -> dict[str, Array]:
    """Step by step, in every step node by node. A delay gives what it kept, and takes its operand after the step."""
    dt_s, order = graph.dt_s, graph.topological()
    assert dt_s is not None, "the graph has time"
    series = {name: _cast(np.asarray(inputs[name]), NUMPY[t.dtype], float64) for name, t in graph.inputs.items()}
    lengths = {array.shape[:2] for array in series.values()}
    assert len(lengths) == 1, f"the inputs agree on samples and steps, not {lengths}"
    ((samples, steps),) = lengths
    assert steps > 0, "a network with time runs for at least one step"
    parameters = {node.name: _parameters(graph, node, float64) for node in order}
    states = {node.name: _at_rest(graph, node, samples, float64) for node in order}
    kept = [name for name in (*graph.inputs, *states) if keep is None or name in keep]
    at_the_end = graph.downstream(node.name for node in order if node.operator.reads_out)
    history: dict[str, list[Array]] = {name: [] for name in kept if name not in at_the_end}
    values: dict[str, Array] = {}
    for t in range(steps):
        values = {name: array[:, t] for name, array in series.items()}
        for node in order:
            operator = node.operator
            if isinstance(operator, Delay):
                result = operator.peek(states[node.name])
            elif isinstance(operator, StatefulOperator):
                operands = tuple(values[name] for name in node.inputs)
                result, states[node.name] = operator.step(operands, states[node.name], dt_s, **parameters[node.name])
            else:
                result = operator.reference(*(values[name] for name in node.inputs), **parameters[node.name])
            values[node.name] = _cast(result, NUMPY[node.type.dtype], float64)
        for node in order:
            if isinstance(node.operator, Delay):
                operand = (values[node.inputs[0]],)
                states[node.name] = node.operator.step(operand, states[node.name], dt_s)[1]
        for name, past in history.items():
            past.append(np.broadcast_to(values[name], (samples, *values[name].shape[1:])))
    over_time = {name: np.stack(past, axis=1) for name, past in history.items()}
    return {name: over_time[name] if name in over_time else values[name] for name in kept}


def _at_rest(graph: Graph, node: Node, samples: int, float64: bool) -> State:
    if not isinstance(node.operator, StatefulOperator):
        return {}
    return {
        name: _cast(np.zeros((samples, *type.shape)), NUMPY[type.dtype], float64)
        for name, type in node.operator.state(*graph.input_types(node)).items()
    }


def _parameters(graph: Graph, node: Node, float64: bool) -> dict[str, Array]:
    parameters: dict[str, Array] = {}
    for role, name in node.parameters.items():
        parameter = graph.parameters[name]
        assert parameter.value is not None, f"the weights of '{name}' are not loaded"
        parameters[role] = _cast(parameter.value, NUMPY[parameter.type.dtype], float64)
    return parameters


def _cast(array: Array, dtype: np.dtype[np.generic], float64: bool) -> Array:
    if float64 and dtype.kind == "f":
        return array.astype(np.float64, copy=False)
    return array.astype(dtype, copy=False)
