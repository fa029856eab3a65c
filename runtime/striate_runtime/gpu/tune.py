"""Chooses a candidate for every launch: first which give the right values, only then which of those is fastest.

Right values, first check: where Triton is installed, its interpreter runs the program on the host for one sample; every
candidate gets the buffers that the interpreter had before the launch and must make what the interpreter made of them.
Second check, always, at the batch that will be run: the largest group of candidates that agree is kept, compared on up
to eight samples spread over the batch. Outputs hold poison before every attempt. A launch of a loop is compared and
timed in its last step, which sees what all steps before have left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from striate_runtime.device import Array, DeviceError, Progress
from striate_runtime.gpu.choices import Choice, Choices, Rejected
from striate_runtime.gpu.interpreter_process import Trace
from striate_runtime.gpu.kernels import BuiltElsewhereError, Kernel, UnusableError
from striate_runtime.gpu.loaded import Loaded
from striate_runtime.gpu.measure import time_replays
from striate_runtime.gpu.plan import Region, Turn
from striate_runtime.gpu.verify import Result, find_agreement, find_difference, slack_of, ties_of
from striate_runtime.program.gpu import Launch

REPEATS = 20
"""Launches in one timed graph."""

_SAMPLES_COMPARED = 8
_BY_INTERPRETER = "Triton's interpreter and agreement between candidates"
_BY_AGREEMENT = "agreement between candidates only ({why})"


def tune(
    loaded: Loaded,
    inputs: Mapping[str, Array],
    trace: Trace | None,
    why_no_trace: str,
    progress: Progress,
    *,
    flush_l2: bool = False,
) -> Choices:
    """Choose for the batch of `inputs` (input port -> buffer `[batch, *shape]`).

    With `flush_l2`, a launch is timed on a cold L2 cache, else on a warm one. Raises DeviceError where a launch has no
    candidate left, with every reason.
    """
    batch = len(next(iter(inputs.values())))
    rejected: list[dict[int, str]] = [{} for _ in loaded.plan.body.launches]
    kernels = [_load(loaded, launch, reasons) for launch, reasons in _each(loaded, rejected)]
    if trace is not None:
        _check_against_trace(loaded, kernels, trace, rejected)
    loaded.write_inputs(inputs)
    chosen: list[Choice] = []
    for turn in loaded.plan.walk(batch):
        index, launch = turn.index, turn.launch
        usable = [kernel for kernel in kernels[index] if kernel.number not in rejected[index]]
        if not turn.is_last:  # the first of those that passed leads to the last step, where all are compared
            loaded.poison(turn.fresh)
            loaded.start(usable[0], batch, turn.step)
            continue
        progress("choosing GPU kernels", index, len(kernels))
        state = _State(loaded, loaded.plan.arguments(launch, batch), turn)
        try:
            usable = _keep_those_that_agree(state, usable, batch, rejected[index])
            timed = [(_time(state, kernel, batch, flush_l2), kernel) for kernel in usable]
            latency_us, winner = min(timed, key=lambda pair: pair[0])
            state.restore()
            state.start(winner, batch)
        finally:
            state.close()
        turned_down = tuple(Rejected(number, reason) for number, reason in sorted(rejected[index].items()))
        chosen.append(Choice(launch.layer, winner.number, latency_us, turned_down))
    loaded.driver.synchronize(loaded.stream)
    progress("choosing GPU kernels", len(kernels), len(kernels))
    checked_by = _BY_INTERPRETER if trace is not None else _BY_AGREEMENT.format(why=why_no_trace)
    return Choices(batch, checked_by, tuple(chosen))


def load_choices(loaded: Loaded, choices: Choices) -> list[Kernel]:
    """The chosen kernels, in the order of the launches. Raises DeviceError where one cannot be loaded any more."""
    try:
        return [
            loaded.kernels.load(launch, choice.candidate)
            for launch, choice in zip(loaded.plan.body.launches, choices.launches, strict=True)
        ]
    except UnusableError as error:
        raise DeviceError(f"a kernel that was chosen before can no longer be used: {error}") from error


class _State:
    """The buffers of one launch as they were before it, so that every candidate starts from the same."""

    def __init__(self, loaded: Loaded, regions: Mapping[str, Region], turn: Turn) -> None:
        self.loaded = loaded
        self._turn = turn
        empty = {region.name for region in turn.fresh}
        self.regions = regions
        kept = [region for region in regions.values() if region.name not in empty]
        self._copies: list[tuple[Region, int]] = []
        for region in kept:
            copy = loaded.allocate(region.used, f"a copy of '{region.name}' while choosing kernels")
            loaded.driver.copy(copy, loaded.at(region), region.used, loaded.stream)
            self._copies.append((region, copy))

    def restore(self) -> None:
        """Poison what held nothing; put back what held something."""
        self.loaded.poison(self._turn.fresh)
        for region, copy in self._copies:
            self.loaded.driver.copy(self.loaded.at(region), copy, region.used, self.loaded.stream)

    def start(self, kernel: Kernel, batch: int) -> None:
        """Put a candidate on the stream, for the same step."""
        self.loaded.start(kernel, batch, self._turn.step)

    def close(self) -> None:
        """Give the copies back."""
        for _, copy in self._copies:
            self.loaded.release(copy)


def _each(loaded: Loaded, rejected: list[dict[int, str]]) -> list[tuple[Launch, dict[int, str]]]:
    return list(zip(loaded.plan.body.launches, rejected, strict=True))


def _load(loaded: Loaded, launch: Launch, rejected: dict[int, str]) -> list[Kernel]:
    """The candidates that this GPU can run. One that was only built for others is nothing to report."""
    kernels: list[Kernel] = []
    elsewhere: dict[int, str] = {}
    for number in range(len(launch.candidates)):
        try:
            kernels.append(loaded.kernels.load(launch, number))
        except BuiltElsewhereError as error:
            elsewhere[number] = str(error)
        except UnusableError as error:
            rejected[number] = str(error)
    _require(launch, kernels, {**elsewhere, **rejected})
    return kernels


def _check_against_trace(
    loaded: Loaded, kernels: Sequence[Sequence[Kernel]], trace: Trace, rejected: list[dict[int, str]]
) -> None:
    """Reject what does not make of the interpreter's buffers what the interpreter made."""
    for index, (launch, reasons) in enumerate(_each(loaded, rejected)):
        before, after = trace[index]
        batch = len(next(iter(before.values())))
        regions, last = loaded.plan.arguments(launch, batch), loaded.plan.starts_of(launch) - 1
        slack, ties = slack_of(loaded.plan, launch, loaded.program.arrays), ties_of(loaded.plan, launch)
        for kernel in kernels[index]:
            for name, region in regions.items():
                loaded.write(region, before[name])
            loaded.start(kernel, batch, last)
            got = {name: loaded.read(region) for name, region in regions.items()}
            if difference := find_difference(got, after, slack, ties):
                reasons[kernel.number] = f"{difference}, against Triton's interpreter"
        _require(launch, [kernel for kernel in kernels[index] if kernel.number not in reasons], reasons)


def _keep_those_that_agree(
    state: _State, kernels: Sequence[Kernel], batch: int, rejected: dict[int, str]
) -> list[Kernel]:
    loaded, samples = state.loaded, _spread(batch)
    results: list[Result] = []
    for kernel in kernels:
        state.restore()
        state.start(kernel, batch)
        results.append({name: loaded.read(region, samples) for name, region in state.regions.items()})
    launch = kernels[0].launch
    slack, ties = slack_of(loaded.plan, launch, loaded.program.arrays), ties_of(loaded.plan, launch)
    agreeing = find_agreement(results, slack, ties)
    for place, kernel in enumerate(kernels):
        if place not in agreeing:
            difference = find_difference(results[place], results[agreeing[0]], slack, ties)
            rejected[kernel.number] = f"{difference}, against {len(agreeing)} of {len(kernels)} candidates"
    return [kernels[place] for place in agreeing]


def _time(state: _State, kernel: Kernel, batch: int, flush_l2: bool) -> float:
    """Microseconds of one launch: a graph of many, divided; what flushing takes is taken off again."""
    loaded = state.loaded
    if not flush_l2:
        return _time_graph(loaded, lambda: state.start(kernel, batch))
    size = 2 * loaded.driver.properties.l2_bytes
    scratch = loaded.allocate(size, "flushing the L2 cache")

    def flush() -> None:
        loaded.driver.fill(scratch, 0, size, loaded.stream)

    def flush_and_start() -> None:
        flush()
        state.start(kernel, batch)

    try:
        return max(0.0, _time_graph(loaded, flush_and_start) - _time_graph(loaded, flush))
    finally:
        loaded.release(scratch)


def _time_graph(loaded: Loaded, enqueue: Callable[[], None]) -> float:
    def enqueue_many() -> None:
        for _ in range(REPEATS):
            enqueue()

    graph = loaded.driver.capture(loaded.stream, enqueue_many)
    try:
        return time_replays(loaded.driver, loaded.stream, graph, warm_up=2, replays=7).median_us / REPEATS
    finally:
        loaded.driver.destroy_graph(graph)


def _spread(batch: int) -> list[int]:
    """Up to eight samples of a batch, the first and the last among them."""
    return sorted({int(place) for place in np.linspace(0, batch - 1, min(batch, _SAMPLES_COMPARED))})


def _require(launch: Launch, usable: Sequence[Kernel], rejected: Mapping[int, str]) -> None:
    if not usable:
        reasons = "; ".join(f"candidate {number} {reason}" for number, reason in sorted(rejected.items()))
        raise DeviceError(f"layer '{launch.layer}' has no kernel that this GPU runs correctly: {reasons}")
