"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from striate.machine import Machine
    from striate.pipeline import Compilation

Model = Annotated[Path, typer.Argument(help="A .striate file.", show_default=False)]
On = Annotated[
    list[str] | None,
    typer.Option(
        "--on", metavar="SPEC", help="A machine: gpu, 'gpu(precision=i8)', 'loihi2(coding=graded)', my.toml. Repeats."
    ),
]
OneMachine = Annotated[
    str | None,
    typer.Option(
        "--on", metavar="SPEC", help="The machine: gpu, 'gpu(precision=i8)', 'loihi2(coding=graded)', my.toml."
    ),
]
Weights = Annotated[
    str | None, typer.Option(metavar="FILE|init(SEED)", help="Weights to use instead of those that the file names.")
]
Calibration = Annotated[
    Path | None, typer.Option(metavar="FILE.npz", help="Sample inputs to take scales from, instead of the file's own.")
]
Data = Annotated[
    Path | None, typer.Option(metavar="FILE.npz", help="Inputs, named as in the network; 'label' for accuracy.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON (format 1) instead of text.")]
NoFallback = Annotated[
    bool, typer.Option("--no-fallback", help="Stop where a machine is absent, instead of running a stand-in.")
]


def machines(compilation: Compilation, on: list[str] | None, default: tuple[str, ...] = ()) -> tuple[Machine, ...]:
    """The machines asked for by `--on`, else by the file's compare section, else `default`."""
    from striate.language import parse_machine

    if on:
        return tuple(parse_machine(spec) for spec in on)
    return compilation.experiment.machines or tuple(parse_machine(spec) for spec in default)


def writable(path: Path | None) -> None:
    """Raise a diagnostic now if `path` cannot be written later, before any work is done for it."""
    from striate.diagnostics import CompileError, Diagnostic

    if path is None:
        return
    if path.is_dir() or not path.absolute().parent.is_dir():
        reason = "it is a folder" if path.is_dir() else f"there is no folder {path.parent}"
        raise CompileError(Diagnostic("cannot-write", f"{path} cannot be written: {reason}"))


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
