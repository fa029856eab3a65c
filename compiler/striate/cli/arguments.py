"""Arguments and options that several commands share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from striate.diagnostics import CompileError
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
Timing = Annotated[
    str,
    typer.Option(
        help="How closely an emulated chip's messages are followed: simple (busiest core or link), detailed (queues "
        "before cores, crowded ways), or events (every message from link to link)."
    ),
]
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
    if path is None:
        return
    try:
        folder = path.resolve().parent
        exists, is_file, is_folder = path.exists(), path.is_file(), path.is_dir()
        folder_exists = folder.is_dir()
    except (OSError, ValueError, RuntimeError) as error:
        raise _cannot_write(path, error) from error
    reasons = {
        "it is a folder": is_folder,
        "it is a device, not a file": exists and not is_file and not is_folder,
        f"there is no folder {folder}": not folder_exists,
        f"the folder {folder} may not be written": folder_exists and not os.access(folder, os.W_OK),
    }
    for reason, holds in reasons.items():
        if holds:
            raise _cannot_write(path, reason)


@contextmanager
def replacing(path: Path) -> Generator[Path]:
    """A file beside `path` to write into; it becomes `path` when it is complete, and is gone where that fails."""
    path = path.resolve()
    temporary = path.with_name(f".striate-{os.getpid()}.part")
    try:
        yield temporary
        if path.exists():
            shutil.copymode(path, temporary)
        temporary.replace(path)
    except OSError as error:
        raise _cannot_write(path, error) from error
    finally:
        if temporary.is_file():
            temporary.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _cannot_write(path: Path, reason: str | Exception) -> CompileError:
    from striate.diagnostics import CompileError, Diagnostic

    if isinstance(reason, OSError):
        reason = reason.strerror or str(reason)
    return CompileError(Diagnostic("cannot-write", f"{path} cannot be written: {reason}"))
