"""text -> syntax.File. A text's mistakes are found in one go: after one, reading goes on with the next statement."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from striate.diagnostics import CompileError, Diagnostic, Source, Span
from striate.language import syntax
from striate.language.build import build_file
from striate.language.mistakes import explain_end, explain_token, explain_unclosed
from striate.language.tokens import end_statements, load_grammar, match_brackets, read_tokens

if TYPE_CHECKING:
    from lark import Token, Tree

MOST_MISTAKES = 25
_ITEMS = frozenset({"BLOCK", "NETWORK", "COMPARE"})


def parse(source: Source) -> syntax.File:
    """The text as a tree. Raises CompileError with every mistake found (the first 25)."""
    tokens = end_statements(read_tokens(source))
    if not tokens:
        message = f"'{source.name}' holds no network"
        raise CompileError(
            Diagnostic(
                "empty-file", message, Span(source, 0, 0), help="write 'network name(x: f32[1, 28, 28]) -> y { ... }'"
            )
        )
    return build_file(source, _Reader(source, tokens).read())


@dataclass(frozen=True)
class _Mark:
    """The parser's stacks before a statement, so that a bad statement can be forgotten."""

    states: list[Any]
    values: list[Any]
    index: int
    first: bool


class _Reader:
    """Feeds tokens to lark's LALR tables and steps back to the last mark on a mistake."""

    def __init__(self, source: Source, tokens: list[Token]) -> None:
        self.source = source
        self.tokens = tokens
        self.pairs = match_brackets(tokens)
        grammar: Any = load_grammar()
        self.parser = grammar.parse_interactive("")
        self.state: Any = self.parser.parser_state
        self.marks = [self._mark(0, first=True)]
        self.mistakes: list[Diagnostic] = []

    def read(self) -> Tree[Token]:
        """The tree. Raises CompileError."""
        from lark import Token, UnexpectedToken

        bodies: set[int] = set()
        repeat = False
        index = 0
        while index < len(self.tokens) and len(self.mistakes) < MOST_MISTAKES:
            token = self.tokens[index]
            before = self._mark(index, first=False)
            try:
                self.state.feed_token(token)
            except UnexpectedToken:
                self._step_back(before)
                self._complain(index)
                index, repeat = self._recover(index), False
                continue
            if token.type == "_NEWLINE":
                self.marks[-1], repeat = before, False
            elif token.type == "REPEAT":
                repeat = True
            elif token.type == "LBRACE" and not repeat:
                self.marks.append(self._mark(index + 1, first=True))
                bodies.add(self.pairs.get(index, -1))
            elif token.type == "RBRACE" and index in bodies:
                self.marks.pop()
                repeat = False
            elif token.type == "RBRACE":
                repeat = False
            index += 1
        if self.mistakes:
            raise CompileError(self.mistakes)
        expected = self.parser.accepts()
        try:
            return self.state.feed_token(Token("$END", ""), is_end=True)
        except UnexpectedToken:
            unclosed = (
                t for i, t in enumerate(self.tokens) if t.type in ("LPAR", "LSQB", "LBRACE") and i not in self.pairs
            )
            raise CompileError(explain_end(self.source, next(unclosed, None), expected)) from None

    def _mark(self, index: int, *, first: bool) -> _Mark:
        return _Mark(list(self.state.state_stack), list(self.state.value_stack), index, first)

    def _complain(self, index: int) -> None:
        token = self.tokens[index]
        start = self.marks[-1].index
        unclosed = [i for i in range(start, index) if self.tokens[i].type in ("LPAR", "LSQB") and i not in self.pairs]
        if unclosed and token.type in ("_NEWLINE", "RBRACE"):
            self.mistakes.append(explain_unclosed(self.source, self.tokens[unclosed[-1]], token))
        elif len(self.marks) > 1 and token.type in _ITEMS and (brace := self._unclosed_brace(index)):
            self.mistakes.append(explain_unclosed(self.source, brace, token))
        else:
            after = self.tokens[index + 1].type if index + 1 < len(self.tokens) else ""
            self.mistakes.append(explain_token(self.source, token, after, self.parser.accepts()))

    def _unclosed_brace(self, index: int) -> Token | None:
        braces = (t for i, t in enumerate(self.tokens[:index]) if t.type == "LBRACE" and i not in self.pairs)
        return next(braces, None)

    def _step_back(self, mark: _Mark) -> None:
        self.state.state_stack, self.state.value_stack = list(mark.states), list(mark.values)

    def _recover(self, index: int) -> int:
        """Forget the statement that token `index` stands in; gives the index to go on with."""
        mark = self.marks[-1]
        self._step_back(mark)
        index = self._end_of_statement(mark, index)
        if mark.first and index < len(self.tokens) and self.tokens[index].type == "_NEWLINE":
            index += 1
        self.marks[-1] = replace(mark, index=index)
        return index

    def _end_of_statement(self, mark: _Mark, index: int) -> int:
        kinds = [token.type for token in self.tokens]
        between = kinds[mark.index : index]
        depth = between.count("LBRACE") - between.count("RBRACE")
        outermost = len(self.marks) == 1
        for end in range(index, len(kinds)):
            if kinds[end] == "RBRACE" and depth == 0 and not outermost:
                return end
            if kinds[end] == "_NEWLINE" and depth == 0 and (not outermost or kinds[end + 1] in _ITEMS):
                return end
            depth = max(0, depth + (kinds[end] == "LBRACE") - (kinds[end] == "RBRACE"))
        return len(kinds)
