"""How long a step takes at the level `simple`: a pure function of counts and the chip's description.

A core works through its neurons (updates, spikes, messages sent) and through its arriving messages (synaptic
operations, words read). A step lasts as long as the busiest core or the heaviest link, and the barrier after it; on a
chip with ticks it lasts a tick. Where messages wait for each other is what the levels of levels.py add.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from striate_runtime.hardware import Chip, Quantity
from striate_runtime.neuromorphic.costs.barrier import barrier_ns, untimed_between_chips
from striate_runtime.neuromorphic.costs.counts import (
    ACTIVE,
    EVENTS_OUT,
    MESSAGES_IN,
    MESSAGES_OUT,
    SYNOPS_CONV,
    SYNOPS_DENSE,
    SYNOPS_SPARSE,
    WORDS,
    Counts,
    Mapping,
)
from striate_runtime.neuromorphic.costs.links import Links

Times = npt.NDArray[Any]

MESSAGE_TERMS = (
    (MESSAGES_IN, "axon_in"),
    (SYNOPS_DENSE, "synop_dense"),
    (SYNOPS_SPARSE, "synop_sparse"),
    (SYNOPS_CONV, "synop_conv"),
    (WORDS, "synapse_read"),
)
"""What arriving messages cost a core: (counter, cost)."""

NEURON_TERMS = ((ACTIVE, "neuron_update"), (EVENTS_OUT, "spike_out"), (MESSAGES_OUT, "axon_out"))
"""What neurons cost a core besides `neuron_access` at every update."""

_NS_PER_MS = 1e6


class StepCosts(NamedTuple):
    """What the kernel needs to know to tell how long the busiest core or link of a step works. All in ns.

    `messages` and `neurons` are the costs of MESSAGE_TERMS and NEURON_TERMS, whose counters follow each other.
    A core has `slots` updates in a step and `passes` more for each active neuron, of `access` each. Link k is used by
    the pairs `link_pairs[link_first[k] : link_first[k + 1]]`, and taken by each message for `link`.
    """

    messages: Times
    neurons: Times
    access: float
    slots: npt.NDArray[np.int64]
    passes: int
    in_turn: bool
    link: float
    link_first: npt.NDArray[np.int64]
    link_pairs: npt.NDArray[np.int64]


def step_costs(chip: Chip, mapping: Mapping, links: Links | None) -> StepCosts:
    """The description's costs. links: of the mesh, None where no link's rate is published."""
    policy, passes = chip.policy, chip.policy.neuron_passes.value or 1
    every_step = policy.neuron_update == "every_step"
    return StepCosts(
        messages=np.array([latency_ns(chip, name) for _, name in MESSAGE_TERMS]),
        neurons=np.array([latency_ns(chip, name) for _, name in NEURON_TERMS]),
        access=float(latency_ns(chip, "neuron_access")),
        slots=mapping.core_slots * passes if every_step else np.zeros_like(mapping.core_slots),
        passes=0 if every_step else passes,
        in_turn=chip.time.overlap == "sum",
        link=float(link_time_ns(chip) or 0.0),
        link_first=np.zeros(1, np.int64) if links is None else links.first,
        link_pairs=np.zeros(0, np.int64) if links is None else links.pairs,
    )


def core_times_ns(counts: Counts, updates: Counts, chip: Chip) -> Times | None:
    """How long each core works `[N, steps, cores]`, from counts `[N, steps, cores, COLUMNS]` and updates.

    None where the chip's description has no figure for any kind of work.
    """
    if not is_timed(chip):
        return None
    messages = message_times_ns(counts, chip)
    neurons = _work(counts, NEURON_TERMS, chip) + updates * latency_ns(chip, "neuron_access")
    return messages + neurons if chip.time.overlap == "sum" else np.maximum(messages, neurons)


def message_times_ns(counts: Counts, chip: Chip) -> Times:
    """How long each core works on what arrives `[N, steps, cores]`."""
    return _work(counts, MESSAGE_TERMS, chip)


def link_time_ns(chip: Chip) -> float | None:
    """How long a link is taken by one message: none carries more than its router's published rate."""
    rate = chip.topology.tile_gspikes_per_s
    return None if rate is None or not rate.value else 1 / rate.value


def step_times_ns(busiest: Times, tiles: int, chip: Chip, chips: int = 1) -> Times | None:
    """Each step `[N, steps]`, from how long the busiest core or link of each works `[N, steps]`; None for unknown."""
    if not is_timed(chip) or chip.time.model == "async_event":
        return None
    if chip.time.model == "fixed_tick":
        return np.full(busiest.shape, tick_ns(chip))
    return busiest + (barrier_ns(tiles, chip, chips).value or 0.0)


def tick_ns(chip: Chip) -> float | None:
    """How long a step lasts where all last alike; None where they do not, or where that is unpublished."""
    tick = chip.time.tick_ms
    return None if tick is None or tick.value is None else tick.value * _NS_PER_MS


def untimed(counts: Counts, chip: Chip, tiles: int, chips: int = 1) -> tuple[str, ...]:
    """Work that was done but that no published time exists for. `counts` is a row of totals `[COLUMNS]`."""
    terms = [(name, counts[column]) for column, name in (*MESSAGE_TERMS, *NEURON_TERMS)]
    missing = [name for name, count in [*terms, ("neuron_access", 1)] if count and _latency(chip, name).value is None]
    barrier = ["barrier"] if chip.time.barrier and barrier_ns(tiles, chip, chips).value is None else []
    return (*(name.replace("_", " ") for name in [*missing, *barrier]), *untimed_between_chips(chip, chips))


def is_timed(chip: Chip) -> bool:
    """Whether the description says how long any kind of work takes, or that every step takes a tick."""
    names = [name for _, name in (*MESSAGE_TERMS, *NEURON_TERMS)]
    return tick_ns(chip) is not None or any(
        _latency(chip, name).value is not None for name in [*names, "neuron_access"]
    )


def latency_ns(chip: Chip, name: str) -> float:
    """The time of one of the costs, 0 where it is unpublished (`untimed` names it then)."""
    return _latency(chip, name).value or 0.0


def _work(counts: Counts, terms: tuple[tuple[int, str], ...], chip: Chip) -> Times:
    total = np.zeros(counts.shape[:-1])
    for column, name in terms:
        if latency_ns(chip, name):
            total += counts[..., column] * latency_ns(chip, name)
    return total


def _latency(chip: Chip, name: str) -> Quantity:
    latency = getattr(chip.cost, f"{name}_latency_ns")
    assert isinstance(latency, Quantity), f"cost.{name}_latency_ns is a figure"
    return latency
