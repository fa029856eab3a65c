"""What one run took, in figures that each say where they come from."""

from __future__ import annotations

from typing import Literal

import msgspec

Basis = Literal["measured", "emulated", "estimated"]
"""`measured` on the machine, `emulated` (counted events x published cost), `estimated` (a formula)."""

ENERGY_PARTS = ("compute", "synapse", "neuron", "memory", "routing", "static", "host", "io")
"""What energy is spent on: compute and memory on a GPU, synapse, neuron and routing on a chip, the rest on both."""


class Figure(msgspec.Struct, frozen=True):
    """A number with its basis; `value` is None where nobody has published what it takes to know it.

    `low` and `high` bound it where its source states a band. `note` says what the number leaves out.
    """

    value: float | None
    basis: Basis
    source: str = ""
    low: float | None = None
    high: float | None = None
    note: str = ""


class Energy(msgspec.Struct, frozen=True):
    """Energy of one sample as a stack. `total` sums the known parts; `uncounted` lists what the total leaves out."""

    total: Figure
    stack: dict[str, Figure]
    uncounted: tuple[str, ...] = ()


class LayerProfile(msgspec.Struct, frozen=True):
    """One layer's share of one sample. `counts` are the machine's own counters (synaptic operations, bytes, ...)."""

    layer: str
    operator: str
    latency_us: float | None
    energy_uj: dict[str, float | None]
    counts: dict[str, float]


class CoreProfile(msgspec.Struct, frozen=True):
    """One core's share of one sample, on a machine that has cores."""

    core: int
    layer: str
    x: int
    y: int
    energy_uj: dict[str, float | None]
    counts: dict[str, float]
    chip: int = 0


class LinkProfile(msgspec.Struct, frozen=True):
    """The messages of one sample that go from the router at (x, y) of a chip to its neighbour."""

    chip: int
    x: int
    y: int
    to_x: int
    to_y: int
    messages: float


class Problem(msgspec.Struct, frozen=True):
    """Why a result is not valid (overload, saturation, dropped events), and the knob to turn."""

    message: str
    knob: str


class Profile(msgspec.Struct, frozen=True):
    """What running `samples` samples in batches of `batch` took, per sample unless a name says otherwise.

    `steps` is the number of time steps per sample on a machine that has them. `fallback` is the one line that says
    that the real machine was absent and what stood in for it. `notes` say how the run was made, where a reader may ask.
    `levels` is the latency at each level of timing up to the one asked for, on a machine that has them.
    """

    machine: str
    device: str
    network: str
    batch: int
    samples: int
    latency_us: Figure
    energy_uj: Energy
    memory_bytes: dict[str, int]
    steps: int | None = None
    valid: bool = True
    problems: tuple[Problem, ...] = ()
    layers: tuple[LayerProfile, ...] = ()
    cores: tuple[CoreProfile, ...] = ()
    links: tuple[LinkProfile, ...] = ()
    counts: dict[str, float] = {}
    levels: dict[str, Figure] = {}
    fallback: str | None = None
    notes: tuple[str, ...] = ()
    versions: dict[str, str] = {}
