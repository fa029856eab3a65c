"""The peers' workload on the emulated chip: synaptic events per second with full accounting, and SANA-FE beside it.

    python benchmarks/workload.py [--json FILE] [--sanafe PYTHON] [--rounds N]

Every figure is of spikes that were checked, step by step and neuron by neuron, against the workload's own. An event is
one weight that is not 0 met by one spike, borders clipped. Times are CPU seconds of one thread, the median of rounds in
which the cases take turns (and the least, since other work on the machine only adds); threads are told by the clock.
A profile counts messages, synaptic operations, words, hops and updates for each core and step, then time and energy.

The limit is a bare scatter loop on this machine in the same run: rows of 32 numbers are added, vector by vector, to
places drawn at random, all within the first level of cache, with accumulators of 16 or of 32 bits. PYTHON is an
interpreter with `pip install sanafe`; end to end is building the network and running one sample, kernels compiled and
both programs imported.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import numpy.typing as npt
from machine import describe
from numba import njit
from workload_network import DATA, SHAPES, STEPS, Workload, native_program, read_workload

from striate_runtime import open_device
from striate_runtime.neuromorphic.chip import EmulatedChip
from striate_runtime.neuromorphic.kernels.blocks import add_unit_block  # pyright: ignore
from striate_runtime.neuromorphic.tables.arrays import LANES

LAYERS = ("conv1", "conv2", "dense")
BATCHES = (1, 32)
ROW = 32


@njit(nogil=True)
def _scatter(target: Any, rows: Any, places: Any, picked: Any) -> None:
    for e in range(len(places)):
        place, row = places[e], picked[e]
        for i in range(0, ROW, LANES):
            add_unit_block(target, place + i, rows, row + i)  # pyright: ignore


def scatter_limit(dtype: Any) -> float:
    """Additions per second of 64 rows of i16 to 256 places of accumulators, one row after the other: the best round."""
    rng = np.random.default_rng(0)
    rows, target = np.ones(64 * ROW, np.int16), np.zeros(256 * ROW, dtype)
    places, picked = rng.integers(0, 256, 200_000) * ROW, rng.integers(0, 64, 200_000) * ROW
    _scatter(target, rows, places, picked)
    return ROW * len(places) / min(seconds(lambda: _scatter(target, rows, places, picked)) for _ in range(15))


def seconds(work: Callable[[], object]) -> float:
    """CPU time of this thread."""
    start = time.thread_time()
    work()
    return time.thread_time() - start


def in_turn(cases: dict[str, Callable[[], object]], rounds: int) -> dict[str, dict[str, float]]:
    """Each case's CPU time: median and least of rounds in which they take turns."""
    taken: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, work in cases.items():
            taken[name].append(seconds(work))
    return {name: {"median_s": statistics.median(all_s), "least_s": min(all_s)} for name, all_s in taken.items()}


def check_spikes(device: EmulatedChip, workload: Workload, samples: int) -> int:
    """How many spikes were checked; raises where one is missing or too many."""
    at = device.run_at_steps({"x": workload.given(samples)}, range(1, STEPS + 1))
    checked = 0
    for layer, name in enumerate(LAYERS):
        counted = np.stack([at[step][name] for step in range(1, STEPS + 1)], axis=1)
        spikes = np.diff(counted, axis=1, prepend=0)
        expected = workload.expected(layer, samples)
        if not np.array_equal(spikes, expected):
            raise SystemExit(f"{name}: {np.count_nonzero(spikes != expected)} spikes are not the workload's")
        checked += int(expected.sum())
    return checked


def measure(workload: Workload, rounds: int) -> dict[str, Any]:
    """Events per second with and without accounting at each batch, and end to end with the network's building."""
    program = native_program(workload)
    device = open_device(program, threads=1)
    assert isinstance(device, EmulatedChip)
    checked = check_spikes(device, workload, max(BATCHES))
    results: dict[str, Any] = {"spikes_checked": checked, "batches": []}
    for batch in BATCHES:
        given = {"x": workload.given(batch)}
        _, profile = device.profile(given)
        events = profile.counts["synops"] * batch

        def profiled(given: dict[str, npt.NDArray[Any]] = given) -> None:
            device.profile(given)

        def ran(given: dict[str, npt.NDArray[Any]] = given) -> None:
            device.run(given)

        times = in_turn({"profile": profiled, "run": ran}, max(5, rounds // batch))
        results["batches"].append(
            {
                "batch": batch,
                "events_per_sample": profile.counts["synops"],
                "chip_latency_us": profile.latency_us.value,
                "chip_energy_uj": profile.energy_uj.total.value,
                **{f"{name}_{key}": value for name, found in times.items() for key, value in found.items()},
                "events_per_second": events / times["profile"]["median_s"],
                "events_per_second_at_best": events / times["profile"]["least_s"],
                "events_per_second_without_accounting": events / times["run"]["median_s"],
            }
        )
    one = {"x": workload.given(1)}

    def end_to_end() -> None:
        open_device(native_program(workload), threads=1).profile(one)

    results["end_to_end"] = in_turn({"all": end_to_end}, 9)["all"]
    return results


def measure_threads(workload: Workload, wanted: int = 12) -> dict[str, float | int | None]:
    """The clock's seconds for 32 samples on one thread and on two, taking turns, and a bare scatter loop likewise.

    Only turns in which other work took less than a twentieth of one core are kept, and a wait for those ends in a
    minute; without any there is no figure. What both threads together take of CPU time, in times of what one takes, is
    of all turns.
    """
    program, given = native_program(workload), {"x": workload.given(32)}
    devices = {threads: open_device(program, threads=threads) for threads in (1, 2)}
    profiles = [device.profile(given)[1] for device in devices.values()]
    assert profiles[0] == profiles[1], "what is counted does not depend on the number of threads"
    taken: list[tuple[float, float, float, float]] = []
    worked: list[float] = []
    tried, end = 0, time.monotonic() + 60
    while len(taken) < wanted and time.monotonic() < end:
        tried += 1
        busy, own, start = _busy_s(), time.process_time(), time.perf_counter()
        one, two = (_clocked(lambda device=device: device.profile(given)) for device in devices.values())
        worked.append(two[1] / one[1])
        loop, loops = _clocked(lambda: _scatter_on(1)), _clocked(lambda: _scatter_on(2))
        spent = time.perf_counter() - start
        if _busy_s() - busy - (time.process_time() - own) < 0.05 * spent:
            taken.append((one[0], two[0], loop[0], loops[0]))
        else:
            time.sleep(0.2)
    shown = {"tried": tried, "kept": len(taken), "cpu_time_in_times_of_one": statistics.median(worked)}
    if not taken:
        return {**shown, "speed_up": None, "speed_up_of_the_loop": None}
    one_s, two_s, loop_s, loops_s = (statistics.median(column) for column in zip(*taken, strict=True))
    timed = {"one_thread_s": one_s, "two_threads_s": two_s}
    return {**shown, **timed, "speed_up": one_s / two_s, "speed_up_of_the_loop": 2 * loop_s / loops_s}


def _clocked(work: Callable[[], object], times: int = 3) -> tuple[float, float]:
    """Seconds by the clock, and of CPU time on all threads."""
    start, own = time.perf_counter(), time.process_time()
    for _ in range(times):
        work()
    return (time.perf_counter() - start) / times, (time.process_time() - own) / times


def _scatter_on(threads: int) -> None:
    """The bare loop on each of so many threads."""
    rng = np.random.default_rng(0)
    places, picked = rng.integers(0, 256, 100_000) * ROW, rng.integers(0, 64, 100_000) * ROW

    def work() -> None:
        rows, target = np.ones(64 * ROW, np.int16), np.zeros(256 * ROW, np.int16)
        for _ in range(100):
            _scatter(target, rows, places, picked)

    started = [Thread(target=work) for _ in range(threads)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()


def _busy_s() -> float:
    """How long the cores of this machine have worked so far, all processes taken together; 0 where it does not tell."""
    if not Path("/proc/stat").exists():
        return 0.0
    user, nice, system, _, _, *interrupts = Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    return sum(map(int, (user, nice, system, *interrupts))) / os.sysconf("SC_CLK_TCK")


def measure_sanafe(python: str) -> dict[str, Any]:
    """SANA-FE on sample 0, in its own interpreter: building, loading, and running with its `simple` timing."""
    script = Path(__file__).with_name("workload_sanafe.py")
    shown = subprocess.run([python, str(script), str(DATA)], capture_output=True, text=True, check=True)
    return json.loads(shown.stdout.splitlines()[-1])


def main() -> None:
    """Measure and print; with --json also write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the results to this file")
    parser.add_argument("--sanafe", metavar="PYTHON", help="measure SANA-FE with this interpreter, too")
    parser.add_argument("--rounds", type=int, default=200, help="how often one sample is measured (default: 200)")
    arguments = parser.parse_args()
    if not DATA.exists():
        sys.exit(f"{DATA} is not there: it lies beside the repository")
    workload = read_workload()
    limits = {f"{name}_per_second": scatter_limit(dtype) for name, dtype in (("i16", np.int16), ("i32", np.int32))}
    results = measure(workload, arguments.rounds)
    results["threads"] = measure_threads(workload)
    if arguments.sanafe:
        results["sanafe"] = measure_sanafe(arguments.sanafe)
    _show(limits, results)
    if arguments.json:
        report = {"format": 1, "machine": describe(), "limits": limits, "results": results}
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")


def _show(limits: dict[str, float], results: dict[str, Any]) -> None:
    print(
        f"{results['spikes_checked']:,} spikes of {sum(int(np.prod(s)) for s in SHAPES):,} neurons are the workload's"
    )
    limit = limits["i16_per_second"]
    wide = limits["i32_per_second"]
    print(f"limit, a bare scatter loop: {limit / 1e9:.1f} G additions/s in 16 bits, {wide / 1e9:.1f} G in 32 bits")
    for one in results["batches"]:
        rate, best = one["events_per_second"], one["events_per_second_at_best"]
        print(f"batch {one['batch']}: {rate / 1e9:.2f} G events/s ({rate / limit:.0%} of the limit), ", end="")
        print(f"best {best / 1e9:.2f}; {one['profile_median_s'] / one['batch'] * 1e3:.2f} ms/sample; ", end="")
        print(f"without accounting {one['events_per_second_without_accounting'] / 1e9:.2f} G/s")
    threads, whole = results["threads"], results["end_to_end"]
    print(f"two threads, {threads['kept']} of {threads['tried']} turns with nothing else on the machine: ", end="")
    if threads["kept"]:
        print(f"{threads['speed_up']:.2f} times one (the loop {threads['speed_up_of_the_loop']:.2f}); ", end="")
    print(f"{threads['cpu_time_in_times_of_one']:.2f} times the CPU time of one; ", end="")
    print(f"end to end {whole['median_s'] * 1e3:.0f} ms")
    if "sanafe" in results:
        sanafe = results["sanafe"]
        print(
            f"SANA-FE {sanafe['version']}: building {sanafe['build_s']:.2f} s, running {sanafe['run_s']:.2f} s: ",
            end="",
        )
        print(f"{(sanafe['build_s'] + sanafe['run_s']) / whole['median_s']:.0f} times as long end to end, ", end="")
        print(f"{sanafe['run_s'] / results['batches'][0]['profile_median_s']:.0f} times without building")


if __name__ == "__main__":
    main()
