"""The messages of one sample, one by one: which core sends each to which, when in its pass, and what it costs there.

A core works through its neurons in the order of their numbers. What its updates take is spread evenly over them; a
neuron that fires adds its spike and its messages where it stands. Messages are worked on in the step in which they
were sent, and take effect when their delay says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from striate_runtime.hardware import Chip
from striate_runtime.neuromorphic.costs.counts import ACTIVE, COLUMNS, MESSAGES_IN, SYNOPS_DENSE, WORDS, Counts
from striate_runtime.neuromorphic.costs.timing import latency_ns, message_times_ns
from striate_runtime.neuromorphic.tables.arrays import LANES, State
from striate_runtime.neuromorphic.tables.build import Built

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Messages:
    """One sample's messages, sorted by step, then by source, then by when they are sent.

    Sources and targets are numbered as `body.cores`; the host, which injects, comes after the last core.
    `source`, `target`, `ready_ns` (after the start of its source's pass), `service_ns` (at its target): `[messages]`.
    `start` i64 `[steps, sources + 1]`: source s sends `start[t, s] : start[t, s + 1]` in step t.
    `pass_ns` `[steps, sources]`: how long each source's pass takes, if nothing holds it up.
    """

    source: Array
    target: Array
    ready_ns: Array
    service_ns: Array
    start: Array
    pass_ns: Array


@dataclass(frozen=True)
class Senders:
    """Of every neuron: its core (the host's number for what lives on none), and where it stands in the core's pass."""

    core: Array
    done: Array
    """The share of the pass that is behind a core when the neuron has been updated."""


def senders_of(built: Built) -> Senders:
    """Where the tables have the neurons."""
    segments, cores = built.tables.segments, len(built.mapping.core_layer)
    core = np.full(len(built.tables.initial) - LANES, cores, np.int64)
    for first, length, own in zip(segments.neuron, segments.length, segments.core, strict=True):
        if own >= 0:
            core[first : first + length] = own
    order = np.argsort(core, kind="stable")
    held = np.bincount(core, minlength=cores + 1)
    rank = np.arange(len(core)) - (np.cumsum(held) - held)[core[order]]
    done = np.empty(len(core))
    done[order] = (rank + 1) / held[core[order]]
    return Senders(core, done)


def messages_of(built: Built, senders: Senders, state: State, counts: Counts, updates: Counts, chip: Chip) -> Messages:
    """What the events send that a run of one sample left in `state`; counts `[steps, cores, COLUMNS]`, and updates.

    The state must hold the events of all steps (tracing.make_room).
    """
    steps, cores = counts.shape[:2]
    parts = [_of_step(built, senders, state, step, cores, chip) for step in range(steps)]
    spikes = np.stack([part.spikes for part in parts])
    number: Array = np.stack([np.bincount(part.source, minlength=cores + 1) for part in parts])
    updating = np.zeros((steps, cores + 1))
    updating[:, :cores] = updates * latency_ns(chip, "neuron_access")
    updating[:, :cores] += counts[..., ACTIVE] * latency_ns(chip, "neuron_update")
    spike, send = latency_ns(chip, "spike_out"), np.full(cores + 1, latency_ns(chip, "axon_out"))
    send[cores] = chip.io.event_in_latency_ns.value or 0.0
    source = np.concatenate([part.source for part in parts])
    by_step: Array = number.sum(1)
    step_of: npt.NDArray[np.int64] = np.repeat(np.arange(steps, dtype=np.int64), by_step)
    starts = np.cumsum(np.append(0, number.reshape(-1)))
    nth = np.arange(len(source)) - starts[step_of * (cores + 1) + source] + 1
    fired = np.concatenate([part.fired for part in parts]) * np.where(source < cores, spike, 0.0)
    done = np.concatenate([part.done for part in parts])
    return Messages(
        source=source.astype(np.int32),
        target=np.concatenate([part.target for part in parts]).astype(np.int32),
        ready_ns=updating[step_of, source] * done + fired + nth * send[source],
        service_ns=np.concatenate([part.service_ns for part in parts]),
        start=np.concatenate([starts[:-1].reshape(steps, cores + 1), starts[cores + 1 :: cores + 1, None]], 1),
        pass_ns=updating + spikes * np.append(np.full(cores, spike), 0.0) + number * send,
    )


@dataclass(frozen=True)
class _Step:
    """The messages of one step. `fired`: how many neurons of the core have fired up to the sender, itself included."""

    source: Array
    target: Array
    fired: Array
    done: Array
    service_ns: Array
    spikes: Array


def _of_step(built: Built, senders: Senders, state: State, step: int, cores: int, chip: Chip) -> _Step:
    tables = built.tables
    populations, projections, accounts = tables.populations, tables.projections, tables.accounts
    slots, neurons = state.event_count.shape[0], len(tables.initial) - LANES
    spikes = np.zeros(cores + 1, np.int64)
    found: list[tuple[Array, ...]] = [(np.zeros(0, np.int64),) * 5]
    for p, events in enumerate(state.event_count[step % slots]):
        first = step % slots * neurons + int(populations.neuron[p])
        fired = np.sort(state.event_neuron[first : first + int(events)])
        core = senders.core[fired]
        nth = _nth_of(core)
        spikes += np.bincount(core, minlength=cores + 1)
        for j in range(populations.projection[p], populations.projection[p + 1]):
            local = fired - populations.neuron[p]
            spans = accounts.span.reshape(-1, 5)[accounts.span_of[projections.entry[j] + local]].astype(np.int64)
            begins, _, pairs, reached, held = spans.T
            entries, event = _spread(held + (local - begins) * reached, reached)
            pair = accounts.span_pair[_spread(pairs, reached)[0]]
            operations, words = accounts.entries.reshape(-1, 2)[entries].T.astype(np.int64)
            rows = np.zeros((len(pair), COLUMNS), np.int64)
            rows[:, MESSAGES_IN], rows[:, WORDS] = 1, words
            rows[np.arange(len(pair)), SYNOPS_DENSE + accounts.pair_format[pair]] = operations
            target = accounts.pair_target[pair]
            found.append((fired[event], core[event], target, nth[event], message_times_ns(rows, chip)))
    neuron, source, target, nth, service_ns = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.lexsort((neuron, source))
    neuron, source, target, nth, service_ns = (a[order] for a in (neuron, source, target, nth, service_ns))
    return _Step(source, target, nth, senders.done[neuron], service_ns, spikes)


def _nth_of(core: Array) -> Array:
    """How many of the events so far are of the same core, this one included."""
    order = np.argsort(core, kind="stable")
    held = np.bincount(core)
    nth = np.empty(len(core), np.int64)
    nth[order] = np.arange(len(core)) - (np.cumsum(held) - held)[core[order]] + 1
    return nth


def _spread(first: Array, length: Array) -> tuple[Array, Array]:
    """The numbers of all ranges from `first` on, one range after the other, and which range each is of."""
    which = np.repeat(np.arange(len(length)), length)
    return np.arange(len(which)) - (np.cumsum(length) - length)[which] + first[which], which
