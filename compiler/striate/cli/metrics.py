"""NeuroBench's metrics of a network on a machine, and our stricter ones beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from striate.graph import Graph
    from striate.pipeline import Compilation
    from striate.tensor import Array
    from striate_runtime.metrics.neurobench import Call
    from striate_runtime.program import Program

ACTIVATIONS = ("relu", "relu6", "sigmoid")
"""What counts as an activation layer: NeuroBench hooks ReLU and Sigmoid, and relu6 is a ReLU with a limit."""


def metrics_of_graph(compilation: Compilation, integers: bool, inputs: Mapping[str, Array]) -> dict[str, Any]:
    """The metrics of the graph that a machine computes, float or integer, for these inputs.

    A call is one sample, over time one step of it.
    """
    from striate.cli.trace import FIRING
    from striate.interpreter import interpret_all
    from striate_runtime.metrics import neurobench, strict

    graph = compilation.quantized if integers else compilation.optimised
    active = [node.name for node in compilation.optimised if node.operator.name in (*ACTIVATIONS, *FIRING)]
    samples = len(next(iter(inputs.values())))
    calls: list[Call] = []
    outputs: dict[str, list[Array]] = {}
    for n in range(samples):
        values = interpret_all(graph, {name: array[n : n + 1] for name, array in inputs.items()})
        calls += [call for moment in _moments(graph, values) for call in _calls(graph, moment)]
        for name in active:
            if name in values:
                outputs.setdefault(name, []).append(values[name])
    tensors = [_value(graph, name) for name in graph.parameters]
    measured = {node.parameters[role] for node in graph for role in node.operator.buffers}
    trained = [_value(graph, name) for name in graph.parameters if name not in measured]
    operations = {node.name: _operations(graph, node.name) for node in graph}
    return _report(
        neurobench.footprint(tensors),
        strict.packed_bytes(tensors),
        neurobench.parameter_count(trained),
        calls,
        {name: _stacked(parts) for name, parts in outputs.items()},
        {},
        strict.uncounted(operations, {connection.name for connection, _ in calls}),
        samples,
    )


def metrics_of_spikes(program: Program, values: Mapping[str, Array]) -> dict[str, Any]:
    """The metrics of a traced program whose neurons send over time; a call is one step, a sample may be a stream."""
    from striate_runtime.metrics import neurobench, strict
    from striate_runtime.metrics.spiking import spiking_layers

    layers = spiking_layers(program, values)
    samples = len(next(iter(values.values())))
    tensors = list(program.arrays.values())
    weights = [connection.weight for connection, _ in layers.calls]
    return _report(
        neurobench.footprint(tensors),
        strict.packed_bytes(tensors),
        neurobench.parameter_count(weights),
        list(layers.calls),
        layers.outputs,
        layers.potentials,
        dict.fromkeys(layers.uncounted),
        samples,
    )


def _report(
    footprint: int,
    packed: int,
    parameters: int,
    calls: list[Call],
    outputs: Mapping[str, Array],
    potentials: Mapping[str, Array],
    uncounted: Mapping[str, int | None],
    samples: int,
) -> dict[str, Any]:
    from striate_runtime.metrics import neurobench, strict

    weights = {connection.name: connection.weight for connection, _ in calls}
    return {
        "neurobench": {
            "Footprint": footprint,
            "ParameterCount": parameters,
            "ConnectionSparsity": neurobench.connection_sparsity(list(weights.values())),
            "ActivationSparsity": neurobench.activation_sparsity(outputs),
            "ActivationSparsityByLayer": neurobench.activation_sparsity_by_layer(outputs),
            "SynapticOperations": neurobench.synaptic_operations(calls, samples),
            "MembraneUpdates": neurobench.membrane_updates(potentials.values()) if potentials else None,
        },
        "strict": {
            "footprint_packed_bytes": packed,
            **strict.operations_by_operand(calls, samples),
            "uncounted_operations": dict(uncounted),
        },
        "samples": samples,
    }


def metrics_table(metrics: Mapping[str, Any]) -> Any:
    """The metrics as a table; by-layer figures stay in the JSON."""
    from rich.table import Table

    table = Table("metric", "value", "by", title=f"metrics, {metrics['samples']} samples", title_justify="left")
    table.columns[1].justify = "right"
    for owner in ("neurobench", "strict"):
        for name, value in cast("dict[str, Any]", metrics[owner]).items():
            if name == "SynapticOperations":
                for kind, count in value.items():
                    table.add_row(f"{name} {kind}", f"{count:,.1f}", owner)
            elif name == "uncounted_operations":
                table.add_row("layers with work not counted", ", ".join(value) or "none", owner)
            elif not isinstance(value, dict):
                table.add_row(name, "–" if value is None else f"{value:,}", owner)
    return table


def _moments(graph: Graph, values: Mapping[str, Array]) -> Iterator[Mapping[str, Array]]:
    """The values of each step, and then of what is computed once, after a readout; without time, all of them."""
    if graph.dt_s is None:
        yield values
        return
    once = graph.downstream(node.name for node in graph if node.operator.reads_out)
    series = {name: array for name, array in values.items() if name not in once}
    for step in range(next(iter(series.values())).shape[1]):
        yield {name: array[:, step] for name, array in series.items()}
    yield {name: values[name] for name in values if name in once}


def _calls(graph: Graph, values: Mapping[str, Array]) -> list[Call]:
    """The synapses that meet these values, as NeuroBench finds them: convolutions and linear layers."""
    from striate.operators.convolution import Conv1d, Conv2d
    from striate.operators.linear import Linear
    from striate_runtime.metrics.connection import Connection

    calls: list[Call] = []
    for node in graph:
        operator = node.operator
        if not isinstance(operator, Conv1d | Conv2d | Linear) or node.inputs[0] not in values:
            continue
        x, weight = values[node.inputs[0]], _value(graph, node.parameters["weight"])
        if isinstance(operator, Linear):
            calls.append((Connection(node.name, weight), x))
            continue
        if isinstance(operator, Conv1d):
            operator, x, weight = operator.as_conv2d(), x[:, :, None], weight[:, :, None]
        pads = operator.pads(*x.shape[2:])
        calls.append((Connection(node.name, weight, operator.strides, pads, operator.dilations, operator.groups), x))
    return calls


def _operations(graph: Graph, name: str) -> int:
    node = graph.node(name)
    work = node.operator.work(*graph.input_types(node))
    return work.macs + work.operations


def _value(graph: Graph, name: str) -> Array:
    value = graph.parameters[name].value
    assert value is not None, f"the weights of '{name}' are not loaded"
    return value


def _stacked(parts: list[Array]) -> Array:
    import numpy as np

    return np.concatenate(parts)
