"""The machines there are, and one of them with every figure's grade and source."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from striate.cli import console

if TYPE_CHECKING:
    from rich.table import Table

    from striate.targets.schema import Option, Target
    from striate_runtime.hardware import Hardware

DESCRIBED = "described only: nothing is compiled for it yet"


def every(as_json: bool) -> None:
    """Every machine that is described here: name, what it is; and the options that the spec of each kind takes."""
    from rich.table import Table

    from striate.targets.find import target_of
    from striate_runtime.hardware import ALIASES, HARDWARE, load_hardware

    rows: list[dict[str, object]] = []
    kinds: dict[str, Target] = {}
    for name in HARDWARE:
        hardware = load_hardware(name)
        aliases = [alias for alias, meant in ALIASES.items() if meant == name]
        target = kinds.setdefault(hardware.kind, target_of(hardware))
        options = () if target.refuses(hardware) else target.options
        rows.append(
            {"name": name, "aliases": aliases, "kind": hardware.kind, "title": hardware.title, "options": options}
        )
    if as_json:
        console.print_json({"format": 1, "machines": msgspec.to_builtins(rows)})
        return
    table = Table("name", "kind", "machine", title="machines", title_justify="left")
    for row in rows:
        names = ", ".join([str(row["name"]), *row["aliases"]])  # type: ignore[misc]
        refused = "" if row["options"] else f"\n{DESCRIBED}"
        table.add_row(names, str(row["kind"]), f"{row['title']}{refused}")
    console.show(
        table,
        *(_options_table(kind, target) for kind, target in kinds.items()),
        "A path to your own .toml works wherever a name does; 'striate targets NAME' prints a machine's figures.",
    )


def _options_table(kind: str, target: Target) -> Table:
    from rich.table import Table

    title = f"options of a {kind} machine, as in NAME(OPTION=VALUE, ...); the default first"
    table = Table("option", "what it is", title=title, title_justify="left")
    for option in target.options:
        written, doc = _option(option).split("  ", 1)
        table.add_row(written, doc)
    return table


def one(name: str, as_json: bool) -> None:
    """One machine, figure by figure."""
    from rich.table import Table

    from striate.machine import Machine
    from striate.targets import find
    from striate_runtime.hardware import assumed_note, entries, facts, figures

    target, hardware, _ = find(Machine(name))
    refused = target.refuses(hardware)
    if as_json:
        listed = {field: msgspec.to_builtins(figure) for field, figure in figures(hardware)}
        options = msgspec.to_builtins(target.options)
        console.print_json(
            {
                "format": 1,
                "name": hardware.name,
                "kind": hardware.kind,
                "title": hardware.title,
                "options": options,
                "refused": list(refused),
                "facts": dict(facts(hardware)),
                "figures": listed,
            }
        )
        return
    table = Table(
        "figure", "value", "grade", "scope", "source", title=f"{hardware.title} ({hardware.name})", title_justify="left"
    )
    table.columns[1].justify = "right"
    for field, figure in entries(hardware):
        if isinstance(figure, str):
            if "." in field:
                table.add_row(field, figure, "", "", "")
            continue
        band = "" if figure.low is None and figure.high is None else f"\n{number(figure.low)} to {number(figure.high)}"
        source = f"{figure.source}\n({figure.note})" if figure.note else figure.source
        table.add_row(field, number(figure.value) + band, figure.grade or "–", figure.scope, source)
    console.show(
        table,
        *(() if refused else ("options: " + "; ".join(map(_option, target.options)),)),
        "An unpublished figure is 'unknown'; a result that needs it says so.",
        *assumed_note(hardware, hardware.title),
        *_of_events(hardware),
        *(f"No network is compiled for it yet: {reason}." for reason in refused),
    )


def _of_events(hardware: Hardware) -> tuple[str, ...]:
    """What to know of a machine without steps."""
    from striate.targets.neuromorphic.refuse import holds_one_layer
    from striate_runtime.hardware import Chip

    if not isinstance(hardware, Chip) or not holds_one_layer(hardware):
        return ()
    return ("It has no steps: networks run event by event, with coding=rate, or coding=native where they have time.",)


def _option(option: Option) -> str:
    if not option.legal:
        return f"{option.name}=TEXT  {option.doc}"
    first, *rest = option.legal
    if isinstance(first, str):
        words = [str(option.default), *(str(word) for word in (first, *rest) if word != option.default)]
        return f"{option.name}={'|'.join(words)}  {option.doc}"
    return f"{option.name}={option.default}  {option.doc} ({first:g} to {float(rest[0]):g})"


def number(value: float | None) -> str:
    """A figure's value as it is printed."""
    return "unknown" if value is None else f"{value:,.6g}" if abs(value) < 1e6 else f"{value:,.0f}"
