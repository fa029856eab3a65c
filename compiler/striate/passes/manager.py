"""Runs the passes in their order until nothing changes, verifying the graph after each."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from striate.graph import Graph
from striate.verify import verify

Pass = Callable[[Graph], int]
Observe = Callable[[str, Graph], None]

MOST_ROUNDS = 8
"""One rewrite may make room for another, in a chain as long as the graph; what is left after so many rounds stays."""


@dataclass(frozen=True)
class PassReport:
    """What one pass did over all rounds: how many rewrites, and how long it took without `verify`."""

    name: str
    rewrites: int
    milliseconds: float


def run_to_fixed_point(
    passes: tuple[Pass, ...], graph: Graph, *, observe: Observe | None = None, rounds: int = MOST_ROUNDS
) -> list[PassReport]:
    """Apply `passes` to `graph` in place, round after round until one changes nothing; one report for each pass.

    `observe(name, graph)` sees the graph after every pass of the first round and after every later one that rewrote.
    """
    rewrites = {run.__name__: 0 for run in passes}
    seconds = {run.__name__: 0.0 for run in passes}
    verify(graph, "elaboration")
    for number in range(rounds):
        before = sum(rewrites.values())
        for run in passes:
            started = time.perf_counter()
            count = run(graph)
            seconds[run.__name__] += time.perf_counter() - started
            rewrites[run.__name__] += count
            if count or number == 0:
                verify(graph, run.__name__)
                if observe:
                    observe(run.__name__, graph)
        if sum(rewrites.values()) == before:
            break
    return [PassReport(name, rewrites[name], 1000 * seconds[name]) for name in rewrites]
