"""A graph as a program for one chip: encode, partition, place, and write it down."""

from __future__ import annotations

import msgspec

from striate.diagnostics import Span
from striate.graph import Graph
from striate.targets.neuromorphic.demand import ASSUMPTIONS, Demand, Slabs
from striate.targets.neuromorphic.encoding import Encoded
from striate.targets.neuromorphic.partition import Blocks, partition, usage_of
from striate.targets.neuromorphic.place import capacity, place
from striate.targets.neuromorphic.route import axons_between
from striate_runtime.hardware import Chip
from striate_runtime.program import Port, Program
from striate_runtime.program.neuromorphic import Core, NeuromorphicBody, Usage


def write_program(graph: Graph, encoded: Encoded, chip: Chip, machine: str, seed: int, slabs: Slabs) -> Program:
    """The program of an encoded graph on one chip. Raises CompileError[does-not-fit]."""
    encoding = encoded.encoding
    shapes = {name: population.shape for name, population in encoding.populations.items()}
    demand = Demand(chip, shapes, encoding.projections, slabs)
    blocks = partition(demand, encoding.populations, capacity(chip), spans_of(graph))
    body = NeuromorphicBody(
        coding=encoded.coding,
        steps=encoded.steps,
        populations=tuple(encoding.populations.values()),
        projections=tuple(encoding.projections),
        cores=_cores(encoded, demand, blocks, chip, seed),
        inputs={port: given.population for port, given in encoded.inputs.items()},
        outputs=encoded.outputs,
        input_scale={port: given.scale for port, given in encoded.inputs.items()},
        input_low={port: given.low for port, given in encoded.inputs.items()},
        input_high={port: given.high for port, given in encoded.inputs.items()},
        uncounted=(ASSUMPTIONS[chip.packing.kind], *_unlimited(demand), *encoded.remarks),
        reads=encoded.reads,
        read_at=encoded.read_at,
        series=encoded.series,
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


def spans_of(graph: Graph) -> dict[str, Span | None]:
    """Where each layer stands in the text."""
    return {node.name: node.span for node in graph}


def _cores(encoded: Encoded, demand: Demand, blocks: Blocks, chip: Chip, seed: int) -> tuple[Core, ...]:
    places = place(chip, axons_between(demand, blocks), seed)
    cores: list[Core] = []
    for name, pieces in blocks.items():
        population = encoded.encoding.populations[name]
        for block in pieces:
            used = usage_of(demand, population, block, blocks)
            usage = tuple(Usage(resource, amount, demand.limits[resource]) for resource, amount in used.items())
            index = len(cores)
            x, y = places[index]
            cores.append(
                Core(index, name, block.channels, block.rows, block.columns, 0, x, y, usage, block.spare_columns)
            )
    return tuple(cores)


def _unlimited(demand: Demand) -> tuple[str, ...]:
    """A remark on the limits that could not be checked."""
    unknown = [resource.replace("_", " ") for resource, limit in demand.limits.items() if limit is None]
    return (f"not checked, because no limit is published: {', '.join(unknown)}",) if unknown else ()
