"""From counts to a profile: per layer, per core, and in all, each figure per sample."""

from __future__ import annotations

import platform
from collections.abc import Mapping as Table
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from striate_runtime.hardware import Chip, assumed_note
from striate_runtime.neuromorphic.check import Network
from striate_runtime.neuromorphic.costs.barrier import barrier_ns
from striate_runtime.neuromorphic.costs.counts import (
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
    SYNOPS_CONV,
    SYNOPS_DENSE,
    SYNOPS_SPARSE,
    WORDS,
    Counts,
    Mapping,
    Totals,
)
from striate_runtime.neuromorphic.costs.energy import (
    INJECTED,
    ROW,
    UPDATES,
    in_microjoules,
    prices_of,
    spend,
    to_energy,
)
from striate_runtime.neuromorphic.costs.levels import left_out
from striate_runtime.neuromorphic.costs.links import NO_LINKS, Links, link_traffic, links_of
from striate_runtime.neuromorphic.costs.overload import Late
from striate_runtime.neuromorphic.costs.timing import tick_ns, untimed
from striate_runtime.neuromorphic.event_driven.timing import sample_latency
from striate_runtime.neuromorphic.native import STATE_BITS, SUM_SHIFT
from striate_runtime.profile import CoreProfile, Figure, LayerProfile, Problem, Profile
from striate_runtime.program import Program
from striate_runtime.report import quantity

Rows = npt.NDArray[np.float64]

_SOURCES = {
    "simple": "busiest core or link",
    "detailed": "queues before cores, crowded ways",
    "events": "every message from link to link",
}
"""level -> what the duration of a step comes from."""

_NAMES: tuple[str, ...] = (*CORE_COLUMNS, "neuron_updates", "messages_injected", "synops")


@dataclass
class Run:
    """What a run counted: totals, and for each core how often its neurons exceeded the membrane and the first step.

    `step_ns` `[N, steps]` is how long each step takes at the level `simple`, None where that is unknown; `held_ns` for
    how long senders were held up in all at the other levels that were asked for.
    """

    totals: Totals
    saturation: Counts
    step_ns: npt.NDArray[Any] | None = None
    held_ns: dict[str, float] = field(default_factory=dict[str, float])
    late: Late = field(default_factory=Late)


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
        self.pair_injected = mapping.pair_source < 0
        self.of_sent = _of_sent(mapping, self.pair_injected)
        self.versions = {"python": platform.python_version(), "numpy": np.__version__}

    @cached_property
    def links(self) -> Links:
        """The links of the mesh that any pair of cores uses; none where cores are connected directly."""
        if self.chip.topology.routing == "direct":
            return NO_LINKS
        return links_of(self.network.body.cores, self.mapping)

    @property
    def _frames(self) -> int:
        """How many frames a run's sample has: each counts as a sample of the profile."""
        return self.program.inputs[0].shape[0] if self.network.body.coding == "delta" else 1

    def profile(self, run: Run, finer: Table[str, npt.NDArray[Any] | None]) -> Profile:
        """The profile of a run. finer: level -> each step's duration `[N, steps]`, the last of which is the latency."""
        mapping, chip, network = self.mapping, self.chip, self.network
        if self._frames > 1:
            run = replace(run, totals=replace(run.totals, samples=run.totals.samples * self._frames))
        levels = {
            level: self._latency(run, level, step_ns) for level, step_ns in {"simple": run.step_ns, **finer}.items()
        }
        latency = list(levels.values())[-1]
        latency_us = latency.value
        cores, layers = self._core_rows(run.totals), self._layer_rows(run.totals)
        number = max(1, len(cores))
        shares = np.full(len(cores), 1 / number)
        layer_shares = np.bincount(self.core_layer, minlength=len(layers)) / number
        problems = (
            *_saturated(run.saturation, network, chip),
            *run.late.problems(mapping.core_layer, self.links, chip),
        )
        by_core = spend(cores, shares, latency_us, mapping.chips, chip, self.prices)
        by_layer = spend(layers, layer_shares, latency_us, mapping.chips, chip, self.prices)
        core_energies = in_microjoules(by_core, len(cores))
        return Profile(
            machine=self.program.machine,
            device=f"{chip.title}, emulated",
            network=self.program.network,
            batch=1,
            samples=run.totals.samples,
            latency_us=latency,
            levels=levels,
            energy_uj=to_energy(by_layer, layers, latency_us, chip, self.prices, self.assumptions),
            memory_bytes=_memory_bytes(network, chip),
            steps=network.body.steps,
            valid=not problems,
            problems=problems,
            layers=tuple(
                LayerProfile(layer, self.operators[layer], None, energy, counts)
                for layer, energy, counts in zip(
                    self.layers, in_microjoules(by_layer, len(layers)), _named(layers), strict=True
                )
            ),
            cores=tuple(
                CoreProfile(core.index, layer, core.x, core.y, energy, counts, core.chip)
                for core, layer, energy, counts in zip(
                    network.body.cores, mapping.core_layer, core_energies, _named(cores), strict=True
                )
            ),
            links=link_traffic(self.links, run.totals),
            counts=_total_counts(run, cores.sum(0, keepdims=True)),
            notes=(*network.body.uncounted, *self.assumptions),
            versions=self.versions,
        )

    def _latency(self, run: Run, level: str, step_ns: npt.NDArray[Any] | None) -> Figure:
        """How long a sample takes at a level of timing, and what that leaves out."""
        mapping, chip, samples = self.mapping, self.chip, run.totals.samples
        if chip.time.model == "async_event":
            return sample_latency(self.network.body, chip)
        missing = untimed(run.totals.cores.sum(0), chip, mapping.tiles, mapping.chips)
        unknown = f"what has no published time ({', '.join(missing)})"
        without = [*left_out(level, chip, bool(mapping.pair_crossings.any())), *([unknown] if missing else [])]
        note = "; ".join(("mean over samples", *_streams(self.network, self._frames)))
        note += f"; without {' and '.join(without)}" if without else ""
        if run.held_ns.get(level):
            note += f"; senders stand still for {quantity.duration(run.held_ns[level] / samples / 1000)} in all"
        if step_ns is None:
            return Figure(None, "emulated", note=note)
        source = "steps of a fixed length"
        if tick_ns(chip) is None:
            barrier = barrier_ns(mapping.tiles, chip, mapping.chips)
            source = f"{_SOURCES[level]} and barrier ({barrier.value} ns) of each step"
        elif missing:
            note += "; whether all work fits into a tick cannot be told"
        return Figure(float(step_ns.sum()) / samples / 1000, "emulated", source=f"{source}, {chip.name}", note=note)

    def _core_rows(self, totals: Totals) -> Rows:
        """Counts per sample, a row per core; messages injected from outside count where they arrive."""
        mapping = self.mapping
        rows = np.zeros((len(mapping.core_layer), ROW))
        rows[:, :COLUMNS] = totals.cores
        rows[:, UPDATES] = totals.updates
        injected = self.pair_injected
        np.add.at(rows[:, INJECTED], mapping.pair_target[injected], totals.pairs[injected, SENT])
        return rows / totals.samples

    def _layer_rows(self, totals: Totals) -> Rows:
        """Counts per sample, a row per layer: messages and synapses by their projection's, neurons by their own."""
        mapping, pairs = self.mapping, totals.pairs
        rows = np.zeros((len(self.layers), ROW))
        by_core = np.zeros((len(self.core_layer), ROW))
        by_core[:, ACTIVE : EVENTS_OUT + 1] = totals.cores[:, ACTIVE : EVENTS_OUT + 1]
        by_core[:, UPDATES] = totals.updates
        np.add.at(rows, self.core_layer, by_core)
        by_pair = pairs[:, SENT, None] * self.of_sent
        by_pair[:, MESSAGES_IN] = pairs[:, RECEIVED]
        by_pair[:, WORDS] = pairs[:, PAIR_WORDS]
        by_pair[np.arange(len(pairs)), SYNOPS_DENSE + mapping.pair_format] = pairs[:, PAIR_SYNOPS]
        np.add.at(rows, self.pair_layer, by_pair)
        return rows / totals.samples


def _streams(network: Network, frames: int) -> tuple[str, ...]:
    """What a sample is under the coding delta."""
    if network.body.coding != "delta":
        return ()
    steps = network.body.steps
    whole = f"one of {frames} frames that follow each other without a pause, and take {steps} steps in all"
    return (f"a sample is {whole}: no time from a frame to its answer",)


def _of_sent(mapping: Mapping, injected: npt.NDArray[np.bool_]) -> Rows:
    """What each message that a pair sends adds to a row of counts, `[pairs, ROW]`."""
    found = np.zeros((len(injected), ROW))
    found[:, INJECTED] = injected
    found[:, MESSAGES_OUT] = ~injected
    found[:, HOPS_EAST_WEST] = np.where(injected, 0, mapping.pair_hops_east_west)
    found[:, HOPS_NORTH_SOUTH] = np.where(injected, 0, mapping.pair_hops_north_south)
    found[:, CHIP_CROSSINGS] = np.where(injected, 0, mapping.pair_crossings)
    return found


def _named(rows: Rows) -> list[dict[str, float]]:
    """Each row's counts by name, and its synaptic operations in all formats."""
    synops = rows[:, SYNOPS_DENSE] + rows[:, SYNOPS_SPARSE] + rows[:, SYNOPS_CONV]
    return [dict(zip(_NAMES, row, strict=True)) for row in np.column_stack([rows, synops]).tolist()]


def _total_counts(run: Run, whole: Rows) -> dict[str, float]:
    """The whole chip's counts per sample. A message sent is received, dropped, or in flight when the last step ends."""
    totals = run.totals
    sent, arrived = (float(totals.pairs[:, column].sum()) / totals.samples for column in (SENT, RECEIVED))
    dropped = run.late.dropped / totals.samples
    return _named(whole)[0] | {
        "messages_sent": sent,
        "messages_received": arrived - dropped,
        "messages_dropped": dropped,
        "messages_in_flight": sent - arrived,
    }


def _memory_bytes(network: Network, chip: Chip) -> dict[str, int]:
    """Memory taken on all cores, where the program says how many words that is: of synapses, and of planes' neurons."""
    bits = {
        "synapse_words": ("synapses", chip.limits.synapse_word_bits.value),
        "kernel_words": ("synapses", chip.numerics.weight_bits.value),
        "neuron_words": ("neurons", chip.numerics.membrane_bits.value),
    }
    found: dict[str, int] = {}
    for usage in (usage for core in network.body.cores for usage in core.usage):
        name, width = bits.get(usage.resource, ("", None))
        if width:
            found[name] = found.get(name, 0) + usage.used * width
    return {name: number // 8 for name, number in found.items()}


def _saturated(saturation: Counts, network: Network, chip: Chip) -> tuple[Problem, ...]:
    if not saturation[:, 0].any():
        return ()
    numerics = chip.numerics
    bits = numerics.membrane_bits.value if network.native else numerics.membrane_bits_for_weights
    if network.native and chip.crossbar is not None:  # where the integer network's potentials saturate, and its do not
        bits = STATE_BITS - SUM_SHIFT
    if network.by_event:
        knob, when = "a higher threshold, or smaller weights", "its event"
    elif network.rate:
        knob, when = "fewer steps, or smaller weights and thresholds", "step"
    else:
        knob, when = "fewer inputs per neuron, or smaller weights and inputs", "step"
    return tuple(
        Problem(
            f"core {core.index} (layer '{network.populations[core.population].layer}'): {int(times)} sums exceeded the"
            f" {bits}-bit membrane, first at {when} {int(first)}",
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
