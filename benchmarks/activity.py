"""How the emulated chip's time grows with activity, and what a network of a million neurons takes.

    python benchmarks/activity.py [--json FILE]

Activity: 16 x 32 x 32 inputs through a 3 x 3 convolution to 32 channels of integrate-and-fire neurons, 64 steps, from
0.1 % to 50 % of the inputs spiking in each step; a profile with full accounting, one thread, CPU time, the median (and
the least) of rounds in which the activities take turns. The line through them is the least squares fit of the least.

A million neurons: three layers of 256 x 256 on 1280 cores of ten chips, 16 steps at 2 %, in a process of its own, whose
peak memory is told. A core holds at most 1024 neurons; nothing else of the mapping is checked.
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from machine import describe

from striate_runtime import open_device
from striate_runtime.hardware import load_hardware
from striate_runtime.program import Port, Program
from striate_runtime.program.neuromorphic import Core, NeuromorphicBody, Population, Projection

Array = npt.NDArray[Any]

ACTIVITIES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5)
ROUNDS = 15
LARGE = ((4, 256, 256), (8, 256, 256), (8, 256, 256))
NEURONS_PER_CORE = 1024
CORES_PER_CHIP = 128


def convolutions(shapes: tuple[tuple[int, int, int], ...], steps: int, threshold: int) -> Program:
    """Layers of 3 x 3 convolutions of random weights, each on cores of whole rows or parts of a row."""
    rng = np.random.default_rng(0)
    arrays: dict[str, Array] = {}
    populations = [Population("x", "x", shapes[0], "input")]
    projections: list[Projection] = []
    for index, shape in enumerate(shapes[1:]):
        name, source = f"layer{index}", populations[-1]
        own = {"threshold": threshold, "current_decay": 4095, "voltage_decay": 0}
        arrays |= {f"{name}.{key}": np.full(shape[0], value, np.int32) for key, value in own.items()}
        arrays[name] = rng.integers(-60, 64, (3, 3, source.shape[0], shape[0])).astype(np.int16)
        fields: dict[str, Any] = {key: f"{name}.{key}" for key in own}
        populations.append(Population(name, name, shape, "cuba_lif", **fields))
        reach: dict[str, Any] = {"padding": (1, 1, 1, 1), "kernel": (3, 3)}
        projections.append(Projection(name, name, source.name, name, "conv2d", name, **reach))
    last = populations[-1]
    body = NeuromorphicBody(
        coding="native",
        steps=steps,
        populations=tuple(populations),
        projections=tuple(projections),
        cores=cores_of(populations),
        inputs={"x": "x"},
        outputs={"y": last.name},
        input_scale={"x": 1.0},
        input_low={"x": 0},
        input_high={"x": 1},
        reads={"y": "spike_count"},
    )
    return Program(
        target="neuromorphic",
        machine="loihi1(coding=native)",
        network="convolutions",
        inputs=(Port("x", "u8", (steps, *shapes[0])),),
        outputs=(Port("y", "i32", last.shape),),
        hardware=load_hardware("loihi1").text,
        body=msgspec.to_builtins(body),
        arrays=arrays,
        files={},
    )


def cores_of(populations: list[Population]) -> tuple[Core, ...]:
    """Blocks of at most NEURONS_PER_CORE neurons: rows, or equal parts of a row; four to a router of 8 x 4."""
    cores: list[Core] = []
    for population in populations:
        channels, height, width = population.shape
        parts = -(-channels * width // NEURONS_PER_CORE)
        columns = -(-width // parts)
        rows = max(1, NEURONS_PER_CORE // (channels * columns)) if parts == 1 else 1
        for y in range(0, height, rows):
            for x in range(0, width, columns):
                index = len(cores)
                chip, own = divmod(index, CORES_PER_CHIP)
                held = (0, channels), (y, min(y + rows, height)), (x, min(x + columns, width))
                cores.append(Core(index, population.name, *held, chip, own // 4 % 8, own // 32, ()))
    return tuple(cores)


def sweep() -> dict[str, Any]:
    """Each activity's events and time, and the line through them."""
    shapes, steps = ((16, 32, 32), (32, 32, 32)), 64
    device = open_device(convolutions(shapes, steps, 4000), threads=1)
    rng = np.random.default_rng(1)
    given = {a: {"x": (rng.random((1, steps, *shapes[0])) < a).astype(np.uint8)} for a in ACTIVITIES}
    events = {a: device.profile(x)[1].counts["synops"] for a, x in given.items()}
    taken: dict[float, list[float]] = {a: [] for a in ACTIVITIES}
    for _ in range(ROUNDS):
        for a, x in given.items():
            start = time.thread_time()
            device.profile(x)
            taken[a].append(time.thread_time() - start)
    least = np.array([min(taken[a]) for a in ACTIVITIES])
    number = np.array([events[a] for a in ACTIVITIES])
    slope, fixed = np.polyfit(number, least, 1)
    rows = [
        {"activity": a, "events": events[a], "median_s": statistics.median(taken[a]), "least_s": min(taken[a])}
        for a in ACTIVITIES
    ]
    residual = float(abs(least - (fixed + slope * number)).max() / least.max())
    fit = {"fixed_s": float(fixed), "events_per_second": 1 / float(slope), "largest_residual_of_the_largest": residual}
    return {"rows": rows, "line": fit}


def million() -> dict[str, Any]:
    """Builds and runs the large network here, and says what this process has taken at most."""
    program = convolutions(LARGE, 16, 2000)
    before = peak_bytes()
    start = time.thread_time()
    device = open_device(program, threads=1)
    built_s = time.thread_time() - start
    rng = np.random.default_rng(2)
    given = {"x": (rng.random((1, 16, *LARGE[0])) < 0.02).astype(np.uint8)}
    device.profile(given)
    start = time.thread_time()
    _, profile = device.profile(given)
    ran_s = time.thread_time() - start
    return {
        "neurons": sum(int(np.prod(shape)) for shape in LARGE),
        "cores": len(program.body["cores"]),
        "synapses": sum(int(np.prod(s)) * 9 * t[0] for s, t in itertools.pairwise(LARGE)),
        "build_s": built_s,
        "run_s": ran_s,
        "events": profile.counts["synops"],
        "peak_bytes_before": before,
        "peak_bytes": peak_bytes(),
    }


def peak_bytes() -> int:
    """The most memory that this process has held since it started its program (Linux counts a fork's before that)."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) * 1024


def main() -> None:
    """Measure and print; with --json also write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the results to this file")
    parser.add_argument("--million", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.million:
        print(json.dumps(million()))
        return
    found = sweep()
    for row in found["rows"]:
        rate = row["events"] / row["least_s"] / 1e9
        print(f"{row['activity']:6.1%} {row['events'] / 1e6:8.2f} M events {row['least_s'] * 1e3:8.2f} ms", end="")
        print(f"  {rate:5.2f} G events/s (median {row['median_s'] * 1e3:.2f} ms)")
    line = found["line"]
    print(f"line: {line['fixed_s'] * 1e3:.2f} ms and {line['events_per_second'] / 1e9:.2f} G events/s,", end=" ")
    print(f"at most {line['largest_residual_of_the_largest']:.1%} of the longest time beside it")
    own = subprocess.run([sys.executable, __file__, "--million"], capture_output=True, text=True, check=True)
    large = json.loads(own.stdout)
    print(f"{large['neurons']:,} neurons, {large['synapses']:,} synapses on {large['cores']} cores:", end=" ")
    print(
        f"built in {large['build_s']:.1f} s, {large['events'] / 1e6:.0f} M events in {large['run_s']:.2f} s,", end=" "
    )
    print(
        f"peak {large['peak_bytes'] / 1e6:.0f} MB, of which {large['peak_bytes_before'] / 1e6:.0f} MB before building"
    )
    if arguments.json:
        report = {"format": 1, "machine": describe(), "results": {"activity": found, "million": large}}
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
