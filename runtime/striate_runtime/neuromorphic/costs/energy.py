"""What counts cost: a pure function of counts and the chip's description, as a stack over layers or over cores.

Every row (a layer or a core) has a vector of counts; a part of the stack is the sum of its terms, count x cost. A cost
that nobody has published leaves its part without that term, and says so in `uncounted`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from striate_runtime.hardware import Chip, Quantity
from striate_runtime.neuromorphic.costs.counts import (
    ACTIVE,
    CHIP_CROSSINGS,
    COLUMNS,
    EVENTS_OUT,
    HOPS_EAST_WEST,
    HOPS_NORTH_SOUTH,
    MESSAGES_IN,
    MESSAGES_OUT,
    SYNOPS_CONV,
    SYNOPS_DENSE,
    SYNOPS_SPARSE,
    WORDS,
)
from striate_runtime.profile import Energy, Figure

Floats = npt.NDArray[np.float64]

UPDATES, INJECTED = COLUMNS, COLUMNS + 1
ROW = COLUMNS + 2
"""A row of counts is a core's columns, then its neuron updates, then messages injected from outside."""

TERMS = {
    "synapse": (
        (SYNOPS_DENSE, "cost.synop_dense_energy_pj"),
        (SYNOPS_SPARSE, "cost.synop_sparse_energy_pj"),
        (SYNOPS_CONV, "cost.synop_conv_energy_pj"),
    ),
    "neuron": (
        (UPDATES, "cost.neuron_access_energy_pj"),
        (ACTIVE, "cost.neuron_update_energy_pj"),
        (EVENTS_OUT, "cost.spike_out_energy_pj"),
    ),
    "memory": ((WORDS, "cost.synapse_read_energy_pj"),),
    "routing": (
        (MESSAGES_OUT, "cost.axon_out_energy_pj"),
        (HOPS_EAST_WEST, "topology.hop_east_west_energy_pj"),
        (HOPS_NORTH_SOUTH, "topology.hop_north_south_energy_pj"),
        (CHIP_CROSSINGS, "topology.hop_between_chips_energy_pj"),
        (MESSAGES_IN, "cost.axon_in_energy_pj"),
    ),
    "io": ((INJECTED, "io.event_in_energy_pj"),),
}
"""part -> (counter, figure of the description). `static` and `host` are power x time and are added beside these."""

CONTAINED = {
    "per-op": (),
    "all-in dynamic": ("neuron", "memory", "routing"),
    "all-in": ("neuron", "memory", "routing", "static"),
}
"""By the costs' scope, the parts that a synaptic operation's figure already contains."""

_AS_SAID = {"neuron": "neurons", "static": "static power"}

_UJ_PER_PJ = 1e-6
_UJ_PER_MW_US = 1e-3


@dataclass(frozen=True)
class Prices:
    """What one of each counter costs, in uJ: `[ROW, parts of TERMS]`; which parts have any known price, which a band.

    contained: parts that a synaptic operation's figure holds too. unpublished: (counter, what of it has no price).
    """

    value: Floats
    low: Floats
    high: Floats
    known: tuple[bool, ...]
    banded: tuple[bool, ...]
    contained: frozenset[str]
    unpublished: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class Part:
    """One part of the stack in uJ, row by row: value, low and high, each `[rows]`; one array where it has no band."""

    value: Floats
    low: Floats
    high: Floats


def prices_of(chip: Chip) -> Prices:
    """The description's energies as a matrix that counts are multiplied with."""
    value, low, high = (np.zeros((ROW, len(TERMS))) for _ in range(3))
    known: list[bool] = []
    for index, (part, terms) in enumerate(TERMS.items()):
        published = [
            (column, figure_of(chip, path)) for column, path in terms if figure_of(chip, path).value is not None
        ]
        known.append(bool(published) and not _is_contained(part, chip))
        for column, figure in published:
            value[column, index] = (figure.value or 0.0) * _UJ_PER_PJ
            low[column, index] = _edge(figure, figure.low) * _UJ_PER_PJ
            high[column, index] = _edge(figure, figure.high) * _UJ_PER_PJ
    contained = frozenset(part for part in (*TERMS, "static", "host") if _is_contained(part, chip))
    unpublished = tuple(
        (column, f"{part}: {path} is unpublished")
        for part, terms in TERMS.items()
        for column, path in terms
        if figure_of(chip, path).value is None and part not in contained
    )
    banded = tuple(bool(wide) for wide in ((low != value) | (high != value)).any(0))
    return Prices(value, low, high, tuple(known), banded, contained, unpublished)


def spend(
    rows: npt.NDArray[Any], shares: Floats, latency_us: float | None, chips: int, chip: Chip, prices: Prices
) -> dict[str, Part | None]:
    """Energy of each row, by part. rows: counts `[R, ROW]`; shares `[R]`: how static and host power are shared out."""
    value, low, high = rows @ prices.value, None, None
    if any(prices.banded):
        low, high = rows @ prices.low, rows @ prices.high
    parts: dict[str, Part | None] = {}
    for index, part in enumerate(TERMS):
        edges = value[:, index], value[:, index], value[:, index]
        if low is not None and high is not None and prices.banded[index]:
            edges = value[:, index], low[:, index], high[:, index]
        parts[part] = Part(*edges) if prices.known[index] else None
    parts["static"] = _power(chips, shares, latency_us, chip.static.chip_power_mw)
    parts["host"] = _host(chips, shares, latency_us, chip)
    return parts


OF_EVENTS = ("synapse", "neuron", "memory", "routing")
"""The parts of the stack that grow with what happens on the chip."""


def to_energy(
    parts: dict[str, Part | None],
    rows: npt.NDArray[Any],
    latency_us: float | None,
    chip: Chip,
    prices: Prices,
    remarks: tuple[str, ...],
) -> Energy:
    """The stack over all rows with its total, `remarks` beside it, and what it leaves out.

    There is no total where nothing that events cost is known: what is at rest alone would pass for all of it.
    """
    stack = {name: _figure(name, part, chip, prices) for name, part in parts.items()}
    known = [figure for figure in stack.values() if figure.value is not None]
    if all(stack[name].value is None for name in OF_EVENTS) and rows.any():
        note = "what events cost is unpublished, and the rest is no total"
        total = Figure(None, "emulated", note="; ".join([note, *remarks]))
        return Energy(total, stack, _uncounted(rows.sum(0), latency_us, chip, prices))
    total = Figure(
        sum(figure.value or 0.0 for figure in known) if known else None,
        "emulated",
        source=f"counted events x the costs of {chip.name}",
        low=_bound(known, "low"),
        high=_bound(known, "high"),
        note="; ".join([*_proportions(rows.sum(0), chip), *remarks]),
    )
    return Energy(total, stack, _uncounted(rows.sum(0), latency_us, chip, prices))


def in_microjoules(parts: dict[str, Part | None], rows: int) -> list[dict[str, float | None]]:
    """Each row's stack."""
    columns = ([None] * rows if part is None else part.value.tolist() for part in parts.values())
    return [dict(zip(parts, row, strict=True)) for row in zip(*columns, strict=True)]


def figure_of(chip: Chip, path: str) -> Quantity:
    """A figure of the description by its path (`cost.spike_out_energy_pj`)."""
    section, name = path.split(".")
    figure = getattr(getattr(chip, section), name)
    assert isinstance(figure, Quantity), f"{path} is a figure"
    return figure


def _proportions(counts: npt.NDArray[Any], chip: Chip) -> tuple[str, ...]:
    """What an all-in figure per synaptic operation takes for granted, and how far this run is from it."""
    if not CONTAINED[chip.cost.scope]:
        return ()
    neurons = counts[UPDATES] / (chip.policy.neuron_passes.value or 1)
    ratio = counts[[SYNOPS_DENSE, SYNOPS_SPARSE, SYNOPS_CONV]].sum() / neurons if neurons else 0.0
    *parts, last = (_AS_SAID.get(part, part) for part in CONTAINED[chip.cost.scope])
    remark = (
        f"all-in per synaptic operation, so that {', '.join(parts)} and {last} are charged in the proportions of the "
        f"run it was derived from; here there are {ratio:.1f} synaptic operations for each neuron and step"
    )
    return (remark,)


def _is_contained(part: str, chip: Chip) -> bool:
    """Whether a synaptic operation's figure holds this part too: all of it is all-in, or each figure says so."""
    if CONTAINED[chip.cost.scope]:
        return part in CONTAINED[chip.cost.scope]
    figures = [figure_of(chip, path) for _, path in TERMS.get(part, ())]
    return bool(figures) and all(f.value == 0 and f.note.startswith("contained in") for f in figures)


def _power(count: int, shares: Floats, latency_us: float | None, power_mw: Quantity) -> Part | None:
    if latency_us is None or power_mw.value is None:
        return None
    scale = count * latency_us * _UJ_PER_MW_US * shares
    if power_mw.low is None and power_mw.high is None:
        value = scale * power_mw.value
        return Part(value, value, value)
    return Part(scale * power_mw.value, scale * _edge(power_mw, power_mw.low), scale * _edge(power_mw, power_mw.high))


def _host(chips: int, shares: Floats, latency_us: float | None, chip: Chip) -> Part | None:
    """The embedded processors with their clocks running, idle; at most (high), all of them busy all the time."""
    processors = (chip.host.embedded_cpus.value or 0) * chips
    clock = _power(processors, shares, latency_us, chip.host.clock_power_mw)
    if clock is None:
        return None
    busy = _power(processors, shares, latency_us, chip.host.active_power_mw)
    return clock if busy is None else Part(clock.value, clock.low, clock.high + busy.high)


def _figure(name: str, part: Part | None, chip: Chip, prices: Prices) -> Figure:
    if name in prices.contained:
        return Figure(None, "emulated", note="contained in synapse")
    if part is None:
        return Figure(None, "emulated", note="unpublished")
    value = low = high = float(part.value.sum())
    if part.low is not part.value or part.high is not part.value:
        low, high = float(part.low.sum()), float(part.high.sum())
    note = "clocks running, processors idle; high: all busy" if name == "host" else ""
    if name == "synapse" and (parts := CONTAINED[chip.cost.scope]):
        note = f"contains {', '.join(parts[:-1])} and {parts[-1]}"
    banded = low < value or high > value
    return Figure(value, "emulated", low=low if banded else None, high=high if banded else None, note=note)


def _uncounted(counts: npt.NDArray[Any], latency_us: float | None, chip: Chip, prices: Prices) -> tuple[str, ...]:
    """What happened but has no published cost; the description says where one was looked for."""
    missing = [remark for column, remark in prices.unpublished if counts[column]]
    powers = ("static.chip_power_mw", "host.clock_power_mw")
    missing += [
        f"{path.split('.')[0]}: {path} is unpublished"
        for path in powers
        if figure_of(chip, path).value is None and path.split(".")[0] not in prices.contained
    ]
    if latency_us is None:
        missing.append("static and host: the time they flow is unknown")
    crossing = chip.topology.hop_between_chips_energy_pj
    if counts[CHIP_CROSSINGS] and crossing.value is None and _is_contained("routing", chip):
        missing.append(
            "routing: topology.hop_between_chips_energy_pj is unpublished, and the all-in figure may not contain it"
        )
    barrier = chip.cost.barrier_energy_pj
    meets = chip.time.model != "async_event"
    if meets and barrier.value is None and "routing" not in prices.contained:
        missing.append("routing: cost.barrier_energy_pj is unpublished")
    return tuple(missing)


def _bound(figures: list[Figure], edge: str) -> float | None:
    """The sum of the figures' lows (or highs), each figure's value where it has no band; None where none has one."""
    edges: list[float | None] = [getattr(figure, edge) for figure in figures]
    if all(known is None for known in edges):
        return None
    return sum(figure.value or 0.0 if known is None else known for figure, known in zip(figures, edges, strict=True))


def _edge(figure: Quantity, edge: float | None) -> float:
    return edge if edge is not None else figure.value or 0.0
