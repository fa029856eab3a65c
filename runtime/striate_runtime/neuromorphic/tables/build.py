"""From a program's body to the tables that the kernels run on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from striate_runtime.hardware import Chip
from striate_runtime.neuromorphic.check import Network, neurons
from striate_runtime.neuromorphic.costs.counts import Mapping
from striate_runtime.neuromorphic.native import SUM_SHIFT
from striate_runtime.neuromorphic.reading import plane_of
from striate_runtime.neuromorphic.sums import check_overflow
from striate_runtime.neuromorphic.tables.accounts import AccountBuilder
from striate_runtime.neuromorphic.tables.arrays import (
    INPUT_CHANGES,
    KINDS,
    Populations,
    Projections,
    Tables,
    concatenated,
)
from striate_runtime.neuromorphic.tables.layout import Place, build_parameters, build_segments, place_populations
from striate_runtime.neuromorphic.tables.plain import is_still
from striate_runtime.neuromorphic.tables.synapses import Laid, SynapseBuilder
from striate_runtime.program.neuromorphic import Population


@dataclass(frozen=True)
class Built:
    """A network ready to run. Where numbers lie in a row: `input_starts` by population, `output_starts` by
    population and what is read of it.
    """

    tables: Tables
    mapping: Mapping
    accumulators: int
    sums: int
    input_starts: dict[str, int]
    inputs: int
    output_starts: dict[tuple[str, str], int]
    outputs: int


def build(network: Network, chip: Chip) -> Built:
    """Build the tables. Raises ProgramError for a damaged body, DeviceError where a sum could overflow."""
    body = network.body
    check_overflow(network)
    places, accumulators, sums = place_populations(network)
    index = {name: position for position, name in enumerate(places)}
    ordered = sorted(body.projections, key=lambda projection: index[projection.source])
    synapses, accounts = SynapseBuilder(), AccountBuilder(network, chip)
    laid: list[Laid] = []
    entries: list[int] = []
    pairs = [0]
    for projection in ordered:
        source, target = places[projection.source], places[projection.target]
        entries.append(accounts.neurons)
        laid.append(synapses.add(network, projection, source, target))
        pairs.append(accounts.add(projection, source, target))
    segments, segment_starts = build_segments(places)
    parameters, initial = build_parameters(network)
    account_tables, mapping = accounts.finish()
    input_starts, inputs = _starts(set(body.inputs.values()), places)
    output_starts, outputs = _output_starts(network)
    rescales = [network.rescale_of(projection) for projection in ordered]
    rescale_sizes = [len(multiplier) for multiplier, _ in rescales]
    populations = [place.population for place in places.values()]
    ranges = [network.payloads(population) for population in populations]
    sources = [index[projection.source] for projection in ordered]
    return Built(
        tables=Tables(
            populations=Populations(
                kind=np.array([_kind(network, p) for p in populations], np.int32),
                fires_at=np.array([p.fires_at for p in populations], np.int32),
                low=np.array([low for low, _ in ranges], np.int64),
                high=np.array([high for _, high in ranges], np.int64),
                reset_interval=np.array([p.reset_interval for p in populations], np.int32),
                reset_offset=np.array([p.reset_offset for p in populations], np.int32),
                plain=np.array([place.plain for place in places.values()], np.int32),
                still=np.array(
                    [place.plain and is_still(network, place.population) for place in places.values()], np.int32
                ),
                subtracts=np.array([-int(p.reset == "subtract") for p in populations], np.int64),
                refractory=np.array([p.refractory for p in populations], np.int64),
                payload_shift=np.array([p.payload_shift for p in populations], np.int64),
                counts_changed=np.array([_counts_changed(p, chip) for p in populations], np.int64),
                neuron=np.array([place.neuron for place in places.values()], np.int64),
                neurons=np.array([neurons(p) for p in populations], np.int64),
                segment=np.array(segment_starts, np.int32),
                input_start=np.array([input_starts.get(p.name, -1) for p in populations], np.int64),
                output_start=_found(output_starts, "potential", populations),
                current_start=_found(output_starts, "current", populations),
                spike_count_start=_found(output_starts, "spike_count", populations),
                projection=np.searchsorted(sources, np.arange(len(populations) + 1)).astype(np.int32),
            ),
            segments=segments,
            parameters=parameters,
            projections=Projections(
                source=np.array(sources, np.int32),
                target=np.array([index[projection.target] for projection in ordered], np.int32),
                delay=np.array([projection.delay for projection in ordered], np.int32),
                mode=np.array([one.mode for one in laid], np.int32),
                rescale=np.cumsum([0, *rescale_sizes])[:-1].astype(np.int32),
                rescales=np.array(rescale_sizes, np.int32),
                unit=np.array([network.unit(projection) for projection in ordered], np.int32),
                multiplier=concatenated([multiplier for multiplier, _ in rescales], np.int64),
                shift=concatenated([shift for _, shift in rescales], np.int64),
                position=np.array([one.position for one in laid], np.int64),
                channels=np.array([one.channels for one in laid], np.int64),
                channel=np.array([one.channel for one in laid], np.int64),
                phase=np.array([one.phase for one in laid], np.int64),
                phases=np.array([one.phases for one in laid], np.int64),
                entry=np.array(entries, np.int64),
                pair=np.array(pairs, np.int32),
            ),
            synapses=synapses.finish(),
            accounts=account_tables,
            initial=initial,
            native=int(network.timed),
            sum_spare=0 if body.sum_bits is None else 32 - (body.sum_bits + 1 - SUM_SHIFT),
        ),
        mapping=mapping,
        accumulators=accumulators,
        sums=sums,
        input_starts=input_starts,
        inputs=inputs,
        output_starts=output_starts,
        outputs=outputs,
    )


def _kind(network: Network, population: Population) -> int:
    changes = population.kind == "input" and network.sends_changes(population)
    return INPUT_CHANGES if changes else KINDS[population.kind]


def _counts_changed(population: Population, chip: Chip) -> bool:
    """Only neurons that keep a potential can have one and be reached by nothing."""
    keeps = population.kind in ("integrate_and_fire", "cuba_lif", "readout")
    return not (keeps and chip.policy.active_neurons == "not_at_rest")


def _starts(names: set[str], places: dict[str, Place]) -> tuple[dict[str, int], int]:
    """Where each of these populations starts in a row that holds them all, and the row's length."""
    starts: dict[str, int] = {}
    total = 0
    for name, place in places.items():
        if name in names:
            starts[name] = total
            total += neurons(place.population)
    return starts, total


def _output_starts(network: Network) -> tuple[dict[tuple[str, str], int], int]:
    """Where what is read of each population starts in a row of outputs, and the row's length."""
    starts: dict[tuple[str, str], int] = {}
    total = 0
    for port, name in network.body.outputs.items():
        key = name, plane_of(network.body.reads.get(port, "potential"))
        if key not in starts:
            starts[key] = total
            total += neurons(network.populations[name])
    return starts, total


def _found(starts: dict[tuple[str, str], int], read: str, populations: list[Population]) -> npt.NDArray[np.int64]:
    return np.array([starts.get((population.name, read), -1) for population in populations], np.int64)
