"""Splits populations over cores under the chip's limits: as few pieces as fit, the same ones every time.

A block is full in height and channels and a slab of columns, as Intel's own compiler cuts; where one column is too
much, rows are split, and where one neuron's row of channels is too much, channels. Slabs are as even as can be, or
of 2^k columns, the last one padded. On crossbars, where neurons are copied for each core that they send to, channels
are split where that takes fewer blocks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from striate.diagnostics import CompileError, Diagnostic, Span
from striate.targets.neuromorphic.codings.encoding import Image
from striate.targets.neuromorphic.mapping.demand import WORDS, Block, Blocks, Demand, Range
from striate.targets.neuromorphic.mapping.nearest import most_channels
from striate_runtime.program.neuromorphic import Population

PASSES = 4
"""How often the network is cut again where cuts of its sources turn out to take more axons than was foreseen."""


def partition(
    demand: Demand,
    populations: Mapping[str, Population],
    cores: int,
    spans: Mapping[str, Span | None],
    *,
    chips: int = 1,
    refused: Mapping[str, str] | None = None,
) -> Blocks:
    """The blocks of every population that lives on cores (not of what the host does), targets before sources.

    `cores` is how many there are, on all `chips` together; `spans` is where each layer stands in the text; `refused`
    says of populations with too large a fan-in why that is not split.
    Raises CompileError[does-not-fit] for a neuron that exceeds a core, or a network that exceeds the chips.
    """
    cutter = _Cutter(demand, populations, spans, refused or {})
    blocks = cutter.cut({})
    passes = 1
    while (over := _overfull(demand, populations, blocks)) is not None:
        if passes == PASSES:
            raise CompileError(cutter.too_many_axons(*over))
        blocks, passes = cutter.cut(blocks), passes + 1
    if sum(len(pieces) for pieces in blocks.values()) > cores:
        raise CompileError(cutter.full(blocks, cores, chips))
    return {name: blocks[name] for name in populations if name in blocks}


Over = tuple[str, int, int]
"""A limit that is exceeded: the resource, what is used, what is allowed."""


@dataclass
class _Cutter:
    """Cuts populations one by one, targets first. `blocks` are those cut so far, `senders` all of an earlier pass."""

    demand: Demand
    populations: Mapping[str, Population]
    spans: Mapping[str, Span | None]
    refused: Mapping[str, str]
    senders: Blocks = field(default_factory=Blocks)
    blocks: Blocks = field(default_factory=Blocks)

    def cut(self, senders: Blocks) -> Blocks:
        """Cut all of them, given how their sources are probably cut."""
        self.senders, self.blocks = senders, {}
        for population in reversed(list(self.populations.values())):
            if population.on_cores:
                self.blocks[population.name] = self.split(population, population.shape)
        return self.blocks

    def split(self, population: Population, shape: Image) -> list[Block]:
        """The blocks of one population, if it had that shape."""
        if self.demand.slabs == "power_of_two" and (slabs := self._padded_slabs(population, shape)):
            return slabs
        best: list[Block] | None = None
        for tall in _sizes(shape[0]):
            if best is not None and (not self.demand.copies or -(-shape[0] // tall) >= len(best)):
                break
            pieces = self._cut_channels(population, shape, tall)
            if pieces is not None and (best is None or len(pieces) < len(best)):
                best = pieces
        if best is None:
            raise CompileError(self._one_neuron_is_too_much(population))
        return best

    def _cut_channels(self, population: Population, shape: Image, tall: int) -> list[Block] | None:
        """The fewest blocks of so many channels; None where not even one position of them fits."""
        _, rows, columns = shape
        if not self._fits(population, shape, (tall, 1, 1)):
            return None
        cuts = [(high, self._widest(population, shape, tall, high)) for high in _sizes(rows)]
        counted = [(-(-rows // high) * -(-columns // wide), -high, wide) for high, wide in cuts if wide]
        for _, high, wide in sorted(counted):
            for width in range(wide, 0, -1):
                pieces = _tiles(shape, (tall, -high, width))
                if all(self.overrun(population, piece) is None for piece in pieces):
                    return pieces
        return None

    def overrun(self, population: Population, block: Block) -> Over | None:
        """The first limit that a block exceeds."""
        if (over := _over(self.demand, self.demand.of(population, block, self.senders))) is not None:
            return over
        if not self.demand.limits_sending:
            return None
        return _over(self.demand, self.demand.out_of_block(population, block, self.senders | self.blocks))

    def _padded_slabs(self, population: Population, shape: Image) -> list[Block] | None:
        """Slabs of all channels and rows and as many columns, a power of two, as fit; None where not even one does."""
        channels, rows, columns = shape
        most = self.demand.chip.limits.slab_neurons
        for bits in range((columns - 1).bit_length(), -1, -1):
            width = 1 << bits
            if most is not None and most.value is not None and channels * rows * width > most.value:
                continue
            ranges = _ranges(columns, width)
            slabs = [Block((0, channels), (0, rows), (a, b), spare_columns=a + width - b) for a, b in ranges]
            if all(self.overrun(population, slab) is None for slab in slabs):
                return slabs
        return None

    def _widest(self, population: Population, shape: Image, tall: int, high: int) -> int:
        """The most columns of which a block in the middle fits, evened out over the image; 0 if not even one does."""
        low, top = 0, shape[2]
        while low < top:
            middle = (low + top + 1) // 2
            low, top = (middle, top) if self._fits(population, shape, (tall, high, middle)) else (low, middle - 1)
        return -(-shape[2] // -(-shape[2] // low)) if low else 0

    def _fits(self, population: Population, shape: Image, size: Image) -> bool:
        """Whether a block of that size in the middle of the image, where it has the most inputs, fits on a core."""
        first = [(extent - part) // 2 for extent, part in zip(shape[1:], size[1:], strict=True)]
        middle = Block((0, size[0]), (first[0], first[0] + size[1]), (first[1], first[1] + size[2]))
        return self.overrun(population, middle) is None

    # -- what does not fit

    def _one_neuron_is_too_much(self, population: Population) -> Diagnostic:
        suspects = ((one, self.overrun(population, one)) for one in self.demand.suspects(population))
        one, (resource, used, allowed) = next((one, over) for one, over in suspects if over is not None)
        message = (
            f"the layer '{population.layer}' does not fit on {self.demand.chip.title}: one of its neurons alone takes "
            f"{used:,} {WORDS[resource]}, and a core has {allowed:,}"
        )
        if (reason := self.refused.get(population.name)) is not None:
            message += f"; {reason}"
        help = self.demand.nearest(population, one, resource)
        return Diagnostic("does-not-fit", message, self.spans.get(population.layer), help=help)

    def too_many_axons(self, population: Population, over: Over) -> Diagnostic:
        """No cut was found in which every core has enough for all the cores that it hears and sends to."""
        resource, used, allowed = over
        message = (
            f"the layer '{population.layer}' does not fit on {self.demand.chip.title}: the layers that it hears and "
            f"sends to are cut over so many cores that it takes {used:,} {WORDS[resource]}, and a core has {allowed:,}"
        )
        help = "they must use fewer cores"
        return Diagnostic("does-not-fit", message, self.spans.get(population.layer), help=help)

    def full(self, blocks: Blocks, cores: int, chips: int) -> Diagnostic:
        """There are more blocks than cores."""
        used = sum(len(pieces) for pieces in blocks.values())
        largest = max(blocks, key=lambda name: len(blocks[name]))
        population = self.populations[largest]
        channels, h, w = population.shape
        title = self.demand.chip.title
        holder = f"{chips} chips have" if chips > 1 else "the chip has"
        message = (
            f"the network does not fit on {title}: it takes {used} cores, and {holder} {cores}; "
            f"most of them ({len(blocks[largest])}) hold the layer '{population.layer}' of {channels}x{h}x{w} neurons"
        )
        alike = [
            each
            for each in self.populations.values()
            if each.name in blocks and each.layer == population.layer and each.shape == population.shape
        ]
        left = cores - used + sum(len(blocks[each.name]) for each in alike)
        most = most_channels(channels, left, lambda fewer: sum(len(self.split(p, (fewer, h, w))) for p in alike))
        if most:
            help = f"with at most {most} channels in '{population.layer}' (now {channels}) it would fit"
        else:
            board = self.demand.chip.topology.chips.value or 1
            spare = f"'chips' allows {chips} of the {board} on its board" if chips < board else f"its board has {board}"
            help = f"its cores would fill {-(-used * chips // cores)} chips, and {spare}"
        return Diagnostic("does-not-fit", message, self.spans.get(population.layer), help=help)


def _overfull(demand: Demand, populations: Mapping[str, Population], blocks: Blocks) -> tuple[Population, Over] | None:
    """A block that exceeds a limit once it is known how all others are cut."""
    for name, pieces in blocks.items():
        for piece in pieces if demand.limits["axons_in"] is not None or demand.limits_sending else ():
            used = demand.of(populations[name], piece, blocks)
            if demand.limits_sending:
                used |= demand.out_of_block(populations[name], piece, blocks)
            if (over := _over(demand, used)) is not None:
                return populations[name], over
    return None


def _over(demand: Demand, used: Mapping[str, int]) -> Over | None:
    for resource, amount in used.items():
        limit = demand.limits[resource]
        if limit is not None and amount > limit:
            return resource, amount, limit
    return None


def _sizes(extent: int) -> list[int]:
    """The sizes of equal pieces, from the whole down: ceil(extent / n) for every n, each once."""
    return sorted({-(-extent // n) for n in range(1, extent + 1)}, reverse=True)


def _tiles(shape: Image, size: Image) -> list[Block]:
    return [
        Block(channels, rows, columns)
        for columns in _ranges(shape[2], size[2])
        for rows in _ranges(shape[1], size[1])
        for channels in _ranges(shape[0], size[0])
    ]


def _ranges(extent: int, size: int) -> Iterator[Range]:
    return ((start, min(start + size, extent)) for start in range(0, extent, size))
