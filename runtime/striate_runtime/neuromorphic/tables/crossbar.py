"""Crossbars: what a program for one must say, what an event costs on each axon, and how many slots copies take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from striate_runtime.device import DeviceError
from striate_runtime.program.crossbar import bits_met

if TYPE_CHECKING:
    from striate_runtime.hardware import Chip
    from striate_runtime.neuromorphic.check import Network
    from striate_runtime.program.neuromorphic import Core, Population, Projection

Array = npt.NDArray[Any]


class Crossbars:
    """A network on the crossbars of a chip. `copies`: how often each neuron stands on its core, `[C, H, W]`."""

    def __init__(self, network: Network, chip: Chip) -> None:
        assert chip.crossbar is not None, "the chip has a crossbar"
        self.network = network
        row = (chip.crossbar.neurons.value or 0) * (chip.crossbar.synapse_bits.value or 1)
        self.words_of_a_row = -(-row // (chip.limits.synapse_word_bits.value or row or 1))
        self.copies = {population.name: self._copies(population) for population in network.body.populations}

    def types_of(self, projection: Projection) -> int:
        """How many types of axons a projection may use."""
        return self.network.arrays[self.network.populations[projection.target].strengths or ""].shape[1]

    def axons(self, projection: Projection, core: Core) -> list[tuple[Array, Array, Array]]:
        """For each type of axon the source neurons that take one on the core, what an event meets there, and words.

        A synaptic operation is a bit that is set, those of copies included. An event reads the axon's row of bits.
        """
        neuron, met = self._met(projection, core, self.copies[projection.target])
        taken = [met[:, type] > 0 for type in range(met.shape[1])]
        words = [np.full(int(on.sum()), self.words_of_a_row) for on in taken]
        return [(neuron[on], met[on, type], words[type]) for type, on in enumerate(taken)]

    def slots(self) -> Array:
        """Neuron slots taken on each core."""
        held = (
            self.copies[core.population][slice(*core.channels), slice(*core.rows), slice(*core.columns)]
            for core in self.network.body.cores
        )
        return np.array([int(block.sum()) for block in held], np.int64)

    def _copies(self, population: Population) -> Array:
        """A neuron stands on its core for each axon that it feeds, once more for the host, and at least once."""
        channels, height, width = population.shape
        fed = np.full(channels * height * width, int(population.output is not None), np.int64)
        for projection in self.network.body.projections:
            if projection.source != population.name:
                continue
            if self.network.populations[projection.target].counted_by_host:
                fed += 1
            for core in self.network.body.cores:
                if core.population == projection.target:
                    neuron, met = self._met(projection, core)
                    fed[neuron] += np.count_nonzero(met, axis=1)
        return np.maximum(fed, 1).reshape(height, width, channels).transpose(2, 0, 1)

    def _met(self, projection: Projection, core: Core, copies: Array | None = None) -> tuple[Array, Array]:
        network, block = self.network, (core.channels, core.rows, core.columns)
        source, target = network.populations[projection.source].shape, network.populations[projection.target].shape
        bits = network.arrays[projection.bits or ""]
        return bits_met(projection, bits, self.types_of(projection), source, target, block, copies)


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
        numbers: Array = array / network.body.input_scale[port]
        other = np.flatnonzero((numbers != 0) & (numbers != 1))
        if other.size:
            sample = int(other[0]) // (array.size // len(array))
            raise DeviceError(
                f"input '{port}': sample {sample} holds {array.reshape(-1)[other[0]]:g}, and an axon of a crossbar "
                "takes a spike (1) or none (0) in a step"
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
    own = [(n + projection.channel_offset) % channels for n in range(bits.shape[-1])]
    made = sum((bits >> type & 1) * strengths[own, type].astype(np.int64) for type in range(strengths.shape[1]))
    network.check(np.array_equal(made, weights), place, "its bits and strengths do not add up to its weights")


def _array(network: Network, name: str | None, place: str, what: str) -> Array:
    network.check(name is not None and name in network.arrays, place, f"has no {what} that the program holds")
    array = network.arrays[name or ""]
    network.check(array.dtype.kind in "iu", f"array '{name}'", f"holds {array.dtype}, not integers")
    return array
