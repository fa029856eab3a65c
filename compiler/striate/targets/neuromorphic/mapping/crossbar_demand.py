"""What a block of neurons takes of a core with a crossbar: axons by their types, bits, and slots for copies.

Everything is counted from the weights' bits, neuron by neuron (striate_runtime/program/crossbar.py), so that what is
printed is what the chip would hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from striate.targets.neuromorphic.codings.encoding import Encoding
from striate.targets.neuromorphic.mapping.demand import Block, Blocks, Demand
from striate.tensor import Array
from striate_runtime.hardware import Chip
from striate_runtime.program.crossbar import bits_met
from striate_runtime.program.neuromorphic import Population, Projection


class CrossbarDemand(Demand):
    """What blocks of an encoding that lies on crossbars (crossbar.py) take.

    A core has an axon in for each (source neuron, type) that a block hears, whose row of bits takes `synapse_words`.
    A neuron has a slot for each axon that it feeds, and one where the host reads it: `neuron_slots` and `axons_out`.
    """

    def __init__(self, chip: Chip, encoding: Encoding) -> None:
        shapes = {name: population.shape for name, population in encoding.populations.items()}
        super().__init__(chip, shapes, encoding.projections)
        assert chip.crossbar is not None, "the chip has a crossbar"
        axons, neurons = chip.crossbar.axons.value, chip.crossbar.neurons.value
        self.encoding = encoding
        self.limits = {
            "neuron_slots": self.limits["neuron_slots"],
            "axons_in": self.limits["axons_in"],
            "axons_out": self.limits["axons_out"],
            "synapse_words": self.limits["synapse_words"],
            "synapse_bits": None if axons is None or neurons is None else axons * neurons,
        }
        row, word = (neurons or 0) * (chip.crossbar.synapse_bits.value or 1), chip.limits.synapse_word_bits.value
        self.words_of_a_row = -(-row // (word or row or 1))
        self._fed: dict[str, tuple[list[Block], Array]] = {}

    def of(self, population: Population, block: Block, senders: Blocks | None = None) -> dict[str, int]:
        """All but what its copies take, by resource; neurons alone where there are too many of them already."""
        slots = self.limits["neuron_slots"]
        if slots is not None and block.neurons > slots:
            return {"neuron_slots": block.neurons}
        axons = sum(int(np.count_nonzero(self.met(p, block)[1])) for p in self.into[population.name])
        return {"neuron_slots": block.neurons, "axons_in": axons, "synapse_words": axons * self.words_of_a_row}

    def out_of_block(
        self, population: Population, block: Block, consumers: Mapping[str, list[Block]]
    ) -> dict[str, int]:
        """Slots with those of copies, and axons fed (or the host), where `consumers` are the targets' blocks."""
        fed = self.fed(population, consumers)[slice(*block.channels), slice(*block.rows), slice(*block.columns)]
        return {"neuron_slots": int(np.maximum(fed, 1).sum()), "axons_out": int(fed.sum())}

    def usage(self, population: Population, block: Block, blocks: Blocks) -> dict[str, int]:
        """As of any chip, and how many bits of the crossbar are set, those of copies included."""
        copies = np.maximum(self.fed(population, blocks), 1)
        bits = sum(int(self.met(p, block, copies)[1].sum()) for p in self.into[population.name])
        return super().usage(population, block, blocks) | {"synapse_bits": bits}

    def messages(self, projection: Projection, events: Array, listener: Block) -> Callable[[Block], int]:
        """As of any chip, but one for each axon."""
        sent = events * self.axons_fed(projection, [listener])
        return lambda sender: int(sent[slice(*sender.channels), slice(*sender.rows), slice(*sender.columns)].sum())

    def suspects(self, population: Population) -> Iterator[Block]:
        """As of any chip, but every neuron in order: those with the most axons may be anywhere."""
        for c, y, x in np.ndindex(population.shape):
            yield Block((c, c + 1), (y, y + 1), (x, x + 1))

    def met(self, projection: Projection, block: Block, copies: Array | None = None) -> tuple[Array, Array]:
        """The source neurons with axons of a core that holds the block, and the bits on each, as `bits_met`."""
        assert projection.bits is not None, "the encoding lies on crossbars"
        bits, types = self.encoding.arrays[projection.bits], self._types(projection)
        shapes = self.shapes[projection.source], self.shapes[projection.target]
        return bits_met(projection, bits, types, *shapes, (block.channels, block.rows, block.columns), copies)

    def fed(self, population: Population, consumers: Mapping[str, list[Block]]) -> Array:
        """How many axons each neuron feeds, and 1 more where the host reads it, i64 `[C, H, W]`."""
        total = np.full(population.shape, int(population.output is not None), np.int64)
        for projection in self.out_of[population.name]:
            if self.encoding.populations[projection.target].counted_by_host:
                total += 1
            else:
                total += self._fed_by(projection, consumers.get(projection.target, []))
        return total

    def nearest(self, population: Population, neuron: Block, resource: str) -> str | None:
        """The nearest shape with which one neuron would fit."""
        most = self.limits[resource]
        if resource != "axons_in" or most is None:
            return "the layers that it sends to must take fewer cores, or fewer types of axons"
        heard = [np.count_nonzero(self.met(p, neuron)[1], axis=1) for p in self.into[population.name]]
        each = np.concatenate(heard)
        types = max(self._types(projection) for projection in self.into[population.name])
        come_in = f"{len(each):,} neurons come in, on {each.sum() / len(each):.3g} axons each"
        fit = [f"{most // number:,} with {kind}" for number, kind in _KINDS.items() if number <= types]
        return f"{come_in}; {' and '.join(fit)} always fit, and groups of channels let fewer come in"

    def axons_fed(self, projection: Projection, blocks: list[Block]) -> Array:
        """How many axons of cores with these blocks each source neuron feeds, i64 `[C, H, W]`."""
        channels, height, width = self.shapes[projection.source]
        fed = np.zeros(channels * height * width, np.int64)
        for block in blocks:
            neurons, met = self.met(projection, block)
            fed[neurons] += np.count_nonzero(met, axis=1)
        return fed.reshape(height, width, channels).transpose(2, 0, 1)

    def _fed_by(self, projection: Projection, blocks: list[Block]) -> Array:
        """The same, kept for as long as the target is cut like that."""
        known = self._fed.get(projection.name)
        if known is None or known[0] is not blocks:
            known = self._fed[projection.name] = blocks, self.axons_fed(projection, blocks)
        return known[1]

    def _types(self, projection: Projection) -> int:
        strengths = self.encoding.populations[projection.target].strengths
        assert strengths is not None, "the encoding lies on crossbars"
        return self.encoding.arrays[strengths].shape[1]


_KINDS = {4: "weights of 4 types", 2: "trinary ones", 1: "weights of one value"}
"""types of axons that a source takes at most -> weights of that kind."""
