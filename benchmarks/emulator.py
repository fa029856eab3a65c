"""How fast the emulated chip is on the digits: synaptic events per second, batch 1, one thread, with full accounting.

    python benchmarks/emulator.py [--json FILE]

Beside it stands what this machine could do at most: bare vector additions of i16 and i32 numbers that stay in the
first level of cache, measured in the same run. A synaptic event is one weight that is not 0 met by one event, borders
clipped; the emulator also adds the weights that are 0, and counts messages, words, hops and neuron updates meanwhile.
The emulator takes one sample after the other, however many it is given; "one call each" has a profile written for each.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from machine import describe
from numba import njit

import striate
from striate_runtime import open_device

DIGITS = Path(__file__).parents[1] / "examples" / "digits"
MACHINES = ("loihi2(coding=graded)", "loihi1(coding=rate, steps=64)")
SAMPLES = 50
ROUNDS = 7
NUMBERS = 4096


@njit(nogil=True)
def _add(target: Any, source: Any, times: int) -> None:
    for _ in range(times):
        for i in range(len(target)):
            target[i] += source[i]
        source[0] += 1  # so that the additions cannot be merged into one


def limit(dtype: Any) -> float:
    """Additions per second of numbers that stay in the first level of cache: median of several rounds."""
    target, source = np.zeros(NUMBERS, dtype), np.ones(NUMBERS, dtype)
    _add(target, source, 1)
    times = 2000
    seconds = median_seconds(lambda: _add(target, source, times))
    return NUMBERS * times / seconds


def median_seconds(work: Callable[[], object]) -> float:
    """CPU time of this thread, median of several rounds."""
    taken: list[float] = []
    for _ in range(ROUNDS):
        start = time.thread_time()
        work()
        taken.append(time.thread_time() - start)
    return statistics.median(taken)


def measure(machine: str, images: npt.NDArray[np.float32]) -> dict[str, float | str]:
    """One machine on the digits: time of a sample, and events per second, all layers and the convolutions' share."""
    program = striate.compile(DIGITS / "lenet5.striate", on=machine)
    start = time.perf_counter()
    with open_device(program, threads=1) as device:
        _, profile = device.profile({"image": images[:1]})
        first_s = time.perf_counter() - start
        samples = [{"image": images[i : i + 1]} for i in range(len(images))]
        apart_s = median_seconds(lambda: [device.profile(sample) for sample in samples])
        together_s = median_seconds(lambda: device.profile({"image": images}))
        plain_s = median_seconds(lambda: device.run({"image": images}))
        _, profile = device.profile({"image": images})
    events = profile.counts["synops"]
    convolutions = sum(layer.counts["synops"] for layer in profile.layers if layer.operator == "conv2d")
    sample_s, call_s = together_s / len(images), apart_s / len(images)
    return {
        "machine": machine,
        "first_sample_s": first_s,
        "events_per_sample": events,
        "convolution_events_per_sample": convolutions,
        "sample_us": sample_s * 1e6,
        "sample_without_accounting_us": plain_s / len(images) * 1e6,
        "call_us": call_s * 1e6,
        "events_per_second": events / sample_s,
        "convolution_events_per_second": convolutions / sample_s,
        "convolution_events_per_second_one_call_each": convolutions / call_s,
    }


def main() -> None:
    """Measure and print; with --json also write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the results to this file")
    arguments = parser.parse_args()
    images = np.load(DIGITS / "digits_test.npz")["image"][:SAMPLES]
    limits = {"i16_additions_per_second": limit(np.int16), "i32_additions_per_second": limit(np.int32)}
    results = [measure(machine, images) for machine in MACHINES]
    print(f"machine's limit: {limits['i16_additions_per_second'] / 1e9:.1f} G i16 additions/s,", end=" ")
    print(f"{limits['i32_additions_per_second'] / 1e9:.1f} G i32 additions/s (vectors in L1, one thread)")
    for result in results:
        rate, one_call = (float(result[f"convolution_events_per_second{suffix}"]) for suffix in ("", "_one_call_each"))
        fraction = rate / limits["i32_additions_per_second"]
        print(f"{result['machine']}: {rate / 1e6:,.0f} M synaptic events/s in convolution layers, ", end="")
        print(f"{fraction:.1%} of the i32 limit, {float(result['sample_us']):,.0f} us/sample; ", end="")
        print(f"one call each {one_call / 1e6:,.0f} M/s, {float(result['call_us']):,.0f} us")
    if arguments.json:
        report = {"format": 1, "machine": describe(), "limits": limits, "results": results}
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
