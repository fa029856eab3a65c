"""Runs a program on a GPU: weights up, kernels chosen, one CUDA graph per batch size, replayed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from striate_runtime.device import Array, Device, DeviceError, Progress, Settings, check_inputs
from striate_runtime.gpu import choices as kept
from striate_runtime.gpu.choices import Choices
from striate_runtime.gpu.driver import Driver, Handle, NoGpuError, open_driver
from striate_runtime.gpu.interpreter_process import InterpreterProcess, Trace, is_available
from striate_runtime.gpu.loaded import Loaded
from striate_runtime.gpu.measure import energy_of, measure_power, time_replays
from striate_runtime.gpu.nvml import Board, open_board
from striate_runtime.gpu.plan import Plan, Region, from_buffer, read_plan, to_buffer, values_of
from striate_runtime.gpu.stand_in import open_stand_in
from striate_runtime.gpu.summary import counts_of, counts_of_launch, memory_of, problems_of
from striate_runtime.gpu.tune import load_choices, tune
from striate_runtime.profile import Figure, LayerProfile, Profile
from striate_runtime.program import Program

INTERPRETER_LIMIT_S = 120.0
"""How long the interpreter may take to make the values that kernels are checked against."""

_WARM_UP_REPLAYS = 10
_TIMED_REPLAYS = 100
_LATENCY_NOTE = "median over graph replays, p10 to p90; inputs on the GPU, transfers not counted; a batch's share"


def open_gpu(program: Program, fallback: bool, progress: Progress, settings: Settings) -> Device:
    """The program on this machine's GPU; without one, with `fallback`, its stand-in. Raises DeviceError.

    `settings.threads` is moot: the GPU has its own.
    """
    if settings.timing != "simple":
        raise DeviceError(f"timing '{settings.timing}' follows the messages between a chip's cores, and a GPU has none")
    plan = read_plan(program)
    try:
        driver = open_driver()
    except NoGpuError as error:
        if fallback:
            return open_stand_in(program, plan, str(error), progress)
        raise NoGpuError(
            f"no GPU can be used here: {error}; without --no-fallback the kernels would run in Triton's interpreter"
        ) from error
    try:
        return GpuSession(program, plan, driver, progress)
    except BaseException:
        driver.close()
        raise


@dataclass(frozen=True)
class _Prepared:
    """What one batch size needs to run."""

    choices: Choices
    graph: Handle


class GpuSession:
    """A program on a real GPU, until closed."""

    def __init__(self, program: Program, plan: Plan, driver: Driver, progress: Progress) -> None:
        self._program, self._plan, self._driver, self._progress = program, plan, driver, progress
        self._loaded = Loaded(program, plan, driver)
        self._prepared: dict[int, _Prepared] = {}
        self._traced: tuple[Trace | None, str] | None = None
        self._is_open = True

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs `[N, *shape]`, in batches of at most the program's own; a last one that is partial is filled up."""
        outputs, _ = self._run(check_inputs(self._program.inputs, inputs))
        return outputs

    def profile(self, inputs: Mapping[str, Array]) -> tuple[dict[str, Array], Profile]:
        """Outputs, and measured time and energy of replaying the first batch's graph."""
        checked = check_inputs(self._program.inputs, inputs)
        outputs, batch = self._run(checked)
        with ExitStack() as stack:
            refill = self._keep_inputs(self._buffers(checked, 0, batch), stack)
            board = open_board(self._driver.properties.bus_id)
            if board is not None:
                stack.callback(board.close)
            return outputs, self._report(refill, board, batch, outputs)

    def trace(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """The value of every node that has a buffer of its own, as the chosen kernel left it; one sample at a time."""
        checked = check_inputs(self._program.inputs, inputs)
        self._driver.activate()
        kernels = load_choices(self._loaded, self._prepare(checked, 1).choices)
        parts: list[dict[str, Array]] = []
        for start in range(len(next(iter(checked.values())))):
            self._loaded.write_inputs(self._buffers(checked, start, 1))
            after: dict[str, Array] = {}
            for turn in self._plan.turns():
                self._loaded.start(kernels[turn.index], 1, turn.step)
                if turn.is_last:
                    regions = self._plan.arguments(turn.launch, 1)
                    after |= {name: self._loaded.read(region) for name, region in regions.items()}
            parts.append(values_of(self._plan, after))
        return checked | {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def close(self) -> None:
        """Give back graphs, memory, kernels and the context; twice does nothing more."""
        if not self._is_open:
            return
        self._is_open = False
        self._driver.activate()
        for prepared in self._prepared.values():
            self._driver.destroy_graph(prepared.graph)
        self._prepared.clear()
        self._loaded.close()
        self._driver.close()

    def __enter__(self) -> GpuSession:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Running

    def _run(self, inputs: Mapping[str, Array]) -> tuple[dict[str, Array], int]:
        self._driver.activate()
        samples = len(next(iter(inputs.values())))
        batch = min(samples, self._loaded.largest_batch)
        prepared = self._prepare(inputs, batch)
        parts: list[dict[str, Array]] = []
        for start in range(0, samples, batch):
            self._progress("running on the GPU", start, samples)
            self._loaded.write_inputs(self._buffers(inputs, start, batch))
            self._driver.replay(prepared.graph, self._loaded.stream)
            parts.append(self._read_outputs(batch))
        self._progress("running on the GPU", samples, samples)
        return {
            port.name: np.concatenate([part[port.name] for part in parts])[:samples] for port in self._program.outputs
        }, batch

    def _buffers(self, inputs: Mapping[str, Array], start: int, batch: int) -> dict[str, Array]:
        """Input port -> buffer `[batch, *shape]`; what the inputs are short of a batch is zero."""
        buffers: dict[str, Array] = {}
        for port in self._program.inputs:
            part = inputs[port.name][start : start + batch]
            laid_out = to_buffer(part, port, self._plan.buffers[self._plan.body.inputs[port.name]])
            missing = [(0, batch - len(part)), *[(0, 0)] * (laid_out.ndim - 1)]
            buffers[port.name] = np.pad(laid_out, missing)
        return buffers

    def _read_outputs(self, batch: int) -> dict[str, Array]:
        outputs: dict[str, Array] = {}
        for port in self._program.outputs:
            name = self._plan.body.outputs[port.name]
            values = self._loaded.read(self._plan.region(name, batch))
            outputs[port.name] = from_buffer(values, port, self._plan.buffers[name])
        return outputs

    def _prepare(self, inputs: Mapping[str, Array], batch: int) -> _Prepared:
        if batch not in self._prepared:
            choices = self._choose(inputs, batch)
            kernels = load_choices(self._loaded, choices)

            def enqueue() -> None:
                for turn in self._plan.turns():
                    self._loaded.start(kernels[turn.index], batch, turn.step)

            self._prepared[batch] = _Prepared(choices, self._driver.capture(self._loaded.stream, enqueue))
        return self._prepared[batch]

    def _choose(self, inputs: Mapping[str, Array], batch: int) -> Choices:
        properties = self._driver.properties
        remembered = kept.recall(self._program, self._plan, properties, batch)
        if remembered is not None:
            return remembered
        self._traced = self._traced or self._interpret(self._buffers(inputs, 0, 1))
        trace, why = self._traced
        choices = tune(self._loaded, self._buffers(inputs, 0, batch), trace, why, self._progress)
        kept.remember(self._program, properties, choices)
        return choices

    def _interpret(self, inputs: Mapping[str, Array]) -> tuple[Trace | None, str]:
        """What the interpreter makes of one sample, or why it makes nothing."""
        if not is_available():
            return None, "Triton is not installed here"
        launches = len(self._plan.body.launches)
        start = time.monotonic()

        def working(launch: int) -> None:
            self._progress("interpreting GPU kernels to check them", launch, launches)
            if time.monotonic() - start > INTERPRETER_LIMIT_S:
                raise DeviceError(f"the interpreter took longer than {INTERPRETER_LIMIT_S:g} s")

        interpreter = InterpreterProcess(self._program, self._plan)
        try:
            return interpreter.trace(inputs, working), ""
        except DeviceError as error:
            return None, str(error)
        finally:
            interpreter.close()

    # Measuring

    def _keep_inputs(self, buffers: Mapping[str, Array], stack: ExitStack) -> Callable[[], None]:
        """What puts these inputs back in their place: the plan may have given it to another buffer meanwhile."""
        loaded, places = self._loaded, list[tuple[Region, int]]()
        loaded.write_inputs(buffers)
        for port, values in buffers.items():
            region = self._plan.region(self._plan.body.inputs[port], len(values))
            copy = loaded.allocate(region.used, f"a copy of input '{port}'")
            stack.callback(loaded.release, copy)
            loaded.driver.copy(copy, loaded.at(region), region.used, loaded.stream)
            places.append((region, copy))

        def refill() -> None:
            for region, copy in places:
                loaded.driver.copy(loaded.at(region), copy, region.used, loaded.stream)

        return refill

    def _report(
        self, refill: Callable[[], None], board: Board | None, batch: int, outputs: Mapping[str, Array]
    ) -> Profile:
        problems, samples = problems_of(outputs, self._plan.body), len(next(iter(outputs.values())))
        body, properties, share = self._plan.body, self._driver.properties, 1 / batch
        prepared, stream = self._prepared[batch], self._loaded.stream
        latency = time_replays(
            self._driver, stream, prepared.graph, warm_up=_WARM_UP_REPLAYS, replays=_TIMED_REPLAYS, prepare=refill
        )
        clocks: dict[str, str] = {}

        def replay_many() -> int:
            count = max(1, min(1000, int(50_000 / max(latency.median_us, 1.0))))
            for _ in range(count):
                refill()
                self._driver.replay(prepared.graph, stream)
            if board is not None and not clocks:
                clocks.update(board.clocks())
            self._driver.synchronize(stream)
            return count

        power = measure_power(board, replay_many) if board is not None else None
        return Profile(
            machine=self._program.machine,
            device="gpu",
            network=self._program.network,
            batch=batch,
            samples=samples,
            latency_us=Figure(
                latency.median_us * share,
                "measured",
                f"CUDA events, {latency.replays} replays",
                latency.p10_us * share,
                latency.p90_us * share,
                _LATENCY_NOTE,
            ),
            energy_uj=energy_of(power, batch),
            memory_bytes=memory_of(self._program, self._plan, batch),
            steps=body.steps,
            valid=not problems,
            problems=problems,
            layers=tuple(
                LayerProfile(
                    layer=launch.layer,
                    operator=launch.operator,
                    latency_us=choice.latency_us * share * self._plan.starts_of(launch),
                    energy_uj=dict.fromkeys(("compute", "memory", "static")),
                    counts=counts_of_launch(launch),
                )
                for launch, choice in zip(body.launches, prepared.choices.launches, strict=True)
            ),
            counts={**counts_of(self._plan), "batch_latency_us": latency.median_us},
            notes=prepared.choices.notes,
            versions={**body.versions, "gpu": properties.name, "driver": properties.driver, **clocks},
        )
