"""What a block of neurons takes of a core: slots, synapse memory, axons, fan-in, formats."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

from striate.targets.neuromorphic.codings.encoding import Image
from striate.targets.neuromorphic.mapping import packing
from striate.targets.neuromorphic.mapping.configurations import Sorts
from striate.targets.neuromorphic.mapping.nearest import most_inputs
from striate.targets.neuromorphic.mapping.packing import Part
from striate.tensor import Array
from striate_runtime.hardware import Chip
from striate_runtime.program.neuromorphic import Population, Projection

Range = tuple[int, int]
Slabs = Literal["even", "power_of_two"]

WORDS = {
    "neuron_slots": "neuron slots",
    "synapse_words": "words of synapse memory",
    "words_per_axon": "words of synapse memory for one axon",
    "axons_in": "axons coming in",
    "axons_out": "axons going out",
    "destinations": "cores that one group of neurons sends to",
    "fan_in": "synapses into one neuron",
    "neuron_configurations": "sorts of neurons",
    "threshold_configurations": "sorts of thresholds",
    "synapse_formats": "formats of synapses",
    "synapse_bits": "bits of the crossbar",
}
"""Resources as a person would say them."""

CONFIGURATIONS = ("neuron_configurations", "threshold_configurations", "synapse_formats")
"""Resources that only some chips' descriptions have."""


@dataclass(frozen=True)
class Block:
    """A rectangular part of a population: half-open ranges of channels, rows and columns.

    `spare_columns` is how many columns beyond its last the core sets slots aside for.
    """

    channels: Range
    rows: Range
    columns: Range
    spare_columns: int = 0

    @property
    def neurons(self) -> int:
        """How many neurons it holds."""
        return _length(self.channels) * _length(self.rows) * _length(self.columns)

    @property
    def slots(self) -> int:
        """How many neurons it sets slots aside for."""
        return _length(self.channels) * _length(self.rows) * (_length(self.columns) + self.spare_columns)


@dataclass(frozen=True)
class Reach:
    """The neurons of a source that a block listens to: a range of channels, and rising lists of rows and columns."""

    channels: Range
    rows: tuple[int, ...]
    columns: tuple[int, ...]

    @property
    def positions(self) -> int:
        """How many (row, column) places."""
        return len(self.rows) * len(self.columns)

    @property
    def neurons(self) -> int:
        """How many neurons."""
        return _length(self.channels) * self.positions

    def within(self, block: Block) -> tuple[int, int]:
        """How many of these (positions, neurons) a block of the source holds."""
        rows = bisect_left(self.rows, block.rows[1]) - bisect_left(self.rows, block.rows[0])
        columns = bisect_left(self.columns, block.columns[1]) - bisect_left(self.columns, block.columns[0])
        channels = min(self.channels[1], block.channels[1]) - max(self.channels[0], block.channels[0])
        return (rows * columns, max(0, channels) * rows * columns) if channels > 0 else (0, 0)


def reach(projection: Projection, source: Image, target: Image, block: Block) -> Reach:
    """Which neurons of the source have a synapse into a block of the target."""
    c, h, w = source
    if projection.kind == "dense":
        return Reach(projection.channels or (0, c), tuple(range(h)), tuple(range(w)))
    (kh, kw), (sh, sw), (dh, dw) = projection.kernel, projection.stride, projection.dilation
    left, _, top, _ = projection.padding
    rows = _touched(block.rows, kh, sh, dh, top, h)
    columns = _touched(block.columns, kw, sw, dw, left, w)
    if projection.channels is not None:
        return Reach(projection.channels, rows, columns)
    if projection.kind == "conv2d":
        inputs, outputs = c // projection.groups, target[0] // projection.groups
        first, last = block.channels[0] // outputs, (block.channels[1] - 1) // outputs
        return Reach((first * inputs, (last + 1) * inputs), rows, columns)
    first, end = (min(max(edge - projection.channel_offset, 0), c) for edge in block.channels)
    return Reach((first, end), rows, columns)


def fan_in(projection: Projection, source: Image) -> int:
    """How many synapses one neuron of the target has from this projection, borders aside."""
    kh, kw = projection.kernel
    channels = _length(projection.channels or (0, source[0]))
    by_kind = {
        "dense": channels * source[1] * source[2],
        "conv2d": channels // projection.groups * kh * kw,
        "window": kh * kw,
        "one_to_one": 1,
    }
    return by_kind[projection.kind]


Blocks = dict[str, list[Block]]
"""Where each population is cut."""


class Demand:
    """What blocks of an encoding's populations take on one chip.

    `limits` is what a core has of each resource; `words_per_axon`, `destinations` and `fan_in` are the most of any one.
    `slabs` is how columns are cut, see partition.py; `sorts` are those of each population's neurons, all alike where it
    is not named. `sharing` are the populations whose neurons hear so many others that those share axons. `copies` says
    whether a neuron takes a slot for each axon that it sends to (crossbar_demand.py).
    """

    def __init__(
        self,
        chip: Chip,
        shapes: Mapping[str, Image],
        projections: list[Projection],
        slabs: Slabs = "even",
        sorts: Mapping[str, Sorts] | None = None,
    ) -> None:
        self.chip = chip
        self.copies = chip.crossbar is not None
        self.slabs: Slabs = slabs
        self.shapes = shapes
        self.sorts = sorts or {}
        self.into: dict[str, list[Projection]] = {name: [] for name in shapes}
        self.out_of: dict[str, list[Projection]] = {name: [] for name in shapes}
        for projection in projections:
            self.into[projection.target].append(projection)
            self.out_of[projection.source].append(projection)
        limits, held = chip.limits, chip.packing
        self.limits: dict[str, int | None] = {
            "neuron_slots": limits.neuron_slots.value,
            "synapse_words": limits.synapse_words.value,
            "words_per_axon": held.words_per_axon.value,
            "axons_in": limits.axons_in.value,
            "axons_out": limits.axons_out.value,
            "destinations": held.destinations_per_group.value,
            "fan_in": limits.fan_in.value,
        }
        for resource in CONFIGURATIONS:
            if (limit := getattr(limits, resource)) is not None:
                self.limits[resource] = limit.value
        self.shares = held.weight_sharing != "none"
        self.neurons_per_axon = held.neurons_per_axon.value if held.neurons_per_axon else None
        self.sharing = frozenset(name for name in shapes if self._must_share(name))

    @property
    def limits_sending(self) -> bool:
        """Whether a core may have too little for all that its neurons send to."""
        return self.copies or self.limits["axons_out"] is not None or self.limits["destinations"] is not None

    def of(self, population: Population, block: Block, senders: Blocks | None = None) -> dict[str, int]:
        """Everything but the axons out, by resource. `senders` are the blocks of its sources, where they are known."""
        slots = self.chip.numerics.slots_of_soft_reset if population.resets_softly else 1
        words, longest, axons, fan = 0, 0, 0, 0
        for projection in self.into[population.name]:
            source = self.shapes[projection.source]
            from_here = reach(projection, source, self.shapes[population.name], block)
            taken, largest = self._words(projection, from_here, block)
            words, longest = words + taken, max(longest, largest)
            pieces = (senders or {}).get(projection.source) or [_whole(source)]
            axons += sum(self.axons(projection, *from_here.within(piece)) for piece in pieces)
            fan += fan_in(projection, source)
        used = {
            "neuron_slots": block.slots * slots,
            "synapse_words": words,
            "words_per_axon": longest,
            "axons_in": axons,
            "fan_in": fan,
        }
        return used | self._configurations(population, block, slots)

    def out_of_block(
        self, population: Population, block: Block, consumers: Mapping[str, list[Block]]
    ) -> dict[str, int]:
        """Axons out, and the most cores that any projection goes to, where `consumers` are the targets' blocks.

        Targets that are not cut yet (those of connections backwards) are left out.
        """
        axons, most = 0, 0
        slots = self.chip.packing.shared_axon_slots
        for projection in self.out_of[population.name]:
            destinations = 0
            shared = projection.kind == "dense" and projection.target in self.sharing
            each = (slots.value or 1) if shared and slots else 1
            for listener in consumers.get(projection.target, ()):
                heard = reach(projection, self.shapes[population.name], self.shapes[projection.target], listener)
                positions, neurons = heard.within(block)
                axons += self.axons(projection, positions, neurons) * each
                destinations += neurons > 0
            most = max(most, destinations)
        return {"axons_out": axons, "destinations": most}

    def usage(self, population: Population, block: Block, blocks: Blocks) -> dict[str, int]:
        """Everything that one block takes of its core, by resource, where all `blocks` are known."""
        return self.of(population, block, blocks) | self.out_of_block(population, block, blocks)

    def messages(self, projection: Projection, events: Array, listener: Block) -> Callable[[Block], int]:
        """How many messages a block of the source sends to a block of the target, where neurons send `events`
        `[C, H, W]`: one for each event that is heard there."""
        heard = reach(projection, self.shapes[projection.source], self.shapes[projection.target], listener)
        return lambda sender: _sent(events, heard, sender)

    def suspects(self, population: Population) -> Iterator[Block]:
        """Neurons, each by itself, of which one may be too much for a core: first those with the most inputs."""
        yield from neurons_in_the_middle(population, self.into[population.name])
        for c, y, x in np.ndindex(population.shape):
            yield Block((c, c + 1), (y, y + 1), (x, x + 1))

    def nearest(self, population: Population, neuron: Block, resource: str) -> str | None:
        """The nearest shape with which one neuron would fit that has too much of a resource."""

        shapes = self.shapes

        def fits(others: Mapping[str, Image]) -> bool:
            self.shapes = others
            used = self.of(population, neuron)
            self.shapes = shapes
            return all(limit is None or used.get(name, 0) <= limit for name, limit in self.limits.items())

        return most_inputs(self.into[population.name], shapes, fits)

    def axons(self, projection: Projection, positions: int, neurons: int) -> int:
        """How many axons carry that many neurons: with shared weights, all channels of a position share one."""
        if self.shares and projection.kind != "dense":
            return positions
        if projection.kind == "dense" and projection.target in self.sharing:
            return -(-neurons // (self.neurons_per_axon or 1))
        return neurons

    def _must_share(self, name: str) -> bool:
        """Whether a neuron hears more neurons by dense synapses than a core has axons, and they can share some."""
        most = self.limits["axons_in"]
        dense = [p for p in self.into[name] if p.kind == "dense"]
        heard = sum(fan_in(projection, self.shapes[projection.source]) for projection in dense)
        return most is not None and self.neurons_per_axon is not None and heard > most

    def _words(self, projection: Projection, heard: Reach, block: Block) -> tuple[int, int]:
        """Words of synapse memory for one projection into a block, and the most that one axon takes."""
        inputs, outputs = Part(_length(heard.channels), heard.neurons), Part(_length(block.channels), block.neurons)
        return packing.words(self.chip, projection, inputs, outputs, self.shapes[projection.target][0])

    def _configurations(self, population: Population, block: Block, slots: int) -> dict[str, int]:
        """Sorts of neurons (each slot that a neuron takes is one), of thresholds, and of synapse lists."""
        held = slice(*block.channels)
        sorts = self.sorts.get(population.name)
        outputs = Part(_length(block.channels), block.neurons)
        formats = {(p.kind == "dense", packing.index_bits(p, outputs)) for p in self.into[population.name]}
        used = {
            "neuron_configurations": slots * (len(np.unique(sorts.neurons[held])) if sorts else 1),
            "threshold_configurations": len(np.unique(sorts.thresholds[held])) if sorts else 1,
            "synapse_formats": len(formats),
        }
        return {resource: amount for resource, amount in used.items() if resource in self.limits}


def neurons_in_the_middle(population: Population, incoming: list[Projection]) -> list[Block]:
    """One neuron of each sort of channel, with the most inputs of its sort: sorts begin where projections do."""
    _, h, w = population.shape
    first = sorted({0, *(projection.channel_offset for projection in incoming)})
    return [Block((c, c + 1), (h // 2, h // 2 + 1), (w // 2, w // 2 + 1)) for c in first]


def _sent(events: Array, heard: Reach, sender: Block) -> int:
    """How many events the neurons of a block send that another block hears."""
    channels = slice(max(heard.channels[0], sender.channels[0]), min(heard.channels[1], sender.channels[1]))
    rows = [row for row in heard.rows if sender.rows[0] <= row < sender.rows[1]]
    columns = [column for column in heard.columns if sender.columns[0] <= column < sender.columns[1]]
    return int(events[channels][:, rows][:, :, columns].sum())


@cache
def _touched(outputs: Range, kernel: int, stride: int, dilation: int, padding: int, size: int) -> tuple[int, ...]:
    """The source's rows (or columns) that windows `outputs` see."""
    seen = {o * stride + k * dilation - padding for o in range(*outputs) for k in range(kernel)}
    return tuple(sorted(y for y in seen if 0 <= y < size))


def _length(range_: Range) -> int:
    return range_[1] - range_[0]


def _whole(shape: Image) -> Block:
    c, h, w = shape
    return Block((0, c), (0, h), (0, w))
