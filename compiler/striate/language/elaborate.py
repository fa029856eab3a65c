"""syntax.File -> Graph: blocks are applied, repeats unrolled, conditions decided, nodes and parameters named."""

from __future__ import annotations

import math
from dataclasses import dataclass

from striate.diagnostics import CompileError, Diagnostic, Note, Span, did_you_mean
from striate.graph import Graph
from striate.language import syntax
from striate.language.experiment import Experiment, elaborate_experiment
from striate.language.expressions import Expressions, TooLargeError
from striate.language.file_rules import Items, check_names, sort_items
from striate.language.naming import Statement
from striate.language.scope import Mistakes, Scope, StatementError, definitions, loops, names_defined
from striate.language.values import Several, Tensor, Value, describe
from striate.operators.units import example_of
from striate.tensor import DTYPES, MOST_ELEMENTS, DType, TensorType
from striate.weights import WeightsDeclaration


@dataclass(frozen=True)
class Elaborated:
    """What a text says: the network's graph (weights not loaded), the experiment, and where the weights are."""

    graph: Graph
    experiment: Experiment
    weights: WeightsDeclaration | None


def elaborate(file: syntax.File) -> Elaborated:
    """The meaning of a text. Raises CompileError with every mistake found, in the text's order."""
    mistakes = Mistakes()
    items = sort_items(file, mistakes)
    experiment = elaborate_experiment(items.compare, mistakes) if items.compare else Experiment()
    elaborated = _Elaborator(items, mistakes).network(experiment) if items.network else None
    check_names(file, items.blocks, mistakes)
    if mistakes.found or elaborated is None:
        raise CompileError(mistakes.in_order())
    return elaborated


class _Elaborator:
    """Elaborates the statements of one network and of the blocks that it applies."""

    def __init__(self, items: Items, mistakes: Mistakes) -> None:
        assert items.network, "there is a network to elaborate"
        self.items = items
        self.syntax = items.network
        self.mistakes = mistakes
        self.dt_s = self._time_step()
        self.expressions = Expressions(items.blocks, mistakes, self.apply_block, self.dt_s)
        self.weights: WeightsDeclaration | None = None

    def network(self, experiment: Experiment) -> Elaborated | None:
        """The whole network, or None where there were mistakes."""
        scope = self._scope("", self.syntax.body)
        inputs = [tensor for given in self.syntax.inputs if (tensor := self._input(given, scope))]
        try:
            self.body(self.syntax.body, scope)
        except TooLargeError:
            return None
        self.expressions.forwards.resolve(self.mistakes)
        outputs = self._outputs(scope)
        if self.mistakes.found:
            return None
        return Elaborated(self._graph(inputs, outputs), experiment, self.weights)

    def body(self, statements: tuple[syntax.Statement, ...], scope: Scope) -> None:
        """Elaborate statements in order; a bad one leaves its names without a value, and the rest goes on."""
        for statement in statements:
            try:
                self._statement(statement, scope)
            except StatementError:
                for name in names_defined((statement,)):
                    if scope.find(name.text) is None:
                        scope.define(name, None, self.mistakes)

    def apply_block(
        self, block: syntax.Block, call: syntax.Call, piped: tuple[Value, ...], statement: Statement, last: bool
    ) -> Value:
        """One application of a block: its body, with names under the statement's. Raises StatementError."""
        if block.name.text in self.items.broken:
            raise StatementError
        arguments = self._bind(block, call, piped, statement)
        name = (
            statement.name if last else self.expressions.names.fresh(f"{statement.name}.{block.name.text}", statement)
        )
        note = Note(f"in the block '{block.name.text}', applied here", call.callee.span)
        scope = self._scope(f"{name}.", block.body, (note, *statement.scope.trace))
        self._define_parameters(block, call, arguments, scope, statement)
        self.body(block.body, scope)
        results: list[Tensor] = []
        for result in block.results:
            value = self._result(result, scope, f"the block '{block.name.text}'")
            if value is not None:
                results.append(value)
        if len(results) < len(block.results):
            raise StatementError
        return results[0] if len(results) == 1 else Several(tuple(results), block.name.text)

    # -- statements

    def _statement(self, statement: syntax.Statement, scope: Scope) -> None:
        match statement:
            case syntax.Assignment():
                self._assign(statement, scope)
            case syntax.Let():
                self._let(statement, scope)
            case syntax.If():
                self._if(statement, scope)
            case syntax.Weights():
                self._weights(statement, scope)

    def _assign(self, assignment: syntax.Assignment, scope: Scope) -> None:
        targets = assignment.targets
        full = tuple(scope.prefix + target.text for target in targets)
        statement = Statement(full[0], scope, targets[0].span, full)
        self.expressions.spend(assignment.span, statement)
        if any((first := scope.find(target.text)) and first.span != target.span for target in targets):
            for target in targets:
                scope.define(target, None, self.mistakes)
            return
        value = self.expressions.evaluate(assignment.value, statement, last=True)
        values = value.values if isinstance(value, Several) else (value,)
        if len(values) != len(targets):
            names = f"{len(targets)} name{'s' if len(targets) > 1 else ''}"
            message = f"{describe(value)} cannot be given to {names}"
            raise self._complain("wrong-arity", message, assignment.span, scope)
        for target, tensor in zip(targets, values, strict=True):
            if not isinstance(tensor, Tensor):
                help = f"write 'let {target.text} = …' for a number"
                raise self._complain(
                    "type-mismatch", f"'{target.text}' would be {describe(tensor)}", target.span, scope, help
                )
            scope.define(target, tensor, self.mistakes)
        self.expressions.finish(statement)

    def _let(self, let: syntax.Let, scope: Scope) -> None:
        statement = Statement(f"{scope.prefix}{let.name.text}", scope, let.name.span)
        self.expressions.spend(let.span, statement)
        value = self.expressions.evaluate(let.value, statement)
        if isinstance(value, (Tensor, Several)):
            help = f"a tensor is named without let: '{let.name.text} = …'"
            raise self._complain(
                "type-mismatch", f"let names numbers, not {describe(value)}", let.value.span, scope, help
            )
        scope.define(let.name, value, self.mistakes)

    def _if(self, condition: syntax.If, scope: Scope) -> None:
        statement = Statement(f"{scope.prefix}if", scope, condition.span)
        for expression, branch in condition.branches:
            if self.expressions.condition(expression, statement):
                return self._branch(branch, scope, statement)
        return self._branch(condition.otherwise, scope, statement)

    def _branch(self, branch: tuple[syntax.Statement, ...], scope: Scope, statement: Statement) -> None:
        for inner in branch:
            if isinstance(inner, syntax.Weights):
                self._complain("bad-weights", "weights are named at the network's own level", inner.span, scope)
        self.body(tuple(inner for inner in branch if not isinstance(inner, syntax.Weights)), scope)

    def _weights(self, weights: syntax.Weights, scope: Scope) -> None:
        if scope.prefix:
            raise self._complain("bad-weights", "weights are named in the network, not in a block", weights.span, scope)
        if self.weights is not None:
            notes = (Note("they are named first here", self.weights.span),)
            raise self._complain("bad-weights", "weights are named twice", weights.span, scope, notes=notes)
        if weights.sha256 is not None and not _is_sha256(weights.sha256):
            message = f"a sha256 is 64 hexadecimal digits; this has {len(weights.sha256)} characters"
            raise self._complain("bad-weights", message, weights.span, scope)
        self.weights = WeightsDeclaration(weights.path, weights.sha256, weights.seed, weights.span)

    # -- blocks

    def _bind(
        self, block: syntax.Block, call: syntax.Call, piped: tuple[Value, ...], statement: Statement
    ) -> dict[str, Value]:
        """Parameter name -> what the call gives for it. Raises StatementError."""
        legal = [parameter.name.text for parameter in block.parameters]
        signature = f"it is {block.name.text}({', '.join(legal)})"
        if len(piped) > len(legal):
            message = f"the block '{block.name.text}' takes nothing"
            raise self._complain("wrong-arity", message, call.callee.span, statement.scope, signature)
        given: dict[str, Value] = dict(zip(legal, piped, strict=False))
        stopped = None
        for argument in call.arguments:
            try:
                free = [name for name in legal if name not in given]
                key = argument.keyword.text if argument.keyword else free[0] if free else None
                if key is None:
                    message = f"the block '{block.name.text}' takes {len(legal)} values"
                    raise self._complain("wrong-arity", message, argument.span, statement.scope, signature)
                if key not in legal:
                    message = f"the block '{block.name.text}' has no parameter '{key}'"
                    help = did_you_mean(key, legal)
                    raise self._complain("unknown-attribute", message, argument.span, statement.scope, help)
                if key not in free:
                    message = f"'{key}' is given twice"
                    raise self._complain("bad-attribute", message, argument.span, statement.scope, signature)
                given[key] = self.expressions.evaluate(argument.value, statement)
            except StatementError as stop:
                stopped = stop
        if stopped:
            raise stopped
        return given

    def _define_parameters(
        self, block: syntax.Block, call: syntax.Call, given: dict[str, Value], scope: Scope, statement: Statement
    ) -> None:
        inside = Statement(f"{scope.prefix}default", scope, block.name.span)
        for parameter in block.parameters:
            if parameter.name.text in given:
                scope.define(parameter.name, given[parameter.name.text], self.mistakes)
            elif parameter.default is not None:
                scope.define(parameter.name, self.expressions.evaluate(parameter.default, inside), self.mistakes)
            else:
                message = f"the block '{block.name.text}' needs '{parameter.name.text}'"
                note = Note("the block's parameters", parameter.span)
                raise self._complain("missing-attribute", message, call.callee.span, statement.scope, notes=(note,))

    # -- inputs and results

    def _scope(self, prefix: str, body: tuple[syntax.Statement, ...], trace: tuple[Note, ...] = ()) -> Scope:
        return Scope(prefix, definitions(body), trace, loops=loops(body) if self.dt_s is not None else frozenset())

    def _time_step(self) -> float | None:
        """dt in seconds, or None for a network without time."""
        for step in self.syntax.time_steps:
            if step.quantity.kind != "time" or step.quantity.value == 0:
                message = f"dt is {example_of('time')}, more than 0; not {step.quantity.text}"
                self.mistakes.add(Diagnostic("wrong-unit", message, step.quantity.span))
        for second in self.syntax.time_steps[1:]:
            self.mistakes.add(Diagnostic("name-used-twice", "'dt' is given twice", second.span))
        return self.syntax.time_steps[0].quantity.value if self.syntax.time_steps else None

    def _input(self, given: syntax.Input, scope: Scope) -> Tensor | None:
        dtype: DType | None = next((dtype for dtype in DTYPES if dtype == given.dtype.text), None)
        if dtype is None:
            message = f"there is no number type '{given.dtype.text}'"
            help = did_you_mean(given.dtype.text, DTYPES)
            self._complain("unknown-type", message, given.dtype.span, scope, help)
        if any(size < 1 for size in given.shape):
            self._complain("bad-attribute", "every size of an input is at least 1", given.span, scope)
            dtype = None
        elif (elements := math.prod(given.shape)) > MOST_ELEMENTS:
            message = f"the input '{given.name.text}' has {elements:,} numbers, over {MOST_ELEMENTS:,}"
            self._complain("tensor-too-large", message, given.span, scope)
            dtype = None
        tensor = Tensor(given.name.text, TensorType(dtype, given.shape)) if dtype else None
        scope.define(given.name, tensor, self.mistakes)
        self.expressions.names.nodes.setdefault(given.name.text, given.name.span)
        return tensor

    def _outputs(self, scope: Scope) -> dict[str, str]:
        outputs: dict[str, str] = {}
        for result in self.syntax.results:
            if result.name.text in outputs:
                self._complain(
                    "name-used-twice", f"the output '{result.name.text}' is named twice", result.name.span, scope
                )
            value = self._result(result.value, scope, f"the network '{self.syntax.name.text}'")
            if value is not None:
                outputs[result.name.text] = value.name
        return outputs

    def _result(self, name: syntax.Name, scope: Scope, owner: str) -> Tensor | None:
        binding = scope.find(name.text)
        if binding is None:
            message = f"{owner} never defines its result '{name.text}'"
            help = did_you_mean(name.text, scope.visible())
            self._complain("missing-output", message, name.span, scope, help)
            return None
        if isinstance(binding.value, Tensor):
            return binding.value
        if binding.value is not None:
            notes = (Note("it is defined here", binding.span),)
            message = f"a result is a tensor; '{name.text}' is {describe(binding.value)}"
            self._complain("type-mismatch", message, name.span, scope, notes=notes)
        return None

    def _graph(self, inputs: list[Tensor], outputs: dict[str, str]) -> Graph:
        graph = Graph(self.syntax.name.text)
        graph.dt_s = self.dt_s
        for tensor in inputs:
            graph.add_input(tensor.name, tensor.type)
        for application in self.expressions.applications:
            graph.add(
                application.name, application.operator, application.operands, application.parameters, application.span
            )
        graph.outputs = outputs
        return graph

    def _complain(
        self,
        code: str,
        message: str,
        span: Span,
        scope: Scope,
        help: str | None = None,
        notes: tuple[Note, ...] = (),
    ) -> StatementError:
        return self.mistakes.add(Diagnostic(code, message, span, (*notes, *scope.trace), help))


def _is_sha256(text: str) -> bool:
    return len(text) == 64 and all(digit in "0123456789abcdefABCDEF" for digit in text)
