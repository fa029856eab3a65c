"""A graph as a program for one chip: encode, partition, place, and write it down."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from striate.diagnostics import CompileError, Diagnostic, Span
from striate.graph import Graph
from striate.targets.neuromorphic.activity import Activity, measure
from striate.targets.neuromorphic.configurations import sorts_of
from striate.targets.neuromorphic.demand import Blocks, Demand, Slabs
from striate.targets.neuromorphic.encoding import Encoded
from striate.targets.neuromorphic.packing import ASSUMPTIONS
from striate.targets.neuromorphic.partition import partition, usage_of
from striate.targets.neuromorphic.pins import parse_pins, pinned_cores
from striate.targets.neuromorphic.place import Spot, capacity, place
from striate.targets.neuromorphic.relay import relay_partial_sums
from striate.targets.neuromorphic.route import messages_between
from striate.tensor import Array
from striate_runtime.hardware import Chip
from striate_runtime.program import Port, Program
from striate_runtime.program.neuromorphic import Core, NeuromorphicBody, Usage


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
    Raises CompileError: does-not-fit, bad-machine.
    """
    allowed = _allowed(chip, chips, span)
    cores = allowed * capacity(chip)
    pins = parse_pins(pin, cores, span)
    relayed = relay_partial_sums(encoded, chip)
    activity = Activity() if calibration is None else measure(graph, encoded, calibration)
    encoded, encoding = relayed.encoded, relayed.encoded.encoding
    shapes = {name: population.shape for name, population in encoding.populations.items()}
    demand = Demand(chip, shapes, encoding.projections, slabs, sorts_of(encoding))
    blocks = partition(demand, encoding.populations, cores, spans_of(graph), chips=allowed, refused=relayed.refused)
    pinned = pinned_cores(pins, encoding.populations, blocks, span)
    used = sum(len(pieces) for pieces in blocks.values())
    needed = max([used, *(spot + 1 for spot in pinned.values())])
    taken = -(-needed // capacity(chip))
    spots = place(chip, messages_between(demand, blocks, activity), seed, chips=taken, pinned=pinned)
    notes = (*relayed.notes, *_sharing(demand, encoded), activity.note)
    body = NeuromorphicBody(
        coding=encoded.coding,
        steps=encoded.steps,
        populations=tuple(encoding.populations.values()),
        projections=tuple(encoding.projections),
        cores=_cores(encoded, demand, blocks, spots),
        inputs={port: given.population for port, given in encoded.inputs.items()},
        outputs=encoded.outputs,
        input_scale={port: given.scale for port, given in encoded.inputs.items()},
        input_low={port: given.low for port, given in encoded.inputs.items()},
        input_high={port: given.high for port, given in encoded.inputs.items()},
        uncounted=(ASSUMPTIONS[chip.packing.kind], *_unlimited(demand), *notes),
    )
    return Program(
        target="neuromorphic",
        machine=machine,
        network=graph.name,
        inputs=tuple(Port(name, type.dtype, type.shape) for name, type in graph.inputs.items()),
        outputs=tuple(
            Port(output, graph.type_of(value).dtype, graph.type_of(value).shape)
            for output, value in graph.outputs.items()
        ),
        hardware=chip.text,
        body=msgspec.to_builtins(body),
        arrays=encoding.arrays,
        files={},
    )


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


def _cores(encoded: Encoded, demand: Demand, blocks: Blocks, spots: list[Spot]) -> tuple[Core, ...]:
    cores: list[Core] = []
    for name, pieces in blocks.items():
        population = encoded.encoding.populations[name]
        for block in pieces:
            used = usage_of(demand, population, block, blocks)
            usage = tuple(Usage(resource, amount, demand.limits[resource]) for resource, amount in used.items())
            spot = spots[len(cores)]
            cores.append(
                Core(
                    len(cores),
                    name,
                    block.channels,
                    block.rows,
                    block.columns,
                    spot.chip,
                    spot.x,
                    spot.y,
                    usage,
                    block.spare_columns,
                )
            )
    return tuple(cores)


def _sharing(demand: Demand, encoded: Encoded) -> tuple[str, ...]:
    """A remark on each population whose sources share axons."""
    return tuple(
        f"up to {demand.neurons_per_axon:,} neurons of a core share an axon to '{name}', and a spike says which "
        f"of them sent it: more send to it than a core has axons ({demand.limits['axons_in']:,})"
        for name in encoded.encoding.populations
        if name in demand.sharing
    )


def _unlimited(demand: Demand) -> tuple[str, ...]:
    """A remark on the limits that could not be checked."""
    unknown = [resource.replace("_", " ") for resource, limit in demand.limits.items() if limit is None]
    return (f"not checked, because no limit is published: {', '.join(unknown)}",) if unknown else ()
