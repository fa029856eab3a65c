"""Names and what they stand for: single assignment, and a kind word for a name that is not there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import networkx as nx

from striate.diagnostics import Diagnostic, Note, Span, did_you_mean
from striate.language import syntax
from striate.language.values import Value


class StatementError(Exception):
    """The statement at hand cannot be elaborated; why has been reported."""


@dataclass
class Mistakes:
    """Every diagnostic so far; one place in the text is blamed once for one thing, however often it is elaborated."""

    found: dict[tuple[str, int, int], Diagnostic] = field(default_factory=dict[tuple[str, int, int], Diagnostic])

    def add(self, diagnostic: Diagnostic) -> StatementError:
        """Note a mistake; gives the exception that ends the statement, for `raise mistakes.add(...)`."""
        assert diagnostic.span is not None, "a mistake in a text has a place"
        self.found.setdefault((diagnostic.code, diagnostic.span.start, diagnostic.span.end), diagnostic)
        return StatementError()

    def in_order(self) -> list[Diagnostic]:
        """The mistakes by their place in the text."""
        return [self.found[key] for key in sorted(self.found, key=lambda key: (key[1], key[2], key[0]))]


@dataclass(frozen=True)
class Binding:
    """What a name stands for, and where it was defined. None: its definition was wrong, and was reported."""

    value: Value | None
    span: Span


@dataclass
class Scope:
    """The names of one network, of one application of a block, or of one round of a repeat.

    `prefix` is put before node names (`layer1.0.`); `definitions` are all names that the body defines anywhere;
    `trace` says how one came here. `loops` are the names that depend on themselves (a network with dt only).
    """

    prefix: str
    definitions: dict[str, Span]
    trace: tuple[Note, ...] = ()
    parent: Scope | None = None
    loops: frozenset[str] = frozenset()
    names: dict[str, Binding] = field(default_factory=dict[str, Binding])

    def find(self, name: str) -> Binding | None:
        """What a name is bound to here or further out."""
        if name in self.names or self.parent is None:
            return self.names.get(name)
        return self.parent.find(name)

    def visible(self) -> Iterator[str]:
        """Every name bound here or further out."""
        yield from self.names
        if self.parent is not None:
            yield from self.parent.visible()

    def inner(self, note: Note) -> Scope:
        """The scope of one round of a repeat."""
        return Scope(self.prefix, {}, (note, *self.trace), self, self.loops)

    def define(self, name: syntax.Name, value: Value | None, mistakes: Mistakes) -> None:
        """Bind a name. A second definition is a mistake; the first one stays."""
        first = self.find(name.text)
        if first is None:
            self.names[name.text] = Binding(value, name.span)
        elif first.span != name.span:
            note = Note("it is defined first here", first.span)
            help = "a name is assigned once; choose another"
            message = f"the name '{name.text}' is used twice"
            mistakes.add(Diagnostic("name-used-twice", message, name.span, (note, *self.trace), help))

    def look_up(self, name: syntax.Name, mistakes: Mistakes) -> Value:
        """What a name stands for. Raises StatementError for one that is unknown, or whose definition was wrong."""
        binding = self.find(name.text)
        if binding is not None:
            if binding.value is None:
                raise StatementError
            return binding.value
        later = self._definition(name.text)
        note = Note("it is defined here", later)
        if later is not None and name.text in self.loops:
            message = f"'{name.text}' depends on itself within one step"
            help = f"read it one step later: '{name.text} |> delay(1, size=(...))'"
            raise mistakes.add(Diagnostic("loop-without-delay", message, name.span, (note, *self.trace), help))
        if later is not None and later.start >= name.span.start:
            message = f"'{name.text}' is used before it is defined"
            raise mistakes.add(Diagnostic("used-before-definition", message, name.span, (note, *self.trace)))
        notes = (Note("it is defined only here, in a branch that is not taken", later),) if later else ()
        help = None if later else did_you_mean(name.text, self.visible())
        message = f"there is no value '{name.text}'"
        raise mistakes.add(Diagnostic("unknown-name", message, name.span, (*notes, *self.trace), help))

    def is_defined_later(self, name: syntax.Name) -> bool:
        """Whether a name has no value yet and will be defined further down, or by the statement that reads it."""
        return self.find(name.text) is None and self._definition(name.text) is not None

    def _definition(self, name: str) -> Span | None:
        if name in self.definitions or self.parent is None:
            return self.definitions.get(name)
        return self.parent._definition(name)


def names_defined(body: Iterable[syntax.Statement]) -> Iterator[syntax.Name]:
    """Every name that statements define, those inside of `if` included."""
    for statement in body:
        if isinstance(statement, syntax.Assignment):
            yield from statement.targets
        elif isinstance(statement, syntax.Let):
            yield statement.name
        elif isinstance(statement, syntax.If):
            for _, branch in statement.branches:
                yield from names_defined(branch)
            yield from names_defined(statement.otherwise)


def definitions(body: Iterable[syntax.Statement]) -> dict[str, Span]:
    """Name -> where it is first defined."""
    found: dict[str, Span] = {}
    for name in names_defined(body):
        found.setdefault(name.text, name.span)
    return found


def loops(body: Iterable[syntax.Statement]) -> frozenset[str]:
    """The names that depend on themselves, through whatever statements of the body."""
    reads: nx.DiGraph[str] = nx.DiGraph()
    for item in syntax.walk(tuple(body)):
        if isinstance(item, syntax.Assignment):
            sources = [inner.name.text for inner in syntax.walk(item.value) if isinstance(inner, syntax.Reference)]
            reads.add_edges_from((source, target.text) for source in sources for target in item.targets)
    cycles = [part for part in nx.strongly_connected_components(reads) if len(part) > 1]
    return frozenset(name for part in cycles for name in part) | {a for a, b in reads.edges if a == b}
