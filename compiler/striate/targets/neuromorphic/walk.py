"""Goes over a graph node by node, lets a coding encode each, and gathers every refusal into one error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
    """What each value of the graph has become. `encoders` maps operator names to functions of (walk, node)."""

    def __init__(self, graph: Graph, coding: str, encoders: Mapping[str, Callable[[Node], Value]]) -> None:
        self.graph = graph
        self.coding = coding
        self.encoders = encoders
        self.values: dict[str, Value] = {}
        self.refusals: list[Diagnostic] = []

    def run(self, read: Callable[[str, str], None]) -> None:
        """Encode every node, then `read` every output (its name, its value).

        Raises CompileError[cannot-lower], with one diagnostic for each node refused.
        """
        for node in self.graph.topological():
            if any(self.graph.producer(name) and name not in self.values for name in node.inputs):
                continue
            try:
                self.values[node.name] = self._encode(node)
            except Refusal as refusal:
                self.refusals.append(_diagnostic(node, self.coding, refusal))
        for output, value in self.graph.outputs.items():
            if value in self.values or value in self.graph.inputs:
                try:
                    read(output, value)
                except Refusal as refusal:
                    message = f"the output '{output}' cannot be encoded as '{self.coding}': {refusal.reason}"
                    self.refusals.append(Diagnostic("cannot-lower", message, help=refusal.help))
        if self.refusals:
            raise CompileError(self.refusals)

    def _encode(self, node: Node) -> Value:
        encode = self.encoders.get(node.operator.name)
        if encode is None:
            raise Refusal(NOT_YET.get((self.coding, node.operator.name), NO_RULE))
        return encode(node)


def _diagnostic(node: Node, coding: str, refusal: Refusal) -> Diagnostic:
    message = f"'{node.name}' ({node.operator.name}) cannot be encoded as '{coding}': {refusal.reason}"
    return Diagnostic("cannot-lower", message, node.span, help=refusal.help)
