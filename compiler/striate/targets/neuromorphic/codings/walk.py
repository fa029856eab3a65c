"""Goes over a graph node by node, lets a coding encode each, and gathers every refusal into one error."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Mapping
from contextlib import contextmanager
from typing import Generic, TypeVar

from striate.diagnostics import CompileError, Diagnostic
from striate.graph import Graph, Node
from striate.targets.neuromorphic.not_yet import NO_RULE, NOT_YET

Value = TypeVar("Value")


class Refusal(Exception):  # noqa: N818 - it is no fault of anybody's
    """This node cannot be encoded: why, and what the user could do."""

    def __init__(self, reason: str, help: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.help = help


class Walk(Generic[Value]):
    """What each value of the graph has become. `encoders` maps operator names to functions of (walk, node).

    Operators in `waits_for_nothing` are encoded before their operands are: neurons, through which loops may close.
    """

    def __init__(
        self,
        graph: Graph,
        coding: str,
        encoders: Mapping[str, Callable[[Node], Value]],
        waits_for_nothing: Collection[str] = (),
    ) -> None:
        self.graph = graph
        self.coding = coding
        self.encoders = encoders
        self.values: dict[str, Value] = {}
        self.waits_for_nothing = waits_for_nothing
        self.refusals: list[Diagnostic] = []

    def run(self, read: Callable[[str, str], None], connect: Callable[[], None] | None = None) -> None:
        """Encode every node, then `connect` what waited for nothing, then `read` every output (its name, its value).

        Raises CompileError[cannot-lower], with one diagnostic for each node refused.
        """
        for node in self._in_order():
            if any(self.graph.producer(name) and name not in self.values for name in self._awaited(node)):
                continue
            with self.refusing(node):
                self.values[node.name] = self._encode(node)
        if connect is not None:
            connect()
        for output, value in self.graph.outputs.items():
            if value in self.values or value in self.graph.inputs:
                try:
                    read(output, value)
                except Refusal as refusal:
                    message = f"the output '{output}' cannot be encoded as '{self.coding}': {refusal.reason}"
                    self.refusals.append(Diagnostic("cannot-lower", message, help=refusal.help))
        if self.refusals:
            raise CompileError(self.refusals)

    @contextmanager
    def refusing(self, node: Node) -> Generator[None]:
        """A Refusal in here is kept as that node's."""
        try:
            yield
        except Refusal as refusal:
            self.refusals.append(_diagnostic(node, self.coding, refusal))

    def _in_order(self) -> list[Node]:
        """Nodes, awaited operands first; what is left over is a loop in which every node waits for another."""
        order = {node.name: node for node in self.graph.topological()}
        done, result = set(self.graph.inputs), list[Node]()
        while order:
            ready = [node for node in order.values() if all(name in done for name in self._awaited(node))]
            if not ready:
                loop = next(iter(order.values()))
                raise CompileError(
                    _diagnostic(loop, self.coding, Refusal("it feeds back into itself without a neuron"))
                )
            result += ready
            done |= {node.name for node in ready}
            order = {name: node for name, node in order.items() if name not in done}
        return result

    def _awaited(self, node: Node) -> tuple[str, ...]:
        return () if node.operator.name in self.waits_for_nothing else node.inputs

    def _encode(self, node: Node) -> Value:
        encode = self.encoders.get(node.operator.name)
        if encode is None:
            raise Refusal(NOT_YET.get((self.coding, node.operator.name), NO_RULE))
        return encode(node)


def _diagnostic(node: Node, coding: str, refusal: Refusal) -> Diagnostic:
    message = f"'{node.name}' ({node.operator.name}) cannot be encoded as '{coding}': {refusal.reason}"
    return Diagnostic("cannot-lower", message, node.span, help=refusal.help)
