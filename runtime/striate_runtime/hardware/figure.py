"""Figures: numbers that say where they come from, and how to find all those of a description."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, cast, get_args

import msgspec

Grade = Literal["measured", "fitted", "simulated", "vendor", "derived", "assumed"]
"""How a figure came to be: read off silicon; regressed on silicon; from a circuit simulation before silicon; the
maker's word; computed from other published figures (the note says how); nobody's (a result that uses it says so)."""

GRADES: tuple[str, ...] = get_args(Grade)


class Quantity(msgspec.Struct, frozen=True):
    """A physical figure, in the unit that its field's name ends in. `low` and `high` bound it where a band is known.

    `scope` is what one unit of it stands for: `per-op` (the marginal cost of one operation), `all-in dynamic` (all
    power above idle divided by one kind of operation), `chip`, `board`.
    """

    value: float | None
    grade: Grade | None
    source: str
    scope: str = "per-op"
    low: float | None = None
    high: float | None = None
    note: str = ""


class Limit(msgspec.Struct, frozen=True):
    """A whole number that the machine has or allows at most; None where it is unpublished."""

    value: int | None
    grade: Grade | None
    source: str
    scope: str = "core"
    low: int | None = None
    high: int | None = None
    note: str = ""


def entries(section: msgspec.Struct, path: str = "") -> Iterator[tuple[str, Quantity | Limit | str]]:
    """What a section and the sections in it say, in order: paths, and figures or facts of structure in words."""
    for name, value in _leaves(section, path):
        if isinstance(value, Quantity | Limit):
            yield name, value
        else:
            values = cast(tuple[object, ...], value) if isinstance(value, tuple) else (value,)
            yield name, ", ".join(_WORDS.get(str(each), str(each)) for each in values)


def figures(section: msgspec.Struct, path: str = "") -> Iterator[tuple[str, Quantity | Limit]]:
    """Every figure of a section and of the sections in it, with its path: `cost.barrier_energy_pj`."""
    return ((name, entry) for name, entry in entries(section, path) if not isinstance(entry, str))


def facts(section: msgspec.Struct, path: str = "") -> Iterator[tuple[str, str]]:
    """Every fact of structure (no figure) with its path, in words: `time.model`, `barrier_step`."""
    return ((name, entry) for name, entry in entries(section, path) if isinstance(entry, str))


def assumed(section: msgspec.Struct) -> tuple[str, ...]:
    """The paths of the figures that are nobody's."""
    return tuple(path for path, figure in figures(section) if figure.grade == "assumed")


def assumed_note(section: msgspec.Struct, title: str) -> tuple[str, ...]:
    """The remark that a result must carry whose machine has assumed figures; empty where it has none."""
    paths = assumed(section)
    if not paths:
        return ()
    parts = dict.fromkeys(path.split(".")[0].split("[")[0] for path in paths)
    return (f"{len(paths)} of the figures of {title} are assumed, nobody has published them (in {', '.join(parts)})",)


def _leaves(section: msgspec.Struct, path: str) -> Iterator[tuple[str, object]]:
    """What is no section, list of sections or absent, with its path."""
    for field in msgspec.structs.fields(type(section)):
        value, place = getattr(section, field.name), f"{path}{field.name}"
        parts = cast(tuple[object, ...], value) if isinstance(value, tuple) else ()
        if isinstance(value, msgspec.Struct) and not isinstance(value, Quantity | Limit):
            yield from _leaves(value, f"{place}.")
        elif parts and all(isinstance(part, msgspec.Struct) for part in parts):
            for index, part in enumerate(cast(tuple[msgspec.Struct, ...], parts)):
                yield from _leaves(part, f"{place}[{index}].")
        elif value is not None and value != () and field.name != "text":
            yield place, value


_WORDS = {"True": "yes", "False": "no"}
