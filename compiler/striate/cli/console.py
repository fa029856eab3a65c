"""Progress on stderr, results on stdout."""

from __future__ import annotations

import codecs
import io
import json
import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

Progress = Callable[[str, int, int], None]


@contextmanager
def progress() -> Generator[Progress, None, None]:
    """A callback (what, done, total) that draws bars on a terminal and stays quiet in a pipe."""
    if not sys.stderr.isatty():
        yield lambda what, done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, Any] = {}

        def update(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)
            if done >= total:
                bars.remove_task(tasks.pop(what))

        yield update


_PLAIN = {"µ": "u", "–": "-", "×": "x", "·": ",", "…": "...", "→": "->"}


def speak_plainly() -> None:
    """Where stdout or stderr cannot print a sign (LANG=C), print the nearest ASCII instead of stopping.

    Where one was closed before the start, what is printed to it is forgotten.
    """
    closed = [name for name in ("stdout", "stderr") if getattr(sys, name) is None]
    for name in closed:
        setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - it stays open until the process ends
    codecs.register_error("plain", _plainly)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="plain")


def silence() -> None:
    """Let stdout, which nobody reads or nothing can be written to, be forgotten without another complaint."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _plainly(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    return "".join(_PLAIN.get(sign, "?") for sign in error.object[error.start : error.end]), error.end


def print_json(value: object) -> None:
    """One JSON document on stdout."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def show(*renderables: Any) -> None:
    """Rich renderables on stdout; in a pipe wide enough that no table is cut."""
    from rich.console import Console

    console = Console() if sys.stdout.isatty() else Console(width=200)
    console.print(*renderables, sep="\n")
