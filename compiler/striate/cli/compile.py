"""`striate compile`: a network to a program file, or any stage on the way as text."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from striate.cli.arguments import Calibration, Json, Model, OneMachine, Weights

if TYPE_CHECKING:
    from striate.graph import Graph
    from striate.machine import Machine
    from striate.pipeline import Compilation
    from striate_runtime.program import Program

STAGES = ("graph", "optimised", "quantized", "kernels", "plan", "mapping", "health")


def compile(
    model: Model,
    on: OneMachine = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The program file to write.", show_default=False)
    ] = None,
    weights: Weights = None,
    calibration: Calibration = None,
    emit: Annotated[
        str | None,
        typer.Option(
            metavar="STAGE", help=f"Print a stage instead: {', '.join(STAGES)} (the last two with --json as data)."
        ),
    ] = None,
    print_after: Annotated[
        str | None, typer.Option(metavar="PASS", help="Print the graph after this pass ('all': after each).")
    ] = None,
    time_passes: Annotated[bool, typer.Option("--time-passes", help="Print each pass's rewrites and time.")] = False,
    json: Json = False,
) -> None:
    """Compile a network for one machine."""
    from striate.cli import console
    from striate.cli.arguments import machines, replacing, writable
    from striate.diagnostics import CompileError, Diagnostic
    from striate.pipeline import lower, read

    _known("stage", emit, STAGES)
    _known("pass", print_after, ("all", *_pass_names()))
    text_only = json and emit not in ("mapping", "health")
    idle = [name for name, given in {"--output": output is not None, "--json": text_only}.items() if given and emit]
    if idle:
        raise typer.BadParameter(f"--emit prints a stage and writes no program: leave out {' and '.join(idle)}")
    writable(output)
    compilation = read(model, weights=weights, calibration=calibration, observe=_printer(print_after))
    (machine, *others) = machines(compilation, [on] if on else None, default=("gpu",))
    if others and on is None and emit not in ("graph", "optimised", "quantized"):
        names = ", ".join(str(m) for m in (machine, *others))
        raise CompileError(Diagnostic("bad-machine", f"'{model}' compares {names}; say which one with --on"))
    if emit in ("graph", "optimised", "quantized"):
        print(_graph_text(getattr(compilation, emit)), end="")
        _report_passes(compilation, time_passes)
        return
    if emit == "health":
        _show_health(compilation, machine, json)
        return
    with console.progress() as progress:
        program = lower(compilation, machine, build=emit is None, progress=progress)
    _report_passes(compilation, time_passes)
    if emit:
        _print_emitted(program, emit, json)
        return
    path = output or _default_path(compilation.graph.name, machine.name)
    writable(path)
    with replacing(path) as temporary:
        program.save(temporary)
    summary = _summary(program, path)
    if json:
        console.print_json({"format": 1, **summary})
    else:
        print("\n".join(f"{name.replace('_', ' ')}: {value}" for name, value in summary.items()))


def _show_health(compilation: Compilation, machine: Machine, json: bool) -> None:
    from striate.cli import console
    from striate.cli.health import health_of, health_table

    with console.progress() as progress:
        found = health_of(compilation, machine, progress)
    if json:
        console.print_json({"format": 1, "machine": str(machine), **found})
    else:
        console.show(*health_table(found))


def _default_path(network: str, machine: str) -> Path:
    """A file in the current folder, named after what it holds, whatever signs the names hold."""
    plain = re.sub(r"[^\w.-]+", "_", f"{network}.{Path(machine).name.removesuffix('.toml')}")
    return Path(f"{plain.lstrip('.')[:200]}.striate.zip")


def _known(kind: str, name: str | None, legal: tuple[str, ...]) -> None:
    from striate.diagnostics import CompileError, Diagnostic, did_you_mean

    if name is not None and name not in legal:
        help = did_you_mean(name, legal) or f"legal here: {', '.join(legal)}"
        raise CompileError(Diagnostic(f"unknown-{kind}", f"there is no {kind} '{name}'", help=help))


def _pass_names() -> tuple[str, ...]:
    from striate.passes import PASSES

    return (*(p.__name__ for p in PASSES), "quantize")


def _printer(name: str | None):
    if name is None:
        return None

    def print_after(passed: str, graph: Graph) -> None:
        if name in (passed, "all"):
            print(f"# after {passed}\n{_graph_text(graph)}")

    return print_after


def _graph_text(graph: Graph) -> str:
    from striate.printer import print_graph

    return print_graph(graph)


def _report_passes(compilation: Compilation, wanted: bool) -> None:
    if not wanted:
        return
    from rich.table import Table

    from striate.cli import console

    table = Table("pass", "rewrites", "ms", title="passes", title_justify="left")
    for report in compilation.pass_reports:
        table.add_row(report.name, str(report.rewrites), f"{report.milliseconds:.1f}")
    console.show(table)


def _print_emitted(program: Program, stage: str, json: bool) -> None:
    from striate.cli import console
    from striate_runtime.report.mapping import mapping_data, mapping_text
    from striate_runtime.report.program import kernels_text, plan_text

    if stage == "kernels":
        print(kernels_text(program), end="")
    elif stage == "plan":
        print(plan_text(program), end="")
    elif json and program.target != "gpu":
        console.print_json({"format": 1, **mapping_data(program)})
    else:
        print(mapping_text(program), end="")


def _summary(program: Program, path: Path) -> dict[str, object]:
    return {
        "program": str(path),
        "machine": program.machine,
        "bytes": path.stat().st_size,
        "sha256": program.digest,
        "inputs": [f"{p.name}: {p.dtype}{list(p.shape)}" for p in program.inputs],
        "outputs": [f"{p.name}: {p.dtype}{list(p.shape)}" for p in program.outputs],
    }
