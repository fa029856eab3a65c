"""How long compiling ResNet-50 takes: the stages without kernels on one core, and a second compile from the cache.

    python benchmarks/compile_speed.py [--json FILE]

Each stage is timed in this process, by CPU time, the median of several runs after one warm-up. The second compile is
timed by the clock, in a process of its own, with every kernel in the cache; pass --build to fill the cache first.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from machine import describe

MODEL = Path(__file__).parent.parent / "examples" / "models" / "resnet50.striate"
LIMIT_STAGES_S, LIMIT_SECOND_COMPILE_S = 1.5, 3.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument(
        "--build", action="store_true", help="also build all kernels, twice; the first can take minutes"
    )
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()

    seconds = {name: timed(stage, arguments.runs) for name, stage in stages().items()}
    total = sum(seconds.values())
    for name, value in seconds.items():
        print(f"{name:<28} {value:8.3f} s")
    print(f"{'parse, passes and lowering':<28} {total:8.3f} s  (to reach: under {LIMIT_STAGES_S} s)")
    results = {"machine": describe(), "stages_cpu_s": seconds, "total_cpu_s": total}
    if arguments.build:
        results["first_compile_s"], results["second_compile_s"] = compile_once(), compile_once()
        print(f"{'first compile':<28} {results['first_compile_s']:8.3f} s  (kernels may be cached from before)")
        print(
            f"{'second compile':<28} {results['second_compile_s']:8.3f} s  (to reach: under {LIMIT_SECOND_COMPILE_S} s)"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n")


def stages() -> dict[str, Callable[[], object]]:
    """Name -> what is timed. Random weights are made once, outside the timing: reading them is not compiling."""
    from striate.diagnostics import Source
    from striate.language import elaborate, parse, parse_machine
    from striate.passes import run_passes
    from striate.pipeline import lower, read

    source = Source(str(MODEL), MODEL.read_text())
    compilation = read(MODEL, weights="init(0)")
    loaded = compilation.graph
    compilation.optimised  # noqa: B018  computed here, so that `lower` is timed alone
    machine = parse_machine("gpu")
    return {
        "parse and elaborate": lambda: elaborate(parse(source)),
        "passes": lambda: run_passes(loaded.copy()),
        "lower to the GPU": lambda: lower(compilation, machine, build=False),
    }


def timed(stage: Callable[[], object], runs: int) -> float:
    stage()
    seconds: list[float] = []
    for _ in range(runs):
        start = time.process_time()
        stage()
        seconds.append(time.process_time() - start)
    return statistics.median(seconds)


def compile_once() -> float:
    """Wall seconds of `striate compile resnet50.striate --on gpu` as a user runs it."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "striate", "compile", str(MODEL), "--on", "gpu", "--weights", "init(0)"]
        start = time.perf_counter()
        subprocess.run([*command, "-o", f"{folder}/resnet50.zip"], check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - start


if __name__ == "__main__":
    main()
