"""Placement: short ways for busy cores, never worse than where it starts, never shorter than can be proved possible."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_chips import tiny

from striate.targets.neuromorphic.mapping.bound import least_hops
from striate.targets.neuromorphic.mapping.place import Board, Spot, capacity, greedy, hops, in_order, place
from striate.tensor import Array

CHIP = tiny("loihi2", mesh_width=4, mesh_height=3, cores_per_router=2)


def traffic(cores: int, seed: int) -> Array:
    rng = np.random.default_rng(seed)
    messages = rng.integers(0, 50, (cores, cores)) * (rng.random((cores, cores)) < 0.3)
    np.fill_diagonal(messages, 0)
    return messages


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 48), st.integers(0, 1000))
def test_a_placement_is_legal_and_no_longer_than_its_starts_nor_shorter_than_the_bound(cores: int, seed: int) -> None:
    messages, board = traffic(cores, seed), Board(CHIP, 1 if cores <= 24 else 2)
    places = place(CHIP, messages, seed, chips=board.chips)
    assert len(places) == cores
    assert max(places.count(spot) for spot in places) <= 2
    assert set(places) <= set(board.spots)
    found = hops(messages, places, board)
    for start in (in_order(board, cores, {}), greedy(board, (messages + messages.T).astype(np.float64), {})):
        assert found <= hops(messages, [board.spots[at] for at in start], board)
    assert least_hops(messages, board) <= found


@pytest.mark.parametrize("seed", range(6))
def test_the_bound_holds_for_the_best_of_all_placements(seed: int) -> None:
    """Five cores on a mesh of 3 x 2, all 720 placements tried."""
    chip = tiny("loihi2", mesh_width=3, mesh_height=2, cores_per_router=1)
    board, messages = Board(chip), traffic(5, seed)
    best = min(hops(messages, list(spots), board) for spots in itertools.permutations(board.spots, 5))
    assert least_hops(messages, board) <= best
    assert best <= hops(messages, place(chip, messages, seed), board) <= 1.1 * best


def test_the_bound_is_reached_by_a_chain() -> None:
    """Each core sends to the next alone: along the snake every way is one hop, and no way is shorter."""
    chip = tiny("loihi2", mesh_width=4, mesh_height=3, cores_per_router=1)
    messages = np.diag(np.full(11, 7), 1)
    board = Board(chip)
    assert least_hops(messages, board) == hops(messages, place(chip, messages), board) == 11 * 7


@settings(max_examples=10, deadline=None)
@given(st.integers(2, 24), st.integers(0, 1000))
def test_no_single_swap_shortens_a_placement_further(cores: int, seed: int) -> None:
    messages, board = traffic(cores, seed), Board(CHIP)
    places = place(CHIP, messages, seed)
    best = hops(messages, places, board)
    for a in range(cores):
        for b in range(a):
            swapped = list(places)
            swapped[a], swapped[b] = places[b], places[a]
            assert hops(messages, swapped, board) >= best


def test_two_cores_that_talk_share_a_router() -> None:
    messages = np.zeros((9, 9), np.int64)
    messages[0, 8] = 1
    places = place(CHIP, messages)
    assert places[0] == places[8]


def test_what_talks_together_stands_on_one_chip() -> None:
    """Two groups of 12 that say nothing to each other, interleaved: each gets a chip of its own."""
    chip = tiny("loihi2", mesh_width=3, mesh_height=2, cores_per_router=2)
    messages = np.array([[int((a - b) % 2 == 0 and a != b) for a in range(24)] for b in range(24)])
    places = place(chip, messages, chips=2)
    assert len({places[core].chip for core in range(0, 24, 2)}) == 1
    assert len({places[core].chip for core in range(1, 24, 2)}) == 1
    assert places[0].chip != places[1].chip


@pytest.mark.parametrize("seed", range(4))
def test_pinned_cores_stand_where_they_must_and_the_others_around_them(seed: int) -> None:
    messages, board = traffic(15, seed), Board(CHIP)
    pinned = {3: 23, 4: 0, 9: 11}
    places = place(CHIP, messages, seed, pinned=pinned)
    assert [places[core] for core in pinned] == [Spot(0, 3, 2), Spot(0, 0, 0), board.spots[11]]
    assert max(places.count(spot) for spot in places) <= 2


def test_the_seed_decides_the_placement() -> None:
    messages = traffic(20, 5)
    assert place(CHIP, messages, 3) == place(CHIP, messages, 3)
    assert capacity(CHIP) == 24
