"""What a chip without steps can run: neurons of its own kind, one kernel each, integers that its registers hold."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from striate_runtime.device import DeviceError
from striate_runtime.hardware import Chip, Limit
from striate_runtime.neuromorphic.check import Network, neurons
from striate_runtime.program import Port
from striate_runtime.program.neuromorphic import NeuromorphicBody, Population, Projection

MOST_BITS = 24
"""Of a potential: what a weight of 16 bits adds to it must fit in 32."""


def depths(body: NeuromorphicBody) -> dict[str, int]:
    """How many layers an event passes from the input up to each population, itself included, which hear one other each.

    More than there are projections where it goes round a loop.
    """
    source = {projection.target: projection.source for projection in body.projections}
    found: dict[str, int] = {}
    for population in body.populations:
        name, layers = population.name, 0
        while name in source and layers <= len(source):
            name, layers = source[name], layers + 1
        found[population.name] = layers
    return found


def check_event_driven(network: Network, outputs: Iterable[Port], chip: Chip) -> None:
    """Raise DeviceError where the chip does not work so, ProgramError where a number fits in no register of it."""
    bits = chip.numerics.membrane_bits.value or 16
    if bits > MOST_BITS:
        raise DeviceError(f"'{chip.name}' has {bits}-bit potentials, and only up to {MOST_BITS} bits are emulated")
    for population in network.body.populations:
        if population.kind not in ("input", "event_driven"):
            raise DeviceError(
                f"'{chip.name}' has no steps, and layer '{population.layer}' is '{population.kind}', which needs them"
            )
        into = [projection for projection in network.body.projections if projection.target == population.name]
        if len(into) != (population.kind != "input"):
            raise DeviceError(
                f"layer '{population.layer}': {len(into)} projections lead to it, and a core of '{chip.name}' has one "
                "kernel: in which order the events of several come is known to nobody"
            )
        _check_neurons(network, population, chip)
    for projection in network.body.projections:
        _check_kernel(network, projection, chip)
    _check_ways(network)
    held = [core.population for core in network.body.cores]
    for population in network.body.populations:
        whole = held.count(population.name) == (population.kind != "input")
        network.check(whole, f"population '{population.name}'", f"is on {held.count(population.name)} cores")
    for port in outputs:
        place, read = f"output '{port.name}'", network.populations[network.body.outputs[port.name]]
        counted = network.body.reads.get(port.name) == "spike_count" and read.kind == "event_driven"
        network.check(counted, place, "is no count of neurons' spikes")
        network.check(math.prod(port.shape) == neurons(read), place, f"has shape {port.shape}, and is {read.shape}")


def _check_neurons(network: Network, population: Population, chip: Chip) -> None:
    place = f"population '{population.name}'"
    thresholds = network.channels_of(population.threshold, population, 1)
    if population.kind == "input":
        network.check(thresholds.min() == thresholds.max(), place, "has several thresholds")
        return
    bits = chip.numerics.membrane_bits.value or 16
    least, largest = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    network.check(thresholds.min() == thresholds.max(), place, "has several thresholds, and a core holds one")
    initial = network.channels_of(population.initial, population, 0)
    network.check(largest >= thresholds[0] >= 1, place, f"has a threshold that {bits} bits do not hold")
    network.check(least <= population.low <= 0, place, f"has a floor of {population.low}, and {least}..0 are possible")
    fits = bool(((initial >= population.low) & (initial <= largest)).all())
    network.check(fits, place, f"starts at a potential outside {population.low}..{largest}")
    bias = network.channels_of(population.bias, population, 0)
    network.check(_within(bias, chip.numerics.bias_bits), place, "has a bias that the chip's bits do not hold")
    network.check(population.fires_at == 0, place, "fires from a step on, and there are none")


def _check_kernel(network: Network, projection: Projection, chip: Chip) -> None:
    place = f"projection '{projection.name}'"
    ordinary = projection.groups == 1 and projection.dilation == (1, 1) and projection.multiplier is None
    if projection.kind not in ("conv2d", "dense") or not ordinary or projection.delay != 0:
        raise DeviceError(
            f"{place}: a core of '{chip.name}' has a kernel without groups, dilation, delay and rescaling, or is dense"
        )
    fits = _within(network.weights_of(projection).astype(np.int64), chip.numerics.weight_bits)
    network.check(fits, place, "has a weight that the chip's bits do not hold")


def _check_ways(network: Network) -> None:
    """Every way back from a layer ends at an input: there is no loop, round which an event would run for ever."""
    for name, layers in depths(network.body).items():
        ends = layers <= len(network.body.projections)
        network.check(ends, f"population '{name}'", "hears itself, through a loop")


def _within(numbers: np.ndarray, limit: Limit | None) -> bool:  # pyright: ignore[reportMissingTypeArgument]
    """Whether all of them fit in so many bits with a sign; weights have 8, where that is unpublished."""
    bits = (limit.value if limit else None) or 8
    return bool(((numbers >= -(1 << (bits - 1))) & (numbers < 1 << (bits - 1))).all())
