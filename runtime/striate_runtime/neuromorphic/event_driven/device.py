"""The device of chips without steps: runs a program event by event, counts, and says what is known of the cost."""

from __future__ import annotations

import importlib
from collections.abc import Mapping as Table
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from striate_runtime.device import DeviceError, InputError, Progress, Settings, check_inputs
from striate_runtime.hardware import Chip
from striate_runtime.neuromorphic.check import Network, neurons
from striate_runtime.neuromorphic.costs.counts import Counts
from striate_runtime.neuromorphic.costs.levels import check_level
from striate_runtime.neuromorphic.event_driven.check import check_event_driven
from striate_runtime.neuromorphic.event_driven.counts import mapping_of, totals_of
from striate_runtime.neuromorphic.event_driven.tables import EventState, EventTables, new_state, place
from striate_runtime.neuromorphic.given import given_numbers
from striate_runtime.neuromorphic.reading import DTYPES
from striate_runtime.neuromorphic.report import Reporter, Run
from striate_runtime.neuromorphic.threads import default_threads, run_on_threads
from striate_runtime.neuromorphic.tracing import image_of
from striate_runtime.profile import Profile
from striate_runtime.program import Port, Program
from striate_runtime.program.neuromorphic import Population
from striate_runtime.trace import EVENTS, POTENTIALS, SPIKES

Array = npt.NDArray[Any]


class EventDrivenChip:
    """A program on an emulated chip without steps. Between samples it keeps nothing: each starts from rest.

    At most `settings.threads` threads run samples at once, by default one for each core that the process may use.
    """

    def __init__(self, program: Program, hardware: Chip, progress: Progress, settings: Settings) -> None:
        if settings.threads is not None and settings.threads < 1:
            raise DeviceError(f"threads must be at least 1, not {settings.threads}")
        check_level(settings.timing, hardware)
        network = Network(program)
        check_event_driven(network, program.outputs, hardware)
        self.hardware = hardware
        self._program, self._network, self._progress = program, network, progress
        self._placed = place(network)
        self._threads = settings.threads or default_threads()
        layers = self._placed.tables.layers
        self._first = {
            population.name: int(neuron) for population, neuron in zip(self._placed.order, layers.neuron, strict=True)
        }
        injected = [population for population in self._placed.order if population.kind == "input"]
        starts = np.cumsum([0, *(neurons(population) for population in injected)])
        self._inputs = {population.name: int(start) for population, start in zip(injected, starts[:-1], strict=True)}
        self._injected = int(starts[-1])
        self._rooms = [self._new_room()]
        self._mapping = mapping_of(network)
        self._reporter = Reporter(program, network, self._mapping, hardware)

    @property
    def answers_sharpen(self) -> bool:
        """Whether outputs approach their value as ticks pass: under the rate coding."""
        return self._network.rate

    def run(self, inputs: Table[str, Array]) -> dict[str, Array]:
        """Outputs `[N, *shape]` for inputs `[N, *shape]`."""
        ticks = self._network.body.steps
        return self.run_at_steps(inputs, (ticks,))[ticks]

    def run_at_steps(self, inputs: Table[str, Array], steps: Sequence[int]) -> dict[int, dict[str, Array]]:
        """Outputs as they were after each number of ticks (1 to the program's), in one pass.

        Under rate, spikes that were counted in only t of T ticks are taken as T / t times as many.
        """
        ticks = self._network.body.steps
        wanted = sorted(set(steps))
        if not wanted or wanted[0] < 1 or wanted[-1] > ticks:
            raise ValueError(f"steps must be among 1..{ticks}, not {list(steps)}")
        counts, _ = self._run(self._given(inputs), wanted)
        return {tick: self._outputs(counts[:, index], tick) for index, tick in enumerate(wanted)}

    def profile(self, inputs: Table[str, Array]) -> tuple[dict[str, Array], Profile]:
        """Outputs, and what computing them took."""
        ticks = self._network.body.steps
        counts, run = self._run(self._given(inputs), [ticks])
        return self._outputs(counts[:, 0], ticks), self._reporter.profile(run, {})

    def trace(self, inputs: Table[str, Array]) -> dict[str, Array]:
        """What every neuron sent in each tick, what it held after it, and under rate the value that stands for."""
        given, body = self._given(inputs), self._network.body
        ticks, rows = body.steps, 1 if self._network.rate else body.steps
        recorded = [self._recorded(given[row : row + rows]) for row in range(0, len(given), rows)]
        found = check_inputs(self._program.inputs, inputs)
        for population in self._placed.order:
            own, name = self._own(population), population.name
            spikes = np.stack([image_of(sent[:, own], population) for sent, _ in recorded])
            if population.kind != "input" or self._network.rate:
                found[name + POTENTIALS] = np.stack([image_of(held[:, own], population) for _, held in recorded])
            found[name + SPIKES] = spikes
            if population.full_scale is not None:
                found[name] = (spikes.sum(axis=1) * (population.full_scale / ticks)).astype(np.float32)
            found[name + EVENTS] = spikes.sum(axis=(2, 3, 4), dtype=np.int64)
        counts = np.stack([sent.sum(axis=0, dtype=np.int32) for sent, _ in recorded])
        return found | self._outputs(counts[:, self._read], ticks)

    def _recorded(self, given: Array) -> tuple[Array, Array]:
        """One sample's spikes and potentials `[ticks, neurons]`."""
        ticks, number = self._network.body.steps, len(self._placed.tables.initial)
        potentials = np.zeros((1, ticks, number), np.int32)
        counts, _ = self._run(given, list(range(1, ticks + 1)), np.arange(number), potentials)
        sent = np.diff(counts[0], axis=0, prepend=np.int32(0))
        return sent if sent.max() > np.iinfo(np.uint8).max else sent.astype(np.uint8), potentials[0]

    def close(self) -> None:
        """Nothing is held outside of memory."""

    def __enter__(self) -> EventDrivenChip:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _given(self, inputs: Table[str, Array]) -> Array:
        """The integers given to the input populations, i32 `[N or N * ticks, input neurons + LANES]`."""
        checked = check_inputs(self._program.inputs, inputs)
        for port, array in () if self._network.rate else checked.items():
            least, most = self._network.body.input_low[port], self._network.body.input_high[port]
            wrong = array[(array < least) | (array > most) | (array != np.rint(array))]
            if wrong.size:
                message = f"so many events are sent for each number, from {least} to {most}, and one is {wrong[0]:g}"
                raise InputError(f"input '{port}': {message}")
        return given_numbers(checked, self._network, self._inputs, self._injected)

    def _own(self, population: Population) -> Array:
        return self._first[population.name] + np.arange(neurons(population))

    @property
    def _read(self) -> Array:
        """The neurons whose spikes are outputs, port by port."""
        ports = [self._own(self._network.populations[name]) for name in self._network.body.outputs.values()]
        return np.concatenate([np.zeros(0, np.int64), *ports])

    def _run(
        self, given: Array, taken: list[int], read: Array | None = None, potentials: Array | None = None
    ) -> tuple[Array, Run]:
        """Spikes so far, i32 `[N, taken, read]`, of the neurons `read` (else the outputs'), and what was counted.

        potentials: i32 `[N, taken, neurons]`, filled with those of all neurons, where they are asked for.
        """
        events = importlib.import_module("striate_runtime.neuromorphic.kernels.chain")  # numba takes a second to import

        network, placed, ticks = self._network, self._placed, self._network.body.steps
        rows = 1 if network.rate else ticks
        samples, number = len(given) // rows, len(placed.tables.initial)
        read = self._read if read is None else read
        counts = np.zeros((samples, len(taken), len(read)), np.int32)
        held = np.arange(0 if potentials is None else number)
        kept = np.zeros((samples, 0, 0), np.int32) if potentials is None else potentials
        fired, late = np.zeros(number, np.int64), np.zeros((len(placed.order), 2), np.int64)
        largest = np.int32((1 << (self.hardware.numerics.membrane_bits.value or 16) - 1) - 1)
        after = np.array(taken, np.int64)

        def kernel(part: slice, room: _Room, totals: tuple[Counts, ...], late: Counts) -> None:
            done = part.start
            while done < part.stop:
                rest = slice(done, part.stop)
                ran, full = events.run_samples(
                    given[done * rows : part.stop * rows],
                    placed.tables,
                    room.state,
                    network.rate,
                    ticks,
                    largest,
                    after,
                    read,
                    held,
                    counts[rest],
                    kept[rest],
                    totals[0],
                    late,
                )
                done += ran
                if full >= 0:
                    room.enlarge(placed.tables, full)

        self._progress("running the chip", 0, samples)
        run_on_threads(kernel, samples, self._rooms, self._new_room, self._threads, (fired,), late)
        self._progress("running the chip", samples, samples)
        totals = totals_of(network, self._mapping, placed, fired, samples)
        place = {population.name: p for p, population in enumerate(placed.order)}
        return counts, Run(totals, late[[place[core.population] for core in network.body.cores]])

    def _new_room(self) -> _Room:
        layers = self._placed.tables.layers
        return _Room(new_state(self._placed.tables, layers.neurons + np.maximum(layers.neurons, layers.reach)))

    def _outputs(self, counts: Array, tick: int) -> dict[str, Array]:
        """Port -> `[N, *shape]` from the spikes `[N, read]` of so many ticks."""
        found: dict[str, Array] = {}
        start = 0
        for port in self._program.outputs:
            number = len(self._own(self._network.populations[self._network.body.outputs[port.name]]))
            found[port.name] = self._output(port, counts[:, start : start + number], tick)
            start += number
        return found

    def _output(self, port: Port, counts: Array, tick: int) -> Array:
        population = self._network.populations[self._network.body.outputs[port.name]]
        values = image_of(counts, population)
        if population.scale is not None:
            scale = self._program.arrays[population.scale].astype(np.float32).reshape(-1, 1, 1)
            ticks = self._network.body.steps
            values = values.astype(np.float32) * (scale * np.float32(ticks / tick if self._network.rate else 1))
        return values.reshape(len(values), *port.shape).astype(DTYPES[port.dtype], copy=False)


@dataclass
class _Room:
    """A thread's state, which makes room for more events where a tick has so many."""

    state: EventState

    def enlarge(self, tables: EventTables, population: int) -> None:
        room = np.diff(self.state.start)
        room[population] *= 2
        self.state = new_state(tables, room)
