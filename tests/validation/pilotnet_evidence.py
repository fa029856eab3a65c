"""The emulated chip beside the published PilotNet-LIF measurements: traces, counters, step times, energy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pilotnet import INPUT_SHAPE, RUN_PERIOD, SLABS, TRACE_PERIOD, TRACE_STEPS, TRACES, Layer, pilotnet, read_columns

from striate_runtime.device import open_device
from striate_runtime.neuromorphic.chip import EmulatedChip
from striate_runtime.neuromorphic.costs.counts import EVENTS_OUT, SYNOPS_CONV, SYNOPS_DENSE
from striate_runtime.profile import Profile
from striate_runtime.program import Program

Array = npt.NDArray[Any]

REFRACTORY = 128
"""What a published potential shows where the neuron has just fired; the emulator's is 0 there."""

RUN_STEPS, STEADY_STEPS, PUBLISHED_STEPS = 192, 128, 10_000
"""Steps run; the last of them that are averaged (8 periods); steps that the published counters are totals of."""

FIRST_RESET = 2
"""Step of the first layer's reset in the run, from 0. Fitted to the step times; counters do not depend on it."""

LARGEST_OFFSET = 3
"""Published step time b is the emulator's step b + offset; of one period's offsets, the one that fits best is taken."""

DYNAMIC_UJ_PER_STEP = 1_093.544 / 16
"""Published dynamic energy of a frame of 16 steps."""

COUNTS_PER_READING = 5.2e6
"""How exactly the published counters could be read off their plots."""


@dataclass(frozen=True)
class Compared:
    """One published trace (u, v or spikes of a layer) and how many of its values differ."""

    layer: str
    what: str
    values: int
    mismatches: int


def compare_traces(layers: list[Layer]) -> list[Compared]:
    """Every published trace of the 24 steps."""
    program = pilotnet(layers, TRACE_STEPS, period=TRACE_PERIOD, first_reset=1, latency=1)
    given = np.load(TRACES / "input.npy").transpose(3, 2, 1, 0).astype(np.uint8)
    device = _chip(program)
    at = device.run_at_steps({"input": given[None]}, range(1, TRACE_STEPS + 1))

    def over_time(port: str) -> Array:
        return np.stack([at[step][port][0] for step in range(1, TRACE_STEPS + 1)])

    rows: list[Compared] = []
    for layer in layers:
        spikes = np.diff(over_time(f"{layer.name}.spike_count"), axis=0, prepend=0)
        potential = np.where(spikes == 1, REFRACTORY, over_time(f"{layer.name}.potential"))
        own = {"u": over_time(f"{layer.name}.current"), "v": potential, "spikes": spikes}
        for what, values in own.items():
            published = _published(layer, what)
            if published is not None:
                rows.append(Compared(layer.name, what, values.size, int((values != published).sum())))
    return rows


def _published(layer: Layer, what: str) -> Array | None:
    """[steps, C, H, W]; None where the trace was not published."""
    names = {"u": (f"{layer.name}-u",), "v": (f"{layer.name}-v",), "spikes": (layer.name, f"{layer.name}-s")}[what]
    paths = [path for name in names if (path := TRACES / f"{name}.npy").exists()]
    if not paths:
        return None
    values = np.load(paths[0])[..., :TRACE_STEPS]
    return values.transpose(3, 2, 1, 0) if values.ndim == 4 else values.T.reshape(TRACE_STEPS, *layer.shape)


@dataclass(frozen=True)
class Counter:
    """One core's counter over 10,000 steps, emulated and measured."""

    core: int
    layer: str
    last_slab: bool
    emulated: float
    measured: float

    @property
    def error(self) -> float:
        """Relative to what was measured."""
        return self.emulated / self.measured - 1


@dataclass(frozen=True)
class Run:
    """The run on the chip, whose input was silent: counters by core, the time of each step, a mean step's energy."""

    synops: list[Counter]
    updates: list[Counter]
    step_us: Array
    synops_per_step: float
    energy_uj: tuple[float, float, float]
    """Least, stated, most."""


def run_silent(layers: list[Layer], latency: int) -> Run:
    """The bias-driven run with so many steps of latency per layer."""
    program = _silent(layers, RUN_STEPS, latency)
    device = _chip(program)
    silence = {"input": np.zeros((1, RUN_STEPS, *INPUT_SHAPE), np.uint8)}
    counts, updates = device.step_counts(silence)
    times = device.step_times_ns(silence)
    assert times is not None, "loihi2 says how long a synaptic operation takes"
    synops = counts[0, :, :, SYNOPS_DENSE : SYNOPS_CONV + 1].sum(2)
    updated = updates[0] + counts[0, :, :, EVENTS_OUT]
    energies = [_energy(_profile(layers, steps, latency)) for steps in (RUN_STEPS, RUN_STEPS - STEADY_STEPS)]
    least, stated, most = ((a - b) / STEADY_STEPS for a, b in zip(*energies, strict=True))
    return Run(
        synops=_counters(program, synops, column=0),
        updates=_counters(program, updated, column=1),
        step_us=times[0] / 1000,
        synops_per_step=float(synops[-STEADY_STEPS:].sum(1).mean()),
        energy_uj=(least, stated, most),
    )


def measured_step_us() -> Array:
    """The published 128 step times."""
    return np.array([row[0] for row in read_columns("pilotnet_snn_time_per_step.csv").values()], np.float64)


def step_errors_us(run: Run) -> tuple[int, Array]:
    """The offset that fits best, and emulated less measured for each published step time."""
    measured = measured_step_us()
    errors = [run.step_us[offset : offset + len(measured)] - measured for offset in range(LARGEST_OFFSET + 1)]
    best = min(range(len(errors)), key=lambda offset: float(np.abs(errors[offset]).mean()))
    return best, errors[best]


def _counters(program: Program, counts: Array, column: int) -> list[Counter]:
    """The cores whose counter was published and is not 0 in the emulator."""
    totals = counts[-STEADY_STEPS:].mean(0) * PUBLISHED_STEPS
    published = read_columns("pilotnet_snn_activity_percore.csv")
    rows: list[Counter] = []
    cores: list[dict[str, Any]] = program.body["cores"]
    for index, core in enumerate(cores):
        layer, measured = core["population"], published[index][column]
        if measured and layer in SLABS:
            last = index == max(i for i, c in enumerate(cores) if c["population"] == layer)
            rows.append(Counter(index, layer, last, float(totals[index]), measured))
    return rows


def _silent(layers: list[Layer], steps: int, latency: int) -> Program:
    return pilotnet(layers, steps, period=RUN_PERIOD, first_reset=FIRST_RESET, latency=latency)


def _profile(layers: list[Layer], steps: int, latency: int) -> Profile:
    silence = {"input": np.zeros((1, steps, *INPUT_SHAPE), np.uint8)}
    return _chip(_silent(layers, steps, latency)).profile(silence)[1]


def _energy(profile: Profile) -> tuple[float, float, float]:
    """Least, stated, most, in uJ. The figure per synaptic operation is all-in: it holds neurons and routing as well."""
    synapse = profile.energy_uj.stack["synapse"]
    assert synapse.value is not None, "loihi2 says what a synaptic operation takes"
    assert synapse.low is not None, "with a band"
    assert synapse.high is not None, "with a band"
    return synapse.low, synapse.value, synapse.high


def _chip(program: Program) -> EmulatedChip:
    device = open_device(program)
    assert isinstance(device, EmulatedChip), "a neuromorphic program opens the emulated chip"
    return device
