"""How fast a chip without steps is emulated: LeNet-5 on Speck under the coding `rate`, one thread, CPU time.

    python benchmarks/event_by_event.py [--json FILE]

Batches of 1 and of 100 of the example's test images, 64 ticks each, with full accounting: the median (and the least) of
rounds in which the batches take turns. A synaptic event is a weight that is not 0 and that an event meets.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np
from machine import describe

from striate.language import parse_machine
from striate.pipeline import lower, read
from striate_runtime import open_device

DIGITS = Path(__file__).parent.parent / "examples" / "digits"
BATCHES = (1, 100)
ROUNDS = 15


def main() -> None:
    """Measure and print; with --json also write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the results to this file")
    arguments = parser.parse_args()
    program = lower(read(DIGITS / "lenet5.striate"), parse_machine("speck(coding=rate, steps=64)"))
    with np.load(DIGITS / "digits_test.npz") as data:
        given = {batch: {"image": data["image"][:batch]} for batch in BATCHES}
    taken: dict[int, list[float]] = {batch: [] for batch in BATCHES}
    events: dict[int, float] = {}
    with open_device(program, threads=1) as device:
        device.profile(given[1])
        for _ in range(ROUNDS):
            for batch, inputs in given.items():
                start = time.thread_time()
                _, took = device.profile(inputs)
                taken[batch].append(time.thread_time() - start)
                events[batch] = took.counts["synops"] * batch
    rows = [
        {
            "batch": batch,
            "synaptic_events": events[batch],
            "median_s": statistics.median(taken[batch]),
            "least_s": min(taken[batch]),
        }
        for batch in BATCHES
    ]
    for row in rows:
        median, most = (row["synaptic_events"] / row[key] / 1e9 for key in ("median_s", "least_s"))
        print(f"batch {row['batch']:3}: {row['synaptic_events'] / 1e6:7.1f} M synaptic events in", end=" ")
        print(f"{row['median_s'] * 1e3:.2f} ms: {median:.2f} G/s (at most {most:.2f})")
    if arguments.json:
        report = {"format": 1, "machine": describe(), "results": {"event_by_event": rows}}
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
