"""Puts cores on the chips' meshes so that busy ways are short: good starts, swaps that pay, and a few shakes.

A way's length is its hops; between chips, where there are no common rows and columns, it counts as the whole way along
one and along the other side of a mesh: more than any way on a chip.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from striate.tensor import Array
from striate_runtime.hardware import Chip

SWEEPS = 12
"""At most so many rounds of swaps; a round in which nothing pays is the last."""
SHAKES, FEWEST_SHAKES, MOST_SHAKES = 4000, 10, 60
"""A placement is shaken and improved again so many times over its number of cores, at least and at most; the best is
kept."""
SHAKEN = (0.05, 0.35)
"""The share of the cores that a shake moves lies between these."""
TRIALS, MOST_TRIALS = 500, 60_000
"""How many swaps annealing tries, for each core and at most."""


class Spot(NamedTuple):
    """Where a core stands: the router (x, y) of a chip."""

    chip: int
    x: int
    y: int


@dataclass(frozen=True)
class Board:
    """All places for cores on so many chips, numbered chip by chip, row by row, router by router."""

    chip: Chip
    chips: int = 1

    @cached_property
    def spots(self) -> tuple[Spot, ...]:
        """The spot of every place; the places at a router are side by side."""
        width, height = self.chip.topology.mesh_width.value or 1, self.chip.topology.mesh_height.value or 1
        each = self.chip.topology.cores_per_router.value or 1
        routers = [Spot(c, x, y) for c in range(self.chips) for y in range(height) for x in range(width)]
        return tuple(router for router in routers for _ in range(each))

    @cached_property
    def distance(self) -> Array:
        """The way between any two places, f64 `[places, places]`: whole numbers."""
        chip, x, y = np.asarray(self.spots, np.int64).T
        hops: Array = np.abs(x[:, None] - x) + np.abs(y[:, None] - y)
        ways: Array = np.where(chip[:, None] == chip, hops, x.max() + y.max() + 2)
        return ways.astype(np.float64)

    def snake(self) -> list[int]:
        """All places in an order in which neighbours are near: every other row runs backwards."""
        return sorted(
            range(len(self.spots)),
            key=lambda place: (
                self.spots[place].chip,
                self.spots[place].y,
                (1 - 2 * (self.spots[place].y % 2)) * self.spots[place].x,
            ),
        )


def capacity(chip: Chip) -> int:
    """How many cores one chip has."""
    width, height = chip.topology.mesh_width.value or 1, chip.topology.mesh_height.value or 1
    return width * height * (chip.topology.cores_per_router.value or 1)


def place(
    chip: Chip, messages: Array, seed: int = 0, *, chips: int = 1, pinned: Mapping[int, int] | None = None
) -> list[Spot]:
    """Where every core stands; `messages` i64 `[cores, cores]` is the traffic between them.

    `pinned` says of some cores at which place of the board they must stand; the others are swapped with each other and
    with free places while that lowers the sum of messages x hops. `seed` orders the swaps and draws the shakes.
    """
    board = Board(chip, chips)
    cores, pins = len(messages), pinned or {}
    assert cores <= len(board.spots), "the partition has checked that there are enough cores"
    traffic = (messages + messages.T).astype(np.float64)
    np.fill_diagonal(traffic, 0)
    rng = np.random.default_rng(seed)
    starts = (in_order(board, cores, pins), greedy(board, traffic, pins))
    found = [_Layout(board, traffic, start, pins).improved(rng) for start in starts]
    found.append(_Layout(board, traffic, starts[1], pins).annealed(rng).improved(rng))
    best = min(found, key=lambda layout: layout.cost)
    shakes = min(max(SHAKES // max(cores, 1), FEWEST_SHAKES), MOST_SHAKES)
    for _ in range(shakes if best.cost > 0 else 0):
        shaken = _Layout(board, traffic, best.shaken(rng), pins).improved(rng)
        best = min(best, shaken, key=lambda layout: layout.cost)
    return [board.spots[place] for place in best.place]


def hops(messages: Array, spots: list[Spot], board: Board) -> int:
    """The sum of messages x hops of a placement: what `place` makes small."""
    first = {spot: place for place, spot in reversed(list(enumerate(board.spots)))}
    at = [first[spot] for spot in spots]
    return int((messages * board.distance[np.ix_(at, at)]).sum())


def in_order(board: Board, cores: int, pinned: Mapping[int, int]) -> list[int]:
    """Cores in the order of the layers, along the snake."""
    taken = set(pinned.values())
    free = iter([place for place in board.snake() if place not in taken])
    return [pinned[core] if core in pinned else next(free) for core in range(cores)]


def greedy(board: Board, traffic: Array, pinned: Mapping[int, int]) -> list[int]:
    """One core after the other, the one that has most to do with those that stand already, at the nearest place."""
    cores = len(traffic)
    at = np.full(cores, -1)
    free = np.ones(len(board.spots), np.bool_)
    ways = np.zeros((cores, len(board.spots)))
    bound = traffic.sum(axis=1)
    drawn = np.zeros(cores)

    def put(core: int, place: int) -> None:
        at[core], free[place] = place, False
        rows = np.flatnonzero(traffic[:, core])
        ways[rows] += np.outer(traffic[rows, core], board.distance[place])
        drawn[rows] += traffic[rows, core]

    for core, place in pinned.items():
        put(core, place)
    middle = board.distance[: len(board.spots) // board.chips, : len(board.spots) // board.chips].sum(axis=1)
    while (at < 0).any():
        waiting = np.flatnonzero(at < 0)
        core = int(waiting[np.lexsort((-bound[waiting], -drawn[waiting]))[0]])
        cost = ways[core] if drawn[core] else np.resize(middle, len(board.spots))
        places = np.flatnonzero(free)
        put(core, int(places[np.argmin(cost[places])]))
    return [int(place) for place in at]


class _Layout:
    """A placement that is being improved. `ways[i, s]` is what core i's messages would travel if it stood at s.

    Row and place `cores` stand for a free place: it has no traffic.
    """

    def __init__(self, board: Board, traffic: Array, start: list[int], pinned: Mapping[int, int]) -> None:
        self.board = board
        self.cores = len(traffic)
        self.traffic = np.zeros((self.cores + 1, self.cores + 1))
        self.traffic[:-1, :-1] = traffic
        self.place = np.asarray(start, np.int64)
        self.holder = np.full(len(board.spots), self.cores)
        self.holder[self.place] = np.arange(self.cores)
        self.ways = np.zeros((self.cores + 1, len(board.spots)))
        self.ways[:-1] = traffic @ board.distance[self.place]
        self.movable = np.array([core for core in range(self.cores) if core not in pinned], np.int64)
        self.fixed = np.zeros(len(board.spots), np.bool_)
        self.fixed[list(pinned.values())] = True

    @property
    def cost(self) -> float:
        """The sum of messages x hops."""
        return float(self.ways[np.arange(self.cores), self.place].sum()) / 2

    def improved(self, rng: np.random.Generator) -> _Layout:
        """Swap each core with the one, or the free place, that saves most, until nothing saves."""
        for _ in range(SWEEPS):
            swaps = 0
            for core in rng.permutation(self.movable):
                gains = self._gains(int(core))
                best = int(np.argmax(gains))
                if gains[best] > 0:
                    self._swap(int(core), best)
                    swaps += 1
            if not swaps:
                break
        return self

    def annealed(self, rng: np.random.Generator) -> _Layout:
        """Swap cores with places drawn at random: what saves always, what costs the more rarely the colder it is.

        It starts as hot as a core's messages travel on average, and ends at 0.
        """
        trials = min(MOST_TRIALS, TRIALS * self.cores) if len(self.movable) and self.cost > 0 else 0
        hot = 2 * self.cost / max(self.cores, 1)
        cores = rng.choice(self.movable, trials) if trials else self.movable[:0]
        places, luck = rng.integers(len(self.holder), size=trials), rng.standard_exponential(trials)
        left = np.arange(trials, 0, -1) / max(trials, 1)
        bearable = hot * luck * (left * left * left * left)
        for core, there, most in zip(cores, places, bearable, strict=True):
            here, other = self.place[core], self.holder[there]
            if other == core or self.fixed[there]:
                continue
            costs = self.ways[core, there] + self.ways[other, here] - self.ways[core, here] - self.ways[other, there]
            costs += 2 * self.traffic[core, other] * self.board.distance[here, there]
            if costs <= most:
                self._swap(int(core), int(there))
        return self

    def shaken(self, rng: np.random.Generator) -> list[int]:
        """Its places after some cores have changed theirs at random."""
        place = self.place.copy()
        number = min(len(self.movable), max(3, int(len(self.movable) * rng.uniform(*SHAKEN))))
        moved = rng.choice(self.movable, number, replace=False)
        place[moved] = place[np.roll(moved, 1)]
        return [int(each) for each in place]

    def _gains(self, core: int) -> Array:
        """What swapping a core with whatever stands at each place saves."""
        here, others = self.place[core], self.holder
        now = self.ways[core, here] + self.ways[others, np.arange(len(others))]
        then = self.ways[core] + self.ways[others, here] + 2 * self.traffic[core, others] * self.board.distance[here]
        return np.where(self.fixed, 0, now - then)

    def _swap(self, core: int, there: int) -> None:
        here, other = int(self.place[core]), int(self.holder[there])
        difference = self.traffic[:, core] - self.traffic[:, other]
        rows = np.flatnonzero(difference)
        self.ways[rows] += np.outer(difference[rows], self.board.distance[there] - self.board.distance[here])
        self.place[core], self.holder[there], self.holder[here] = there, core, other
        if other < self.cores:
            self.place[other] = here
