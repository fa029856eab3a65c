"""Which populations take the quick way: neurons that only sum spikes, and never more in a step than 16 bits hold.

Integrate-and-fire neurons are such: their current is forgotten at once and their potential is kept for ever. Then a
step needs no products, sums have half the width, and last step's sum says all that there is to know of the current.
"""

from __future__ import annotations

from striate_runtime.neuromorphic.check import Network
from striate_runtime.neuromorphic.sums import worst_input
from striate_runtime.program.neuromorphic import Population

_LARGEST_SUM = (1 << 15) - 1

SHORTEST_ROW = 3
"""Runs of fewer numbers are delivered one by one, which is not the quick way."""


def is_plain(network: Network, population: Population) -> bool:
    """Whether a population's neurons are such, and all that arrives comes in rows of spikes."""
    ordinary = population.reset == "zero" and population.refractory == 0 and population.fires_at == 0
    if population.kind != "cuba_lif" or not ordinary:
        return False
    forgets = (network.channels_of(population.current_decay, population, 0) == 4095).all()
    keeps = (network.channels_of(population.voltage_decay, population, 0) == 0).all()
    if not (forgets and keeps):
        return False
    for projection in network.body.projections:
        if projection.target == population.name:
            in_rows = projection.kind in ("dense", "conv2d")
            if not in_rows or population.shape[0] // projection.groups < SHORTEST_ROW or not network.unit(projection):
                return False
    return worst_input(network, population) <= _LARGEST_SUM


def is_still(network: Network, population: Population) -> bool:
    """Whether they have no bias either: what nothing reaches does not change."""
    return not network.channels_of(population.bias, population, 0).any()
