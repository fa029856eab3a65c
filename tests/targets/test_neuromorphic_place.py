"""Placement: short ways for busy axons, never worse than the snake it starts from."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_chips import tiny

from striate.targets.neuromorphic.place import capacity, hops, place
from striate.tensor import Array

CHIP = tiny("loihi2", mesh_width=4, mesh_height=3, cores_per_router=2)


def traffic(cores: int, seed: int) -> Array:
    rng = np.random.default_rng(seed)
    axons = rng.integers(0, 50, (cores, cores)) * (rng.random((cores, cores)) < 0.3)
    np.fill_diagonal(axons, 0)
    return axons


def snake(cores: int) -> list[tuple[int, int]]:
    routers = [(x if y % 2 == 0 else 3 - x, y) for y in range(3) for x in range(4)]
    return [router for router in routers for _ in range(2)][:cores]


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 24), st.integers(0, 1000))
def test_a_placement_is_legal_and_never_longer_than_the_snake(cores: int, seed: int) -> None:
    axons = traffic(cores, seed)
    places = place(CHIP, axons, seed)
    assert len(places) == cores
    assert max(places.count(router) for router in places) <= 2
    assert all(0 <= x < 4 and 0 <= y < 3 for x, y in places)
    assert hops(axons, places) <= hops(axons, snake(cores))


@settings(max_examples=10, deadline=None)
@given(st.integers(2, 24), st.integers(0, 1000))
def test_no_single_swap_shortens_a_placement_further(cores: int, seed: int) -> None:
    axons = traffic(cores, seed)
    places = place(CHIP, axons, seed)
    best = hops(axons, places)
    for a in range(cores):
        for b in range(a):
            swapped = list(places)
            swapped[a], swapped[b] = places[b], places[a]
            assert hops(axons, swapped) >= best


def test_two_cores_that_talk_share_a_router() -> None:
    axons = np.zeros((9, 9), np.int64)
    axons[0, 8] = 1
    places = place(CHIP, axons)
    assert places[0] == places[8]


def test_the_seed_decides_the_placement() -> None:
    axons = traffic(20, 5)
    assert place(CHIP, axons, 3) == place(CHIP, axons, 3)
    assert capacity(CHIP) == 24
