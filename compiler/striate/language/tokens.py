"""A text as tokens: the limits that keep bad input cheap, and which line breaks end a statement."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from striate.diagnostics import CompileError, Diagnostic, Source, Span

if TYPE_CHECKING:
    from lark import Lark, Token

LONGEST_TEXT = 1 << 20
MOST_TOKENS = 100_000
DEEPEST_NESTING = 64

CLOSES = {"RPAR": "LPAR", "RSQB": "LSQB", "RBRACE": "LBRACE"}
_OPENS = frozenset(CLOSES.values())
_INFIX = frozenset({"PIPE", "PLUS", "MINUS", "STAR", "SLASH", "FLOOR", "PERCENT", "COMPARISON", "AND", "OR", "COMMA"})
_NOTHING_ENDS_AFTER = _INFIX | _OPENS | {"EQUAL", "ARROW", "NOT", "_NEWLINE"}
_NOTHING_ENDS_BEFORE = _INFIX | CLOSES.keys() | {"LBRACE", "ELSE", "ARROW", "_NEWLINE"}


class _KeepOddTokens:
    """Tells lark to lex terminals that no rule mentions."""

    always_accept = ("COMMENT", "UNITS", "UNCLOSED_STRING", "UNEXPECTED")

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        return stream


@cache
def load_grammar() -> Lark:
    """The parser for grammar.lark; built once in a process (some 60 ms)."""
    from lark import Lark

    text = files(__package__ or "striate.language").joinpath("grammar.lark").read_text("utf-8")
    return Lark(text, parser="lalr", lexer="basic", postlex=_KeepOddTokens(), propagate_positions=True)  # type: ignore[arg-type]


def span_of(source: Source, token: Token) -> Span:
    """Where a token stands."""
    assert token.start_pos is not None, "tokens from the lexer have positions"
    return Span(source, token.start_pos, token.start_pos + len(token))


def read_tokens(source: Source) -> list[Token]:
    """Every token, comments and line breaks included.

    Raises CompileError for what is no text, is too long, is empty, or is nested deeper than any network needs.
    """
    text = source.text
    odd = next((index for index, character in enumerate(text) if _is_odd(character)), None)
    if odd is not None:
        raise CompileError(_not_text(source, odd))
    if len(text) > LONGEST_TEXT:
        message = f"this text has {len(text)} characters; the longest a network may have is {LONGEST_TEXT}"
        raise CompileError(Diagnostic("file-too-large", message, Span(source, 0, 0)))
    tokens: list[Token] = []
    depth = 0
    grammar: Any = load_grammar()
    for token in grammar.lex(text):
        tokens.append(token)
        if len(tokens) > MOST_TOKENS:
            message = f"this text has more than {MOST_TOKENS} words and signs, the most that a network may have"
            raise CompileError(Diagnostic("file-too-large", message, span_of(source, token)))
        if token.type in _OPENS:
            depth += 1
            if depth > DEEPEST_NESTING:
                message = f"brackets are nested deeper than {DEEPEST_NESTING}"
                raise CompileError(Diagnostic("nesting-too-deep", message, span_of(source, token)))
        elif token.type in CLOSES:
            depth = max(0, depth - 1)
    return tokens


def end_statements(tokens: list[Token]) -> list[Token]:
    """The tokens that the grammar sees: no comments, and only those line breaks that end a statement.

    A line break ends nothing inside parentheses, after an opening bracket, an infix operator or `=`, and before a
    closing bracket, an infix operator, `{` or `else`. A parenthesis that is never closed hides no line breaks.
    """
    tokens = [token for token in tokens if token.type != "COMMENT"]
    pairs = match_brackets(tokens)
    kept: list[Token] = []
    open_brackets: list[str] = []
    for index, token in enumerate(tokens):
        if index in pairs:
            if token.type in _OPENS:
                open_brackets.append(token.type)
            else:
                open_brackets.pop()
        if token.type == "_NEWLINE":
            inside = bool(open_brackets) and open_brackets[-1] != "LBRACE"
            if inside or not kept or kept[-1].type in _NOTHING_ENDS_AFTER or index + 1 == len(tokens):
                continue
        elif kept and kept[-1].type == "_NEWLINE" and token.type in _NOTHING_ENDS_BEFORE:
            kept.pop()
        kept.append(token)
    if kept and kept[-1].type == "_NEWLINE":
        kept.pop()
    return kept


def match_brackets(tokens: list[Token]) -> dict[int, int]:
    """Index of a bracket -> index of its partner; a bracket without a partner is missing. `}` closes over `(`."""
    pairs: dict[int, int] = {}
    open_brackets: list[int] = []
    for index, token in enumerate(tokens):
        if token.type in _OPENS:
            open_brackets.append(index)
        elif token.type in CLOSES:
            keep = len(open_brackets)
            if token.type == "RBRACE":
                while keep and tokens[open_brackets[keep - 1]].type != "LBRACE":
                    keep -= 1
            if keep and tokens[open_brackets[keep - 1]].type == CLOSES[token.type]:
                partner = open_brackets[keep - 1]
                del open_brackets[keep - 1 :]
                pairs[index], pairs[partner] = partner, index
    return pairs


def _is_odd(character: str) -> bool:
    code = ord(character)
    return (
        (code < 32 and character not in "\n\r\t\f") or code == 127 or character == "\ufffd" or 0xD800 <= code <= 0xDFFF
    )


def _not_text(source: Source, offset: int) -> Diagnostic:
    line, column = source.position(offset)
    message = (
        f"'{source.name}' is not a text: character U+{ord(source.text[offset]):04X} at line {line}, column {column}"
    )
    return Diagnostic("not-text", message, help="a network is a UTF-8 text file")
