"""What runs took on a real GPU: time by CUDA events over graph replays, energy by the board's own counter."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from striate_runtime.gpu.driver import Driver, Handle
from striate_runtime.gpu.nvml import Board
from striate_runtime.profile import Energy, Figure

IDLE_WINDOW_S = 1.0
BUSY_WINDOW_S = 2.0
"""The counter is updated some tens of times a second, so shorter windows would read its steps."""

_SOURCE = "NVML's total energy counter, whole board, over {window:.1f} s of replays"
_NO_COUNTER = "this board has no energy counter, or nvidia-ml-py is not installed"


@dataclass(frozen=True)
class Latency:
    """Microseconds of one graph replay: the median, and where the middle 80 % lie."""

    median_us: float
    p10_us: float
    p90_us: float
    replays: int


def time_replays(
    driver: Driver,
    stream: Handle,
    graph: Handle,
    *,
    warm_up: int,
    replays: int,
    prepare: Callable[[], None] | None = None,
) -> Latency:
    """Time each of `replays` replays by a pair of events, after `warm_up` that are not timed.

    `prepare` puts on the stream what each replay needs to be there before it; it is not timed.
    """
    prepare = prepare or _nothing
    for _ in range(warm_up):
        prepare()
        driver.replay(graph, stream)
    events = [(driver.make_event(), driver.make_event()) for _ in range(replays)]
    try:
        for start, end in events:
            prepare()
            driver.record(start, stream)
            driver.replay(graph, stream)
            driver.record(end, stream)
        times = sorted(driver.elapsed_us(start, end) for start, end in events)
    finally:
        for pair in events:
            for event in pair:
                driver.destroy_event(event)
    tenths = statistics.quantiles(times, n=10, method="inclusive") if len(times) > 1 else times * 9
    return Latency(statistics.median(times), tenths[0], tenths[8], replays)


@dataclass(frozen=True)
class Power:
    """Joules per second of the whole board: idle with the program loaded, and while replaying, over a window."""

    idle_w: float
    busy_w: float
    replays_per_s: float
    window_s: float


def measure_power(
    board: Board,
    replay_many: Callable[[], int],
    *,
    clock: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
) -> Power:
    """Read the counter around an idle window, then around replays. `replay_many` runs some, waits, returns how many."""
    start, before_mj = clock(), board.energy_mj()
    sleep(IDLE_WINDOW_S)
    idle_w = (board.energy_mj() - before_mj) * 1e-3 / (clock() - start)
    replay_many()
    start, before_mj, count = clock(), board.energy_mj(), 0
    while clock() - start < BUSY_WINDOW_S:
        count += replay_many()
    energy_j, window_s = (board.energy_mj() - before_mj) * 1e-3, clock() - start
    return Power(idle_w, energy_j / window_s, count / window_s, window_s)


def energy_of(power: Power | None, batch: int) -> Energy:
    """Energy of one sample. The counter cannot tell arithmetic from memory: what is above idle is under `compute`."""
    if power is None:
        nothing = Figure(None, "measured", note=_NO_COUNTER)
        stack = {part: nothing for part in ("compute", "memory", "static", "host", "io")}  # noqa: C420 - its type
        return Energy(nothing, stack, tuple(stack))
    source = _SOURCE.format(window=power.window_s)
    samples_per_s = power.replays_per_s * batch
    total, static = power.busy_w / samples_per_s * 1e6, power.idle_w / samples_per_s * 1e6
    stack = {
        "compute": Figure(total - static, "measured", source, note="all above idle: arithmetic and memory together"),
        "memory": Figure(None, "measured", note="contained in compute: the counter cannot tell them apart"),
        "static": Figure(static, "measured", source, note="idle power of the board, read just before the run"),
        "host": Figure(None, "measured", note="the host was not measured"),
        "io": Figure(None, "measured", note="transfers were not part of the run"),
    }
    return Energy(Figure(total, "measured", source), stack, ("host", "io"))


def _nothing() -> None:
    """What a replay needs that needs nothing."""
