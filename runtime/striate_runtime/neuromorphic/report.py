"""From counts to a profile: per layer, per core, and in all, each figure per sample."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from striate_runtime.hardware import Chip
from striate_runtime.neuromorphic.check import Network
from striate_runtime.neuromorphic.counts import (
    ACTIVE,
    CHIP_CROSSINGS,
    COLUMNS,
    CORE_COLUMNS,
    EVENTS_OUT,
    HOPS_EAST_WEST,
    HOPS_NORTH_SOUTH,
    MESSAGES_IN,
    MESSAGES_OUT,
    PAIR_SYNOPS,
    PAIR_WORDS,
    RECEIVED,
    SENT,
    SYNOPS_DENSE,
    WORDS,
    Counts,
    Mapping,
    Totals,
)
from striate_runtime.neuromorphic.energy import INJECTED, ROW, UPDATES, in_microjoules, spend, to_energy
from striate_runtime.neuromorphic.timing import barrier_ns, untimed
from striate_runtime.profile import CoreProfile, Figure, LayerProfile, Problem, Profile
from striate_runtime.program import Program

Rows = npt.NDArray[np.float64]


@dataclass
class Run:
    """What a run counted: totals, and for each core how often its neurons exceeded the membrane and the first step."""

    totals: Totals
    saturation: Counts


def write_profile(
    program: Program, network: Network, mapping: Mapping, chip: Chip, run: Run, times_us: npt.NDArray[Any] | None
) -> Profile:
    """The profile of a run. times_us: each sample's duration `[N]`, or None where the chip's is unknown."""
    samples = run.totals.samples
    latency_us = None if times_us is None else float(times_us.mean())
    cores, layers = _core_rows(run.totals, mapping), _layer_rows(run.totals, network, mapping)
    shares = np.full(len(cores), 1 / max(1, len(cores)))
    layer_shares = np.array([mapping.core_layer.count(layer) / max(1, len(cores)) for layer in layers])
    by_core = spend(cores, shares, latency_us, mapping.chips, chip)
    by_layer = spend(np.stack(list(layers.values())), layer_shares, latency_us, mapping.chips, chip)
    operators = _operators(network)
    return Profile(
        machine=program.machine,
        device=f"{chip.title}, emulated",
        network=program.network,
        batch=1,
        samples=samples,
        latency_us=_latency(times_us, run.totals, mapping, chip),
        energy_uj=to_energy(by_layer, np.stack(list(layers.values())), latency_us, chip),
        memory_bytes=_memory_bytes(network, chip),
        steps=network.body.steps,
        valid=not run.saturation[:, 0].any(),
        problems=_problems(run.saturation, network, chip),
        layers=tuple(
            LayerProfile(layer, operators[layer], None, in_microjoules(by_layer, index), _named(row))
            for index, (layer, row) in enumerate(layers.items())
        ),
        cores=tuple(
            CoreProfile(
                core.index, mapping.core_layer[row], core.x, core.y, in_microjoules(by_core, row), _named(cores[row])
            )
            for row, core in enumerate(network.body.cores)
        ),
        counts=_total_counts(run.totals, mapping),
        notes=network.body.uncounted,
        versions={"python": platform.python_version(), "numpy": np.__version__},
    )


def _core_rows(totals: Totals, mapping: Mapping) -> Rows:
    """Counts per sample, a row per core; messages injected from outside count where they arrive."""
    rows = np.zeros((len(mapping.core_layer), ROW))
    rows[:, :COLUMNS] = totals.cores
    rows[:, UPDATES] = totals.updates
    injected = mapping.pair_source < 0
    np.add.at(rows[:, INJECTED], mapping.pair_target[injected], totals.pairs[injected, SENT])
    return rows / totals.samples


def _layer_rows(totals: Totals, network: Network, mapping: Mapping) -> dict[str, Rows]:
    """Counts per sample, a row per layer: messages and synapses by the projection's, neurons by the population's."""
    names = [p.layer for p in (*network.body.populations, *network.body.projections)]
    rows = {name: np.zeros(ROW) for name in dict.fromkeys(names)}
    for core, layer in enumerate(mapping.core_layer):
        rows[layer][[ACTIVE, EVENTS_OUT]] += totals.cores[core, [ACTIVE, EVENTS_OUT]]
        rows[layer][UPDATES] += totals.updates[core]
    for pair, layer in enumerate(mapping.pair_layer):
        row, counts = rows[layer], totals.pairs[pair]
        row[MESSAGES_IN] += counts[RECEIVED]
        row[SYNOPS_DENSE + mapping.pair_format[pair]] += counts[PAIR_SYNOPS]
        row[WORDS] += counts[PAIR_WORDS]
        if mapping.pair_source[pair] < 0:
            row[INJECTED] += counts[SENT]
            continue
        row[MESSAGES_OUT] += counts[SENT]
        row[HOPS_EAST_WEST] += counts[SENT] * mapping.pair_hops_east_west[pair]
        row[HOPS_NORTH_SOUTH] += counts[SENT] * mapping.pair_hops_north_south[pair]
        row[CHIP_CROSSINGS] += counts[SENT] * mapping.pair_crossings[pair]
    return {name: row / totals.samples for name, row in rows.items()}


def _named(row: Rows) -> dict[str, float]:
    names = (*CORE_COLUMNS, "neuron_updates", "messages_injected")
    counts = {name: float(value) for name, value in zip(names, row, strict=True)}
    counts["synops"] = counts["synops_dense"] + counts["synops_sparse"] + counts["synops_conv"]
    return counts


def _total_counts(totals: Totals, mapping: Mapping) -> dict[str, float]:
    """The whole chip's counts per sample. A message sent is received, dropped, or in flight when the last step ends."""
    counts = _named(_core_rows(totals, mapping).sum(0))
    sent, received = (float(totals.pairs[:, column].sum()) / totals.samples for column in (SENT, RECEIVED))
    return counts | {
        "messages_sent": sent,
        "messages_received": received,
        "messages_dropped": 0.0,
        "messages_in_flight": sent - received,
    }


def _latency(times_us: npt.NDArray[Any] | None, totals: Totals, mapping: Mapping, chip: Chip) -> Figure:
    missing = untimed(totals.cores.sum(0), chip, mapping.tiles)
    note = "; ".join(("mean over samples", "without contention in the mesh", *missing))
    if times_us is None:
        return Figure(None, "emulated", note=note)
    barrier = barrier_ns(mapping.tiles, chip)
    return Figure(
        float(times_us.mean()),
        "emulated",
        source=f"busiest core and barrier ({barrier.value} ns) of each step, {chip.name}",
        note=note,
    )


def _memory_bytes(network: Network, chip: Chip) -> dict[str, int]:
    """Synapse memory taken on all cores, where the program says how many words that is."""
    word_bits = chip.limits.synapse_word_bits.value
    used = [usage.used for core in network.body.cores for usage in core.usage if usage.resource == "synapse_words"]
    return {"synapses": sum(used) * word_bits // 8} if used and word_bits else {}


def _problems(saturation: Counts, network: Network, chip: Chip) -> tuple[Problem, ...]:
    bits = chip.numerics.membrane_bits.value
    knob = "fewer steps, or smaller weights and thresholds" if network.rate else "a coarser scale for this layer"
    return tuple(
        Problem(
            f"core {core.index} (layer '{network.populations[core.population].layer}'): {int(times)} sums exceeded the"
            f" {bits}-bit membrane, first at step {int(first)}",
            knob,
        )
        for core, (times, first) in zip(network.body.cores, saturation, strict=True)
        if times
    )


def _operators(network: Network) -> dict[str, str]:
    """layer -> the kinds of its projections, or of its populations where it has none."""
    kinds: dict[str, list[str]] = {}
    for population in network.body.populations:
        kinds.setdefault(population.layer, [])
    for projection in network.body.projections:
        kinds.setdefault(projection.layer, []).append(projection.kind)
    own = {population.layer: population.kind for population in network.body.populations}
    return {layer: ", ".join(dict.fromkeys(found)) or own[layer] for layer, found in kinds.items()}
