"""How a call is matched with an operator: operands first, then attributes by position, then by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from striate.diagnostics import Diagnostic, Note, Span, did_you_mean
from striate.language import syntax
from striate.language.attributes import Attribute, MisfitError, attributes_of, fit, wanted
from striate.language.scope import Mistakes, Scope, StatementError
from striate.language.values import Quantity, Several, Tensor, Value, describe, write
from striate.operators import OPERATORS
from striate.operators.schema import Operator, OperatorError
from striate.tensor import MOST_ELEMENTS, TensorType

ABSENT = {
    "dropout": "dropout does nothing once a network is trained: leave it out",
    "identity": "leave it out, or write 'y = x'",
    "lambda": "write a block",
}
"""What PyTorch has and this language needs not."""

Evaluate = Callable[[syntax.Expression], Value]


@dataclass
class Match:
    """A call matched with an operator: where each attribute stands (`spans`), parameter names by role (`chosen`)."""

    operands: list[Tensor]
    attributes: dict[str, Any] = field(default_factory=dict[str, Any])
    spans: dict[str, Span] = field(default_factory=dict[str, Span])
    chosen: dict[str, syntax.Name] = field(default_factory=dict[str, syntax.Name])


class Matcher:
    """Matches one call; reports every mistake in it before it gives up."""

    def __init__(
        self, operator: type[Operator], callee: syntax.Name, scope: Scope, mistakes: Mistakes, evaluate: Evaluate
    ) -> None:
        self.operator = operator
        self.callee = callee
        self.scope = scope
        self.mistakes = mistakes
        self.evaluate = evaluate
        self.table = attributes_of(operator)
        self.failed = False

    def match(self, piped: tuple[Tensor, ...], arguments: tuple[syntax.Argument, ...]) -> Match:
        """The call's operands and attributes. Raises StatementError."""
        match = Match(list(piped))
        for argument in arguments:
            try:
                self._take(match, argument)
            except StatementError:
                self.failed = True
        missing = [name for name, attribute in self.table.items() if attribute.required and name not in match.spans]
        if missing and not self.failed:
            names = " and ".join(f"'{name}'" for name in missing)
            self._complain(
                "missing-attribute", f"{self.operator.name} needs {names}", self.callee.span, self._signature()
            )
        self._check_arity(match)
        if self.failed:
            raise StatementError
        return match

    def apply(self, match: Match) -> tuple[Operator, TensorType, dict[str, TensorType]]:
        """The operator, the result's type and the parameters' types. Raises StatementError."""
        types = [operand.type for operand in match.operands]
        try:
            operator = self.operator(**match.attributes)
        except OperatorError as error:
            span = match.spans.get(error.attribute or "", self.callee.span)
            raise self._complain("bad-attribute", str(error), span) from None
        try:
            result, roles = operator.result(*types), operator.parameters(*types)
        except OperatorError as error:
            notes = tuple(note for operand in match.operands for note in type_of(operand))
            span = match.spans.get(error.attribute or "", self.callee.span)
            code = "shape-mismatch" if _shapes_are_wrong(operator, types) else "type-mismatch"
            raise self._complain(code, str(error), span, notes=notes) from None
        for what, type in {"the result": result, **roles}.items():
            if type.elements > MOST_ELEMENTS:
                message = (
                    f"{what} of {operator.name} would be {type}: {type.elements:,} numbers, over {MOST_ELEMENTS:,}"
                )
                raise self._complain("tensor-too-large", message, self.callee.span)
        unknown = [role for role in match.chosen if role not in roles and role != "name"]
        for role in unknown:
            message = f"{self.operator.name} has no parameter '{role}' here"
            legal = [*roles, "name"] if roles else []
            self._complain("unknown-attribute", message, match.chosen[role].span, did_you_mean(role, legal))
        if "name" in match.chosen and not roles:
            self._complain(
                "unknown-attribute", f"{self.operator.name} has no parameters to name", match.chosen["name"].span
            )
        if self.failed:
            raise StatementError
        return operator, result, roles

    def _take(self, match: Match, argument: syntax.Argument) -> None:
        if argument.keyword is None:
            self._take_positional(match, argument)
            return
        key = argument.keyword
        if isinstance(argument.value, syntax.Reference) and argument.value.name.quoted:
            if key.text in match.chosen:
                raise self._complain("bad-attribute", f"'{key.text}' is named twice", key.span)
            match.chosen[key.text] = syntax.Name(argument.value.name.text, argument.span)
            return
        attribute = self.table.get(key.text)
        if attribute is None:
            message = f"{self.operator.name} has no attribute '{key.text}'"
            help = did_you_mean(key.text, self.table) or self._signature()
            raise self._complain("unknown-attribute", message, key.span, help)
        if key.text in match.spans:
            raise self._complain("bad-attribute", f"'{key.text}' is given twice", key.span)
        self._set(match, attribute, argument.value)

    def _take_positional(self, match: Match, argument: syntax.Argument) -> None:
        remaining = [attribute for attribute in self.table.values() if attribute.name not in match.spans]
        value = argument.value
        enough = len(match.operands) >= len(self.operator.operands)
        if remaining and enough and self._bare_word(remaining[0], value) is not None:
            self._set(match, remaining[0], value)
            return
        evaluated = self.evaluate(value)
        if isinstance(evaluated, Several):
            message = f"{describe(evaluated)} cannot be one operand"
            raise self._complain("type-mismatch", message, value.span, "name them first: 'a, b = …'")
        if isinstance(evaluated, Tensor):
            if match.spans:
                message = "operands stand before attributes"
                raise self._complain("wrong-arity", message, value.span, self._signature())
            match.operands.append(evaluated)
        elif remaining:
            self._set(match, remaining[0], value, evaluated)
        else:
            takes = f"at most {len(self.table)} attributes" if self.table else "no attributes"
            raise self._complain("wrong-arity", f"{self.operator.name} takes {takes}", value.span, self._signature())

    def _set(
        self, match: Match, attribute: Attribute, expression: syntax.Expression, value: Value | None = None
    ) -> None:
        match.spans[attribute.name] = expression.span
        word = self._bare_word(attribute, expression) if value is None else None
        given: Value | str = word if word is not None else self.evaluate(expression) if value is None else value
        try:
            match.attributes[attribute.name] = fit(attribute, given)
        except MisfitError:
            is_now = f"the word {given}" if isinstance(given, str) else describe(given)
            message = f"{attribute.name} of {self.operator.name} is {wanted(attribute)}, not {is_now}"
            help = did_you_mean(given, attribute.words) if isinstance(given, str) else None
            code = "bad-attribute"
            if isinstance(given, Quantity):
                code = "wrong-unit"
            elif attribute.unit is not None and isinstance(given, (int, float)):
                code, help = "missing-unit", f"a unit stands directly after the number: '{write(given)}ms'"
            raise self._complain(code, message, expression.span, help) from None

    def _bare_word(self, attribute: Attribute, value: syntax.Expression) -> str | None:
        """The word that `value` is to this attribute: a legal one, or a name that stands for nothing here."""
        if not isinstance(value, syntax.Reference) or value.name.quoted:
            return None
        word = value.name.text
        if word in attribute.words or (word == "none" and attribute.optional):
            return word
        return word if attribute.words and self.scope.find(word) is None else None

    def _check_arity(self, match: Match) -> None:
        wanted_count, given = len(self.operator.operands), len(match.operands)
        if self.failed or given == wanted_count or (self.operator.variadic and given >= wanted_count):
            return
        least = "at least " if self.operator.variadic else ""
        message = f"{self.operator.name} takes {least}{_count(wanted_count, 'operand')}, not {given}"
        notes = tuple(note for operand in match.operands for note in type_of(operand))
        self._complain("wrong-arity", message, self.callee.span, self._signature(), notes)

    def _signature(self) -> str:
        operands = [*self.operator.operands, *(("…",) if self.operator.variadic else ())]
        attributes = [a.name if a.required else f"{a.name}=…" for a in self.table.values()]
        return f"it is {self.operator.name}({', '.join([*operands, *attributes])})"

    def _complain(
        self, code: str, message: str, span: Span, help: str | None = None, notes: tuple[Note, ...] = ()
    ) -> StatementError:
        self.failed = True
        return self.mistakes.add(Diagnostic(code, message, span, (*notes, *self.scope.trace), help))


def unknown_operator(callee: syntax.Name, blocks: Iterable[str]) -> Diagnostic:
    """A name that is neither an operator nor a block."""
    word = callee.text.lower()
    help = ABSENT.get(word) or did_you_mean(word, [*OPERATORS, "split", *blocks])
    return Diagnostic("unknown-operator", f"there is no operator or block '{callee.text}'", callee.span, help=help)


def type_of(tensor: Tensor) -> tuple[Note, ...]:
    """A note that says what an operand is."""
    return (Note(f"'{tensor.name}' is {tensor.type}"),)


def _shapes_are_wrong(operator: Operator, types: list[TensorType]) -> bool:
    """Whether it is the shapes that an operator refuses, and not the number types."""
    try:
        operator.shape(*(type.shape for type in types))
    except OperatorError:
        return True
    return False


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
