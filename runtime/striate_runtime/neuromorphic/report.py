"""From counts to a profile: per layer, per core, and in all, each figure per sample."""

from __future__ import annotations

import platform
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from striate_runtime.hardware import Chip, assumed_note
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
from striate_runtime.neuromorphic.energy import INJECTED, ROW, UPDATES, in_microjoules, prices_of, spend, to_energy
from striate_runtime.neuromorphic.links import link_traffic
from striate_runtime.neuromorphic.timing import barrier_ns, untimed
from striate_runtime.profile import CoreProfile, Figure, LayerProfile, Problem, Profile
from striate_runtime.program import Program

Rows = npt.NDArray[np.float64]

_NAMES: tuple[str, ...] = (*CORE_COLUMNS, "neuron_updates", "messages_injected")


@dataclass
class Run:
    """What a run counted: totals, and for each core how often its neurons exceeded the membrane and the first step."""

    totals: Totals
    saturation: Counts


class Reporter:
    """Turns the counts of runs of one program on one chip into profiles."""

    def __init__(self, program: Program, network: Network, mapping: Mapping, chip: Chip) -> None:
        self.program, self.network, self.mapping, self.chip = program, network, mapping, chip
        self.prices = prices_of(chip)
        self.assumptions = assumed_note(chip, chip.title)
        self.operators = _operators(network)
        self.layers = tuple(self.operators)
        place = {layer: index for index, layer in enumerate(self.layers)}
        self.core_layer = np.array([place[layer] for layer in mapping.core_layer], np.int64)
        self.pair_layer = np.array([place[layer] for layer in mapping.pair_layer], np.int64)

    def profile(self, run: Run, times_us: npt.NDArray[Any] | None) -> Profile:
        """The profile of a run. times_us: each sample's duration `[N]`, or None where the chip's is unknown."""
        mapping, chip, network = self.mapping, self.chip, self.network
        frames = self.program.inputs[0].shape[0] if network.body.coding == "delta" else 1
        run = replace(run, totals=replace(run.totals, samples=run.totals.samples * frames))
        times_us = None if times_us is None else times_us / frames
        latency_us = None if times_us is None else float(times_us.mean())
        cores, layers = self._core_rows(run.totals), self._layer_rows(run.totals)
        number = max(1, len(cores))
        shares = np.full(len(cores), 1 / number)
        layer_shares = np.bincount(self.core_layer, minlength=len(layers)) / number
        by_core = spend(cores, shares, latency_us, mapping.chips, chip, self.prices)
        by_layer = spend(layers, layer_shares, latency_us, mapping.chips, chip, self.prices)
        core_energies = in_microjoules(by_core, len(cores))
        return Profile(
            machine=self.program.machine,
            device=f"{chip.title}, emulated",
            network=self.program.network,
            batch=1,
            samples=run.totals.samples,
            latency_us=_latency(times_us, run.totals, mapping, chip, _streams(network, frames)),
            energy_uj=to_energy(by_layer, layers, latency_us, chip, self.prices, self.assumptions),
            memory_bytes=_memory_bytes(network, chip),
            steps=network.body.steps,
            valid=not run.saturation[:, 0].any(),
            problems=_problems(run.saturation, network, chip),
            layers=tuple(
                LayerProfile(layer, self.operators[layer], None, energy, _named(row))
                for layer, energy, row in zip(
                    self.layers, in_microjoules(by_layer, len(layers)), layers.tolist(), strict=True
                )
            ),
            cores=tuple(
                CoreProfile(core.index, layer, core.x, core.y, energy, _named(row), core.chip)
                for core, layer, energy, row in zip(
                    network.body.cores, mapping.core_layer, core_energies, cores.tolist(), strict=True
                )
            ),
            links=link_traffic(network.body.cores, mapping, run.totals),
            counts=_total_counts(run.totals, cores.sum(0).tolist()),
            notes=(*network.body.uncounted, *self.assumptions),
            versions={"python": platform.python_version(), "numpy": np.__version__},
        )

    def _core_rows(self, totals: Totals) -> Rows:
        """Counts per sample, a row per core; messages injected from outside count where they arrive."""
        mapping = self.mapping
        rows = np.zeros((len(mapping.core_layer), ROW))
        rows[:, :COLUMNS] = totals.cores
        rows[:, UPDATES] = totals.updates
        injected = mapping.pair_source < 0
        np.add.at(rows[:, INJECTED], mapping.pair_target[injected], totals.pairs[injected, SENT])
        return rows / totals.samples

    def _layer_rows(self, totals: Totals) -> Rows:
        """Counts per sample, a row per layer: messages and synapses by their projection's, neurons by their own."""
        mapping, pairs = self.mapping, totals.pairs
        rows = np.zeros((len(self.layers), ROW))
        by_core = np.zeros((len(self.core_layer), ROW))
        by_core[:, [ACTIVE, EVENTS_OUT]] = totals.cores[:, [ACTIVE, EVENTS_OUT]]
        by_core[:, UPDATES] = totals.updates
        np.add.at(rows, self.core_layer, by_core)
        by_pair = np.zeros((len(self.pair_layer), ROW))
        by_pair[:, MESSAGES_IN] = pairs[:, RECEIVED]
        by_pair[:, WORDS] = pairs[:, PAIR_WORDS]
        by_pair[np.arange(len(pairs)), SYNOPS_DENSE + mapping.pair_format] = pairs[:, PAIR_SYNOPS]
        injected = mapping.pair_source < 0
        sent = np.where(injected, 0, pairs[:, SENT])
        by_pair[:, INJECTED] = np.where(injected, pairs[:, SENT], 0)
        by_pair[:, MESSAGES_OUT] = sent
        by_pair[:, HOPS_EAST_WEST] = sent * mapping.pair_hops_east_west
        by_pair[:, HOPS_NORTH_SOUTH] = sent * mapping.pair_hops_north_south
        by_pair[:, CHIP_CROSSINGS] = sent * mapping.pair_crossings
        np.add.at(rows, self.pair_layer, by_pair)
        return rows / totals.samples


def _streams(network: Network, frames: int) -> tuple[str, ...]:
    """What a sample is under the coding delta."""
    if network.body.coding != "delta":
        return ()
    steps = network.body.steps
    whole = f"one of {frames} frames that follow each other without a pause, and take {steps} steps in all"
    return (f"a sample is {whole}: no time from a frame to its answer",)


def _named(row: list[float]) -> dict[str, float]:
    counts = dict(zip(_NAMES, row, strict=True))
    counts["synops"] = counts["synops_dense"] + counts["synops_sparse"] + counts["synops_conv"]
    return counts


def _total_counts(totals: Totals, row: list[float]) -> dict[str, float]:
    """The whole chip's counts per sample. A message sent is received, dropped, or in flight when the last step ends."""
    sent, received = (float(totals.pairs[:, column].sum()) / totals.samples for column in (SENT, RECEIVED))
    return _named(row) | {
        "messages_sent": sent,
        "messages_received": received,
        "messages_dropped": 0.0,
        "messages_in_flight": sent - received,
    }


def _latency(
    times_us: npt.NDArray[Any] | None, totals: Totals, mapping: Mapping, chip: Chip, streams: tuple[str, ...]
) -> Figure:
    missing = untimed(totals.cores.sum(0), chip, mapping.tiles)
    without = ["contention in the mesh", *([f"what has no published time ({', '.join(missing)})"] if missing else [])]
    note = "; ".join(("mean over samples", *streams, f"without {' and '.join(without)}"))
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
    numerics = chip.numerics
    bits = numerics.membrane_bits.value if network.native else numerics.membrane_bits_for_weights
    knob = (
        "fewer steps, or smaller weights and thresholds"
        if network.rate
        else "fewer inputs per neuron, or smaller weights and inputs"
    )
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
