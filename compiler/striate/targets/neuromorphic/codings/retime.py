"""At which step of the chip each population does what step 0 of the network asks: every hop takes a step, a layer none.

An event that is sent in one step of the chip arrives in the next, or later; within a step of the network a spike
passes through any number of layers. So a population p works r(p) steps behind the network: at step t + r(p) of the chip
it does what the network does at step t. An edge that the network delays by d steps then takes d + r(target) - r(source)
steps of the chip, which must be at least what a hop takes (Leiserson and Saxe, Algorithmica 6, 1991: retiming).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Edge:
    """Events from one population to another, `delay` steps of the network later; a `hop` is the least on the chip."""

    source: str
    target: str
    delay: int = 0
    hop: int = 1


class LoopError(Exception):
    """A loop is too fast for a chip: `populations` in the order in which it passes them, and the sum of its delays."""

    def __init__(self, populations: tuple[str, ...], delay: int) -> None:
        super().__init__(populations, delay)
        self.populations = populations
        self.delay = delay


def retime(populations: Iterable[str], edges: Iterable[Edge], fixed: Iterable[str] = ()) -> dict[str, int]:
    """The least r of every population, at least 0, with which every edge takes a hop or more; 0 for `fixed` ones.

    r(p) is the longest way to p, of which an edge is hop - delay long. Raises LoopError where there is none: a loop
    whose hops take more than its delays add up to. Nothing leads to a fixed population.
    """
    offsets = dict.fromkeys(populations, 0)
    edges = tuple(edges)
    assert not any(edge.target in set(fixed) for edge in edges), "nothing leads to what the host injects"
    through: dict[str, Edge] = {}
    late: str | None = None
    for _ in range(len(offsets) + 1):
        late = None
        for edge in edges:
            if offsets[edge.source] + edge.hop - edge.delay > offsets[edge.target]:
                offsets[edge.target] = offsets[edge.source] + edge.hop - edge.delay
                through[edge.target], late = edge, edge.target
        if late is None:
            return offsets
    assert late is not None, "a last round that changes nothing returns"
    raise _loop(through, late)


def chip_delay(edge: Edge, offsets: Mapping[str, int]) -> int:
    """How many steps of the chip an edge takes."""
    return edge.delay + offsets[edge.target] - offsets[edge.source]


def _loop(through: Mapping[str, Edge], start: str) -> LoopError:
    """The loop that the edges on the longest way to `start` run into, followed backwards."""
    seen: list[str] = []
    while start not in seen:
        seen.append(start)
        start = through[start].source
    names = tuple(reversed(seen[seen.index(start) :]))
    return LoopError(names, sum(through[name].delay for name in names))
