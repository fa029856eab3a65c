"""Loihi's own neurons: their widths, and what a population of them may hold. The rules are in spec/neuromorphic.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from striate_runtime.device import DeviceError

if TYPE_CHECKING:
    from striate_runtime.hardware import Chip
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
"""parameter -> least, largest, and why. The decays must be given, and the threshold of a neuron that fires."""

_DECAYS = ("current_decay", "voltage_decay")
_REQUIRED = (*_DECAYS, "threshold")

_WEIGHTS = (-256, 255)
"""Nine bits with their sign."""


def check_neurons(network: Network, population: Population) -> None:
    """Raise ProgramError where a `cuba_lif` holds a number that Loihi's registers do not."""
    place = f"population '{population.name}'"
    required = _REQUIRED if population.fires else _DECAYS
    for name, (least, largest, why) in _RANGES.items():
        array: str | None = getattr(population, name)
        network.check(array is not None or name not in required, place, f"has no {name}")
        values = network.channels_of(array, population, least)
        fits = bool(((values >= least) & (values <= largest)).all())
        network.check(fits, place, f"{name} must be in {least}..{largest} ({why})")
    network.check(population.reduce == "sum", place, "a neuron with currents takes no maximum")
    network.check(population.refractory >= 0, place, f"rests for {population.refractory} steps")
    within = 0 <= population.reset_offset < max(1, population.reset_interval)
    network.check(within, place, f"resets at {population.reset_offset} of every {population.reset_interval} steps")


def check_silent(network: Network, population: Population) -> None:
    """Raise ProgramError where a neuron that never fires is expected to."""
    place = f"population '{population.name}'"
    resets = population.reset == "subtract" or population.refractory != 0 or population.threshold is not None
    network.check(not resets, place, "never fires, and has a threshold, a soft reset or a refractory period")
    led = [projection.name for projection in network.body.projections if projection.source == population.name]
    network.check(not led, place, f"never fires, and projection '{(led or [''])[0]}' leads from it")
    for port, name in network.body.outputs.items():
        counted = name == population.name and network.body.reads.get(port) in ("spikes", "spike_count")
        network.check(not counted, place, f"never fires, and output '{port}' reads its spikes")


def check_chip(network: Network, chip: Chip) -> None:
    """Raise DeviceError where a chip's neurons are not those of a native network, or cannot rest for so long."""
    if network.by_event:
        raise DeviceError(f"'{chip.name}' works in steps, and the program's neurons work event by event")
    if not network.native:
        return
    bits = chip.numerics.membrane_bits.value
    if chip.crossbar is not None:  # whose neurons keep no 64ths, and may be wider
        bits = None if bits is not None and bits >= STATE_BITS - SUM_SHIFT else bits
    if bits not in (STATE_BITS, None):
        raise DeviceError(f"'{chip.name}' has {bits}-bit neurons; the native coding's have {STATE_BITS} bits")
    most = chip.numerics.refractory_steps.value if chip.numerics.refractory_steps else None
    for population in network.body.populations:
        if most is not None and population.refractory > most:
            raise DeviceError(
                f"layer '{population.layer}': its neurons rest for {population.refractory} steps after a spike;"
                f" those of '{chip.name}' rest for at most {most}"
            )


def check_weights(network: Network, weights: Array, place: str) -> None:
    """Raise ProgramError where a weight onto such neurons has more than nine bits."""
    least, largest = _WEIGHTS
    fits = weights.size == 0 or (int(weights.min()) >= least and int(weights.max()) <= largest)
    network.check(fits, place, f"a weight is outside {least}..{largest}")


def evened(weights: Array) -> Array:
    """The weights without their lowest bit (rounded down), if there are both signs among them."""
    mixed = bool((weights < 0).any() and (weights > 0).any())
    return weights & ~np.int16(1) if mixed else weights
