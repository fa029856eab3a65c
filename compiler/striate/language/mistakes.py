"""Sentences for a text that the grammar refuses: what stands there, and what could have stood there."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from striate.diagnostics import Diagnostic, Note, Source, Span
from striate.language.tokens import span_of

if TYPE_CHECKING:
    from lark import Token

SIGNS = {
    "LPAR": "(", "RPAR": ")", "LSQB": "[", "RSQB": "]", "LBRACE": "{", "RBRACE": "}", "COMMA": ",", "COLON": ":",
    "DOT": ".", "EQUAL": "=", "ARROW": "->", "PIPE": "|>", "RANGE": "..", "IN": "in", "ELSE": "else", "IF": "if",
    "LET": "let", "REPEAT": "repeat", "BLOCK": "block", "NETWORK": "network", "COMPARE": "compare",
}  # fmt: skip
"""Terminals as the text writes them."""

WORDS = frozenset(
    {"BLOCK", "NETWORK", "COMPARE", "LET", "IF", "ELSE", "REPEAT", "IN", "AND", "OR", "NOT", "TRUE", "FALSE"}
)
"""Terminals that look like names and are not."""

_VALUE = frozenset({"INTEGER", "FLOAT", "TRUE", "FALSE", "NAME", "STRING", "LPAR", "MINUS", "NOT"})
_OPERATOR = frozenset({"PLUS", "MINUS", "STAR", "SLASH", "FLOOR", "PERCENT", "COMPARISON", "AND", "OR", "IF", "PIPE"})
_STATEMENT = frozenset({"NAME", "STRING", "LET", "IF"})


def explain_token(source: Source, token: Token, next: str, expected: Collection[str]) -> Diagnostic:
    """What is wrong with `token`, given the kind of the next one and the terminals that would have been legal."""
    span = span_of(source, token)
    if token.type == "UNITS":
        message = f"a number with a unit cannot stand here: '{token}'"
        return Diagnostic("syntax-error", message, span, help="a size is a plain number; a name starts with a letter")
    if token.type in ("INTEGER", "FLOAT") and set(expected) == {"UNITS"}:
        help = f"a unit stands directly after the number: '{token}ms'"
        return Diagnostic("missing-unit", f"dt is a time with its unit (s, ms, us, ns), not {token}", span, help=help)
    if token.type == "UNCLOSED_STRING":
        return Diagnostic(
            "syntax-error", "this string is not closed", span, help="a string ends on its own line, with '\"'"
        )
    if token.type == "UNEXPECTED":
        shown = ", ".join(f"U+{ord(character):04X}" for character in token[:1])
        help = 'a name with other characters than a-z, A-Z, 0-9 and _ is quoted: "…"' if token[0].isalpha() else None
        return Diagnostic("syntax-error", f"unexpected character '{token[0]}' ({shown})", span, help=help)
    starts_statement = "IF" in expected
    if token.type in WORDS and "NAME" in expected and (not starts_statement or next in ("EQUAL", "COMMA")):
        help = f'quote it ("{token}") or choose another name' if "STRING" in expected else "choose another name"
        return Diagnostic(
            "reserved-name", f"'{token}' is a word of the language and cannot be a name here", span, help=help
        )
    return Diagnostic(
        "syntax-error", f"unexpected {_show(token)}, expected {_list(expected)}", span, help=_help(token, expected)
    )


def explain_end(source: Source, unclosed: Token | None, expected: Collection[str]) -> Diagnostic:
    """The text ends too early; `unclosed` is the bracket that is still open."""
    end = Span(source, len(source.text.rstrip()), len(source.text.rstrip()) + 1)
    if unclosed is None:
        return Diagnostic("syntax-error", f"the text ends here, expected {_list(expected)}", end)
    message = f"the text ends, and this '{unclosed}' is never closed"
    return Diagnostic("syntax-error", message, span_of(source, unclosed))


def explain_unclosed(source: Source, unclosed: Token, at: Token) -> Diagnostic:
    """A bracket that is still open at a token that ends what it is in."""
    note = Note("it must be closed before this", span_of(source, at)) if at.type != "_NEWLINE" else None
    message = f"this '{unclosed}' is never closed"
    return Diagnostic("syntax-error", message, span_of(source, unclosed), (note,) if note else ())


def _show(token: Token) -> str:
    if token.type == "_NEWLINE":
        return "end of the line"
    return f"'{token}'" if len(token) <= 40 else f"'{token[:40]}…'"


def _list(expected: Collection[str]) -> str:
    rest = set(expected)
    words: list[str] = []
    for group, word in ((_VALUE, "a value"), (_STATEMENT, "a statement"), (_OPERATOR, "an operator")):
        if group <= rest:
            words.append(word)
            rest -= group
    if rest & {"NAME", "STRING"}:
        words.append("a name" if "NAME" in rest else "a string")
        rest -= {"NAME", "STRING"}
    if rest & {"INTEGER", "FLOAT"}:
        words.append("a number")
        rest -= {"INTEGER", "FLOAT"}
    rest -= _OPERATOR if "an operator" in words else set()
    if rest & {"_NEWLINE", "$END"}:
        words.append("the end of the line")
        rest -= {"_NEWLINE", "$END"}
    words += sorted(f"'{SIGNS.get(name, name.lower())}'" for name in rest)
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _help(token: Token, expected: Collection[str]) -> str | None:
    if token.type == "EQUAL" and "COMPARISON" in expected:
        return "equality is '=='"
    if token.type == "_NEWLINE" and "EQUAL" in expected:
        return "a statement is 'name = expression'"
    if token.type == "STAR" and "INTEGER" in expected:
        return "there is no power operator"
    return None
