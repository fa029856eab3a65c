"""Names of nodes and parameters: the rules of spec/language.md, section "Names"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from striate.diagnostics import Diagnostic, Note, Span
from striate.language import syntax
from striate.language.scope import Mistakes, Scope
from striate.operators.schema import Operator
from striate.tensor import TensorType


@dataclass
class Application:
    """An operator applied: a node to be. `chosen` are parameter names set in the text, by role; `name` is a prefix."""

    name: str
    operator: Operator
    operands: tuple[str, ...]
    type: TensorType
    roles: Mapping[str, TensorType]
    chosen: Mapping[str, syntax.Name]
    span: Span
    parameters: dict[str, str] = field(default_factory=dict[str, str])


@dataclass
class Statement:
    """The statement (or one round of its repeat) that applications belong to: it gives them their names.

    `target_names` are the full names of all that it defines, `name` the first of them.
    """

    name: str
    scope: Scope
    span: Span
    target_names: tuple[str, ...] = ()
    applications: list[Application] = field(default_factory=list[Application])

    def name_parameters(self) -> None:
        """Name every parameter: after the statement where one operator has any, else after the node."""
        owners = [application for application in self.applications if application.roles]
        for owner in owners:
            prefix = self.name if len(owners) == 1 else owner.name
            if "name" in owner.chosen:
                prefix = self.scope.prefix + owner.chosen["name"].text
            owner.parameters = {
                role: self.scope.prefix + owner.chosen[role].text if role in owner.chosen else f"{prefix}.{role}"
                for role in owner.roles
            }


class Names:
    """Which node names and parameters are taken, and by what place in the text."""

    def __init__(self, mistakes: Mistakes) -> None:
        self.mistakes = mistakes
        self.nodes: dict[str, Span] = {}
        self.next_number: dict[str, int] = {}
        self.parameters: dict[str, tuple[TensorType, Span]] = {}

    def take(self, name: str, statement: Statement) -> str:
        """Take a node name that the text gives. Raises StatementError where it is taken."""
        if name in self.nodes:
            note = Note("it is taken here", self.nodes[name])
            message = f"the name '{name}' is used twice"
            raise self.mistakes.add(
                Diagnostic("name-used-twice", message, statement.span, (note, *statement.scope.trace))
            )
        self.nodes[name] = statement.span
        return name

    def fresh(self, stem: str, statement: Statement) -> str:
        """Take `stem`, or `stem_2`, `stem_3`, ... where it is taken."""
        name, number = stem, self.next_number.get(stem, 2)
        while name in self.nodes:
            name, number = f"{stem}_{number}", number + 1
        self.next_number[stem] = number
        self.nodes[name] = statement.span
        return name

    def check_parameters(self, statement: Statement) -> None:
        """Parameters of one name are one tensor, so they must be of one type."""
        for application in statement.applications:
            for role, name in application.parameters.items():
                type = application.roles[role]
                first, span = self.parameters.setdefault(name, (type, application.span))
                if first != type:
                    chosen = application.chosen.get(role) or application.chosen.get("name")
                    notes = (Note(f"here it is {first}", span), *statement.scope.trace)
                    message = f"the parameter '{name}' would be {type} here and {first} elsewhere"
                    where = chosen.span if chosen else application.span
                    self.mistakes.add(Diagnostic("name-used-twice", message, where, notes))
