"""The largest sums that can arrive: what does not fit in 32 bits is refused before it runs."""

from __future__ import annotations

import numpy as np

from striate_runtime.device import DeviceError
from striate_runtime.neuromorphic.check import LARGEST, Network
from striate_runtime.program.neuromorphic import Population


def check_overflow(network: Network) -> None:
    """Refuse a network whose sums could exceed 32 bits, in the worst case over all inputs. Raises DeviceError."""
    for population in network.body.populations:
        if population.kind == "input":
            continue
        # What a cuba_lif keeps wraps or saturates as the chip's does: only the sum of one step must fit. Under delta
        # the changes that have come from a neuron add up to one activation.
        one_step = network.body.coding in ("graded", "delta") or population.kind in ("cuba_lif", "sigma_delta")
        steps = 1 if one_step else network.body.steps
        worst = worst_input(network, population, steps)
        once = population.kind == "readout"
        bias = int(abs(network.channels_of(population.bias, population, 0)).max())
        initial = int(abs(network.channels_of(population.initial, population, 0)).max())
        largest = initial + worst + (bias if once else steps * bias)
        if largest > LARGEST:
            raise DeviceError(
                f"layer '{population.layer}': its sums can reach {largest:,} in {steps} steps, more than 32 bits hold;"
                " fewer steps or smaller weights would fit"
            )


def worst_input(network: Network, population: Population, steps: int = 1) -> int:
    """The largest sum of |payload x weight| that can arrive at one neuron in so many steps.

    Changes count once: however many there are, they add up to less than the largest.
    """
    worst = 0
    for projection in network.body.projections:
        if projection.target != population.name:
            continue
        source = network.populations[projection.source]
        low, high = network.payloads(source)
        payload, changes = max(abs(low), abs(high)), source.kind != "graded" and network.sends_changes(source)
        if changes and (network.native or population.kind == "graded"):
            payload = (max(payload, high - low) >> source.payload_shift) + 1
        multiplier, shift = network.rescale_of(projection)
        if len(shift):
            payload = max((payload * abs(int(m)) >> int(s)) + 1 for m, s in zip(multiplier, shift, strict=True))
        weights = abs(network.weights_of(projection).astype(np.int64))
        if projection.kind == "conv2d":
            weights = weights.sum((0, 1, 2))
        elif projection.kind == "dense":
            weights = weights.sum(0)
        elif projection.kind == "window":
            weights = weights * projection.kernel[0] * projection.kernel[1]
        worst += payload * int(weights.max(initial=0)) * (1 if _adds_up(network, source) else steps)
    return worst


def _adds_up(network: Network, source: Population, after: frozenset[str] = frozenset()) -> bool:
    """Whether what a population sends over time never adds up to more than the largest that it may send at once.

    Changes do, and what relays pass on of changes; not those of which a payload's shift loses a part.
    """
    if source.kind != "graded":
        return network.sends_changes(source) and not source.payload_shift
    if source.name in after:
        return False
    before = [network.populations[p.source] for p in network.body.projections if p.target == source.name]
    return all(_adds_up(network, each, after | {source.name}) for each in before)
