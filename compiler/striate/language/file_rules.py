"""What must hold of a file as a whole: one network, no block twice, no block that applies itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from striate.diagnostics import Diagnostic, Note, Span, did_you_mean
from striate.language import syntax
from striate.language.attributes import attributes_of
from striate.language.calls import unknown_operator
from striate.language.scope import Mistakes
from striate.operators import OPERATORS


@dataclass(frozen=True)
class Items:
    """The file's items; `broken` are blocks that apply themselves and must not be elaborated."""

    blocks: dict[str, syntax.Block]
    network: syntax.Network | None
    compare: syntax.Compare | None
    broken: frozenset[str]


def sort_items(file: syntax.File, mistakes: Mistakes) -> Items:
    """The file's items by kind; what is wrong with them is added to `mistakes`."""
    blocks = _blocks(file, mistakes)
    networks = [item for item in file.items if isinstance(item, syntax.Network)]
    compares = [item for item in file.items if isinstance(item, syntax.Compare)]
    for kind, items in (("network", networks), ("compare section", compares)):
        for second in items[1:]:
            note = Note("the first one is here", _head(items[0]))
            mistakes.add(Diagnostic("one-per-file", f"a file has one {kind}", _head(second), (note,)))
    if not networks:
        span = Span(file.source, 0, 0)
        help = "write 'network name(x: f32[1, 28, 28]) -> y { ... }'"
        mistakes.add(Diagnostic("empty-file", f"'{file.source.name}' holds no network", span, help=help))
    broken = _recursive(blocks, mistakes)
    return Items(blocks, networks[0] if networks else None, compares[0] if compares else None, broken)


def _blocks(file: syntax.File, mistakes: Mistakes) -> dict[str, syntax.Block]:
    blocks: dict[str, syntax.Block] = {}
    for block in (item for item in file.items if isinstance(item, syntax.Block)):
        name = block.name.text
        if name in OPERATORS or name == "split":
            message = f"'{name}' is an operator; a block needs another name"
            mistakes.add(Diagnostic("reserved-name", message, block.name.span))
        elif name in blocks:
            note = Note("it is defined first here", blocks[name].name.span)
            mistakes.add(
                Diagnostic("name-used-twice", f"the block '{name}' is defined twice", block.name.span, (note,))
            )
        else:
            blocks[name] = block
    return blocks


def _head(item: object) -> Span:
    if isinstance(item, syntax.Network):
        return item.name.span
    assert isinstance(item, syntax.Compare), "networks and compare sections have heads"
    return Span(item.span.source, item.span.start, item.span.start + len("compare"))


def _calls(root: object) -> Iterator[syntax.Call]:
    return (item for item in syntax.walk(root) if isinstance(item, syntax.Call))


def _recursive(blocks: dict[str, syntax.Block], mistakes: Mistakes) -> frozenset[str]:
    """Blocks on a cycle of applications, each cycle reported at the call that closes it."""
    applied = {
        name: sorted((c for c in _calls(block) if c.callee.text in blocks), key=lambda call: call.span.start)
        for name, block in blocks.items()
    }
    done: set[str] = set()
    broken: set[str] = set()
    for root in blocks:
        path: list[str] = []
        pending = [(root, False)]
        while pending:
            name, leaving = pending.pop()
            if leaving:
                path.pop()
                done.add(name)
                continue
            if name in done:
                continue
            path.append(name)
            pending.append((name, True))
            for call in applied[name]:
                inner = call.callee.text
                if inner in path:
                    cycle = path[path.index(inner) :]
                    broken.update(cycle)
                    by_way = ", by way of " + ", ".join(f"'{name}'" for name in cycle[1:]) if len(cycle) > 1 else ""
                    message = f"the block '{inner}' applies itself{by_way}"
                    notes = (Note(f"'{inner}' is defined here", blocks[inner].name.span),)
                    help = "a block is written out at every application, so it cannot contain itself; see 'repeat'"
                    mistakes.add(Diagnostic("recursive-block", message, call.callee.span, notes, help))
                elif inner not in done:
                    pending.append((inner, False))
    return frozenset(broken)


def check_names(file: syntax.File, blocks: dict[str, syntax.Block], mistakes: Mistakes) -> None:
    """Operators and attributes where elaboration did not come: after a mistake, in a branch or block not taken."""
    for call in (call for item in file.items for call in _calls(item)):
        name = call.callee.text
        if name in blocks or name == "split":
            continue
        if name not in OPERATORS:
            mistakes.add(unknown_operator(call.callee, blocks))
            continue
        legal = attributes_of(OPERATORS[name])
        for argument in call.arguments:
            quoted = isinstance(argument.value, syntax.Reference) and argument.value.name.quoted
            if argument.keyword and argument.keyword.text not in legal and not quoted:
                key = argument.keyword
                message = f"{name} has no attribute '{key.text}'"
                mistakes.add(Diagnostic("unknown-attribute", message, key.span, help=did_you_mean(key.text, legal)))
