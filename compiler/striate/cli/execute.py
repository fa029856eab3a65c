"""`striate run` and `striate profile`: a program, or a network compiled on the way, on its machine."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from striate.cli.arguments import Calibration, Data, Json, NoFallback, OneMachine, Weights

if TYPE_CHECKING:
    from striate.cli.console import Progress
    from striate.tensor import Array
    from striate_runtime.profile import Profile
    from striate_runtime.program import Program

ModelOrProgram = Annotated[
    Path, typer.Argument(help="A .striate file, or a program that 'compile' wrote.", show_default=False)
]
Samples = Annotated[int | None, typer.Option(min=1, help="Use only the first so many samples.")]


def run(
    model: ModelOrProgram,
    data: Data = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where the outputs go, as .npz.", show_default=False)
    ] = None,
    on: OneMachine = None,
    samples: Samples = None,
    weights: Weights = None,
    calibration: Calibration = None,
    no_fallback: NoFallback = False,
    json: Json = False,
) -> None:
    """Run a network on a machine, and keep or summarise its outputs."""
    import numpy as np

    from striate.cli import console
    from striate.cli.arguments import replacing, writable
    from striate.data import write_arrays
    from striate_runtime import open_device
    from striate_runtime.compare import accuracy

    writable(output)
    with console.progress() as progress:
        program, inputs, labels = prepare(model, data, on, samples, weights, calibration, progress)
        with open_device(program, fallback=not no_fallback, progress=progress) as device:
            outputs = device.run(inputs)
    if output:
        with replacing(output) as temporary:
            write_arrays(temporary, outputs)
    summary: dict[str, object] = {
        "machine": program.machine,
        "samples": len(next(iter(inputs.values()))),
        "outputs": {name: [str(array.dtype), *array.shape] for name, array in outputs.items()},
        "written": str(output) if output else None,
    }
    if labels is not None and len(outputs) == 1:
        summary["accuracy"] = accuracy(next(iter(outputs.values())), labels)
    if json:
        console.print_json({"format": 1, **summary})
        return
    summary["outputs"] = ", ".join(f"{name}: {array.dtype}{list(array.shape)}" for name, array in outputs.items())
    print("\n".join(f"{name}: {value}" for name, value in summary.items() if value is not None))
    if not output:
        for name, array in outputs.items():
            print(f"{name}[0] = {np.array2string(array[0], threshold=20, precision=4)}")


def profile(
    model: ModelOrProgram,
    data: Data = None,
    on: OneMachine = None,
    samples: Samples = None,
    weights: Weights = None,
    calibration: Calibration = None,
    no_fallback: NoFallback = False,
    table: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write the per-layer table as CSV.")
    ] = None,
    json: Json = False,
) -> None:
    """What running a network takes: latency, energy as a stack, memory, by layer; every figure with its basis."""
    import msgspec

    from striate.cli import console
    from striate.cli.arguments import writable, write_text
    from striate_runtime import open_device
    from striate_runtime.report.table import profile_table

    writable(table)
    with console.progress() as progress:
        program, inputs, _ = prepare(model, data, on, samples, weights, calibration, progress)
        with open_device(program, fallback=not no_fallback, progress=progress) as device:
            _, measured = device.profile(inputs)
    if table:
        write_text(table, _csv(measured))
    if json:
        console.print_json({"format": 1, **msgspec.to_builtins(measured)})
    else:
        console.show(profile_table(measured))


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
    inputs = {name: array[:samples] for name, array in load_arrays(data, types).items()}
    labels = load_labels(data, len(next(iter(load_arrays(data, types).values()))))
    return program, inputs, None if labels is None else labels[:samples]


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
    return lower(compilation, machine, progress=progress), data


def _csv(profile: Profile) -> str:
    counts = list(dict.fromkeys(name for layer in profile.layers for name in layer.counts))
    parts = list(profile.energy_uj.stack)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["layer", "operator", "latency_us", *(f"energy_uj_{part}" for part in parts), *counts])
    for layer in profile.layers:
        energies = [layer.energy_uj.get(part) for part in parts]
        writer.writerow(
            [layer.layer, layer.operator, layer.latency_us, *energies, *(layer.counts.get(n) for n in counts)]
        )
    return text.getvalue()
