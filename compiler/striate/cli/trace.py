"""`striate trace`: every layer's values on a machine, or by the reference, kept in a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from striate.cli.arguments import Calibration, Data, Json, NoFallback, OneMachine, Weights
from striate.cli.prepare import ModelOrProgram, prepare

if TYPE_CHECKING:
    from striate.cli.console import Progress
    from striate.graph import Graph
    from striate.machine import Machine
    from striate.tensor import Array
    from striate_runtime.trace import Trace

INTERPRETER = "interpreter"
FIRING = ("lif", "integrate_and_fire", "cuba_lif", "sigma_delta", "delta", "fixed_point_lif")
HOLDING = ("fixed_point_sigma_delta",)
SILENT = ("leaky_integrator", "fixed_point_integrator", *HOLDING)
GRAPHS = ("optimised", "quantized", "graph")
"""Which graph the interpreter runs: what float machines get, what integer machines get, the network as written."""


def trace(
    model: ModelOrProgram,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where the values go, as .npz.", show_default=False)],
    data: Data = None,
    on: OneMachine = None,
    samples: Annotated[int, typer.Option(min=1, help="How many samples to trace.")] = 1,
    weights: Weights = None,
    calibration: Calibration = None,
    no_fallback: NoFallback = False,
    json: Json = False,
) -> None:
    """Keep every layer's values, and over time its spikes and potentials, under names that all machines share.

    Besides a machine, --on takes 'interpreter' and 'interpreter(graph=quantized)': the reference's values. It runs
    streams, [N, T, *shape], frame by frame.
    """
    from striate.cli import console
    from striate.cli.arguments import writable
    from striate_runtime.trace import save_trace

    writable(output)
    with console.progress() as progress:
        traced = trace_on(model, on, data, samples, weights, calibration, not no_fallback, progress)
    save_trace(traced, output)
    rows = {name: [str(array.dtype), *array.shape] for name, array in traced.values.items()}
    if json:
        console.print_json(
            {
                "format": 1,
                "machine": traced.machine,
                "samples": traced.samples,
                "written": str(output),
                "bytes": traced.bytes,
                "bytes_on_disk": output.stat().st_size,
                "values": rows,
            }
        )
        return
    wide = max(len(name) for name in rows)
    for name, array in traced.values.items():
        print(f"{name:<{wide}}  {array.dtype!s:<8} {list(array.shape)!s:<22} {array.nbytes:>12,} bytes")
    size, kept = f"{traced.bytes:,} bytes", f"{output.stat().st_size:,} bytes"
    print(f"{traced.machine}: {traced.samples} samples, {len(rows)} arrays, {size}, written to {output} ({kept})")


def trace_on(
    model: Path,
    on: str | None,
    data: Path | None,
    samples: int,
    weights: str | None,
    calibration: Path | None,
    fallback: bool,
    progress: Progress,
) -> Trace:
    """Run a network, or a program, and keep all it computes."""
    from striate.language import parse_machine
    from striate_runtime import open_device
    from striate_runtime.trace import Trace

    machine = None if on is None else parse_machine(on)
    if machine is not None and machine.name == INTERPRETER:
        return _interpreted(model, machine, data, samples, weights, calibration)
    program, inputs, _ = prepare(model, data, on, samples, weights, calibration, progress)
    with open_device(program, fallback=fallback, progress=progress) as device:
        return Trace(program.machine, program.network, tuple(inputs), device.trace(inputs))


def _interpreted(
    model: Path, machine: Machine, data: Path | None, samples: int, weights: str | None, calibration: Path | None
) -> Trace:
    from striate.data import frames_of, holds_streams, load_arrays
    from striate.diagnostics import CompileError, Diagnostic
    from striate.graph import Graph
    from striate.interpreter import interpret_all
    from striate.pipeline import read
    from striate_runtime.trace import Trace

    stage = _stage(machine)
    if model.suffix == ".zip":
        message = f"'{model}' is compiled: the interpreter runs a graph, and a program holds none"
        raise CompileError(Diagnostic("bad-machine", message))
    compilation = read(model, weights=weights, calibration=calibration)
    graph = getattr(compilation, stage)
    assert isinstance(graph, Graph)
    if data is None and compilation.experiment.data is not None:
        data = compilation.base / compilation.experiment.data
    if data is None:
        raise CompileError(
            Diagnostic("bad-data", f"no inputs given: pass --data FILE.npz with {', '.join(graph.inputs)}")
        )
    if graph.dt_s is None and holds_streams(data, graph.inputs):
        streams = load_arrays(data, graph.inputs, streams=True)
        kept = {name: array[:samples] for name, array in streams.items()}
        values = interpret_all(graph, frames_of(kept))
        shape = next(iter(kept.values())).shape[:2]
        whole = {name: array.reshape(*shape, *array.shape[1:]) for name, array in values.items()}
        return Trace(str(machine), graph.name, tuple(kept), whole)
    arrays = load_arrays(data, graph.inputs, graph.dt_s)
    inputs: Mapping[str, Array] = {name: array[:samples] for name, array in arrays.items()}
    values = interpret_all(graph, inputs)
    if graph.dt_s is not None:
        outputs = {output: values[value] for output, value in graph.outputs.items()}
        values = {name: array for name, array in over_time(graph, values).items() if name not in outputs} | outputs
    return Trace(str(machine), graph.name, tuple(inputs), values)


def over_time(graph: Graph, values: Mapping[str, Array]) -> dict[str, Array]:
    """Values `[N, T, *shape]` in their order, and what neurons give under a chip's names for it as well.

    Those are spikes, the potentials of neurons that never fire, and of those that hold what they have sent, both.
    """
    import numpy as np

    from striate_runtime.trace import EVENTS, POTENTIALS, SPIKES

    endings = {**dict.fromkeys(FIRING, SPIKES), **dict.fromkeys(SILENT, POTENTIALS)}
    named: dict[str, Array] = {}
    for name, array in values.items():
        node = graph.producer(name)
        named[name] = array
        ending = endings.get(node.operator.name) if node else None
        if ending == POTENTIALS:
            named[name + ending] = array
        if ending == SPIKES or (node and node.operator.name in HOLDING):
            changed = array if ending == SPIKES else np.diff(array.astype("int64"), axis=1, prepend=0)
            sent = (changed != 0).astype("uint8")
            named |= {name + SPIKES: sent, name + EVENTS: sent.sum(axis=tuple(range(2, sent.ndim)), dtype="int64")}
    return named


def _stage(machine: Machine) -> str:
    from striate.diagnostics import CompileError, Diagnostic

    unknown = [name for name in machine.options if name != "graph"]
    stage = machine.options.get("graph", GRAPHS[0])
    if unknown or stage not in GRAPHS:
        message = f"the interpreter has no '{machine}'"
        raise CompileError(Diagnostic("bad-machine", message, help=f"graph is one of {', '.join(GRAPHS)}"))
    return str(stage)
