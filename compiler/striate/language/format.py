"""text -> the same text in canonical layout: two spaces a level, one between words, `=` aligned in a group.

The author's line breaks stay, so do comments; runs of blank lines become one. Layout is decided on tokens, so that
nothing can be lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from striate.diagnostics import Source
from striate.language.parse import parse
from striate.language.tokens import CLOSES, read_tokens

if TYPE_CHECKING:
    from lark import Token

INDENT = 2
WIDEST_ALIGNMENT = 24
"""Names longer than this do not push the `=` of their neighbours to the right."""

_OPENS = frozenset(CLOSES.values())
_TIGHT_AFTER = frozenset({"LPAR", "LSQB", "DOT", "RANGE"})
_TIGHT_BEFORE = frozenset({"RPAR", "RSQB", "COMMA", "COLON", "DOT", "RANGE"})
_CALLABLE = frozenset({"NAME", "STRING"})
_VALUES = frozenset({"NAME", "STRING", "INTEGER", "FLOAT", "TRUE", "FALSE", "RPAR", "RSQB", "RBRACE"})
_CONTINUES = frozenset(
    {"PIPE", "PLUS", "MINUS", "STAR", "SLASH", "FLOOR", "PERCENT", "COMPARISON", "AND", "OR", "COMMA", "EQUAL", "ARROW"}
)


def format_source(source: Source) -> str:
    """The text in canonical layout; formatting that again changes nothing. Raises CompileError if it does not parse."""
    parse(source)
    lines = _lay_out(read_tokens(source))
    _align(lines)
    return "".join(f"{line.text()}\n" for line in lines)


@dataclass
class _Line:
    """One line: its tokens written out, its comment, and where its `=` stands if it assigns."""

    indent: int
    words: str = ""
    comment: str = ""
    equal: int | None = None
    pad: int = 0

    @property
    def alignable(self) -> bool:
        """Whether the line is an assignment whose names are short enough."""
        return self.equal is not None and self.equal <= WIDEST_ALIGNMENT + 1

    @property
    def kind(self) -> tuple[int, bool]:
        """Lines of one kind are aligned with each other."""
        return self.indent, self.words.startswith("let ")

    def text(self) -> str:
        """The line without its break."""
        words = self.words
        if self.equal is not None:
            words = words[: self.equal].rstrip() + " " * (self.pad + 1) + words[self.equal :]
        gap = "  " if words and self.comment else ""
        return f"{' ' * self.indent}{words}{gap}{self.comment}".rstrip()


def _lay_out(tokens: list[Token]) -> list[_Line]:
    lines: list[_Line] = []
    brackets: list[str] = []
    for row in _rows(tokens):
        if not row:
            if lines and lines[-1].text() and not lines[-1].words.endswith("{"):
                lines.append(_Line(0))
            continue
        first = row[0][1]
        closing = 0
        for _, token in row:
            if token.type not in CLOSES:
                break
            closing += 1
        depth = max(0, len(brackets) - closing)
        if first.type == "RBRACE" and lines and not lines[-1].text():
            lines.pop()
        continued = first.type in _CONTINUES or (not closing and _continues(lines, brackets))
        lines.append(_Line(INDENT * (depth + continued)))
        _write(lines[-1], row, brackets)
    while lines and not lines[-1].text():
        lines.pop()
    return lines


def _rows(tokens: list[Token]) -> list[list[tuple[int, Token]]]:
    rows: list[list[tuple[int, Token]]] = [[]]
    for index, token in enumerate(tokens):
        if token.type == "_NEWLINE":
            rows.append([])
        else:
            rows[-1].append((index, token))
    return rows


def _continues(lines: list[_Line], brackets: list[str]) -> bool:
    """Whether a line goes on with the statement of the line before: that one ended in an operator or `=`."""
    before = next((line for line in reversed(lines) if line.words), None)
    if before is None or (brackets and brackets[-1] != "LBRACE"):
        return False
    return before.words.endswith(("|>", "+", "-", "*", "/", "%", "=", " and", " or", " not", "<", ">", ","))


def _write(line: _Line, row: list[tuple[int, Token]], brackets: list[str]) -> None:
    before: Token | None = None
    before_that: Token | None = None
    outside = not brackets or brackets[-1] == "LBRACE"
    level = len(brackets)
    for _, token in row:
        if token.type == "COMMENT":
            line.comment = _comment(token)
            continue
        in_call = bool(brackets) and brackets[-1] != "LBRACE"
        if brackets == ["LPAR"] and "dt" in (before, before_that):  # a network's time step: dt = 1ms
            in_call = False
        if before is not None and _spaced(before_that, before, token, in_call):
            line.words += " "
        if token.type == "EQUAL" and line.equal is None and outside and len(brackets) == level and _assigns(row):
            line.equal = len(line.words)
        line.words += token
        if token.type in _OPENS:
            brackets.append(token.type)
        elif token.type in CLOSES and brackets:
            brackets.pop()
        before_that, before = before, token


def _assigns(row: list[tuple[int, Token]]) -> bool:
    """Whether a line begins with `name =`, `a, b =` or `let name =`."""
    kinds = [token.type for _, token in row]
    while kinds and kinds[0] in ("LET", "NAME", "STRING", "COMMA"):
        kinds.pop(0)
    return bool(kinds) and kinds[0] == "EQUAL"


def _comment(token: Token) -> str:
    body = token[1:].rstrip()
    return "#" + body if not body or body[0] in " #!" else "# " + body


def _spaced(before_that: Token | None, before: Token, token: Token, in_call: bool) -> bool:
    if token.type in _TIGHT_BEFORE or before.type in _TIGHT_AFTER:
        return False
    if in_call and "EQUAL" in (token.type, before.type):
        return False
    if token.type == "LPAR":
        return before.type not in _CALLABLE
    if token.type == "LSQB":
        return False
    if before.type == "MINUS" and (before_that is None or before_that.type not in _VALUES):
        return False
    return not (before.type == "LBRACE" and token.type == "RBRACE")


def _align(lines: list[_Line]) -> None:
    """Put the `=` of consecutive assignments (or lets) of one depth below each other."""
    group: list[_Line] = []
    for line in [*lines, _Line(-1)]:
        if group and not (line.alignable and line.kind == group[0].kind):
            widest = max(member.equal or 0 for member in group)
            for member in group:
                member.pad = widest - (member.equal or 0)
            group = []
        if line.alignable:
            group.append(line)
