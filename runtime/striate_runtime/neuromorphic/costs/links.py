"""The links of the mesh: every message goes along its row first, then along its column (XY routing)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from striate_runtime.neuromorphic.costs.counts import SENT, Mapping, Totals
from striate_runtime.profile import LinkProfile
from striate_runtime.program.neuromorphic import Core

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Links:
    """The links that any pair of cores uses, and which pairs use each.

    places: i64 `[links, 5]`, chip, x, y, and the neighbour's x, y. Link k is used by the pairs
    `pairs[first[k] : first[k + 1]]`.
    """

    places: Array
    first: Array
    pairs: Array

    def loads(self, sent: Array) -> Array:
        """Messages `[..., links]` on each link for messages `[..., pairs]` of each pair."""
        if not len(self.places):
            return np.zeros((*sent.shape[:-1], 0), np.int64)
        return np.add.reduceat(sent[..., self.pairs].astype(np.int64), self.first[:-1], axis=-1)

    def name(self, link: int) -> str:
        """A link in words."""
        chip, x, y, to_x, to_y = self.places[link].tolist()
        return f"({x}, {y}) -> ({to_x}, {to_y}) of chip {chip}"


NO_LINKS = Links(np.zeros((0, 5), np.int64), np.zeros(1, np.int64), np.zeros(0, np.int64))
"""Where cores are connected directly."""


def links_of(cores: tuple[Core, ...], mapping: Mapping) -> Links:
    """What the host injects and what crosses to another chip has no path on the mesh, and is not among them."""
    used: dict[tuple[int, int, int, int, int], list[int]] = {}
    ends: list[tuple[int, int]] = np.stack([mapping.pair_source, mapping.pair_target], 1).tolist()
    for pair, (source, target) in enumerate(ends):
        if source >= 0 and cores[source].chip == cores[target].chip:
            for place in _path(cores[source], cores[target]):
                used.setdefault(place, []).append(pair)
    pairs = [np.array(used[place], np.int64) for place in sorted(used)]
    return Links(
        places=np.array(sorted(used), np.int64).reshape(-1, 5),
        first=np.cumsum([0, *map(len, pairs)]),
        pairs=np.concatenate([*pairs, np.zeros(0, np.int64)]),
    )


def link_traffic(links: Links, totals: Totals) -> tuple[LinkProfile, ...]:
    """Messages per sample on each link that carries any, between neighbouring routers of a chip."""
    loads = links.loads(totals.pairs[:, SENT])
    return tuple(
        LinkProfile(chip, x, y, to_x, to_y, int(load) / totals.samples)
        for (chip, x, y, to_x, to_y), load in zip(links.places.tolist(), loads, strict=True)
        if load
    )


def _path(source: Core, target: Core) -> list[tuple[int, int, int, int, int]]:
    """The links from one core's router to another's."""
    x, y, path = source.x, source.y, list[tuple[int, int, int, int, int]]()
    while (x, y) != (target.x, target.y):
        dx = (target.x > x) - (target.x < x)
        dy = 0 if dx else (target.y > y) - (target.y < y)
        path.append((source.chip, x, y, x + dx, y + dy))
        x, y = x + dx, y + dy
    return path
