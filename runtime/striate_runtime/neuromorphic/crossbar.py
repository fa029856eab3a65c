"""Crossbars: what a program for one must say, what an event costs on each axon, and how many slots copies take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from striate_runtime.device import DeviceError
from striate_runtime.program.crossbar import bits_met, number_of_bits

if TYPE_CHECKING:
    from striate_runtime.hardware import Chip
    from striate_runtime.neuromorphic.check import Network
    from striate_runtime.program.neuromorphic import Core, Population, Projection

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class OnCrossbar:
    """One projection onto crossbars: its bits, in the shape of its weights, of so many types of axons."""

    projection: Projection
    source: Population
    target: Population
    bits: Array
    types: int

    def axons(self, core: Core, chip: Chip) -> list[tuple[Array, Array, Array]]:
        """For each type of axon the source neurons that take one on the core, what an event meets there, and words.

        A synaptic operation is a bit that is set. An event reads the axon's whole row of the crossbar.
        """
        block = core.channels, core.rows, core.columns
        neuron, met = bits_met(self.projection, self.bits, self.types, self.source.shape, self.target.shape, block)
        words = words_of_a_row(chip)
        taken = [met[:, type] > 0 for type in range(self.types)]
        return [(neuron[on], met[on, type], np.full(int(on.sum()), words)) for type, on in enumerate(taken)]


def crossbar_of(network: Network, projection: Projection) -> OnCrossbar | None:
    """How a projection lies on crossbars; None where it does not."""
    if projection.bits is None:
        return None
    source, target = network.populations[projection.source], network.populations[projection.target]
    types = network.arrays[target.strengths or ""].shape[1]
    return OnCrossbar(projection, source, target, network.arrays[projection.bits], types)


def words_of_a_row(chip: Chip) -> int:
    """Memory words of one axon's row of the crossbar."""
    assert chip.crossbar is not None, "the chip has a crossbar"
    row = (chip.crossbar.neurons.value or 0) * (chip.crossbar.synapse_bits.value or 1)
    return -(-row // (chip.limits.synapse_word_bits.value or row or 1))


def slots_of_copies(network: Network, fed: dict[str, Array]) -> Array:
    """Neuron slots on each core: a neuron takes one for each axon that it feeds and one for the host; at least one."""
    slots: list[int] = []
    for core in network.body.cores:
        population = network.populations[core.population]
        channels, height, width = population.shape
        copies = fed.get(population.name, np.zeros(channels * height * width, np.int64)).reshape(height, width, channels)
        held = copies[slice(*core.rows), slice(*core.columns), slice(*core.channels)]
        slots.append(int(np.maximum(held + (population.output is not None), 1).sum()))
    return np.array(slots, np.int64)


def check_crossbar(network: Network, chip: Chip) -> None:
    """Raise ProgramError where bits and strengths do not make up the weights, DeviceError where the chip has none."""
    body = network.body
    crossed = [p.name for p in body.projections if p.bits is not None]
    if chip.crossbar is None:
        if crossed:
            raise DeviceError(f"projection '{crossed[0]}' lies on a crossbar, and '{chip.name}' has none")
        return
    for projection in body.projections:
        target = network.populations[projection.target]
        if target.counted_by_host:
            continue
        place = f"projection '{projection.name}'"
        network.check(projection.bits is not None, place, "has no bits, and the chip's synapses are a crossbar's")
        _check_bits(network, projection, target, chip)


def check_spikes(network: Network, inputs: Mapping[str, Array]) -> None:
    """Raise DeviceError where the host is to give an axon anything but a spike or none (coding `native`)."""
    for port, array in inputs.items() if network.native else ():
        numbers = array / network.body.input_scale[port]
        other = np.flatnonzero((numbers != 0) & (numbers != 1))
        if other.size:
            sample = int(np.unravel_index(other[0], array.shape)[0])
            raise DeviceError(
                f"input '{port}': sample {sample} holds {array.reshape(-1)[other[0]]:g}, and an axon of a crossbar takes a "
                "spike (1) or none (0) in a step"
            )


def _check_bits(network: Network, projection: Projection, target: Population, chip: Chip) -> None:
    place, channels = f"projection '{projection.name}'", target.shape[0]
    strengths = _array(network, target.strengths, f"population '{target.name}'", "strengths")
    bits = _array(network, projection.bits, place, "bits")
    assert chip.crossbar is not None, "the chip has a crossbar"
    most = chip.crossbar.axon_types.value
    few = strengths.ndim == 2 and len(strengths) == channels and (most is None or strengths.shape[1] <= most)
    network.check(few, f"population '{target.name}'", f"its strengths {strengths.shape} are no ({channels}, types)")
    weights = network.weights_of(projection)
    network.check(bits.shape == weights.shape, place, f"its bits {bits.shape} have not the weights' shape")
    known = bits.dtype == np.uint8 and not (bits >> strengths.shape[1]).any()
    network.check(known, place, "its bits name types that there are not")
    network.check(projection.channels is None, place, "names channels, and lies on a crossbar")
    source = network.populations[projection.source]
    renumbers = projection.kind == "one_to_one" and source.shape[1:] != target.shape[1:]
    alike = bool((strengths == strengths[0]).all())
    network.check(alike or not renumbers, place, "renumbers neurons whose strengths differ")
    own = (np.arange(bits.shape[-1]) + projection.channel_offset) % channels
    made = (number_of_bits(bits, strengths.shape[1]) * strengths[own].astype(np.int64)).sum(-1)
    network.check(np.array_equal(made, weights), place, "its bits and strengths do not add up to its weights")


def _array(network: Network, name: str | None, place: str, what: str) -> Array:
    network.check(name is not None and name in network.arrays, place, f"has no {what} that the program holds")
    array = network.arrays[name or ""]
    network.check(array.dtype.kind in "iu", f"array '{name}'", f"holds {array.dtype}, not integers")
    return array
