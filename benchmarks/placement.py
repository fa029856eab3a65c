"""How short the ways of messages are on the mesh: striate's placement beside plainer ones and beside a lower bound.

    python benchmarks/placement.py [--json FILE]

For each network and machine, message-hops for one sample: messages from core to core, counted on calibration data,
times the routers that they pass. Between chips, which have no common mesh, a way counts as mesh width + mesh height.

row-major: cores in the order of the layers, row by row. snake: every other row backwards. greedy: the core that has
most to do with those that stand already comes next, to the nearest place. striate: the better of snake and greedy, then
swaps and shakes. bound: no placement of these cores is shorter (mapping/bound.py of the target), whether or not one
reaches it. Networks without data of their own have random weights and inputs, and say so.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
from machine import describe

from striate.language import parse_machine
from striate.pipeline import read
from striate.targets import find
from striate.targets.neuromorphic.codings.graded import Graded
from striate.targets.neuromorphic.codings.rate import Rate
from striate.targets.neuromorphic.lower import Mapped, map_to_cores
from striate.targets.neuromorphic.mapping.bound import least_hops
from striate.targets.neuromorphic.mapping.place import greedy, hops, in_order, place
from striate_runtime.hardware import Chip

EXAMPLES = Path(__file__).parents[1] / "examples"
CASES = (
    ("digits/lenet5.striate", "loihi2"),
    ("digits/lenet5.striate", "loihi1(coding=rate, steps=64)"),
    ("models/pilotnet.striate", "loihi2(slabs=power_of_two)"),
    ("models/pilotnet.striate", "loihi2"),
    ("models/resnet18.striate", "loihi2"),
    ("models/mobilenet_v2.striate", "loihi2"),
)


def mapped(network: str, machine: str) -> tuple[Mapped, bool]:
    """A network on a machine's cores, and whether it names no data of its own, so that all is random."""
    compilation = read(EXAMPLES / network, stand_ins=True)
    _, chip, options = find(parse_machine(machine))
    assert isinstance(chip, Chip), f"'{machine}' is a chip"
    if options["coding"] == "graded":
        graph = compilation.quantized
        encoded = Graded(graph, chip).run()
    else:
        graph, steps, percentile = compilation.optimised, int(options["steps"]), float(options["percentile"])
        encoded = Rate(graph, chip, steps, compilation.calibration, percentile).run()
    slabs = "power_of_two" if options["slabs"] == "power_of_two" else "even"
    result = map_to_cores(graph, encoded, chip, 0, slabs, calibration=compilation.calibration)
    return result, compilation.experiment.calibration is None


def measure(network: str, machine: str) -> dict[str, object]:
    """Message-hops a sample of every placement, and how long striate's takes."""
    result, is_random = mapped(network, machine)
    messages, board, samples = result.messages, result.board, result.activity.samples
    both_ways = (messages + messages.T).astype(np.float64)
    np.fill_diagonal(both_ways, 0)
    start = time.thread_time()
    spots = place(board.chip, messages, chips=board.chips)
    seconds = time.thread_time() - start
    placements = {
        "row_major": list(board.spots[: len(messages)]),
        "snake": [board.spots[at] for at in in_order(board, len(messages), {})],
        "greedy": [board.spots[at] for at in greedy(board, both_ways, {})],
        "striate": spots,
    }
    found = {name: hops(messages, at, board) / samples for name, at in placements.items()}
    return {
        "network": Path(network).stem,
        "machine": machine,
        "weights_and_inputs": "random" if is_random else "trained, calibration data",
        "cores": len(messages),
        "chips": board.chips,
        "messages_per_sample": int(messages.sum()) / samples,
        "message_hops_per_sample": found | {"bound": least_hops(messages, board) / samples},
        "seconds": seconds,
    }


def main() -> None:
    """Measure and print; with --json also write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the results to this file")
    arguments = parser.parse_args()
    results: list[dict[str, object]] = []
    print(f"{'network':<14} {'machine':<30} {'cores':>5} {'chips':>5} {'row-major':>12} {'snake':>12} ", end="")
    print(f"{'greedy':>12} {'striate':>12} {'bound':>12} {'seconds':>8}   message-hops a sample")
    for network, machine in CASES:
        row = measure(network, machine)
        results.append(row)
        ways = row["message_hops_per_sample"]
        assert isinstance(ways, dict), "they have names"
        numbers = " ".join(f"{ways[name]:>12,.0f}" for name in ("row_major", "snake", "greedy", "striate", "bound"))
        print(
            f"{row['network']:<14} {machine:<30} {row['cores']:>5} {row['chips']:>5} {numbers} {row['seconds']:>8.2f}"
        )
    if arguments.json:
        report = {"format": 1, "machine": describe(), "results": results}
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
