"""`striate run` and `striate profile`: a program, or a network compiled on the way, on its machine."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from striate.cli.arguments import Calibration, Data, Json, NoFallback, OneMachine, Timing, Weights
from striate.cli.prepare import ModelOrProgram, prepare

if TYPE_CHECKING:
    from striate.tensor import Array
    from striate_runtime.device import Device
    from striate_runtime.profile import CoreProfile, LayerProfile, Profile
    from striate_runtime.program import Program

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
    """Run a network on a machine, and keep or summarise its outputs.

    A machine with coding=delta runs streams: its data are [N, T, *shape], and its outputs have T as well.
    """
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
        (scores,) = outputs.values()
        summary["accuracy"] = accuracy(scores.reshape(labels.size, -1), labels.reshape(-1))
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
    timing: Timing = "simple",
    no_fallback: NoFallback = False,
    table: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write the per-layer table as CSV.")
    ] = None,
    cores: Annotated[
        bool, typer.Option("--cores", help="Show the per-core table too; with --csv, write it instead.")
    ] = False,
    metrics: Annotated[bool, typer.Option("--metrics", help="Add NeuroBench's metrics, and stricter ones.")] = False,
    mesh: Annotated[
        Path | None, typer.Option(metavar="FILE.svg", help="Write a picture of the chip: cores, and traffic on links.")
    ] = None,
    colour: Annotated[
        str | None, typer.Option(help="What colours a core there: layer (where nothing is said), load or energy.")
    ] = None,
    json: Json = False,
) -> None:
    """What running a network takes: latency, energy as a stack, memory, by layer; every figure with its basis.

    With coding=delta the data are streams, [N, T, *shape], and a sample is one frame of them.
    """
    import msgspec

    from striate.cli import console
    from striate.cli.arguments import writable, write_text
    from striate.cli.metrics import metrics_table
    from striate.diagnostics import CompileError, Diagnostic
    from striate_runtime import open_device
    from striate_runtime.report.mesh import COLOURS, mesh_svg
    from striate_runtime.report.table import cores_table, profile_table

    _known_colour(colour, tuple(COLOURS), mesh)
    writable(table)
    writable(mesh)
    with console.progress() as progress:
        program, inputs, _ = prepare(model, data, on, samples, weights, calibration, progress)
        with open_device(program, fallback=not no_fallback, progress=progress, timing=timing) as device:
            _, measured = device.profile(inputs)
            found = _metrics(model, program, device, inputs, on, weights, calibration) if metrics else None
    if (cores or mesh) and not measured.cores:
        raise CompileError(Diagnostic("bad-machine", f"'{program.machine}' has no cores to show"))
    if table:
        write_text(table, _csv(measured, measured.cores if cores else measured.layers))
    if mesh:
        write_text(mesh, mesh_svg(measured, colour or "layer"))
    if json:
        extra = {"metrics": found} if metrics else {}
        console.print_json({"format": 1, **msgspec.to_builtins(measured), **extra})
    else:
        console.show(
            profile_table(measured),
            *([cores_table(measured)] if cores else []),
            *([metrics_table(found)] if found else []),
        )


def _known_colour(colour: str | None, legal: tuple[str, ...], mesh: Path | None) -> None:
    from striate.diagnostics import CompileError, Diagnostic, did_you_mean

    if colour is None:
        return
    if mesh is None:
        message = f"--colour {colour} colours the cores of a picture, and none is written"
        raise CompileError(Diagnostic("unknown-colour", message, help="add --mesh FILE.svg"))
    if colour not in legal:
        help = did_you_mean(colour, legal) or f"it is one of {', '.join(legal)}"
        raise CompileError(Diagnostic("unknown-colour", f"a core has no '{colour}' to be coloured by", help=help))


def _metrics(
    model: Path,
    program: Program,
    device: Device,
    inputs: dict[str, Array],
    on: str | None,
    weights: str | None,
    calibration: Path | None,
) -> dict[str, Any]:
    from striate.cli.arguments import machines
    from striate.cli.metrics import metrics_of_graph, metrics_of_spikes
    from striate.diagnostics import CompileError, Diagnostic
    from striate.pipeline import read
    from striate.targets import find

    if program.target == "neuromorphic" and program.body["coding"] != "graded":
        return metrics_of_spikes(program, device.trace(inputs))
    if model.suffix == ".zip":
        message = f"'{model}' is compiled: without its network the metrics cannot be told"
        raise CompileError(Diagnostic("bad-machine", message, help="give the .striate file"))
    compilation = read(model, weights=weights, calibration=calibration)
    machine, *_ = machines(compilation, [on] if on else None, default=("gpu",))
    target, hardware, options = find(machine)
    return metrics_of_graph(compilation, target.computes_in_integers(options, hardware), inputs)


def _csv(profile: Profile, rows: Sequence[LayerProfile | CoreProfile]) -> str:
    from striate_runtime.profile import CoreProfile

    counts = list(dict.fromkeys(name for row in rows for name in row.counts))
    parts = list(profile.energy_uj.stack)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    energies = [f"energy_uj_{part}" for part in parts]
    by_core = any(isinstance(row, CoreProfile) for row in rows)
    own = ("core", "layer", "chip", "x", "y") if by_core else ("layer", "operator", "latency_us")
    writer.writerow([*own, *energies, *counts])
    for row in rows:
        spent = [row.energy_uj.get(part) for part in parts]
        writer.writerow([*(getattr(row, name) for name in own), *spent, *(row.counts.get(name) for name in counts)])
    return text.getvalue()
