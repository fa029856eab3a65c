"""How long a step takes: a pure function of counts and the chip's description.

A core works through its neurons (updates, spikes, messages sent) and through its arriving messages (synaptic
operations, words read); the step lasts as long as the busiest core and the barrier after it. Contention in the mesh is
not modelled.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from striate_runtime.hardware import Chip, Quantity
from striate_runtime.neuromorphic.barrier import barrier_ns, untimed_between_chips
from striate_runtime.neuromorphic.counts import (
    ACTIVE,
    EVENTS_OUT,
    MESSAGES_IN,
    MESSAGES_OUT,
    SYNOPS_CONV,
    SYNOPS_DENSE,
    SYNOPS_SPARSE,
    WORDS,
    Counts,
)

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


def step_times_ns(counts: Counts, updates: Counts, tiles: int, chip: Chip, chips: int = 1) -> Times | None:
    """Each step in ns `[N, steps]`, from counts `[N, steps, cores, COLUMNS]` and updates `[N, steps, cores]`.

    None where the chip's description has no figure for any kind of work.
    """
    if not _known(chip):
        return None
    messages = _work(counts, MESSAGE_TERMS, chip)
    neurons = _work(counts, NEURON_TERMS, chip) + updates * (_latency(chip, "neuron_access").value or 0.0)
    cores = np.maximum(messages, neurons) if chip.time.overlap == "max" else messages + neurons
    return cores.max(axis=2, initial=0.0) + (barrier_ns(tiles, chip, chips).value or 0.0)


def untimed(counts: Counts, chip: Chip, tiles: int, chips: int = 1) -> tuple[str, ...]:
    """Work that was done but that no published time exists for. `counts` is a row of totals `[COLUMNS]`."""
    terms = [(name, counts[column]) for column, name in (*MESSAGE_TERMS, *NEURON_TERMS)]
    missing = [name for name, count in [*terms, ("neuron_access", 1)] if count and _latency(chip, name).value is None]
    barrier = ["barrier"] if barrier_ns(tiles, chip, chips).value is None else []
    return (*(name.replace("_", " ") for name in [*missing, *barrier]), *untimed_between_chips(chip, chips))


def _work(counts: Counts, terms: tuple[tuple[int, str], ...], chip: Chip) -> Times:
    total = np.zeros(counts.shape[:3])
    for column, name in terms:
        latency_ns = _latency(chip, name).value
        if latency_ns:
            total += counts[..., column] * latency_ns
    return total


def _known(chip: Chip) -> bool:
    names = [name for _, name in (*MESSAGE_TERMS, *NEURON_TERMS)]
    return any(_latency(chip, name).value is not None for name in [*names, "neuron_access"])


def _latency(chip: Chip, name: str) -> Quantity:
    latency = getattr(chip.cost, f"{name}_latency_ns")
    assert isinstance(latency, Quantity), f"cost.{name}_latency_ns is a figure"
    return latency
