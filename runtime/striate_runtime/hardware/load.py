"""Reads a hardware description and checks every field of it: names, types, units, signs, grades and sources."""

from __future__ import annotations

import difflib
import math
import tomllib
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import NoneType
from typing import Any, Literal, TypeVar, cast, get_args, get_origin

import msgspec

from striate_runtime.hardware.conditions import check_conditions
from striate_runtime.hardware.figure import GRADES, Limit, Quantity
from striate_runtime.hardware.schema import KINDS, Chip, Hardware

HARDWARE: tuple[str, ...] = (
    "h100",
    "loihi1_davies18",
    "loihi1_sanafe25",
    "loihi2",
    "speck",
    "teaching",
    "truenorth",
)
"""The machines that are described here, one TOML each."""

ALIASES = {"gpu": "h100", "loihi1": "loihi1_sanafe25"}
"""Other names that a machine spec may use."""

UNITS = (
    *("pj", "nj", "uj", "mj", "j", "ps", "ns", "us", "ms", "s", "uw", "mw", "w", "v", "nm", "mm2", "percent"),
    *("bits", "bytes", "words", "mb", "tflops", "tops"),
)
"""Units as field names end in them."""

_Section = TypeVar("_Section", bound=msgspec.Struct)


class HardwareError(Exception):
    """A description that cannot be used; the message names the file, the field, and what would be right."""


def load_hardware(name_or_path: str | Path) -> Hardware:
    """The machine of that name or alias, or the one described in the user's own TOML file. Raises HardwareError."""
    name = str(name_or_path)
    if _is_path(name):
        try:
            text = Path(name).read_text(encoding="utf-8")
        except OSError as error:
            raise HardwareError(f"{name}: cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise HardwareError(f"{name}: not a text file") from error
        return parse_hardware(text, name)
    stem = ALIASES.get(name, name)
    if stem not in HARDWARE:
        names = (*HARDWARE, *ALIASES)
        raise HardwareError(f"there is no hardware named '{name}'{_nearest(name, names)}; there are {', '.join(names)}")
    text = files("striate_runtime.hardware").joinpath(f"{stem}.toml").read_text(encoding="utf-8")
    return parse_hardware(text, f"{stem}.toml")


def parse_hardware(text: str, name: str) -> Hardware:
    """The machine that a TOML text describes. `name` stands for the file in errors. Raises HardwareError."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise HardwareError(f"{name}: not valid TOML: {error}") from error
    except RecursionError as error:
        raise HardwareError(f"{name}: not valid TOML: brackets are nested too deeply") from error
    kind = table.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise HardwareError(f"{name}: kind: must be {' or '.join(map(repr, KINDS))}, not {kind!r}")
    reader = _Reader(name, table.pop("sources", {}))
    reader.check("text" not in table, "text", "is not a field here")
    table["text"] = text
    hardware = reader.section(table, KINDS[kind], "")
    if isinstance(hardware, Chip):
        check_conditions(hardware, reader.check)
    return hardware


def _is_path(name: str) -> bool:
    return name.endswith(".toml") or "/" in name or "\\" in name


class _Reader:
    """Turns tables of one file into sections, naming file and field in every error."""

    def __init__(self, file: str, sources: object) -> None:
        self.file = file
        self.sources = self.table(sources, "sources")
        for key, text in self.sources.items():
            self.check(isinstance(text, str) and bool(text), f"sources.{key}", "must be a text")

    def check(self, holds: bool, field: str, message: str) -> None:
        """Raise HardwareError for `field` unless it `holds`."""
        if not holds:
            raise HardwareError(f"{self.file}: {field}: {message}")

    def table(self, value: object, field: str) -> dict[str, Any]:
        """The value, which must be a table."""
        self.check(isinstance(value, dict), field, f"must be a table, not {value!r}")
        return cast(dict[str, Any], value)

    def section(self, value: object, kind: type[_Section], path: str) -> _Section:
        """A table as a section: every field present, none unknown, each of its type."""
        table = self.table(value, path or "file")
        fields = {field.name: field for field in _fields(kind)}
        for key in table:
            if key not in fields:
                self.check(False, _join(path, key), _unknown(key, fields))
        for key, field in fields.items():
            place = _join(path, key)
            advice = '; write { value = "unknown", source = "..." } where nobody has published it'
            missing = f"is missing{advice if field.type in (Quantity, Limit) else ''}"
            self.check(key in table or not field.required, place, missing)
        return kind(**{key: self.value(table[key], fields[key].type, _join(path, key)) for key in table})

    def value(self, value: object, kind: Any, place: str) -> Any:
        """One field's value: a figure, a section, a list of sections, or a plain fact."""
        kind = _present(kind)
        if kind in (Quantity, Limit):
            return self.figure(value, kind, place)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return self.section(value, kind, place)
        element: Any = get_args(kind)[0] if get_origin(kind) is tuple else None
        if isinstance(element, type) and issubclass(element, msgspec.Struct):
            self.check(isinstance(value, list) and value != [], place, "must be a list of tables with at least one")
            return tuple(self.section(v, element, f"{place}[{i}]") for i, v in enumerate(cast(list[object], value)))
        return self.fact(value, kind, place)

    def fact(self, value: object, kind: Any, place: str) -> Any:
        """A fact of structure: a word, a list of words, a whole number, yes or no."""
        legal = get_args(kind) if get_origin(kind) is Literal else ()
        self.check(not legal or value in legal, place, f"must be {' or '.join(map(repr, legal))}, not {value!r}")
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            raise HardwareError(f"{self.file}: {place}: {_plain(error)}") from error

    def figure(self, value: object, kind: type[Quantity] | type[Limit], place: str) -> Quantity | Limit:
        """A figure with its origin. `value = "unknown"` becomes None; a one-word `source` is looked up in [sources]."""
        hint = 'a figure is written { value = 1.5, grade = "measured", source = "..." }'
        self.check(isinstance(value, dict), place, f"lacks its grade and source: {hint}")
        leaf = dict(cast(dict[str, Any], value))
        names = [field.name for field in _fields(kind)]
        for key in leaf:
            if key not in names:
                self.check(False, f"{place}.{key}", _unknown(key, names))
        for key in ("value", "source"):
            self.check(key in leaf, place, f"lacks its {key}: {hint}")
        leaf["source"] = self.source(leaf["source"], place)
        unknown = leaf["value"] == "unknown"
        if unknown:
            self.check("grade" not in leaf, f"{place}.grade", "an unknown figure has no grade")
            leaf |= {"value": None, "grade": None}
        else:
            grade = leaf.get("grade")
            self.check(grade in GRADES, f"{place}.grade", f"must be one of {', '.join(GRADES)}, not {grade!r}")
        for key in ("value", "low", "high"):
            if leaf.get(key) is not None:
                leaf[key] = self.number(leaf[key], kind, f"{place}.{key}" if key != "value" else place)
        low, middle, high = leaf.get("low"), leaf["value"], leaf.get("high")
        if middle is not None:
            ordered = (middle if low is None else low) <= middle <= (middle if high is None else high)
            self.check(ordered, place, f"its band {low}..{high} does not hold its value {middle}")
        derived = leaf["grade"] == "derived"
        self.check(not derived or bool(leaf.get("note")), place, "a derived figure needs a note that says how")
        try:
            return msgspec.convert(leaf, kind)
        except msgspec.ValidationError as error:
            raise HardwareError(f"{self.file}: {place}: {_plain(error)}") from error

    def number(self, value: object, kind: type[Quantity] | type[Limit], place: str) -> float | int:
        """A number that a figure may have: finite, not negative, whole where the figure counts something."""
        numeric = isinstance(value, int | float) and not isinstance(value, bool)
        self.check(numeric, place, f'must be a number or "unknown", not {value!r}')
        number = cast(float, value)
        self.check(math.isfinite(number), place, f"must be finite, not {number}")
        self.check(number >= 0, place, f"cannot be negative: {number}")
        if kind is Limit:
            self.check(isinstance(value, int), place, f"must be a whole number, not {number}")
            return int(number)
        return float(number)

    def source(self, value: object, place: str) -> str:
        """The text of a source: its own words, or those that [sources] has under a one-word key."""
        self.check(isinstance(value, str) and bool(value), f"{place}.source", "must be a text")
        text = cast(str, value)
        if " " in text:
            return text
        if text not in self.sources:
            self.check(False, f"{place}.source", f"[sources] has no '{text}'{_nearest(text, self.sources)}")
        return self.sources[text]


@cache
def _fields(kind: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    """A section's fields: the same for every file."""
    return msgspec.structs.fields(kind)


def _present(kind: Any) -> Any:
    """The type of a field that may be absent, where it is there: `Limit | None` is Limit."""
    kinds = [each for each in get_args(kind) if each is not NoneType] if NoneType in get_args(kind) else []
    return kinds[0] if len(kinds) == 1 else kind


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _unknown(key: str, legal: Iterable[str]) -> str:
    """Why `key` is not a field: no such name, or a name with another unit or none."""
    names = list(legal)
    stem = key.rsplit("_", 1)[0] if key.rsplit("_", 1)[-1] in UNITS else key
    for name in names:
        head, _, unit = name.rpartition("_")
        if unit in UNITS and head == stem:
            return (
                f"its unit is wrong: this figure is in {unit}, as '{name}'"
                if stem != key
                else f"lacks its unit: '{name}'"
            )
    return f"is not a field here{_nearest(key, names)}"


def _nearest(word: str, legal: Iterable[str]) -> str:
    matches = difflib.get_close_matches(word, list(legal), n=1, cutoff=0.6)
    return f"; did you mean '{matches[0]}'?" if matches else ""


def _plain(error: msgspec.ValidationError) -> str:
    return str(error).removesuffix(" - at `$`")
