"""The mapping as a table: what each core holds and how much of each limit it uses."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from striate_runtime.program import Program
from striate_runtime.program.neuromorphic import Core, NeuromorphicBody, Usage


@dataclass(frozen=True)
class MappingRow:
    """One core. `slab` is the block it holds, (C, H, W) ranges written `0:6 x 0:28 x 0:7`; `fill` is in percent.

    `binding` is the resource closest to its limit, None where the chip publishes none.
    """

    core: int
    layer: str
    population: str
    slab: str
    place: tuple[int, int]
    neurons: int
    usage: tuple[Usage, ...]
    fill: dict[str, float | None]
    binding: str | None


def mapping_table(program: Program) -> list[MappingRow]:
    """One row for each core of a neuromorphic program, in the order of its layers."""
    body = msgspec.convert(program.body, NeuromorphicBody)
    layers = {population.name: population.layer for population in body.populations}
    return [_row(core, layers[core.population]) for core in body.cores]


def _row(core: Core, layer: str) -> MappingRow:
    ranges = (core.channels, core.rows, core.columns)
    neurons = 1
    for first, end in ranges:
        neurons *= end - first
    fill = {each.resource: 100 * each.used / each.limit if each.limit else None for each in core.usage}
    known = {name: percent for name, percent in fill.items() if percent is not None}
    return MappingRow(
        core.index,
        layer,
        core.population,
        " x ".join(f"{first}:{end}" for first, end in ranges),
        (core.x, core.y),
        neurons,
        core.usage,
        fill,
        max(known, key=known.__getitem__) if known else None,
    )
