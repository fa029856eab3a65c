"""The device `neuromorphic`: an emulated chip that runs one program, counts what happens, and says what it costs."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Mapping as Table
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from striate_runtime.device import Device, DeviceError, Progress, Settings, check_inputs
from striate_runtime.hardware import Chip, HardwareError, parse_hardware
from striate_runtime.neuromorphic.check import Network
from striate_runtime.neuromorphic.costs.barrier import barrier_ns
from striate_runtime.neuromorphic.costs.counts import ACTIVE, COLUMNS, Counts, Totals, neuron_updates
from striate_runtime.neuromorphic.costs.levels import LEVELS, check_level, level_steps_ns
from striate_runtime.neuromorphic.costs.messages import messages_of, senders_of
from striate_runtime.neuromorphic.costs.timing import core_times_ns, link_time_ns, step_costs, step_times_ns, tick_ns
from striate_runtime.neuromorphic.event_driven.device import EventDrivenChip
from striate_runtime.neuromorphic.given import given_numbers
from striate_runtime.neuromorphic.native import check_chip
from striate_runtime.neuromorphic.reading import DTYPES, Reading, readings_of
from striate_runtime.neuromorphic.report import Reporter, Run
from striate_runtime.neuromorphic.tables.arrays import State, new_state
from striate_runtime.neuromorphic.tables.build import build
from striate_runtime.neuromorphic.tables.crossbar import check_crossbar, check_spikes
from striate_runtime.neuromorphic.threads import default_threads, run_on_threads
from striate_runtime.neuromorphic.tracing import make_room, recorded, values_of
from striate_runtime.profile import Profile
from striate_runtime.program import Program, ProgramError
from striate_runtime.program.neuromorphic import Population

Array = npt.NDArray[Any]

_COUNTS_BYTES = 64 << 20
"""Samples are run in pieces whose counts take no more than this."""


def open_chip(program: Program, fallback: bool, progress: Progress, settings: Settings) -> Device:
    """Build a program's tables. Raises ProgramError or DeviceError. `fallback` is moot: the chip is always emulated."""
    progress("building the chip's tables", 0, 1)
    hardware = _hardware_of(program)
    if hardware.time.model == "async_event":
        chip = EventDrivenChip(program, hardware, progress, settings)
    else:
        chip = EmulatedChip(program, hardware, progress, settings)
    progress("building the chip's tables", 1, 1)
    return chip


def _hardware_of(program: Program) -> Chip:
    """The chip that a program was compiled for."""
    try:
        hardware = parse_hardware(program.hardware, f"the hardware in {program.machine}")
    except HardwareError as error:
        raise ProgramError(str(error)) from error
    if not isinstance(hardware, Chip):
        raise DeviceError(f"'{hardware.name}' is no neuromorphic chip")
    return hardware


class EmulatedChip:
    """A program on an emulated chip. Between samples it keeps nothing: each starts from rest.

    `settings.timing` is the level at which `profile` tells how long a step takes, one of levels.LEVELS; at most
    `settings.threads` threads run samples at once, by default one for each core that the process may use.
    """

    def __init__(self, program: Program, hardware: Chip, progress: Progress, settings: Settings) -> None:
        threads = settings.threads
        if threads is not None and threads < 1:
            raise DeviceError(f"threads must be at least 1, not {threads}")
        check_level(settings.timing, hardware)
        self.hardware, self.timing = hardware, settings.timing
        self._program = program
        self._network = Network(program)
        check_chip(self._network, hardware)
        check_crossbar(self._network, hardware)
        self._built = build(self._network, hardware)
        self._threads = threads or default_threads()
        self._readings = readings_of(self._network, program.outputs, self._built.output_starts)
        self._reporter = Reporter(program, self._network, self._built.mapping, hardware)
        links = self._reporter.links if self._linked_pairs else None
        self._costs = step_costs(hardware, self._built.mapping, links)
        self._states = [self._new_state()]
        self._progress = progress

    @property
    def answers_sharpen(self) -> bool:
        """Whether outputs approach their value as steps pass: under the rate coding."""
        return self._network.rate

    def run(self, inputs: Table[str, Array]) -> dict[str, Array]:
        """Outputs `[N, *shape]` for inputs `[N, *shape]`."""
        values, steps = self._injected(inputs), self._network.body.steps
        kept = self._kept((steps,))
        raw, _ = self._run(values, kept, counting=False)
        return self._outputs(raw, kept, steps)

    def run_at_steps(self, inputs: Table[str, Array], steps: Sequence[int]) -> dict[int, dict[str, Array]]:
        """Outputs as they were after each number of steps (1 to the program's), in one pass.

        A readout that has listened for only t of its T steps is taken as T / t times what it has heard, plus its bias.
        Of a port that is read at certain steps, those that come later are taken as the last.
        """
        wanted = sorted(set(steps))
        if not wanted or wanted[0] < 1 or wanted[-1] > self._network.body.steps:
            raise ValueError(f"steps must be among 1..{self._network.body.steps}, not {list(steps)}")
        kept = self._kept(wanted)
        raw, _ = self._run(self._injected(inputs), kept, counting=False)
        return {step: self._outputs(raw, kept, step) for step in wanted}

    def profile(self, inputs: Table[str, Array]) -> tuple[dict[str, Array], Profile]:
        """Outputs, and what computing them took."""
        values = self._injected(inputs)
        steps = self._network.body.steps
        kept = self._kept((steps,))
        raw, run = self._run(values, kept, counting=True)
        step_ns = {level: self._level_steps_ns(values, level, run) for level in self._levels}
        return self._outputs(raw, kept, steps), self._reporter.profile(run, step_ns)

    def step_counts(self, inputs: Table[str, Array]) -> tuple[Counts, Counts]:
        """What is counted in each step: counts i64 `[N, steps, cores, COLUMNS]`, neuron updates `[N, steps, cores]`."""
        kept: list[Counts] = []
        self._run(self._injected(inputs), (self._network.body.steps,), counting=True, kept=kept)
        counts = np.concatenate(kept)
        return counts, self._updates(counts)

    def step_times_ns(self, inputs: Table[str, Array], timing: str | None = None) -> Array | None:
        """How long each step takes, `[N, steps]`, at a level of timing (else the device's); None for unknown."""
        level = timing or self.timing
        check_level(level, self.hardware)
        values = self._injected(inputs)
        _, run = self._run(values, (self._network.body.steps,), counting=True)
        return run.step_ns if level == "simple" else self._level_steps_ns(values, level, run)

    def trace(self, inputs: Table[str, Array]) -> dict[str, Array]:
        """Every population's value; and over time its spikes, potentials and events, where it fires more than once."""
        values, steps = self._injected(inputs), self._network.body.steps
        watched = copy.copy(self)
        watched._built, state = make_room(self._built, steps)
        watched._states, watched._threads = [state], 1
        rows = steps if self._network.timed else 1
        recordings = [
            recorded(
                watched._run(values[row : row + rows], (*range(1, steps + 1),), counting=False)[0][0],
                watched._built,
                state,
            )
            for row in range(0, len(values), rows)
        ]
        found = check_inputs(self._program.inputs, inputs) | values_of(self._network, watched._built, recordings)
        for port, array in self.run(inputs).items():
            population = self._network.populations[self._network.body.outputs[port]]
            found[population.name if population.kind == "readout" else port] = array
        return found

    def close(self) -> None:
        """Nothing is held outside of memory."""

    def __enter__(self) -> EmulatedChip:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _injected(self, inputs: Table[str, Array]) -> Array:
        """The integers given to the input populations, i32 `[N * steps or N, input neurons + LANES]`."""
        checked = check_inputs(self._program.inputs, inputs)
        if self.hardware.crossbar is not None:
            check_spikes(self._network, checked)
        return given_numbers(checked, self._network, self._built.input_starts, self._built.inputs)

    def _run(
        self, values: Array, snapshots: tuple[int, ...], counting: bool, kept: list[Counts] | None = None
    ) -> tuple[Array, Run]:
        """Raw outputs i32 `[N, snapshots, output numbers]`, and the counts. `kept` takes the counts of every step."""
        events = importlib.import_module("striate_runtime.neuromorphic.kernels.steps")  # numba takes a second to import

        mapping, steps = self._built.mapping, self._network.body.steps
        cores, pairs = len(mapping.core_layer) if counting else 0, self._linked_pairs if counting else 0
        run = Run(Totals.empty(mapping), np.zeros((len(mapping.core_layer), 2), np.int64))
        rows = steps if self._network.timed else 1
        raw = np.zeros((len(values) // rows, len(snapshots), self._built.outputs), np.int32)
        piece = max(1, _COUNTS_BYTES // (steps * max(1, len(mapping.core_layer) * COLUMNS * 8 + pairs * 4)))
        read_again = kept is not None or tick_ns(self.hardware) is not None
        taken = np.array(snapshots, np.int64)
        assert not counting or read_again or self._states[0].counts.shape[:2] == (steps, cores), "states have room"
        for start in range(0, len(raw), piece):
            self._progress("running the chip", start, len(raw))
            outputs = raw[start : start + piece]
            given = values[start * rows : (start + piece) * rows]
            held = 0 if counting and not read_again else len(outputs)
            counts = np.zeros((held, steps, cores, COLUMNS), np.int64)
            sent = np.zeros((held, steps, pairs), np.int32)
            busiest = np.zeros((len(outputs), steps))

            def kernel(
                samples: slice,
                state: State,
                totals: tuple[Counts, ...],
                late: Counts,
                given: Array = given,
                outputs: Array = outputs,
                counts: Counts = counts,
                sent: Array = sent,
                busiest: Array = busiest,
            ) -> None:
                events.run_samples(
                    given[samples.start * rows : samples.stop * rows],
                    self._built.tables,
                    state,
                    self._network.rate,
                    self.membrane_limit,
                    taken,
                    outputs[samples],
                    self._costs,
                    counts[samples],
                    sent[samples],
                    totals,
                    late,
                    busiest[samples],
                )

            totals = run.totals.pairs, run.totals.cores
            run_on_threads(kernel, len(outputs), self._states, self._new_state, self._threads, totals, run.saturation)
            if counting:
                self._add(run, busiest, counts, sent)
                if kept is not None:
                    kept.append(counts)
        self._progress("running the chip", len(raw), len(raw))
        if counting:
            by_active = self._costs.passes * run.totals.cores[:, ACTIVE]
            run.totals.updates += self._costs.slots * (steps * run.totals.samples) + by_active
        return raw, run

    def _add(self, run: Run, busiest: Array, counts: Counts, sent: Array) -> None:
        """Take more samples into a run: how many, how long their steps take, and what was late."""
        chip, mapping = self.hardware, self._built.mapping
        run.totals.samples += len(busiest)
        step_ns = step_times_ns(busiest, mapping.tiles, chip, mapping.chips)
        if step_ns is not None:
            run.step_ns = np.concatenate([run.step_ns, step_ns]) if run.step_ns is not None else step_ns
        if tick_ns(chip) is not None:
            link_ns = link_time_ns(chip)
            links = None if link_ns is None else self._reporter.links.loads(sent) * link_ns
            run.late.add(core_times_ns(counts, self._updates(counts), chip), links, counts, chip)

    @property
    def _levels(self) -> tuple[str, ...]:
        """The levels of timing beyond `simple`, up to the device's own."""
        return LEVELS[1 : LEVELS.index(self.timing) + 1]

    def _level_steps_ns(self, values: Array, level: str, run: Run) -> Array | None:
        """How long each step takes `[N, steps]` at a level beyond `simple`, message by message."""
        if run.step_ns is None:
            return None
        chip, steps, mapping = self.hardware, self._network.body.steps, self._built.mapping
        rows = steps if self._network.timed else 1
        watched, senders = copy.copy(self), senders_of(self._built)
        watched._built, state = make_room(self._built, steps)
        watched._states, watched._threads = [state], 1
        watched._progress = _silent
        times = np.zeros((run.totals.samples, steps))
        for n in range(len(times)):
            self._progress(f"timing '{level}', message by message", n, len(times))
            kept: list[Counts] = []
            watched._run(values[n * rows : (n + 1) * rows], (), counting=True, kept=kept)
            counts = kept[0]
            updates = self._updates(counts)
            messages = messages_of(self._built, senders, state, counts[0], updates[0], chip)
            done_ns, held_ns = level_steps_ns(level, messages, self._network.body.cores, chip).T
            run.held_ns[level] = run.held_ns.get(level, 0.0) + float(held_ns.sum())
            run.late.add_level(level, done_ns, chip)
            tick = tick_ns(chip)
            times[n] = done_ns + (barrier_ns(mapping.tiles, chip, mapping.chips).value or 0.0) if tick is None else tick
        self._progress(f"timing '{level}', message by message", len(times), len(times))
        return times

    def _new_state(self) -> State:
        counted = self._network.body.steps, len(self._built.mapping.core_layer), self._linked_pairs
        return new_state(self._built.tables, self._built.accumulators, self._built.sums, counted)

    @property
    def _linked_pairs(self) -> int:
        """How many pairs' messages of each step must be known to tell how long links are taken."""
        return 0 if link_time_ns(self.hardware) is None else len(self._built.mapping.pair_layer)

    @property
    def membrane_limit(self) -> int:
        """The largest |potential| that the chip's neurons hold."""
        bits = self.hardware.numerics.membrane_bits_for_weights
        return (1 << (bits - 1)) - 1 if bits is not None and bits < 32 else (1 << 31) - 1

    def _updates(self, counts: Counts) -> Counts:
        policy = self.hardware.policy
        every_step, passes = policy.neuron_update == "every_step", policy.neuron_passes.value or 1
        return neuron_updates(counts, self._built.mapping, every_step, passes)

    def _kept(self, until: Sequence[int]) -> tuple[int, ...]:
        """After which steps outputs must be copied, to say what they are on chips that stop after each of `until`."""
        return tuple(sorted(set[int]().union(*(one.needed(step) for step in until for one in self._readings), until)))

    def _outputs(self, raw: Array, kept: Sequence[int], step: int) -> dict[str, Array]:
        """Port -> `[N, *shape]` after `step` steps, from raw outputs `[N, kept steps, output neurons]`."""
        return {one.port.name: self._output(one, one.raw(raw, kept, step), step) for one in self._readings}

    def _output(self, reading: Reading, values: Array, step: int) -> Array:
        population, port = reading.population, reading.port
        channels, height, width = population.shape
        values = values.reshape(*values.shape[:2], height, width, channels)
        values = self._extrapolated(population, values, step).transpose(0, 1, 4, 2, 3)
        if population.scale is not None:
            scale = self._program.arrays[population.scale].astype(np.float32).reshape(-1, 1, 1)
            values = values.astype(np.float32) * scale
        return np.ascontiguousarray(values.reshape(len(values), *port.shape)).astype(DTYPES[port.dtype], copy=False)

    def _extrapolated(self, population: Population, values: Array, step: int) -> Array:
        steps = self._network.body.steps
        if not self._network.rate or population.kind != "readout" or step == steps:
            return values
        start = self._network.channels_of(population.initial, population, 0) + self._network.channels_of(
            population.bias, population, 0
        )
        listened = max(1, step - population.fires_at)
        return start + (values - start) * ((steps - population.fires_at) / listened)


def _silent(what: str, done: int, total: int) -> None:
    """Progress of a part, which the whole's stands for."""
