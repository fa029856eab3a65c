"""What `run`, `profile` and `trace` start from: a program, compiled or loaded, its inputs, and their labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from striate.cli.console import Progress
    from striate.machine import Machine
    from striate.pipeline import Compilation
    from striate.tensor import Array
    from striate_runtime.program import Program

ModelOrProgram = Annotated[
    Path, typer.Argument(help="A .striate file, or a program that 'compile' wrote.", show_default=False)
]


def prepare(
    model: Path,
    data: Path | None,
    on: str | None,
    samples: int | None,
    weights: str | None,
    calibration: Path | None,
    progress: Progress,
) -> tuple[Program, dict[str, Array], Array | None]:
    """The program, its inputs, and labels where the data file has them."""
    from striate.data import load_arrays, load_labels
    from striate.diagnostics import CompileError, Diagnostic
    from striate.tensor import TensorType
    from striate_runtime import load

    if _is_program(model):
        given = {"--on": on, "--weights": weights, "--calibration": calibration}
        idle = [name for name, value in given.items() if value is not None]
        if idle:
            message = f"'{model}' is compiled already: {', '.join(idle)} would change nothing"
            raise CompileError(Diagnostic("bad-machine", message))
        program = load(model)
    else:
        program, data = _compile(model, data, on, weights, calibration, progress)
    if data is None:
        names = ", ".join(port.name for port in program.inputs)
        raise CompileError(Diagnostic("bad-data", f"no inputs given: pass --data FILE.npz with {names}"))
    types = {port.name: TensorType(port.dtype, port.shape) for port in program.inputs}  # type: ignore[arg-type]
    arrays = load_arrays(data, types)
    inputs = {name: array[:samples] for name, array in arrays.items()}
    first = next(iter(arrays.values()))
    streams = program.target == "neuromorphic" and program.body["coding"] == "delta"
    steps = first.shape[1] if first.ndim > 1 else None
    every_step = all(port.shape[:1] == (steps,) for port in program.outputs) and _has_time(program)
    labels = load_labels(data, *first.shape[: 2 if streams else 1], steps=steps if every_step else None)
    return program, inputs, None if labels is None else labels[:samples]


def _has_time(program: Program) -> bool:
    """Whether the network has a time step."""
    if program.target == "neuromorphic":
        return program.body["coding"] == "native"
    return program.body.get("steps") is not None


def _is_program(model: Path) -> bool:
    """Whether a file is a program, by its name or by what it starts with."""
    if model.suffix == ".zip":
        return True
    try:
        with model.open("rb") as stream:
            return stream.read(2) == b"PK"
    except OSError:
        return False


def _compile(
    model: Path, data: Path | None, on: str | None, weights: str | None, calibration: Path | None, progress: Progress
) -> tuple[Program, Path | None]:
    from striate.cli.arguments import machines
    from striate.diagnostics import CompileError, Diagnostic
    from striate.pipeline import lower, read

    compilation = read(model, weights=weights, calibration=calibration)
    machine, *others = machines(compilation, [on] if on else None, default=("gpu",))
    if others:
        names = ", ".join(str(machine) for machine in (machine, *others))
        raise CompileError(Diagnostic("bad-machine", f"'{model}' compares {names}; say which one with --on"))
    experiment = compilation.experiment
    if data is None and experiment.data is not None:
        data = compilation.base / experiment.data
    if data is not None:
        compilation.steps = _steps_in(compilation, machine, data)
    return lower(compilation, machine, progress=progress), data


def _steps_in(compilation: Compilation, machine: Machine, data: Path) -> int | None:
    """How many steps the data have, for a network with time, or frames, for a machine that takes streams."""
    from striate.data import load_arrays
    from striate.targets import find

    graph, (target, _, options) = compilation.graph, find(machine)
    streams = target.takes_streams(options)
    if graph.dt_s is None and not streams:
        return None
    return next(iter(load_arrays(data, graph.inputs, graph.dt_s, streams).values())).shape[1]
