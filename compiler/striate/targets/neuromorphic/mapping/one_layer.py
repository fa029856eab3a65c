"""Chips on which a core holds one layer, and cores differ: which layer on which core, by planes of powers of two.

A layer is a convolution or a linear layer with the pool after it, whose windows are added up on the way to the next.
It takes Cin x 2^(ceil(log2(kx ky)) + ceil(log2 Cout)) kernel words, and Cout x 2^(ceil(log2 fy) + ceil(log2 fx)) neuron
words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from striate.diagnostics import CompileError, Diagnostic, Span
from striate.targets.neuromorphic.codings.encoding import Encoding
from striate_runtime.hardware import Chip
from striate_runtime.program.neuromorphic import Core, Population, Projection, Usage

WORDS = {
    "kernel_words": "words of kernel memory",
    "neuron_words": "words of neuron memory",
    "bias_words": "biases",
    "destinations": "layers that it sends to",
    "input_size": "rows or columns coming in",
    "output_size": "rows or columns",
    "channels": "channels",
    "kernel_size": "rows or columns of its kernel",
    "padding": "rows or columns of padding",
}
"""Resources as a person would say them."""
MEMORIES = ("kernel_words", "neuron_words", "bias_words")
"""What cores have more or less of; the rest holds for all layers alike."""


@dataclass(frozen=True)
class Place:
    """One core and what it has of each memory; None where that is unpublished."""

    number: int
    memory: dict[str, int | None]


def assign_layers(
    encoding: Encoding, pools: Mapping[str, int], chip: Chip, spans: Mapping[str, Span | None]
) -> tuple[Core, ...]:
    """A core for every population but the inputs. `pools` are the sizes of pools in front of layers.

    Raises CompileError: cannot-lower for what is no such layer, does-not-fit for a layer or a network that is too much.
    """
    layers = [p for p in encoding.populations.values() if p.kind != "input"]
    mistakes: list[Diagnostic] = []
    demands: dict[str, dict[str, int]] = {}
    for population in layers:
        try:
            demands[population.name] = _demand(encoding, population, pools, chip)
        except _NoLayer as reason:
            message = f"'{population.layer}' is no layer that a core of {chip.title} can hold: {reason}"
            mistakes.append(Diagnostic("cannot-lower", message, spans.get(population.layer)))
    if mistakes:
        raise CompileError(mistakes)
    places = list(_places(chip))
    shared = _shared_limits(chip)
    for population in layers:
        mistakes += _too_much(population, demands[population.name], shared, places, chip, spans)
    if mistakes:
        raise CompileError(mistakes)
    chosen = match_layers([demands[population.name] for population in layers], places)
    if chosen is None:
        raise CompileError(_no_room(layers, demands, places, chip))
    return tuple(
        _core(index, population, demands[population.name], shared, places[chosen[index]])
        for index, population in enumerate(layers)
    )


class _NoLayer(Exception):  # noqa: N818 - it is no fault of anybody's
    """What a core cannot hold, and why."""


def _demand(encoding: Encoding, population: Population, pools: Mapping[str, int], chip: Chip) -> dict[str, int]:
    """What a layer takes of its core. Raises _NoLayer."""
    into = [p for p in encoding.projections if p.target == population.name]
    if len(into) != 1:
        raise _NoLayer(f"a core has one kernel, and {len(into)} projections lead to it")
    (projection,) = into
    source, pool = encoding.populations[projection.source].shape, pools.get(population.layer, 1)
    kernel, stride, padding = _window(projection, source, pool)
    limits = chip.layer
    assert limits is not None, "a chip with cores of one layer each says what a layer may be"
    for name, value, legal in (("stride", max(stride), limits.strides), ("pool", pool, limits.pool_sizes)):
        if value not in legal:
            raise _NoLayer(f"its {name} is {value}, and legal are {', '.join(map(str, legal))}")
    channels, rows, columns = population.shape
    return {
        "kernel_words": source[0] << (_bits(kernel[0] * kernel[1]) + _bits(channels)),
        "neuron_words": channels << (_bits(rows) + _bits(columns)),
        "bias_words": channels if population.bias is not None else 0,
        "destinations": sum(p.source == population.name for p in encoding.projections),
        "input_size": max(source[1:]) // pool,
        "output_size": max(rows, columns),
        "channels": max(channels, source[0]),
        "kernel_size": max(kernel),
        "padding": max(padding) // pool,
    }


Pair = tuple[int, int]


def _window(projection: Projection, source: tuple[int, int, int], pool: int) -> tuple[Pair, Pair, tuple[int, ...]]:
    """A layer's kernel, stride and padding without the pool in front; a linear layer's kernel is the whole image."""
    if projection.kind == "dense":
        return (source[1] // pool, source[2] // pool), (1, 1), (0,)
    if projection.kind != "conv2d" or projection.groups != 1 or projection.dilation != (1, 1):
        raise _NoLayer("it is neither a convolution without groups and dilation nor a linear layer")
    (kh, kw), (sh, sw) = projection.kernel, projection.stride
    return (kh // pool, kw // pool), (sh // pool, sw // pool), projection.padding


def _places(chip: Chip) -> Iterator[Place]:
    for each in chip.core_classes:
        memory = {name: getattr(each, name).value for name in MEMORIES}
        for number in range(each.first, each.first + (each.count.value or 0)):
            yield Place(number, memory)


def _shared_limits(chip: Chip) -> dict[str, int | None]:
    """What holds for every layer, whatever its core."""
    limits = {"destinations": chip.packing.destinations_per_group.value}
    names = [name for name in WORDS if name not in (*MEMORIES, "destinations")]
    return limits | {name: getattr(chip.layer, name).value for name in names}


def _fits(demand: Mapping[str, int], place: Place) -> bool:
    return all(limit is None or demand[name] <= limit for name, limit in place.memory.items())


def _too_much(
    population: Population,
    demand: Mapping[str, int],
    shared: Mapping[str, int | None],
    places: list[Place],
    chip: Chip,
    spans: Mapping[str, Span | None],
) -> list[Diagnostic]:
    """What no core can take of a layer, with the most that there is."""
    most = dict(shared)
    for name in MEMORIES:
        known = [limit for place in places if (limit := place.memory[name]) is not None]
        most[name] = max(known, default=None)
    over = [name for name, limit in most.items() if limit is not None and demand[name] > limit]
    if over:
        listed = [f"{demand[name]:,} {WORDS[name]}, and the most there is is {most[name]:,}" for name in over]
    elif not any(_fits(demand, place) for place in places):
        listed = [", ".join(f"{demand[name]:,} {WORDS[name]}" for name in MEMORIES) + ", and no core has all of them"]
    else:
        return []
    start = f"the layer '{population.layer}' does not fit on {chip.title}: it takes "
    help = _nearest(population, demand, shared, places)
    return [Diagnostic("does-not-fit", start + each, spans.get(population.layer), help=help) for each in listed]


def _nearest(
    population: Population, demand: Mapping[str, int], shared: Mapping[str, int | None], places: list[Place]
) -> str | None:
    """The most output channels with which some core would hold the layer, if fewer of them would help."""
    channels = population.shape[0]
    inputs, plane = demand["kernel_words"] >> _bits(channels), demand["neuron_words"] // channels
    constant = [name for name in shared if name != "channels"]
    if any((limit := shared[name]) is not None and demand[name] > limit for name in constant):
        return None
    for fewer in range(channels - 1, 0, -1):
        smaller = {
            "kernel_words": inputs << _bits(fewer),
            "neuron_words": plane * fewer,
            "bias_words": min(demand["bias_words"], fewer),
        }
        most = shared["channels"]
        if (most is None or fewer <= most) and any(_fits(smaller, place) for place in places):
            return f"with at most {fewer} channels in '{population.layer}' (now {channels}) it would fit"
    return None


def match_layers(demands: list[dict[str, int]], places: list[Place]) -> list[int] | None:
    """A place for every layer, each taken once; None where there is no such choice."""
    holder: dict[int, int] = {}

    def seat(layer: int, seen: set[int]) -> bool:
        for index, place in enumerate(places):
            if index in seen or not _fits(demands[layer], place):
                continue
            seen.add(index)
            if index not in holder or seat(holder[index], seen):
                holder[index] = layer
                return True
        return False

    if not all(seat(layer, set()) for layer in range(len(demands))):
        return None
    found = {layer: index for index, layer in holder.items()}
    return [found[layer] for layer in range(len(demands))]


def _no_room(
    layers: list[Population], demands: Mapping[str, Mapping[str, int]], places: list[Place], chip: Chip
) -> Diagnostic:
    rooms = ", ".join(
        f"'{population.layer}' on {sum(_fits(demands[population.name], place) for place in places)}"
        for population in layers
    )
    message = (
        f"the network does not fit on {chip.title}: its {len(layers)} layers take a core each, and the {len(places)} "
        f"cores cannot hold them all at once; each fits: {rooms}"
    )
    return Diagnostic("does-not-fit", message)


def _core(
    index: int, population: Population, demand: Mapping[str, int], shared: Mapping[str, int | None], place: Place
) -> Core:
    channels, rows, columns = population.shape
    limits = {**place.memory, **shared}
    usage = tuple(Usage(name, used, limits[name]) for name, used in demand.items())
    return Core(index, population.name, (0, channels), (0, rows), (0, columns), 0, place.number, 0, usage)


def _bits(number: int) -> int:
    """ceil(log2) of a number of at least 1."""
    return (number - 1).bit_length()
