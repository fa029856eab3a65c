"""Expressions of a statement -> tensors (operators and blocks applied) and compile-time numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Protocol

from striate.diagnostics import Diagnostic, Note, Span, did_you_mean
from striate.language import syntax
from striate.language.arithmetic import NumberError, calculate, negate, truth
from striate.language.calls import Matcher, type_of, unknown_operator
from striate.language.naming import Application, Names, Statement
from striate.language.scope import Mistakes, StatementError
from striate.language.splitting import split
from striate.language.time import Forwards, check_time
from striate.language.values import SIZES, Number, Quantity, Several, Tensor, Value, describe, is_whole
from striate.operators import OPERATORS
from striate.operators.schema import Operator

MOST_STEPS = 50_000
"""Statements and stages that one network may need; far beyond any real one, and soon reached by a runaway block."""

DEEPEST = 90
MOST_ROUNDS = 10_000

INFIX = {"+": "add", "-": "sub", "*": "mul", "/": "div"}
"""Sign between two tensors -> operator."""


class ApplyBlock(Protocol):
    """Elaborates one application of a block."""

    def __call__(
        self, block: syntax.Block, call: syntax.Call, piped: tuple[Value, ...], statement: Statement, last: bool
    ) -> Value:
        """The value of its result, or Several. Raises StatementError."""
        ...


class TooLargeError(Exception):
    """The network is larger than any machine could be; elaboration ends here."""


class Expressions:
    """Evaluates expressions. `last`: the expression is the whole of its statement and takes the statement's name."""

    def __init__(
        self, blocks: dict[str, syntax.Block], mistakes: Mistakes, apply_block: ApplyBlock, dt_s: float | None
    ) -> None:
        self.blocks = blocks
        self.mistakes = mistakes
        self.apply_block = apply_block
        self.dt_s = dt_s
        self.forwards = Forwards()
        self.names = Names(mistakes)
        self.applications: list[Application] = []
        self.steps = 0
        self.depth = 0

    def evaluate(self, expression: syntax.Expression, statement: Statement, last: bool = False) -> Value:
        """The value of an expression. Raises StatementError after a mistake was reported."""
        self.depth += 1
        try:
            if self.depth > DEEPEST:
                message = f"expressions and blocks are nested deeper than {DEEPEST}"
                raise self.complain("nesting-too-deep", message, expression.span, statement)
            return RULES[type(expression)](self, expression, statement, last)
        except NumberError as mistake:
            raise self.complain(mistake.code, str(mistake), expression.span, statement, mistake.help) from None
        finally:
            self.depth -= 1

    def every(self, expressions: Iterable[syntax.Expression], statement: Statement) -> list[Value]:
        """The values of expressions that are all needed. Raises StatementError after all mistakes are reported."""
        values: list[Value] = []
        failure: StatementError | None = None
        for expression in expressions:
            try:
                values.append(self.evaluate(expression, statement))
            except StatementError as error:
                failure = error
        if failure is not None:
            raise failure
        return values

    def condition(self, expression: syntax.Expression, statement: Statement) -> bool:
        """A compile-time condition. Raises StatementError."""
        value = self.evaluate(expression, statement)
        try:
            return truth(value, "a condition")
        except NumberError as mistake:
            raise self.complain(mistake.code, str(mistake), expression.span, statement, mistake.help) from None

    def complain(
        self,
        code: str,
        message: str,
        span: Span,
        statement: Statement,
        help: str | None = None,
        notes: tuple[Note, ...] = (),
    ) -> StatementError:
        """Report a mistake; gives what to raise."""
        return self.mistakes.add(Diagnostic(code, message, span, (*notes, *statement.scope.trace), help))

    def spend(self, span: Span, statement: Statement) -> None:
        """Count one step of elaboration. Raises TooLargeError."""
        self.steps += 1
        if self.steps > MOST_STEPS:
            message = (
                f"the network has more than {MOST_STEPS} statements and stages once blocks and repeats are unrolled"
            )
            self.complain("graph-too-large", message, span, statement)
            raise TooLargeError

    # -- calls and pipelines

    def stage(self, stage: syntax.Stage, piped: tuple[Value, ...], statement: Statement, last: bool) -> Value:
        """One stage of a pipeline, or a call on its own (nothing piped)."""
        self.spend(stage.span, statement)
        if isinstance(stage, syntax.Repeat):
            return self._repeat(stage, piped[0], statement, last)
        if block := self.blocks.get(stage.callee.text):
            return self.apply_block(block, stage, piped, statement, last)
        tensors = self._tensors(piped, stage, statement)
        if stage.callee.text == "split":
            return split(self, stage, tensors, statement, last)
        operator = OPERATORS.get(stage.callee.text)
        if operator is None:
            diagnostic = unknown_operator(stage.callee, self.blocks)
            raise self.mistakes.add(replace(diagnostic, notes=statement.scope.trace))
        return self.apply(operator, stage.callee, tensors, stage.arguments, statement, last)

    def apply(
        self,
        operator: type[Operator],
        callee: syntax.Name,
        piped: tuple[Tensor, ...],
        arguments: tuple[syntax.Argument, ...],
        statement: Statement,
        last: bool,
    ) -> Tensor:
        """Apply an operator; the node is named by the statement."""
        matcher = Matcher(
            operator, callee, statement.scope, self.mistakes, lambda argument: self.evaluate(argument, statement)
        )
        match = matcher.match(piped, arguments)
        applied, type, roles = matcher.apply(match)
        check_time(self, applied, callee, match.spans, statement)
        name = self.node_name(operator.name, statement, last)
        operands = tuple(operand.name for operand in match.operands)
        application = Application(name, applied, operands, type, roles, match.chosen, callee.span)
        self.note(application, statement)
        self.forwards.note_reader(application)
        return Tensor(name, type)

    def node_name(self, label: str, statement: Statement, last: bool) -> str:
        """The statement's own name for its last application, `<statement>.<label>` for the others."""
        if last:
            return self.names.take(statement.name, statement)
        return self.names.fresh(f"{statement.name}.{label}", statement)

    def note(self, application: Application, statement: Statement) -> None:
        """Remember a node to be."""
        statement.applications.append(application)
        self.applications.append(application)

    def _tensors(self, values: tuple[Value, ...], stage: syntax.Call, statement: Statement) -> tuple[Tensor, ...]:
        tensors: list[Tensor] = []
        for value in values:
            if not isinstance(value, Tensor):
                message = f"{describe(value)} cannot be piped into {stage.callee.text}, which takes tensors"
                help = "name them first: 'a, b = …'" if isinstance(value, Several) else None
                raise self.complain("type-mismatch", message, stage.callee.span, statement, help)
            tensors.append(value)
        return tuple(tensors)

    def _repeat(self, repeat: syntax.Repeat, value: Value, statement: Statement, last: bool) -> Value:
        start, stop = self.evaluate(repeat.start, statement), self.evaluate(repeat.stop, statement)
        bounds = Span(repeat.span.source, repeat.start.span.start, repeat.stop.span.end)
        if not is_whole(start) or not is_whole(stop):
            guilty = stop if is_whole(start) else start
            raise self.complain(
                "bad-repeat", f"a repeat counts whole numbers, not {describe(guilty)}", bounds, statement
            )
        if stop < start or stop - start > MOST_ROUNDS:
            why = f"more than {MOST_ROUNDS} times" if stop > start else "backwards"
            raise self.complain("bad-repeat", f"repeat {start}..{stop} would run {why}", bounds, statement)
        name = statement.name if last else self.names.fresh(f"{statement.name}.repeat", statement)
        for round in range(start, stop):
            note = Note(f"in the round where {repeat.variable.text} is {round}", repeat.variable.span)
            scope = statement.scope.inner(note)
            scope.define(repeat.variable, round, self.mistakes)
            inner = Statement(f"{name}.{round}", scope, repeat.variable.span)
            for stage in repeat.stages:
                value = self.stage(stage, (value,), inner, stage is repeat.stages[-1])
            self.finish(inner)
        return value

    def finish(self, statement: Statement) -> None:
        """Name the parameters of what the statement applied."""
        statement.name_parameters()
        self.names.check_parameters(statement)


# -- one rule for each kind of expression


def _literal(e: Expressions, x: syntax.Literal, statement: Statement, last: bool) -> Value:
    return x.value


def _quantity(e: Expressions, x: syntax.Quantity, statement: Statement, last: bool) -> Value:
    return Quantity(x.value, x.kind, x.text)


def _reference(e: Expressions, x: syntax.Reference, statement: Statement, last: bool) -> Value:
    if statement.scope.find(x.name.text) is None and not x.name.quoted:
        if x.name.text == "inf":
            return float("inf")
        if (x.name.text in OPERATORS or x.name.text in e.blocks) and x.name.text not in statement.scope.definitions:
            message = f"'{x.name.text}' is an operator, not a value"
            help = f"apply it: 'x |> {x.name.text}'"
            raise e.complain("unknown-name", message, x.span, statement, help)
    return statement.scope.look_up(x.name, e.mistakes)


def _property(e: Expressions, x: syntax.Property, statement: Statement, last: bool) -> Value:
    value = statement.scope.look_up(x.base, e.mistakes)
    if not isinstance(value, Tensor):
        raise e.complain("type-mismatch", f"'{x.base.text}' is no tensor, it is {describe(value)}", x.span, statement)
    sizes = SIZES.get(len(value.type.shape), {})
    if x.property.text not in sizes:
        message = f"a tensor of {len(value.type.shape)} dimensions has no '{x.property.text}'"
        help = did_you_mean(x.property.text, sizes)
        raise e.complain("unknown-attribute", message, x.property.span, statement, help, type_of(value))
    return value.type.shape[sizes[x.property.text]]


def _tuple(e: Expressions, x: syntax.Tuple, statement: Statement, last: bool) -> Value:
    items: list[Number] = []
    for item in x.items:
        value = e.evaluate(item, statement)
        if not isinstance(value, (int, float)):
            raise e.complain("type-mismatch", f"a tuple holds numbers, not {describe(value)}", item.span, statement)
        items.append(value)
    return tuple(items)


def _prefix(e: Expressions, x: syntax.Prefix, statement: Statement, last: bool) -> Value:
    value = e.evaluate(x.operand, statement)
    if x.operator.text == "not":
        return not truth(value, "'not'")
    return negate(value)


def _chain(e: Expressions, x: syntax.Chain, statement: Statement, last: bool) -> Value:
    value, *others = e.every([x.first, *(operand for _, operand in x.rest)], statement)
    start = x.first.span.start
    for index, ((sign, operand), right) in enumerate(zip(x.rest, others, strict=True)):
        if not isinstance(value, Tensor) and not isinstance(right, Tensor):
            value = calculate(sign.text, value, right)
            continue
        if not (isinstance(value, Tensor) and isinstance(right, Tensor)):
            message = f"'{sign.text}' takes two tensors or two numbers, not {describe(value)} and {describe(right)}"
            raise e.complain("type-mismatch", message, sign.span, statement)
        if sign.text not in INFIX:
            help = f"between tensors there are {' '.join(INFIX)}"
            raise e.complain("type-mismatch", f"'{sign.text}' takes numbers, not tensors", sign.span, statement, help)
        e.spend(sign.span, statement)
        callee = syntax.Name(INFIX[sign.text], Span(x.span.source, start, operand.span.end))
        is_last = last and index == len(x.rest) - 1
        value = e.apply(OPERATORS[callee.text], callee, (value, right), (), statement, is_last)
    return value


def _logic(e: Expressions, x: syntax.Logic, statement: Statement, last: bool) -> Value:
    ends_it = x.operator.text == "or"
    for operand in x.operands:
        if truth(e.evaluate(operand, statement), f"'{x.operator.text}'") == ends_it:
            return ends_it
    return not ends_it


def _choice(e: Expressions, x: syntax.Choice, statement: Statement, last: bool) -> Value:
    for value, condition in x.branches:
        if e.condition(condition, statement):
            return e.evaluate(value, statement, last)
    return e.evaluate(x.otherwise, statement, last)


def _call(e: Expressions, x: syntax.Call, statement: Statement, last: bool) -> Value:
    return e.stage(x, (), statement, last)


def _pipe(e: Expressions, x: syntax.Pipe, statement: Statement, last: bool) -> Value:
    value = e.forwards.operand(e, x, statement) or e.evaluate(x.source, statement)
    for stage in x.stages:
        value = e.stage(stage, (value,), statement, last and stage is x.stages[-1])
    return value


RULES: dict[type, Callable[[Expressions, Any, Statement, bool], Value]] = {
    syntax.Literal: _literal,
    syntax.Quantity: _quantity,
    syntax.Reference: _reference,
    syntax.Property: _property,
    syntax.Tuple: _tuple,
    syntax.Prefix: _prefix,
    syntax.Chain: _chain,
    syntax.Logic: _logic,
    syntax.Choice: _choice,
    syntax.Call: _call,
    syntax.Pipe: _pipe,
}
"""Kind of expression -> how it is evaluated."""
