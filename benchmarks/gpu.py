"""Every operator and every example network on this machine's GPU: right or wrong, and how fast.

    python benchmarks/gpu.py [--only NAME ...] [--batches 1 8 32 128] [--steps 16] [--out FILE] [--build]

Operators' cases and networks are compiled, run, and compared with the numpy reference: integers must be equal, floats
near (TOLERANCES). Networks have random weights and are timed at each batch; those with time run for STEPS steps on
sparse events, and in floats they and their reference have weights that f16 holds, so that spikes can be equal. Each
operator and each network runs in a process of its own, so one that crashes or hangs is recorded as such and the rest
goes on. Results are written after each, to benchmarks/results/gpu-NAME.json, with the GPU's name and versions. Exits 1
where there is no GPU or something failed. It needs a GPU, Triton (`striate[gpu]`) and cuda-bindings (`striate[cuda]`).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "compiler"), str(ROOT / "runtime")]

import msgspec  # noqa: E402
import numpy as np  # noqa: E402

from striate_runtime.device import Array, open_device  # noqa: E402
from striate_runtime.gpu.driver import NoGpuError, Properties, open_driver  # noqa: E402

if TYPE_CHECKING:
    from striate.graph import Graph
    from striate.operators.schema import Case
    from striate_runtime.program import Program

TOLERANCES = {"f16": 1e-2, "f32": 1e-3}
"""Largest error of a whole case or network, relative to the reference's largest value."""

FOLDERS = ("examples/models", "examples/digits", "examples/spiking", "examples/nmnist", "benchmarks/networks")
OVER_TIME = ("spiking", "nmnist", "networks")
"""Folders of networks with time."""

BATCHES = (1, 8, 32, 128)
STEPS = 16
EVENTS_PER_PIXEL = 0.05
CHECKED_SAMPLES = 2
LIMIT_S = 900

Record = dict[str, Any]


@dataclass(frozen=True)
class Options:
    """The batches to time, and the steps of networks with time; `build` only builds kernels."""

    batches: tuple[int, ...]
    steps: int
    build: bool


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="operators or networks, by name")
    parser.add_argument("--batches", nargs="+", type=int, default=list(BATCHES), metavar="N")
    parser.add_argument("--steps", type=int, default=STEPS, metavar="T", help="time steps of networks with time")
    parser.add_argument("--out", type=Path, metavar="FILE")
    parser.add_argument("--build", action="store_true", help="only build all kernels into the cache; needs no GPU")
    parser.add_argument("--child", metavar="JOB", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    options = Options(tuple(arguments.batches), arguments.steps, arguments.build)
    if arguments.child:
        print(json.dumps(run_job(arguments.child, options)))
        return 0
    if arguments.build:
        return run_all(jobs(arguments.only), options, None, None)
    try:
        properties = read_properties()
    except NoGpuError as error:
        print(f"This benchmark needs a GPU: {error}.", file=sys.stderr)
        return 1
    out = arguments.out or ROOT / "benchmarks" / "results" / f"gpu-{slug(properties.name)}.json"
    return run_all(jobs(arguments.only), options, properties, out)


def jobs(only: Sequence[str] | None) -> list[str]:
    """`operator:NAME` for every operator, `network:PATH:PRECISION` for every example network."""
    from striate.operators import OPERATORS

    networks = sorted(path for folder in FOLDERS for path in ROOT.glob(f"{folder}/*.striate"))
    named = [(name, f"operator:{name}") for name in OPERATORS]
    named += [
        (path.stem, f"network:{path.relative_to(ROOT)}:{precision}")
        for path in networks
        for precision in (("f16", "f32", "i8") if path.parent.name in OVER_TIME else ("f16", "i8"))
    ]
    return [job for name, job in named if not only or name in only]


def run_all(todo: Sequence[str], options: Options, properties: Properties | None, out: Path | None) -> int:
    """Operators several at a time, since they are not timed; then networks one by one."""
    results: Record = {
        "gpu": properties.__dict__ if properties else None,
        "python": platform.python_version(),
        "striate": version_of("striate"),
        "triton": version_of("triton"),
        "cuda-bindings": version_of("cuda-bindings"),
        "date": time.strftime("%Y-%m-%d"),
        "jobs": {},
    }
    operators = [job for job in todo if job.startswith("operator:")]
    networks = [job for job in todo if job not in operators]
    failures = 0

    def child(job: str) -> Record:
        return run_child(job, options)

    with ThreadPoolExecutor(max(1, (os.cpu_count() or 1) // 2)) as pool:
        done = chain(pool.map(child, operators), map(child, networks))
        for number, (job, record) in enumerate(zip([*operators, *networks], done, strict=True), 1):
            results["jobs"][job] = record
            failed = [entry for entry in record["runs"] if entry["failure"]]
            failures += len(failed)
            print(f"[{number}/{len(todo)}] {job}: {summary(record, failed)}", flush=True)
            if out:
                write(out, results)
    print(f"{out or 'built'}: {failures} failures")
    return 1 if failures else 0


def run_child(job: str, options: Options) -> Record:
    """One job in a process of its own; what befalls it is a record too."""
    command = [sys.executable, __file__, "--child", job, "--batches", *map(str, options.batches)]
    command += ["--steps", str(options.steps)]
    command += ["--build"] if options.build else []
    start = time.monotonic()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        return {"runs": [failed_run("all", f"took longer than {LIMIT_S} s")], "seconds": LIMIT_S}
    if done.returncode != 0:
        last = "\n".join(done.stderr.strip().splitlines()[-8:])
        record = {"runs": [failed_run("all", f"the process ended with {done.returncode}: {last}")]}
    else:
        record = json.loads(done.stdout.strip().splitlines()[-1])
    return {**record, "seconds": round(time.monotonic() - start, 1)}


def run_job(job: str, options: Options) -> Record:
    kind, name, *rest = job.split(":")
    if kind == "operator":
        return {"runs": list(run_operator(name, options))}
    return {"runs": list(run_network(ROOT / name, rest[0], options))}


def run_operator(name: str, options: Options) -> Iterator[Record]:
    """Each case of an operator in each precision that its types allow."""
    from striate.operators import OPERATORS

    for number, case in enumerate(OPERATORS[name].cases()):
        is_integer = any(t.dtype not in ("f16", "f32") for t in case.inputs)
        for precision in ("i8",) if is_integer else ("f16", "f32"):
            title = f"{number} {case.note} {precision}"
            yield attempt(title, lambda case=case, precision=precision: run_case(case, precision, options))


def run_case(case: Case, precision: str, options: Options) -> Record:
    from striate.interpreter import interpret
    from striate.operators.stateful import CASE_DT_S

    graph, inputs = graph_of(case)
    if case.operator.stateful:
        graph.dt_s = CASE_DT_S
        inputs = {name: over_time(case, position, options.steps) for position, name in enumerate(inputs)}
    program = build(graph, precision, case.batch, options.steps)
    if options.build:
        return {}
    with open_device(program, fallback=False) as device:
        outputs = device.run(inputs)
    return {"error": compare(outputs, interpret(graph, inputs), precision)}


def over_time(case: Case, position: int, steps: int) -> Array:
    """An operand of a case with state, other numbers in each step: `[batch, steps, *shape]`."""
    series = np.stack([case.arrays(seed)[0][position] for seed in range(steps)], axis=1)
    return halved(series)


def halved(array: Array) -> Array:
    """Floats that f16 holds."""
    return array.astype(np.float16).astype(array.dtype) if array.dtype.kind == "f" else array


def graph_of(case: Case) -> tuple[Graph, dict[str, Array]]:
    """A network of one node; one that takes nothing stands beside a relu, since a program needs an input."""
    from striate.graph import Graph, Parameter
    from striate.operators.pointwise import Relu
    from striate.tensor import TensorType

    operands, parameters = case.arrays()
    graph = Graph("case")
    names = [f"x{number}" for number in range(len(operands))]
    for name, type in zip(names, case.inputs, strict=True):
        graph.add_input(name, type)
    types = case.operator.parameters(*case.inputs)
    for role, value in parameters.items():
        type = types.get(role) or TensorType("f32", value.shape)
        graph.parameters[f"y.{role}"] = Parameter(type, value)
    graph.add("y", case.operator, names, {role: f"y.{role}" for role in parameters})
    graph.outputs["y"] = "y"
    inputs = dict(zip(names, operands, strict=True))
    if not inputs:
        graph.add_input("x", TensorType("f32", (3,)))
        graph.outputs["beside"] = graph.add("beside", Relu(), ["x"]).name
        inputs["x"] = np.ones((case.batch, 3), np.float32)
    return graph, inputs


def run_network(path: Path, precision: str, options: Options) -> Iterator[Record]:
    """One network at each batch: its first samples against the reference, then its profile."""
    from striate.interpreter import interpret
    from striate.pipeline import read

    needs_weights = "models" in path.parts
    compilation = read(path, weights="init(0)" if needs_weights else None)
    inputs = random_inputs(compilation.graph, max(*options.batches, 8), options.steps)
    compilation._calibration = first(inputs, 8)  # pyright: ignore[reportPrivateUsage]
    graph = compilation.quantized if precision == "i8" else compilation.optimised
    is_exact = graph.dt_s is not None and precision != "i8"
    if is_exact:
        halve_weights(graph)
    reference = {} if options.build else interpret(graph, first(inputs, CHECKED_SAMPLES), float64=is_exact)
    for batch in options.batches:

        def run(batch: int = batch) -> Record:
            program = build(graph, precision, batch, options.steps)
            if options.build:
                return {}
            with open_device(program, fallback=False) as device:
                outputs, profile = device.profile(first(inputs, batch))
            count = min(batch, CHECKED_SAMPLES)
            error = compare(first(outputs, count), first(reference, count), precision)
            return {
                "error": error,
                "samples_per_s": 1e6 / profile.latency_us.value if profile.latency_us.value else None,
                "profile": msgspec.to_builtins(profile),
            }

        yield attempt(f"batch {batch} {precision}", run)


def random_inputs(graph: Graph, samples: int, steps: int) -> dict[str, Array]:
    """Numbers from 0 to 1 or, over time, a few events in each step."""
    rng = np.random.default_rng(0)
    if graph.dt_s is None:
        return {name: rng.random((samples, *type.shape), np.float32) for name, type in graph.inputs.items()}
    return {
        name: rng.poisson(EVENTS_PER_PIXEL, (samples, steps, *type.shape)).astype(np.float32)
        for name, type in graph.inputs.items()
    }


def halve_weights(graph: Graph) -> None:
    """Let program and reference compute with the same weights, which f16 holds."""
    for name, parameter in list(graph.parameters.items()):
        assert parameter.value is not None, "the weights are loaded"
        graph.set_parameter(name, halved(parameter.value), parameter.type)


def build(graph: Graph, precision: str, batch: int, steps: int) -> Program:
    from striate.targets.gpu import compile_for_gpu
    from striate_runtime.hardware import load_hardware

    text = load_hardware("h100").text
    machine = f"gpu(precision={precision}, batch={batch})"
    return compile_for_gpu(
        graph,
        precision=precision,  # pyright: ignore[reportArgumentType]
        hardware_text=text,
        machine=machine,
        default_batch=batch,
        steps=None if graph.dt_s is None else steps,
    )


def attempt(title: str, run: Callable[[], Record]) -> Record:
    """What `run` gives, or how it failed. The GPU may be unusable afterwards; then the rest of this job fails too."""
    from striate.diagnostics import CompileError
    from striate_runtime.device import DeviceError, InputError
    from striate_runtime.program import ProgramError

    try:
        return {"title": title, "failure": None, **run()}
    except (CompileError, DeviceError, InputError, ProgramError, AssertionError, ArithmeticError, LookupError) as error:
        return failed_run(title, f"{type(error).__name__}: {error}")


def compare(got: Mapping[str, Array], wanted: Mapping[str, Array], precision: str) -> float:
    """The largest error relative to the reference's largest value. AssertionError where it is too large."""
    worst = 0.0
    for name, reference in wanted.items():
        assert got[name].shape == reference.shape, f"'{name}' has shape {got[name].shape}, not {reference.shape}"
        if reference.dtype.kind != "f" or precision == "i8":
            wrong = int((got[name] != reference).sum())
            assert wrong == 0, f"'{name}' is wrong in {wrong} of {reference.size} values that must be equal"
            continue
        error = float(np.abs(got[name].astype(np.float64) - reference).max(initial=0.0))
        relative = error / max(float(np.abs(reference).max(initial=0.0)), 1e-30)
        assert relative <= TOLERANCES[precision], f"'{name}' is off by {relative:.2e} of its largest value"
        worst = max(worst, relative)
    return worst


def first(arrays: Mapping[str, Array], count: int) -> dict[str, Array]:
    return {name: array[:count] for name, array in arrays.items()}


def failed_run(title: str, why: str) -> Record:
    return {"title": title, "failure": why}


def summary(record: Record, failed: Sequence[Record]) -> str:
    if failed:
        return f"{len(failed)} of {len(record['runs'])} FAILED; {failed[0]['title']}: {failed[0]['failure'][:200]}"
    speeds = [f"{run['samples_per_s']:,.0f}/s" for run in record["runs"] if run.get("samples_per_s")]
    return f"{len(record['runs'])} right {' '.join(speeds)}"


def read_properties() -> Properties:
    driver = open_driver()
    try:
        return driver.properties
    finally:
        driver.close()


def version_of(package: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return None


def slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def write(path: Path, results: Record) -> None:
    """Replace the file only when the new one is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    part.replace(path)


if __name__ == "__main__":
    sys.exit(main())
