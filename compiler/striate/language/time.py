"""What only networks with dt have: operators with state, and delays that read a name defined further down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from striate.diagnostics import Diagnostic, Note, Span
from striate.language import syntax
from striate.language.naming import Application, Statement
from striate.language.scope import Mistakes, Scope
from striate.language.values import Tensor, Value, describe, is_whole
from striate.operators.readout import TYPES, Delay
from striate.operators.schema import Operator, OperatorError
from striate.operators.stateful import StatefulOperator
from striate.tensor import DType, TensorType

if TYPE_CHECKING:
    from striate.language.expressions import Expressions


def check_time(
    e: Expressions, operator: Operator, callee: syntax.Name, spans: Mapping[str, Span], statement: Statement
) -> None:
    """An operator with state has a time step, and attributes that fit it. Raises StatementError."""
    if not isinstance(operator, StatefulOperator):
        return
    if e.dt_s is None:
        message = f"{operator.name} works step by step, and the network has no time step"
        help = "give one after the inputs: 'network n(x: f32[4], dt = 1ms) -> y'"
        raise e.complain("missing-dt", message, callee.span, statement, help)
    try:
        operator.check_time(e.dt_s)
    except OperatorError as error:
        span = spans.get(error.attribute or "", callee.span)
        help = "take a longer time constant, or a shorter dt"
        raise e.complain("tau-below-dt", str(error), span, statement, help) from None


@dataclass
class _Forward:
    """A name read before it is defined: the stand-in's name until then, where, and the delays that read it."""

    name: syntax.Name
    scope: Scope
    readers: list[Application] = field(default_factory=list[Application])


class Forwards:
    """`h |> delay(1, size=(8,))` above the definition of `h`: the one way to read a name before it has a value."""

    def __init__(self) -> None:
        self.waiting: dict[str, _Forward] = {}

    def operand(self, e: Expressions, pipe: syntax.Pipe, statement: Statement) -> Value | None:
        """The stand-in for the source of `pipe`, or None where it has a value or no delay with a size reads it."""
        source, first = pipe.source, pipe.stages[0]
        if not isinstance(source, syntax.Reference) or not isinstance(first, syntax.Call):
            return None
        if e.dt_s is None or first.callee.text != Delay.name or not statement.scope.is_defined_later(source.name):
            return None
        named = [a.value for a in first.arguments if a.keyword is not None and a.keyword.text == "size"]
        sizes = named or [a.value for a in first.arguments if a.keyword is None][1:2]
        if not sizes:
            help = f"state the shape: '{source.name.text} |> delay(1, size=(...))'"
            message = f"'{source.name.text}' is defined further down, so its size is not known here"
            raise e.complain("missing-attribute", message, first.callee.span, statement, help)
        size = e.evaluate(sizes[0], statement)
        if not isinstance(size, tuple) or not all(is_whole(part) and part > 0 for part in size):
            message = f"size of delay is a tuple of whole numbers, at least 1, not {describe(size)}"
            raise e.complain("bad-attribute", message, sizes[0].span, statement)
        stand_in = f"\0{len(self.waiting)}"
        self.waiting[stand_in] = _Forward(source.name, statement.scope)
        return Tensor(stand_in, TensorType(_type_given(first), tuple(int(part) for part in size)))

    def note_reader(self, application: Application) -> None:
        """Remember a delay that reads a stand-in."""
        for operand in application.operands:
            if operand in self.waiting:
                self.waiting[operand].readers.append(application)

    def resolve(self, mistakes: Mistakes) -> None:
        """Give every delay the value it meant, now that everything is defined; what does not fit is a mistake."""
        for stand_in, forward in self.waiting.items():
            binding = forward.scope.find(forward.name.text)
            value = binding.value if binding is not None else None
            if binding is not None and value is None:
                continue
            for reader in forward.readers:
                declared = reader.operator.declared()
                if binding is None or not isinstance(value, Tensor):
                    message = f"'{forward.name.text}' is never given a tensor"
                    mistakes.add(Diagnostic("unknown-name", message, forward.name.span, forward.scope.trace))
                elif value.name in self.waiting or value.type != declared:
                    notes = (Note("it is defined here", binding.span), *forward.scope.trace)
                    message = f"the delay says that '{forward.name.text}' is {declared}; it is {value.type}"
                    mistakes.add(Diagnostic("shape-mismatch", message, reader.span, notes))
                else:
                    reader.operands = tuple(value.name if name == stand_in else name for name in reader.operands)


def _type_given(call: syntax.Call) -> DType:
    """What a delay's `of` says that it holds; f32 where it says nothing, or what the operator will refuse."""
    named = [a.value for a in call.arguments if a.keyword is not None and a.keyword.text == "of"]
    words = named or [a.value for a in call.arguments if a.keyword is None][2:3]
    word = words[0].name.text if words and isinstance(words[0], syntax.Reference) else "f32"
    return TYPES.get(word, "f32")
