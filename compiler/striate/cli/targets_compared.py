"""Several machines of one kind side by side: every figure in which they differ, with its grade."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from striate.cli import console
from striate.cli.targets import number

if TYPE_CHECKING:
    from striate_runtime.hardware import Hardware, Limit, Quantity

    Entry = Quantity | Limit | str | None


def compared(names: list[str], as_json: bool) -> None:
    """Print what differs. Raises CompileError: unknown-machine, bad-machine."""
    from rich.table import Table

    machines = _machines(names)
    differences = _differences(machines)
    alike = len({field for entries in map(_entries, machines) for field in entries}) - len(differences)
    if as_json:
        rows = {
            field: {machine.name: msgspec.to_builtins(entry) for machine, entry in zip(machines, entries, strict=True)}
            for field, entries in differences.items()
        }
        console.print_json(
            {"format": 1, "machines": [machine.name for machine in machines], "alike": alike, "differences": rows}
        )
        return
    table = Table("figure", *(machine.name for machine in machines), title="where they differ", title_justify="left")
    for field, entries in differences.items():
        table.add_row(field, *map(_written, entries))
    console.show(table, *(f"{machine.name}: {machine.title}" for machine in machines), f"{alike} figures are alike.")


def _machines(names: list[str]) -> list[Hardware]:
    from striate.diagnostics import CompileError, Diagnostic
    from striate.machine import Machine
    from striate.targets import find

    machines = [find(Machine(name))[1] for name in names]
    kinds = {machine.kind for machine in machines}
    if len(kinds) > 1:
        listed = ", ".join(f"'{name}' is {machine.kind}" for name, machine in zip(names, machines, strict=True))
        message = f"these machines have no figures in common: {listed}"
        raise CompileError(Diagnostic("bad-machine", message, help="name machines of one kind"))
    return machines


def _entries(machine: Hardware) -> dict[str, Entry]:
    from striate_runtime.hardware import entries

    return {field: entry for field, entry in entries(machine) if "." in field}


def _differences(machines: list[Hardware]) -> dict[str, tuple[Entry, ...]]:
    """Of every field in which not all are alike, what each machine has there; None where it has no such field."""
    tables = [_entries(machine) for machine in machines]
    fields = list(dict.fromkeys(field for table in tables for field in table))
    rows = {field: tuple(table.get(field) for table in tables) for field in fields}
    return {field: entries for field, entries in rows.items() if len({_value(entry) for entry in entries}) > 1}


def _value(entry: Entry) -> object:
    """What of an entry tells machines apart: not in what words its source is given."""
    return entry if isinstance(entry, str) or entry is None else (entry.value, entry.low, entry.high, entry.grade)


def _written(entry: Entry) -> str:
    if entry is None:
        return "–"
    if isinstance(entry, str):
        return entry
    band = "" if entry.low is None and entry.high is None else f" ({number(entry.low)} to {number(entry.high)})"
    return f"{number(entry.value)}{band} {entry.grade or ''}".rstrip()
