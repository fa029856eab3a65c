"""lark's tree -> syntax.File: one small function for each rule of the grammar."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from striate.diagnostics import CompileError, Diagnostic, Source, Span
from striate.language import syntax
from striate.language.tokens import span_of
from striate.operators.units import KIND_OF, to_si

if TYPE_CHECKING:
    from lark import Token, Tree

Children = list[Any]
_MOST_DIGITS = 18
_QUANTITY = re.compile(r"(?P<number>[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?)(?P<unit>[A-Za-z_][A-Za-z0-9_]*)")


def build_file(source: Source, tree: Tree[Token]) -> syntax.File:
    """The tree of rule `start` as a File. Raises CompileError for a number or a string that cannot be read."""
    builder = _Builder(source)
    items = tuple(builder.build(child) for child in tree.children)
    if builder.mistakes:
        raise CompileError(builder.mistakes)
    return syntax.File(source, items)


class _Builder:
    """Holds the source that spans refer to, and mistakes inside of tokens."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.mistakes: list[Diagnostic] = []

    def build(self, child: Any) -> Any:
        """A tree as its syntax class; a token stays a token."""
        rule = getattr(child, "data", None)
        if rule is None:
            return child
        meta = child.meta
        span = Span(self.source, 0, 0) if meta.empty else Span(self.source, meta.start_pos, meta.end_pos)
        return RULES[rule](self, [self.build(grandchild) for grandchild in child.children], span)

    def name(self, token: Token) -> syntax.Name:
        """A NAME or a STRING as a name."""
        span = span_of(self.source, token)
        if token.type == "NAME":
            return syntax.Name(str(token), span)
        text = self.string(token)
        if not text:
            self.mistakes.append(Diagnostic("syntax-error", "a name cannot be empty", span))
        return syntax.Name(text, span, quoted=True)

    def expect(self, token: Token, word: str) -> None:
        """Complain unless `token` is the word that may stand here."""
        if token != word:
            message = f"unexpected word '{token}', expected '{word}'"
            help = "a statement is 'name = expression'" if word == "weights" else None
            self.mistakes.append(Diagnostic("syntax-error", message, span_of(self.source, token), help=help))

    def word(self, token: Token) -> syntax.Token:
        """An operator's sign."""
        return syntax.Token(str(token), span_of(self.source, token))

    def string(self, token: Token) -> str:
        r"""The characters a string stands for; escapes are \" \\ \/ \n \r \t \b \f and \uXXXX."""
        if "\\" not in token:
            return str(token[1:-1])
        try:
            text: str = json.loads(token.replace("\t", "\\t"))
            text.encode()
            return text
        except (json.JSONDecodeError, UnicodeEncodeError):
            help = r"a backslash is written \\; other escapes are \" \n \t and \uXXXX"
            self.mistakes.append(
                Diagnostic("syntax-error", "this string has an unknown escape", span_of(self.source, token), help=help)
            )
            return "?"

    def integer(self, token: Token) -> int:
        """An INTEGER's value."""
        if len(token) <= _MOST_DIGITS:
            return int(token)
        message = f"a whole number of {len(token)} digits is too large; the most is {_MOST_DIGITS}"
        self.mistakes.append(Diagnostic("bad-arithmetic", message, span_of(self.source, token)))
        return 1

    def quantity(self, token: Token) -> syntax.Quantity:
        """A number with its unit, in SI units."""
        span = span_of(self.source, token)
        number, unit = _number_and_unit(token)
        if unit in KIND_OF:
            value = to_si(number, unit)
            if value < float("inf"):
                return syntax.Quantity(value, KIND_OF[unit], str(token), span)
            self.mistakes.append(Diagnostic("bad-arithmetic", f"{token} is too large", span))
        else:
            help = f"units are {', '.join(KIND_OF)}; a plain number is '{number}', and a name starts with a letter"
            self.mistakes.append(Diagnostic("wrong-unit", f"there is no unit '{unit}': '{token}'", span, help=help))
        return syntax.Quantity(1.0, "time", str(token), span)

    def float(self, token: Token) -> float:
        """A FLOAT's value."""
        value = float(token)
        if value in (float("inf"), float("-inf")):
            self.mistakes.append(
                Diagnostic("bad-arithmetic", f"the number {token} is too large", span_of(self.source, token))
            )
        return value


def _number_and_unit(text: str) -> tuple[str, str]:
    parts = _QUANTITY.fullmatch(text)
    assert parts is not None, f"'{text}' is a number and a word"
    return parts["number"], parts["unit"]


def _block(b: _Builder, children: Children, span: Span) -> syntax.Block:
    _, name, *parameters, results, body = children
    return syntax.Block(b.name(name), tuple(parameters), results, body, span)


def _parameter(b: _Builder, children: Children, span: Span) -> syntax.Parameter:
    return syntax.Parameter(b.name(children[0]), children[1] if len(children) > 1 else None, span)


def _network(b: _Builder, children: Children, span: Span) -> syntax.Network:
    _, name, *rest, body = children
    inputs = tuple(child for child in rest if isinstance(child, syntax.Input))
    time_steps = tuple(child for child in rest if isinstance(child, syntax.TimeStep))
    results = tuple(child for child in rest if isinstance(child, syntax.Result))
    return syntax.Network(name, inputs, time_steps, results, body, span)


def _time_step(b: _Builder, children: Children, span: Span) -> syntax.TimeStep:
    name, quantity = children
    b.expect(name, "dt")
    return syntax.TimeStep(b.name(name), b.quantity(quantity), span)


def _input(b: _Builder, children: Children, span: Span) -> syntax.Input:
    name, dtype, *shape = children
    return syntax.Input(name, b.name(dtype), tuple(b.integer(size) for size in shape), span)


def _condition(b: _Builder, children: Children, span: Span) -> syntax.If:
    parts = [child for child in children if getattr(child, "type", None) not in ("IF", "ELSE")]
    pairs = tuple(zip(parts[0::2], parts[1::2], strict=False))
    return syntax.If(pairs, parts[-1] if len(parts) % 2 else (), span)


def _weights(b: _Builder, children: Children, span: Span) -> syntax.Weights:
    word, path, *hashed = children
    b.expect(word, "weights")
    if hashed:
        b.expect(hashed[0], "sha256")
    return syntax.Weights(b.string(path), b.string(hashed[1]) if hashed else None, None, span)


def _seed(b: _Builder, children: Children, span: Span) -> syntax.Weights:
    word, init, seed = children
    b.expect(word, "weights")
    b.expect(init, "init")
    return syntax.Weights(None, None, b.integer(seed), span)


def _argument(b: _Builder, children: Children, span: Span) -> syntax.Argument:
    *keyword, value = children
    return syntax.Argument(b.name(keyword[0]) if keyword else None, value, span)


def _repeat(b: _Builder, children: Children, span: Span) -> syntax.Repeat:
    _, variable, start, stop, *stages = children
    return syntax.Repeat(b.name(variable), start, stop, tuple(stages), span)


def _chain(b: _Builder, children: Children, span: Span) -> syntax.Chain:
    signs = [b.word(sign) for sign in children[1::2]]
    return syntax.Chain(children[0], tuple(zip(signs, children[2::2], strict=True)), span)


def _choice(b: _Builder, children: Children, span: Span) -> syntax.Choice:
    operands = children[0::2]
    return syntax.Choice(tuple(zip(operands[0:-1:2], operands[1:-1:2], strict=True)), operands[-1], span)


def _property(b: _Builder, children: Children, span: Span) -> syntax.Property:
    return syntax.Property(children[0], b.name(children[1]), span)


def _machine(b: _Builder, children: Children, span: Span) -> syntax.MachineEntry:
    return syntax.MachineEntry(children[0], children[1] if len(children) > 1 else (), span)


RULES: dict[str, Callable[[_Builder, Children, Span], Any]] = {
    "block": _block,
    "parameter": _parameter,
    "network": _network,
    "input": _input,
    "time_step": _time_step,
    "result": lambda b, c, span: syntax.Result(c[0], c[-1], span),
    "compare": lambda b, c, span: syntax.Compare(tuple(c[1:]), span),
    "setting": lambda b, c, span: syntax.Setting(b.name(c[0]), b.string(c[1]), span),
    "machine": _machine,
    "body": lambda b, c, span: tuple(c),
    "assignment": lambda b, c, span: syntax.Assignment(c[0], c[1], span),
    "let": lambda b, c, span: syntax.Let(b.name(c[1]), c[2], span),
    "condition": _condition,
    "weights": _weights,
    "seed": _seed,
    "names": lambda b, c, span: tuple(c),
    "name": lambda b, c, span: b.name(c[0]),
    "pipe": lambda b, c, span: syntax.Pipe(c[0], tuple(c[1:]), span),
    "call": lambda b, c, span: syntax.Call(b.name(c[0]), c[1], span),
    "bare_call": lambda b, c, span: syntax.Call(b.name(c[0]), (), span),
    "arguments": lambda b, c, span: tuple(c),
    "argument": _argument,
    "repeat": _repeat,
    "choice": _choice,
    "logic": lambda b, c, span: syntax.Logic(b.word(c[1]), tuple(c[0::2]), span),
    "prefix": lambda b, c, span: syntax.Prefix(b.word(c[0]), c[1], span),
    "chain": _chain,
    "integer": lambda b, c, span: syntax.Literal(b.integer(c[0]), span),
    "float": lambda b, c, span: syntax.Literal(b.float(c[0]), span),
    "quantity": lambda b, c, span: b.quantity(c[0]),
    "truth": lambda b, c, span: syntax.Literal(c[0].type == "TRUE", span),
    "reference": lambda b, c, span: syntax.Reference(c[0], span),
    "property": _property,
    "group": lambda b, c, span: c[0],
    "tuple": lambda b, c, span: syntax.Tuple(tuple(c), span),
}
"""Rule of grammar.lark -> the syntax it stands for."""
