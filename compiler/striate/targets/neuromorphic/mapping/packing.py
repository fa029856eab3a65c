"""How synapses fill a core's memory: the words that a block's synapses take, by the chip's own packing rules.

Counting is by arithmetic on shapes; no weight is looked at. What the formulas assume where nothing is published is in
`ASSUMPTIONS`, and a program carries it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from striate_runtime.hardware import Chip
from striate_runtime.program.neuromorphic import Projection

ASSUMPTIONS = {
    "dense_tap": (
        "synapse memory: for each input channel and kernel tap, the block's output channels at the full weight width, "
        "rounded up to words (the chip's compressed formats are unpublished, so this is an upper bound)"
    ),
    "loihi_synentry": (
        "synapse memory: convolutions store one copy per input channel and stride phase with 6 to 10 index bits per "
        "synapse; windows cut off by the border share the interior's copy"
    ),
    "crossbar": (
        "crossbars: a source takes an axon of each type that any of its weights on the core has a bit of, and a neuron "
        "a slot for each axon that it feeds (copies that fire alike) and for the host; a core holds one layer"
    ),
}
"""By kind of packing, what its formula takes for granted."""


@dataclass(frozen=True)
class Part:
    """A part of a population: how many channels it has, and how many neurons."""

    channels: int
    neurons: int


def words(chip: Chip, projection: Projection, heard: Part, block: Part, target_channels: int) -> tuple[int, int]:
    """Words of synapse memory for one projection into a block, and the most that one list of them takes.

    `heard` is what of the source the block listens to; `target_channels` are those of the whole population.
    """
    if not heard.neurons:
        return 0, 0
    pack = _PACKINGS[chip.packing.kind]
    lists = _synapse_lists(projection, heard, block, target_channels, chip.packing.weight_sharing != "none")
    taken = [(count, pack(chip, synapses, projection.kind, block)) for count, synapses in lists]
    return sum(count * words for count, words in taken), max(words for _, words in taken)


def index_bits(projection: Projection, block: Part) -> int:
    """Bits of `loihi_synentry` that say where a synapse leads: none in dense lists, else 6 to 10."""
    return 0 if projection.kind == "dense" else _index_bits(block)


def _synapse_lists(
    projection: Projection, heard: Part, block: Part, target_channels: int, shares: bool
) -> list[tuple[int, int]]:
    """The lists of synapses that are stored: (how many such lists, synapses in each)."""
    if projection.kind == "dense":
        return [(heard.neurons, block.neurons)]
    outputs = min(block.channels, target_channels // projection.groups) if projection.kind == "conv2d" else 1
    (kh, kw), (sh, sw), (dh, dw) = projection.kernel, projection.stride, projection.dilation
    if not shares:
        return [(heard.neurons, -(-kh // sh) * -(-kw // sw) * outputs)]
    return [
        (heard.channels, rows * columns * outputs) for rows in _phases(kh, sh, dh) for columns in _phases(kw, sw, dw)
    ]


def _dense_tap(chip: Chip, synapses: int, kind: str, block: Part) -> int:
    """A list's weights one kernel tap after the other, each tap rounded up to words."""
    width, word = chip.numerics.weight_bits.value or 8, chip.limits.synapse_word_bits.value or 64
    outputs = block.neurons if kind == "dense" else min(synapses, block.channels)
    return -(-synapses // outputs) * -(-outputs * width // word)


def _loihi_synentry(chip: Chip, synapses: int, kind: str, block: Part) -> int:
    """A list's entries: a header for every so many synapses, each a weight and (but for dense lists) an index."""
    width, word = chip.numerics.weight_bits.value or 8, chip.limits.synapse_word_bits.value or 64
    header, most = chip.packing.entry_header_bits.value or 0, chip.packing.synapses_per_entry.value or synapses
    index = 0 if kind == "dense" else _index_bits(block)
    return -(-(synapses * (width + index) + -(-synapses // most) * header) // word)


def _index_bits(block: Part) -> int:
    return min(10, max(6, (block.neurons - 1).bit_length()))


_PACKINGS: dict[str, Callable[[Chip, int, str, Part], int]] = {
    "dense_tap": _dense_tap,
    "loihi_synentry": _loihi_synentry,
}


@cache
def _phases(kernel: int, stride: int, dilation: int) -> tuple[int, ...]:
    """How many taps an event meets, by its position modulo the stride; phases that meet none are left out."""
    counts = [sum(k * dilation % stride == phase for k in range(kernel)) for phase in range(stride)]
    return tuple(count for count in counts if count)
