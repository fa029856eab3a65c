"""What the compiler says to its user: sources, spans, diagnostics, and how they are printed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Source:
    """A text and the name it is known by (a path, or `<text>`)."""

    name: str
    text: str

    def position(self, offset: int) -> tuple[int, int]:
        """Offset in characters -> (line, column), both from 1."""
        before = self.text[:offset]
        return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1

    def line(self, number: int) -> str:
        """The text of line `number` (from 1), without its line break."""
        lines = self.text.split("\n")
        return lines[number - 1].rstrip("\r") if number <= len(lines) else ""


@dataclass(frozen=True)
class Span:
    """Characters `start` to `end` (exclusive) of a source."""

    source: Source
    start: int
    end: int


@dataclass(frozen=True)
class Note:
    """A remark that belongs to a diagnostic, with the other place involved if there is one."""

    text: str
    span: Span | None = None


@dataclass(frozen=True)
class Diagnostic:
    """One mistake of the user's: what is wrong, where, and what would be right."""

    code: str
    message: str
    span: Span | None = None
    notes: tuple[Note, ...] = ()
    help: str | None = None


@dataclass
class CompileError(Exception):
    """The user's network cannot be compiled; every mistake found is in `diagnostics`."""

    diagnostics: tuple[Diagnostic, ...] = field(default_factory=tuple)

    def __init__(self, diagnostics: Iterable[Diagnostic] | Diagnostic) -> None:
        self.diagnostics = (diagnostics,) if isinstance(diagnostics, Diagnostic) else tuple(diagnostics)
        assert self.diagnostics, "a CompileError carries at least one diagnostic"
        super().__init__(self.diagnostics)

    def __str__(self) -> str:
        return "\n\n".join(render(diagnostic) for diagnostic in self.diagnostics)


def nearest(word: str, legal: Iterable[str]) -> str | None:
    """The legal name that looks most like `word`, or None where none comes close."""
    matches = difflib.get_close_matches(word, list(legal), n=1, cutoff=0.6)
    return matches[0] if matches else None


def did_you_mean(word: str, legal: Iterable[str]) -> str | None:
    """A `help:` sentence for a misspelt name, or None."""
    names = sorted(set(legal))
    match = nearest(word, names)
    if match:
        return f"did you mean '{match}'?"
    return f"legal here: {', '.join(names)}" if 0 < len(names) <= 12 else None


def render(diagnostic: Diagnostic) -> str:
    """The diagnostic as text: head line, place, source line with carets, notes, help."""
    parts = [f"error[{diagnostic.code}]: {diagnostic.message}"]
    if diagnostic.span:
        parts += _excerpt(diagnostic.span)
    for note in diagnostic.notes:
        parts.append(f"note: {note.text}")
        if note.span:
            parts += _excerpt(note.span)
    if diagnostic.help:
        parts.append(f"help: {diagnostic.help}")
    return "\n".join(parts)


_WIDEST_LINE = 160


def _excerpt(span: Span) -> list[str]:
    line, column = span.source.position(span.start)
    text = span.source.line(line)
    first = column - 1
    last = max(min(first + span.end - span.start, len(text)), first + 1)
    if len(text) > _WIDEST_LINE:
        cut = max(0, first - 40)
        text, first, last = text[cut : cut + _WIDEST_LINE], first - cut, min(last - cut, _WIDEST_LINE)
    lead = "".join("\t" if character == "\t" else " " for character in text[:first])
    gutter = " " * len(str(line))
    return [
        f"{gutter}--> {span.source.name}:{line}:{column}",
        f"{gutter} |",
        f"{line} | {text}",
        f"{gutter} | {lead}{'^' * (last - first)}",
    ]
