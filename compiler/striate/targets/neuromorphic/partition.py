"""Splits populations over cores under the chip's limits: as few pieces as fit, the same ones every time.

A block is full in height and channels and a slab of columns, as Intel's own compiler cuts; where one column is too
much, rows are split, and where one neuron's row of channels is too much, channels. Slabs are as even as can be, or
of 2^k columns, the last one padded.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from striate.diagnostics import CompileError, Diagnostic, Span
from striate.targets.neuromorphic.demand import Block, Demand, Range
from striate.targets.neuromorphic.encoding import Image
from striate_runtime.program.neuromorphic import Population

Blocks = dict[str, list[Block]]


def partition(
    demand: Demand, populations: Mapping[str, Population], cores: int, spans: Mapping[str, Span | None]
) -> Blocks:
    """The blocks of every population that lives on cores (all but the inputs), targets before sources.

    `cores` is how many the chip has; `spans` is where each layer stands in the text.
    Raises CompileError[does-not-fit] for a neuron that exceeds a core, or a network that exceeds the chip.
    """
    blocks: Blocks = {}
    for population in reversed(list(populations.values())):
        if population.kind != "input":
            blocks[population.name] = _split(demand, population, population.shape, blocks, spans)
    used = sum(len(pieces) for pieces in blocks.values())
    if used > cores:
        raise CompileError(_chip_is_full(demand, populations, blocks, cores, spans))
    for name, pieces in blocks.items():
        for piece in pieces:
            if (over := _over(demand, demand.out_of_block(populations[name], piece, blocks))) is not None:
                raise CompileError(_too_much_backwards(demand, populations[name], over, spans))
    return {name: blocks[name] for name in populations if name in blocks}


def usage_of(demand: Demand, population: Population, block: Block, blocks: Blocks) -> dict[str, int]:
    """Everything one block takes of its core, by resource."""
    return demand.of(population, block) | demand.out_of_block(population, block, blocks)


def _split(
    demand: Demand, population: Population, shape: Image, blocks: Blocks, spans: Mapping[str, Span | None]
) -> list[Block]:
    channels, rows, columns = shape
    if demand.slabs == "power_of_two" and (slabs := _padded_slabs(demand, population, shape, blocks)):
        return slabs
    for tall in _sizes(channels):
        if not _fits(demand, population, shape, (tall, 1, 1), blocks):
            continue
        cuts = [(high, _widest(demand, population, shape, tall, high, blocks)) for high in _sizes(rows)]
        counted = [(-(-rows // high) * -(-columns // wide), -high, wide) for high, wide in cuts if wide]
        for _, high, wide in sorted(counted):
            for width in range(wide, 0, -1):
                pieces = _tiles(shape, (tall, -high, width))
                if all(_overrun(demand, population, piece, blocks) is None for piece in pieces):
                    return pieces
    raise CompileError(_one_neuron_is_too_much(demand, population, blocks, spans))


def _padded_slabs(demand: Demand, population: Population, shape: Image, blocks: Blocks) -> list[Block] | None:
    """Slabs of all channels and rows and as many columns, a power of two, as fit; None where not even one does."""
    channels, rows, columns = shape
    most = demand.chip.limits.slab_neurons
    for bits in range((columns - 1).bit_length(), -1, -1):
        width = 1 << bits
        if most is not None and most.value is not None and channels * rows * width > most.value:
            continue
        ranges = _ranges(columns, width)
        slabs = [Block((0, channels), (0, rows), (a, b), spare_columns=a + width - b) for a, b in ranges]
        if all(_overrun(demand, population, slab, blocks) is None for slab in slabs):
            return slabs
    return None


def _widest(demand: Demand, population: Population, shape: Image, tall: int, high: int, blocks: Blocks) -> int:
    """The most columns of which a block in the middle fits, evened out over the image; 0 if not even one does."""
    low, top = 0, shape[2]
    while low < top:
        middle = (low + top + 1) // 2
        if _fits(demand, population, shape, (tall, high, middle), blocks):
            low = middle
        else:
            top = middle - 1
    return -(-shape[2] // -(-shape[2] // low)) if low else 0


def _fits(demand: Demand, population: Population, shape: Image, size: Image, blocks: Blocks) -> bool:
    """Whether a block of that size in the middle of the image, where it has the most inputs, fits on a core."""
    first = [(extent - part) // 2 for extent, part in zip(shape[1:], size[1:], strict=True)]
    middle = Block((0, size[0]), (first[0], first[0] + size[1]), (first[1], first[1] + size[2]))
    return _overrun(demand, population, middle, blocks) is None


def _overrun(demand: Demand, population: Population, block: Block, blocks: Blocks) -> tuple[str, int, int] | None:
    """The first limit that a block exceeds: (resource, used, allowed)."""
    used = demand.of(population, block)
    if (over := _over(demand, used)) is not None:
        return over
    if demand.limits["axons_out"] is None and demand.limits["destinations"] is None:
        return None
    return _over(demand, demand.out_of_block(population, block, blocks))


def _over(demand: Demand, used: Mapping[str, int]) -> tuple[str, int, int] | None:
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


WORDS = {
    "neuron_slots": "neuron slots",
    "synapse_words": "words of synapse memory",
    "words_per_axon": "words of synapse memory for one axon",
    "axons_in": "axons coming in",
    "axons_out": "axons going out",
    "destinations": "cores that one group of neurons sends to",
    "fan_in": "synapses into one neuron",
}
"""Resources as a person would say them."""


def _one_neuron_is_too_much(
    demand: Demand, population: Population, blocks: Blocks, spans: Mapping[str, Span | None]
) -> Diagnostic:
    _, h, w = population.shape
    one = Block((0, 1), (h // 2, h // 2 + 1), (w // 2, w // 2 + 1))
    over = _overrun(demand, population, one, blocks)
    assert over is not None, f"one neuron of '{population.name}' fits, but no cut of it does"
    resource, used, allowed = over
    message = (
        f"the layer '{population.layer}' does not fit on {demand.chip.title}: one of its neurons alone takes "
        f"{used:,} {WORDS[resource]}, and a core has {allowed:,}"
    )
    return Diagnostic(
        "does-not-fit", message, spans.get(population.layer), help=_nearest_inputs(demand, population, one)
    )


def _too_much_backwards(
    demand: Demand, population: Population, over: tuple[str, int, int], spans: Mapping[str, Span | None]
) -> Diagnostic:
    """What a core sends is counted once more when all is cut: connections backwards lead to what is cut later."""
    resource, used, allowed = over
    message = (
        f"the layer '{population.layer}' does not fit on {demand.chip.title}: with its connections backwards "
        f"a core of it takes {used:,} {WORDS[resource]}, and has {allowed:,}"
    )
    return Diagnostic("does-not-fit", message, spans.get(population.layer), help="make the layer smaller")


def _nearest_inputs(demand: Demand, population: Population, one: Block) -> str | None:
    """The most inputs with which one neuron would fit, if that would help at all: neurons if dense, else channels."""
    into = demand.into[population.name]
    dense = any(projection.kind == "dense" for projection in into)
    full = {p.source: demand.shapes[p.source] for p in into}
    if dense:
        full = {name: (math.prod(shape), 1, 1) for name, shape in full.items()}
    largest = max((shape[0] for shape in full.values()), default=0)
    original, low, top = demand.shapes, 0, largest
    while low < top:
        middle = (low + top + 1) // 2
        demand.shapes = {**original, **{name: (min(middle, c), h, w) for name, (c, h, w) in full.items()}}
        fits = _over(demand, demand.of(population, one)) is None
        demand.shapes = original
        low, top = (middle, top) if fits else (low, middle - 1)
    if 0 < low < largest:
        return f"with at most {low:,} {'neurons' if dense else 'channels'} coming in (now {largest:,}) it would fit"
    return "the layers it sends to must use fewer cores" if low else None


def _chip_is_full(
    demand: Demand, populations: Mapping[str, Population], blocks: Blocks, cores: int, spans: Mapping[str, Span | None]
) -> Diagnostic:
    used = sum(len(pieces) for pieces in blocks.values())
    largest = max(blocks, key=lambda name: len(blocks[name]))
    population = populations[largest]
    channels, h, w = population.shape
    left = cores - (used - len(blocks[largest]))
    message = (
        f"the network does not fit on {demand.chip.title}: it takes {used} cores, and the chip has {cores}; "
        f"most of them ({len(blocks[largest])}) hold the layer '{population.layer}' of {channels}x{h}x{w} neurons"
    )
    low, top = 0, channels - 1
    while low < top and left > 0:
        middle = (low + top + 1) // 2
        needed = len(_split(demand, population, (middle, h, w), blocks, spans))
        low, top = (middle, top) if needed <= left else (low, middle - 1)
    if low:
        help = f"with at most {low} channels in '{population.layer}' (now {channels}) it would fit"
    else:
        help = f"its cores would fill {-(-used // cores)} chips, and a program is mapped to one"
    return Diagnostic("does-not-fit", message, spans.get(population.layer), help=help)
