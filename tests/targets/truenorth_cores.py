"""A program's cores as TrueNorth has them, and a simulation of those, tick by tick; from the chip's description alone.

A core is 256 axons, each of a type; a bit for each axon and neuron; neurons with a strength for each type, a leak, a
threshold, a reset, and one axon of one core (or the host) that they send to after 1 to 15 ticks. Nothing here knows of
populations once the cores are built: what copies and axons there are follows from weights and geometry alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from striate_runtime.program import Program
from striate_runtime.program.neuromorphic import Core, NeuromorphicBody, Population, Projection

Array = npt.NDArray[Any]

Weights = dict[tuple[int, int], tuple[int, int]]
"""(source neuron, target neuron), channels last -> (weight, bits)."""

HOST = (-1, 0)
AXONS = NEURONS = 256
LONGEST_DELAY = 15


@dataclass
class Slot:
    """One neuron of a core. `of`: the population and neuron that it is, or is a copy of."""

    of: tuple[str, int]
    strengths: list[int]
    threshold: int
    leak: int
    subtracts: bool
    potential: int
    wakes: int
    to: tuple[int, int] | None = None
    delay: int = 1


@dataclass
class Crossbar:
    """One core: the type of each axon, the neurons that each axon has a bit for, and the neurons."""

    types: list[int] = field(default_factory=list[int])
    rows: list[list[int]] = field(default_factory=list[list[int]])
    slots: list[Slot] = field(default_factory=list[Slot])


@dataclass
class Chip:
    """All cores, and the axons that each number of each input is injected into: (core, axon, delay)."""

    cores: list[Crossbar]
    injected: dict[tuple[str, int], list[tuple[int, int, int]]]


@dataclass
class Ran:
    """What happened: ticks in which each neuron fired, and the counts."""

    spikes: dict[tuple[str, int], list[int]]
    bits: int = 0
    sent: int = 0
    injected: int = 0
    received: int = 0
    updates: int = 0
    to_host: int = 0


def weights_between(program: Program, p: Projection, source: Population, target: Population) -> Weights:
    """The weights between two populations, by the definition of each kind of projection."""
    weights = np.ones(source.shape[0], int) if p.weights is None else program.arrays[p.weights].astype(int)
    assert p.bits is not None, "every projection onto cores has bits"
    bits = program.arrays[p.bits].astype(int)
    (cs, hs, ws), (ct, ht, wt) = source.shape, target.shape
    found: Weights = {}
    if p.kind == "dense":
        for s, t in np.ndindex(weights.shape):
            found[s, t] = int(weights[s, t]), int(bits[s, t])
        return found
    if p.kind == "one_to_one":
        for y, x, c in np.ndindex(hs, ws, cs):
            s = (y * ws + x) * cs + c
            t = (y * wt + x) * ct + c + p.channel_offset if (hs, ws) == (ht, wt) else s
            found[s, t] = int(weights[c]), int(bits[c])
        return found
    left, _, top, _ = p.padding
    for oy, ox, ky, kx in np.ndindex(ht, wt, *p.kernel):
        y, x = oy * p.stride[0] + ky * p.dilation[0] - top, ox * p.stride[1] + kx * p.dilation[1] - left
        if not (0 <= y < hs and 0 <= x < ws):
            continue
        for c in range(cs):
            s = (y * ws + x) * cs + c
            if p.kind == "window":
                found[s, (oy * wt + ox) * ct + c + p.channel_offset] = int(weights[c]), int(bits[c])
                continue
            group, within = divmod(c, cs // p.groups)
            for o in range(group * (ct // p.groups), (group + 1) * (ct // p.groups)):
                found[s, (oy * wt + ox) * ct + o] = int(weights[ky, kx, within, o]), int(bits[ky, kx, within, o])
    return found


def neurons_of(core: Core, shape: tuple[int, int, int]) -> list[int]:
    """The neurons of a block, channels last."""
    return [
        (y * shape[2] + x) * shape[0] + c
        for y in range(*core.rows)
        for x in range(*core.columns)
        for c in range(*core.channels)
    ]


def build(program: Program) -> Chip:
    """The chip that a program describes."""
    body = msgspec.convert(program.body, NeuromorphicBody)
    populations = {p.name: p for p in body.populations}
    axons: dict[tuple[int, str, int, int], int] = {}
    cores = [Crossbar() for _ in body.cores]
    fed: dict[tuple[str, int], list[tuple[int, int, int]]] = {}
    wanted: list[dict[int, set[int]]] = [{} for _ in body.cores]
    for p in body.projections:
        source, target = populations[p.source], populations[p.target]
        if target.counted_by_host:
            assert p.kind == "one_to_one"
            assert p.weights is None
            for n in range(int(np.prod(source.shape))):
                fed.setdefault((source.name, n), []).append((*HOST, p.delay))
            continue
        strengths = program.arrays[target.strengths or ""].astype(int)
        home = {n: at for at, core in enumerate(body.cores) if core.population == target.name
                for n in neurons_of(core, target.shape)}  # fmt: skip
        for (s, t), (weight, bits) in weights_between(program, p, source, target).items():
            mine = [g for g in range(strengths.shape[1]) if bits >> g & 1]
            assert weight == sum(strengths[t % target.shape[0], g] for g in mine), "a weight is its strengths' sum"
            for g in mine:
                key = home[t], p.name, s, g
                if key not in axons:
                    core = cores[home[t]]
                    axons[key] = len(core.types)
                    core.types.append(g)
                    fed.setdefault((source.name, s), []).append((home[t], axons[key], p.delay))
                wanted[home[t]].setdefault(axons[key], set()).add(t)
    read = {name for name in body.outputs.values() if not populations[name].counted_by_host}
    for at, core in enumerate(body.cores):
        population = populations[core.population]
        rows: list[list[int]] = [[] for _ in cores[at].types]
        for n in neurons_of(core, population.shape):
            ends: list[Any] = list(fed.get((population.name, n), []))
            ends += [(*HOST, 1)] if population.name in read else []
            for end in ends or [None]:
                slot = slot_of(program, population, n)
                if end is not None:
                    slot.to, slot.delay = (end[0], end[1]), end[2]
                    assert 1 <= slot.delay <= LONGEST_DELAY
                for axon, targets in wanted[at].items():
                    if n in targets:
                        rows[axon].append(len(cores[at].slots))
                cores[at].slots.append(slot)
        cores[at].rows = rows
        assert len(cores[at].types) <= AXONS
        assert len(cores[at].slots) <= NEURONS
    inputs = set(body.inputs.values())
    return Chip(cores, {key: ends for key, ends in fed.items() if key[0] in inputs})


def slot_of(program: Program, population: Population, n: int) -> Slot:
    """One neuron with the chip's own parameters."""

    def of(name: str | None, default: int = 0) -> int:
        return default if name is None else int(program.arrays[name][n % population.shape[0]])

    strengths = program.arrays[population.strengths or ""][n % population.shape[0]].astype(int).tolist()
    assert len(strengths) <= 4
    assert all(-255 <= s <= 255 for s in strengths)
    threshold, leak, start = of(population.threshold), of(population.bias), of(population.initial)
    subtracts = True
    if population.kind == "cuba_lif":  # v > threshold of 64ths: whole numbers, at v >= threshold + 1, or from 1 64th on
        assert of(population.current_decay) == 4095
        assert of(population.voltage_decay) == 0
        assert leak % 64 == 0
        subtracts = population.reset == "subtract"
        assert start == int(subtracts)
        threshold, leak, start = threshold + (not subtracts), leak // 64, 0
    return Slot((population.name, n), strengths, threshold, leak, subtracts, start, population.fires_at)


def simulate(chip: Chip, given: dict[tuple[str, int], list[int]], ticks: int) -> Ran:
    """Run a chip. given: the ticks in which the host sends a spike of each number of each input."""
    arriving: list[set[tuple[int, int]]] = [set() for _ in range(ticks + LONGEST_DELAY + 1)]
    ran = Ran({})
    for key, sent in given.items():
        for tick in sent:
            for core, axon, delay in chip.injected.get(key, ()):
                ran.injected += 1
                arriving[tick + delay].add((core, axon))
    for tick in range(ticks):
        sums = [[0] * len(core.slots) for core in chip.cores]
        for at, axon in arriving[tick]:
            core = chip.cores[at]
            ran.received += 1
            ran.bits += len(core.rows[axon])
            for j in core.rows[axon]:
                sums[at][j] += core.slots[j].strengths[core.types[axon]]
        for core, row in zip(chip.cores, sums, strict=True):
            fired: dict[tuple[str, int], set[bool]] = {}
            for slot, total in zip(core.slots, row, strict=True):
                ran.updates += 1
                if tick < slot.wakes:
                    assert total == 0, "nothing arrives before a population begins"
                    continue
                slot.potential += total + slot.leak
                fires = slot.potential >= slot.threshold
                fired.setdefault(slot.of, set()).add(fires)
                if not fires:
                    continue
                slot.potential = slot.potential - slot.threshold if slot.subtracts else 0
                if slot.to is None:
                    continue
                if slot.to == HOST:
                    ran.to_host += 1
                    continue
                ran.sent += 1
                assert slot.to not in arriving[tick + slot.delay], "an axon is on or off"
                arriving[tick + slot.delay].add(slot.to)
            for of, answers in fired.items():
                assert len(answers) == 1, "copies fire alike"
                if answers == {True}:
                    ran.spikes.setdefault(of, []).append(tick)
    return ran
