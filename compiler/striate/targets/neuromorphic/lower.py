"""A graph as a program for one chip: encode, partition, place, and write it down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec
import numpy as np

from striate.diagnostics import CompileError, Diagnostic, Span
from striate.graph import Graph
from striate.targets.neuromorphic.codings.encoding import Encoded
from striate.targets.neuromorphic.mapping.activity import Activity, measure
from striate.targets.neuromorphic.mapping.configurations import sorts_of
from striate.targets.neuromorphic.mapping.crossbar import lay_on_crossbar
from striate.targets.neuromorphic.mapping.crossbar_demand import CrossbarDemand
from striate.targets.neuromorphic.mapping.demand import Blocks, Demand, Slabs
from striate.targets.neuromorphic.mapping.packing import ASSUMPTIONS
from striate.targets.neuromorphic.mapping.partition import partition
from striate.targets.neuromorphic.mapping.pins import parse_pins, pinned_cores
from striate.targets.neuromorphic.mapping.place import Board, Spot, capacity, place
from striate.targets.neuromorphic.mapping.relay import relay_partial_sums
from striate.targets.neuromorphic.mapping.route import messages_between
from striate.tensor import Array
from striate_runtime.hardware import Chip
from striate_runtime.program import Port, Program
from striate_runtime.program.neuromorphic import Core, NeuromorphicBody, Usage


@dataclass(frozen=True)
class Mapped:
    """An encoding on cores: where it is cut, what the cores send each other (in all samples of `activity`), and where
    each of them stands. Cores are numbered as `blocks` lists them.
    """

    encoded: Encoded
    demand: Demand
    blocks: Blocks
    messages: Array
    activity: Activity
    board: Board
    spots: list[Spot]
    notes: tuple[str, ...]


def write_program(
    graph: Graph,
    encoded: Encoded,
    chip: Chip,
    machine: str,
    seed: int,
    slabs: Slabs,
    *,
    chips: int = 0,
    pin: str = "",
    span: Span | None = None,
    calibration: Mapping[str, Array] | None = None,
) -> Program:
    """The program of an encoded graph on one chip, or on as many as it takes of the `chips` that may be used.

    `chips` 0 is all that the board has. `pin` says where layers must stand (pins.py), `span` where that is written.
    Cores that talk much on the `calibration` data are placed near each other.
    Raises CompileError: cannot-lower, does-not-fit, bad-machine.
    """
    mapped = map_to_cores(graph, encoded, chip, seed, slabs, chips=chips, pin=pin, span=span, calibration=calibration)
    notes = (ASSUMPTIONS[chip.packing.kind], *_unlimited(mapped.demand), *mapped.notes)
    return as_program(graph, mapped.encoded, chip, machine, _cores(mapped), notes)


def as_program(
    graph: Graph, encoded: Encoded, chip: Chip, machine: str, cores: tuple[Core, ...], notes: tuple[str, ...]
) -> Program:
    """An encoding and its cores written down; `notes` are what the mapping takes for granted."""
    encoding = encoded.encoding
    body = NeuromorphicBody(
        coding=encoded.coding,
        steps=encoded.steps,
        populations=tuple(encoding.populations.values()),
        projections=tuple(encoding.projections),
        cores=cores,
        inputs={port: given.population for port, given in encoded.inputs.items()},
        outputs=encoded.outputs,
        input_scale={port: given.scale for port, given in encoded.inputs.items()},
        input_low={port: given.low for port, given in encoded.inputs.items()},
        input_high={port: given.high for port, given in encoded.inputs.items()},
        uncounted=(*notes, *encoded.remarks),
        reads=encoded.reads,
        read_at=encoded.read_at,
        series=encoded.series,
        tick_us=encoded.tick_us,
    )
    steps = () if encoded.samples_of is None else (encoded.samples_of,)
    return Program(
        target="neuromorphic",
        machine=machine,
        network=graph.name,
        inputs=tuple(Port(name, type.dtype, (*steps, *type.shape)) for name, type in graph.inputs.items()),
        outputs=tuple(
            Port(
                output,
                graph.type_of(value).dtype,
                (*(steps if output in encoded.series else ()), *graph.type_of(value).shape),
            )
            for output, value in graph.outputs.items()
        ),
        hardware=chip.text,
        body=msgspec.to_builtins(body),
        arrays=encoding.arrays,
        files={},
    )


def map_to_cores(
    graph: Graph,
    encoded: Encoded,
    chip: Chip,
    seed: int,
    slabs: Slabs,
    *,
    chips: int = 0,
    pin: str = "",
    span: Span | None = None,
    calibration: Mapping[str, Array] | None = None,
) -> Mapped:
    """Split what is too much for a core, cut, and place. Parameters and errors as of `write_program`."""
    allowed = _allowed(chip, chips, span)
    pins = parse_pins(pin, allowed * capacity(chip), span)
    activity = Activity() if calibration is None else measure(graph, encoded, calibration)
    if chip.crossbar is not None:
        encoded = lay_on_crossbar(encoded, chip, spans_of(graph), calibration)
    relayed = relay_partial_sums(encoded, chip)
    _check_delays(relayed.encoded, chip, spans_of(graph))
    _check_weights(relayed.encoded, chip, spans_of(graph))
    populations, projections = relayed.encoded.encoding.populations, relayed.encoded.encoding.projections
    shapes = {name: population.shape for name, population in populations.items()}
    demand = (
        Demand(chip, shapes, projections, slabs, sorts_of(relayed.encoded.encoding))
        if chip.crossbar is None
        else CrossbarDemand(chip, relayed.encoded.encoding)
    )
    blocks = partition(
        demand, populations, allowed * capacity(chip), spans_of(graph), chips=allowed, refused=relayed.refused
    )
    pinned = pinned_cores(pins, populations, blocks, span)
    places = max([sum(len(pieces) for pieces in blocks.values()), *(place + 1 for place in pinned.values())])
    board = Board(chip, -(-places // capacity(chip)))
    messages = messages_between(demand, blocks, activity)
    spots = place(chip, messages, seed, chips=board.chips, pinned=pinned)
    notes = (*relayed.notes, *_sharing(demand, populations), activity.note)
    return Mapped(relayed.encoded, demand, blocks, messages, activity, board, spots, notes)


def spans_of(graph: Graph) -> dict[str, Span | None]:
    """Where each layer stands in the text."""
    return {node.name: node.span for node in graph}


def _allowed(chip: Chip, chips: int, span: Span | None) -> int:
    """How many chips a program may use."""
    board = chip.topology.chips.value or 1
    if chips > board:
        message = f"'chips' is {chips}, and the board of {chip.title} has {board}"
        raise CompileError(Diagnostic("bad-machine", message, span, help=f"name at most {board}, or leave it out"))
    return chips or board


def _check_delays(encoded: Encoded, chip: Chip, spans: Mapping[str, Span | None]) -> None:
    """Raise CompileError[cannot-lower] where events would have to wait longer than an axon can keep them."""
    most = chip.numerics.axon_delay_steps.value if chip.numerics.axon_delay_steps else None
    for projection in encoded.encoding.projections:
        if most is not None and projection.delay > most:
            message = (
                f"events from '{projection.source}' to '{projection.target}' would wait {projection.delay} steps, and "
                f"an axon of {chip.title} delays them by {most} at most"
            )
            help = "split the delay, or make the two ways to the layer more alike: put neurons in between"
            raise CompileError(Diagnostic("cannot-lower", message, spans.get(projection.layer), help=help))


def _check_weights(encoded: Encoded, chip: Chip, spans: Mapping[str, Span | None]) -> None:
    """Raise CompileError[cannot-lower] where a layer has weights that a synapse's bits cannot hold."""
    bits, problems = chip.numerics.weight_bits.value, dict[str, Diagnostic]()
    if bits is None or chip.crossbar is not None:
        return
    least, most = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    for projection in encoded.encoding.projections:
        weights = np.ones(1) if projection.weights is None else encoded.encoding.arrays[projection.weights]
        low, high = int(weights.min(initial=0)), int(weights.max(initial=0))
        if low < least or high > most:
            message = (
                f"the weights of '{projection.layer}' go from {low} to {high}, and the {bits} bits of a synapse of "
                f"{chip.title} hold {least} to {most}"
            )
            help = "use coding=rate, which makes weights as coarse as a chip's bits"
            problems[projection.layer] = Diagnostic("cannot-lower", message, spans.get(projection.layer), help=help)
    if problems:
        raise CompileError(problems.values())


def _cores(mapped: Mapped) -> tuple[Core, ...]:
    cores: list[Core] = []
    for name, pieces in mapped.blocks.items():
        population = mapped.encoded.encoding.populations[name]
        for block in pieces:
            used = mapped.demand.usage(population, block, mapped.blocks)
            usage = tuple(Usage(resource, amount, mapped.demand.limits[resource]) for resource, amount in used.items())
            cuts, spot = (block.channels, block.rows, block.columns), mapped.spots[len(cores)]
            cores.append(Core(len(cores), name, *cuts, *spot, usage, block.spare_columns))
    return tuple(cores)


def _sharing(demand: Demand, populations: Iterable[str]) -> tuple[str, ...]:
    """A remark on each population whose sources share axons."""
    return tuple(
        f"up to {demand.neurons_per_axon:,} neurons of a core share an axon to '{name}', and a spike says which "
        f"of them sent it: more send to it than a core has axons ({demand.limits['axons_in']:,})"
        for name in populations
        if name in demand.sharing
    )


def _unlimited(demand: Demand) -> tuple[str, ...]:
    """A remark on the limits that could not be checked."""
    unknown = [resource.replace("_", " ") for resource, limit in demand.limits.items() if limit is None]
    return (f"not checked, because no limit is published: {', '.join(unknown)}",) if unknown else ()
