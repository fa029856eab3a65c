"""When populations work once relays stand between some of them: a relay's events come a hop later than without it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import msgspec

from striate.targets.neuromorphic.codings.encoding import Encoded, Encoding
from striate.targets.neuromorphic.codings.rate import align_readouts
from striate.targets.neuromorphic.codings.retime import Edge, chip_delay, retime


def waits(encoded: Encoded) -> dict[str, int]:
    """Of each projection, how many steps later in the network than it is sent an event counts."""
    populations = encoded.encoding.populations
    return {
        p.name: p.delay + populations[p.source].fires_at - populations[p.target].fires_at
        for p in encoded.encoding.projections
    }


def on_time(before: Encoded, encoding: Encoding, waits: Mapping[str, int], hop: int) -> Encoded:
    """The encoding with relays, in which everything works as soon as all that it needs is there.

    `waits` are those of its projections, of which one between two populations of `before` has what it had there.
    Raises LoopError where a loop has no step to spare.
    """
    old = {name: population.fires_at for name, population in before.encoding.populations.items()}
    new = _graded(encoding) if before.coding == "graded" else _at_every_step(encoding, waits, hop)
    later = {name: new[name] - fires_at for name, fires_at in old.items()}
    for name, fires_at in new.items():
        encoding.revise(name, fires_at=fires_at)
    if before.coding == "rate":
        align_readouts(encoding)
    return replace(
        before,
        encoding=encoding,
        steps=before.steps + max(new.values()) - max(old.values()),
        read_at={port: step + later[before.outputs[port]] for port, step in before.read_at.items()},
    )


def _graded(encoding: Encoding) -> dict[str, int]:
    """Every population fires once, when all that leads to it has arrived; what comes earlier waits there."""
    fires_at: dict[str, int] = {}
    for name, population in encoding.populations.items():
        into = [fires_at[p.source] + p.delay for p in encoding.projections if p.target == name]
        fires_at[name] = max(into, default=population.fires_at)
    return fires_at


def _at_every_step(encoding: Encoding, waits: Mapping[str, int], hop: int) -> dict[str, int]:
    """All ways to a population are equally long, but for what the network itself waits."""
    edges = [Edge(p.source, p.target, waits[p.name], hop) for p in encoding.projections]
    inputs = [name for name, population in encoding.populations.items() if population.kind == "input"]
    offsets = retime(encoding.populations, edges, inputs)
    encoding.projections = [
        msgspec.structs.replace(projection, delay=chip_delay(edge, offsets))
        for projection, edge in zip(encoding.projections, edges, strict=True)
    ]
    return offsets
