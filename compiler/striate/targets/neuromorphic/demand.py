"""What a block of neurons takes of a core: slots, synapse memory, axons, fan-in, by the chip's own packing rules.

Counting is by arithmetic on shapes; no weight is looked at. What the formulas assume where nothing is published is in
`ASSUMPTIONS`, and a program carries it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

from striate.targets.neuromorphic.encoding import Image
from striate_runtime.hardware import Chip
from striate_runtime.program.neuromorphic import Population, Projection

Range = tuple[int, int]
Slabs = Literal["even", "power_of_two"]

ASSUMPTIONS = {
    "dense_tap": (
        "synapse memory: for each input channel and kernel tap, the block's output channels at the full weight width, "
        "rounded up to words (the chip's compressed formats are unpublished, so this is an upper bound)"
    ),
    "loihi_synentry": (
        "synapse memory: convolutions store one copy per input channel and stride phase with 6 to 10 index bits per "
        "synapse; windows cut off by the border share the interior's copy"
    ),
}
"""By kind of packing, what its formula takes for granted."""


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
    """The neurons of a source that a block listens to: a range of channels, and lists of rows and columns."""

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
        rows = sum(block.rows[0] <= row < block.rows[1] for row in self.rows)
        columns = sum(block.columns[0] <= column < block.columns[1] for column in self.columns)
        channels = min(self.channels[1], block.channels[1]) - max(self.channels[0], block.channels[0])
        return (rows * columns, max(0, channels) * rows * columns) if channels > 0 else (0, 0)


def reach(projection: Projection, source: Image, target: Image, block: Block) -> Reach:
    """Which neurons of the source have a synapse into a block of the target."""
    c, h, w = source
    if projection.kind == "dense":
        return Reach((0, c), tuple(range(h)), tuple(range(w)))
    (kh, kw), (sh, sw), (dh, dw) = projection.kernel, projection.stride, projection.dilation
    left, _, top, _ = projection.padding
    rows = _touched(block.rows, kh, sh, dh, top, h)
    columns = _touched(block.columns, kw, sw, dw, left, w)
    if projection.kind == "conv2d":
        inputs, outputs = c // projection.groups, target[0] // projection.groups
        first, last = block.channels[0] // outputs, (block.channels[1] - 1) // outputs
        return Reach((first * inputs, (last + 1) * inputs), rows, columns)
    first, end = (min(max(edge - projection.channel_offset, 0), c) for edge in block.channels)
    return Reach((first, end), rows, columns)


def fan_in(projection: Projection, source: Image) -> int:
    """How many synapses one neuron of the target has from this projection, borders aside."""
    kh, kw = projection.kernel
    by_kind = {
        "dense": source[0] * source[1] * source[2],
        "conv2d": source[0] // projection.groups * kh * kw,
        "window": kh * kw,
        "one_to_one": 1,
    }
    return by_kind[projection.kind]


class Demand:
    """What blocks of an encoding's populations take on one chip.

    `limits` is what a core has of each resource; `words_per_axon`, `destinations` and `fan_in` are the most of any one.
    `slabs` is how columns are cut, see partition.py.
    """

    def __init__(
        self, chip: Chip, shapes: Mapping[str, Image], projections: list[Projection], slabs: Slabs = "even"
    ) -> None:
        self.chip = chip
        self.slabs: Slabs = slabs
        self.shapes = shapes
        self.into: dict[str, list[Projection]] = {name: [] for name in shapes}
        self.out_of: dict[str, list[Projection]] = {name: [] for name in shapes}
        for projection in projections:
            self.into[projection.target].append(projection)
            self.out_of[projection.source].append(projection)
        limits, packing = chip.limits, chip.packing
        self.limits: dict[str, int | None] = {
            "neuron_slots": limits.neuron_slots.value,
            "synapse_words": limits.synapse_words.value,
            "words_per_axon": packing.words_per_axon.value,
            "axons_in": limits.axons_in.value,
            "axons_out": limits.axons_out.value,
            "destinations": packing.destinations_per_group.value,
            "fan_in": limits.fan_in.value,
        }
        self.shares = packing.weight_sharing != "none"

    def of(self, population: Population, block: Block) -> dict[str, int]:
        """Everything but the axons out, by resource."""
        slots = self.chip.numerics.slots_of_soft_reset if population.resets_softly else 1
        words, longest, axons, fan = 0, 0, 0, 0
        for projection in self.into[population.name]:
            source = self.shapes[projection.source]
            from_here = reach(projection, source, self.shapes[population.name], block)
            taken, largest = self.words(projection, from_here, block)
            words, longest = words + taken, max(longest, largest)
            axons += self.axons(projection, from_here.positions, from_here.neurons)
            fan += fan_in(projection, source)
        return {
            "neuron_slots": block.slots * slots,
            "synapse_words": words,
            "words_per_axon": longest,
            "axons_in": axons,
            "fan_in": fan,
        }

    def out_of_block(
        self, population: Population, block: Block, consumers: Mapping[str, list[Block]]
    ) -> dict[str, int]:
        """Axons out, and the most cores that any projection goes to, where `consumers` are the targets' blocks.

        Targets that are not cut yet (those of connections backwards) are left out.
        """
        axons, most = 0, 0
        for projection in self.out_of[population.name]:
            destinations = 0
            for listener in consumers.get(projection.target, ()):
                heard = reach(projection, self.shapes[population.name], self.shapes[projection.target], listener)
                positions, neurons = heard.within(block)
                axons += self.axons(projection, positions, neurons)
                destinations += neurons > 0
            most = max(most, destinations)
        return {"axons_out": axons, "destinations": most}

    def axons(self, projection: Projection, positions: int, neurons: int) -> int:
        """How many axons carry that many neurons: with shared weights, all channels of a position share one."""
        return positions if self.shares and projection.kind != "dense" else neurons

    def words(self, projection: Projection, heard: Reach, block: Block) -> tuple[int, int]:
        """Words of synapse memory for one projection into a block, and the most that one axon takes."""
        if not heard.neurons:
            return 0, 0
        pack = _PACKINGS[self.chip.packing.kind]
        lists = _synapse_lists(projection, heard, block, self.shapes[projection.target], self.shares)
        taken = [(count, pack(self.chip, synapses, projection.kind, block)) for count, synapses in lists]
        return sum(count * words for count, words in taken), max(words for _, words in taken)


def _synapse_lists(
    projection: Projection, heard: Reach, block: Block, target: Image, shares: bool
) -> list[tuple[int, int]]:
    """The lists of synapses that are stored: (how many such lists, synapses in each)."""
    if projection.kind == "dense":
        return [(heard.neurons, block.neurons)]
    inputs = _length(heard.channels)
    outputs = 1
    if projection.kind == "conv2d":
        outputs = min(_length(block.channels), target[0] // projection.groups)
    copies = inputs if shares else heard.neurons
    (kh, kw), (sh, sw), (dh, dw) = projection.kernel, projection.stride, projection.dilation
    if not shares:
        return [(copies, -(-kh // sh) * -(-kw // sw) * outputs)]
    return [(copies, rows * columns * outputs) for rows in _phases(kh, sh, dh) for columns in _phases(kw, sw, dw)]


def _dense_tap(chip: Chip, synapses: int, kind: str, block: Block) -> int:
    """A list's weights one kernel tap after the other, each tap rounded up to words."""
    width, word = chip.numerics.weight_bits.value or 8, chip.limits.synapse_word_bits.value or 64
    outputs = block.neurons if kind == "dense" else min(synapses, _length(block.channels))
    return -(-synapses // outputs) * -(-outputs * width // word)


def _loihi_synentry(chip: Chip, synapses: int, kind: str, block: Block) -> int:
    """A list's entries: a header for every so many synapses, each a weight and (but for dense lists) an index."""
    width, word = chip.numerics.weight_bits.value or 8, chip.limits.synapse_word_bits.value or 64
    header, most = chip.packing.entry_header_bits.value or 0, chip.packing.synapses_per_entry.value or synapses
    index = 0 if kind == "dense" else min(10, max(6, (block.neurons - 1).bit_length()))
    return -(-(synapses * (width + index) + -(-synapses // most) * header) // word)


_PACKINGS = {"dense_tap": _dense_tap, "loihi_synentry": _loihi_synentry}


@cache
def _touched(outputs: Range, kernel: int, stride: int, dilation: int, padding: int, size: int) -> tuple[int, ...]:
    """The source's rows (or columns) that windows `outputs` see."""
    seen = {o * stride + k * dilation - padding for o in range(*outputs) for k in range(kernel)}
    return tuple(sorted(y for y in seen if 0 <= y < size))


@cache
def _phases(kernel: int, stride: int, dilation: int) -> tuple[int, ...]:
    """How many taps an event meets, by its position modulo the stride; phases that meet none are left out."""
    counts = [sum(k * dilation % stride == phase for k in range(kernel)) for phase in range(stride)]
    return tuple(count for count in counts if count)


def _length(range_: Range) -> int:
    return range_[1] - range_[0]
