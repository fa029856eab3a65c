"""Puts cores on the chip's mesh so that busy axons are short: a snake in layer order, then swaps that pay."""

from __future__ import annotations

import numpy as np

from striate.tensor import Array
from striate_runtime.hardware import Chip

SWEEPS = 12
"""At most so many rounds of swaps; a round in which nothing pays is the last."""


def capacity(chip: Chip) -> int:
    """How many cores one chip has."""
    width, height = chip.topology.mesh_width.value or 1, chip.topology.mesh_height.value or 1
    return width * height * (chip.topology.cores_per_router.value or 1)


def place(chip: Chip, axons: Array, seed: int = 0) -> list[tuple[int, int]]:
    """The router (x, y) of every core; `axons` `[cores, cores]` is the traffic expected between them.

    Cores start along a snake through the mesh, in the order of the layers, and are swapped with each other and with
    free places, in an order drawn with `seed`, while that lowers the sum of axons x hops.
    """
    slots = _snake(chip)
    cores = len(axons)
    assert cores <= len(slots), "the partition has checked that the chip has enough cores"
    distance = np.abs(slots[:, None, :] - slots[None, :, :]).sum(axis=2)
    traffic = np.zeros((len(slots), len(slots)), np.int64)
    traffic[:cores, :cores] = axons + axons.T
    holder = _improve(traffic, distance, cores, np.random.default_rng(seed))
    return [(int(x), int(y)) for x, y in slots[holder[:cores]]]


def hops(axons: Array, places: list[tuple[int, int]]) -> int:
    """The sum of axons x hops of a placement: what `place` makes small."""
    at = np.asarray(places).reshape(-1, 2)
    return int((axons * np.abs(at[:, None, :] - at[None, :, :]).sum(axis=2)).sum())


def _improve(traffic: Array, distance: Array, cores: int, rng: np.random.Generator) -> Array:
    """`slot[i]`: where core i stands, cores beyond `cores` being free places."""
    slot = np.arange(len(traffic))
    for _ in range(SWEEPS):
        improved = False
        for core in rng.permutation(cores):
            gains = _gains(traffic, distance, slot, int(core))
            best = int(np.argmax(gains))
            if gains[best] > 0:
                slot[core], slot[best] = slot[best], slot[core]
                improved = True
        if not improved:
            break
    return slot


def _gains(traffic: Array, distance: Array, slot: Array, core: int) -> Array:
    """How many axon-hops swapping `core` with each other one saves."""
    at = distance[np.ix_(slot, slot)]
    now = (traffic * at).sum(axis=1)
    mine_there = at @ traffic[core]
    theirs_here = traffic @ at[core]
    between = 2 * traffic[core] * at[core]
    return now[core] + now - mine_there - theirs_here - between


def _snake(chip: Chip) -> Array:
    """The router of every slot, `[slots, 2]` (x, y), so that consecutive slots are neighbours."""
    width, height = chip.topology.mesh_width.value or 1, chip.topology.mesh_height.value or 1
    routers = [(x if y % 2 == 0 else width - 1 - x, y) for y in range(height) for x in range(width)]
    return np.repeat(np.asarray(routers, np.int64), chip.topology.cores_per_router.value or 1, axis=0)
