"""Networks with time, and the targets that do not compile them yet: what says so, and why."""

from __future__ import annotations

from striate.diagnostics import CompileError, Diagnostic
from striate.graph import Graph

NOT_YET: dict[str, str] = {
    "gpu": "no kernel keeps state from step to step yet",
}
"""Target -> why it refuses networks with time. A line that is no longer true fails the test."""


def refuse_time(graph: Graph, target: str) -> None:
    """Let only graphs without time pass. Raises CompileError[cannot-lower], once for each operator with state."""
    if graph.dt_s is None or target not in NOT_YET:
        return
    help = "the interpreter runs it: striate.interpreter.interpret(graph, inputs)"
    why = NOT_YET[target]
    stateful = [
        Diagnostic("cannot-lower", f"'{node.name}' ({node.operator.name}) has state, and {why}", node.span, help=help)
        for node in graph
        if node.operator.stateful
    ]
    without_state = Diagnostic("cannot-lower", f"'{graph.name}' runs over time, and {why}", help=help)
    raise CompileError(stateful or without_state)
