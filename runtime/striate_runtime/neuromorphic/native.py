"""Loihi's own neurons: their widths, and what a population of them may hold. The rules are in spec/neuromorphic.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from striate_runtime.neuromorphic.check import Network
    from striate_runtime.program.neuromorphic import Population

Array = npt.NDArray[Any]

STATE_BITS = 24
"""Current and potential, with their sign."""

SUM_SHIFT = 6
"""A step's sum counts 64ths of the current's unit."""

THRESHOLD_SHIFT = 6
"""A threshold counts 64ths of the potential's unit."""

_RANGES = {
    "current_decay": (0, (1 << 12) - 1, "12 bits without a sign"),
    "voltage_decay": (0, (1 << 12) - 1, "12 bits without a sign"),
    "threshold": (1, (1 << 17) - 1, "17 bits, and at least 1"),
    "bias": (-(1 << 19), (1 << 19) - 1, "13 bits << 7"),
    "initial": (1 - (1 << 23), (1 << 23) - 1, "24 bits with a sign"),
}
"""parameter -> least, largest, and why. The first three must be given."""

_REQUIRED = ("current_decay", "voltage_decay", "threshold")

_WEIGHTS = (-256, 255)
"""Nine bits with their sign."""


def check_neurons(network: Network, population: Population) -> None:
    """Raise ProgramError where a `cuba_lif` holds a number that Loihi's registers do not."""
    place = f"population '{population.name}'"
    for name, (least, largest, why) in _RANGES.items():
        array: str | None = getattr(population, name)
        network.check(array is not None or name not in _REQUIRED, place, f"has no {name}")
        values = network.channels_of(array, population, least)
        fits = bool(((values >= least) & (values <= largest)).all())
        network.check(fits, place, f"{name} must be in {least}..{largest} ({why})")
    network.check(population.reduce == "sum", place, "a neuron with currents takes no maximum")
    within = 0 <= population.reset_offset < max(1, population.reset_interval)
    network.check(within, place, f"resets at {population.reset_offset} of every {population.reset_interval} steps")


def check_weights(network: Network, weights: Array, place: str) -> None:
    """Raise ProgramError where a weight onto such neurons has more than nine bits."""
    least, largest = _WEIGHTS
    fits = weights.size == 0 or (int(weights.min()) >= least and int(weights.max()) <= largest)
    network.check(fits, place, f"a weight is outside {least}..{largest}")


def evened(weights: Array) -> Array:
    """The weights without their lowest bit (rounded down), if there are both signs among them."""
    mixed = bool((weights < 0).any() and (weights > 0).any())
    return weights & ~np.int16(1) if mixed else weights
