"""`striate compare`: one network on several machines, on the same data, in one table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from striate.cli.arguments import Calibration, Data, Model, NoFallback, On, Timing, Weights

if TYPE_CHECKING:
    from striate.cli.console import Progress
    from striate.machine import Machine
    from striate.pipeline import Compilation
    from striate.tensor import Array
    from striate_runtime.compare import Comparison, Result


def compare(
    model: Model,
    on: On = None,
    data: Data = None,
    samples: Annotated[int | None, typer.Option(min=1, help="Use only the first so many samples.")] = None,
    weights: Weights = None,
    calibration: Calibration = None,
    timing: Timing = "simple",
    no_fallback: NoFallback = False,
    json: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the results as JSON ('-': to stdout).")
    ] = None,
) -> None:
    """Compile for each machine, run all on the same data, and print one table with every figure's basis.

    Data may be streams, [N, T, *shape]: a machine with coding=delta runs each as a whole, all others and the float
    reference run it frame by frame, and a sample is one frame.
    """
    import json as json_text

    from striate.cli import console
    from striate.cli.arguments import writable, write_text
    from striate_runtime.compare import to_json
    from striate_runtime.report.table import comparison_table

    to_stdout = json is not None and str(json) == "-"
    writable(None if to_stdout else json)
    with console.progress() as progress:
        comparison = _compare(model, on, data, samples, weights, calibration, timing, not no_fallback, progress)
    text = json_text.dumps(to_json(comparison), indent=2, ensure_ascii=False) + "\n"
    if to_stdout:
        print(text, end="")
        return
    if json is not None:
        write_text(json, text)
    console.show(comparison_table(comparison))


def _compare(
    model: Path,
    on: list[str] | None,
    data: Path | None,
    samples: int | None,
    weights: str | None,
    calibration: Path | None,
    timing: str,
    fallback: bool,
    progress: Progress,
) -> Comparison:
    from striate.data import frames_of, holds_streams, load_arrays, load_labels
    from striate.diagnostics import CompileError, Diagnostic
    from striate.interpreter import interpret
    from striate.passes.quantization.clipped import clipped_inputs
    from striate.pipeline import read
    from striate.targets import find
    from striate_runtime.compare import Comparison, accuracy

    compilation = read(model, weights=weights, calibration=calibration)
    machines = _machines(compilation, on)
    found = [find(machine) for machine in machines]
    if data is None and compilation.experiment.data is not None:
        data = compilation.base / compilation.experiment.data
    if data is None:
        message = f"'{compilation.graph.name}' is to be compared on no data"
        raise CompileError(
            Diagnostic("bad-data", message, help="write 'data \"FILE.npz\"' in the compare section, or pass --data")
        )
    graph = compilation.graph
    streams = any(target.takes_streams(options) for target, _, options in found)
    streams = streams or (graph.dt_s is None and holds_streams(data, graph.inputs))
    inputs = load_arrays(data, graph.inputs, graph.dt_s, streams)
    first = next(iter(inputs.values()))
    compilation.steps = first.shape[1] if streams or graph.dt_s is not None else None
    labels = load_labels(data, *first.shape[: 2 if streams else 1], steps=compilation.steps_of_answers)
    inputs = {name: array[:samples] for name, array in inputs.items()}
    labels = None if labels is None or len(compilation.graph.outputs) != 1 else labels[:samples].reshape(-1)
    frames = frames_of(inputs) if streams else inputs

    progress("the float reference", 0, 1)
    reference = interpret(compilation.graph, frames)
    progress("the float reference", 1, 1)
    given = (labels, reference, timing, fallback, progress)
    results = [
        _result(compilation, machine, inputs if target.takes_streams(options) else frames, *given)
        for machine, (target, _, options) in zip(machines, found, strict=True)
    ]
    integers = any(target.computes_in_integers(options, hardware) for target, hardware, options in found)
    return Comparison(
        compilation.graph.name,
        str(data),
        len(next(iter(frames.values()))),
        None if labels is None else accuracy(next(iter(reference.values())), labels),
        tuple(results),
        clipped_inputs(compilation.quantized, frames) if integers else (),
    )


def _machines(compilation: Compilation, on: list[str] | None) -> tuple[Machine, ...]:
    from striate.cli.arguments import machines
    from striate.diagnostics import CompileError, Diagnostic

    named = machines(compilation, on)
    if not named:
        raise CompileError(
            Diagnostic(
                "bad-machine",
                f"'{compilation.source.name}' names no machines to compare",
                help="write a compare section, or pass --on SPEC one or more times",
            )
        )
    return named


def _result(
    compilation: Compilation,
    machine: Machine,
    inputs: Mapping[str, Array],
    labels: Array | None,
    reference: Mapping[str, Array],
    timing: str,
    fallback: bool,
    progress: Progress,
) -> Result:
    import numpy as np

    from striate.data import frames_of
    from striate.interpreter import interpret
    from striate.pipeline import lower
    from striate.targets import find
    from striate_runtime import open_device
    from striate_runtime.compare import Result, accuracy, agreement
    from striate_runtime.device import SteppedDevice

    target, hardware, options = find(machine)
    streams = target.takes_streams(options)
    program = lower(compilation, machine, progress=progress)
    at_steps: dict[int, float] = {}
    level = timing if program.target == "neuromorphic" else "simple"
    with open_device(program, fallback=fallback, progress=progress, timing=level) as device:
        outputs, profile = device.profile(inputs)
        outputs = frames_of(outputs) if streams else outputs
        if labels is not None and isinstance(device, SteppedDevice) and profile.steps and device.answers_sharpen:
            steps = [n for n in (8, 16, 32, 64, 128, 256, 512, 1024) if n < profile.steps]
            snapshots = device.run_at_steps(inputs, steps) if steps else {}
            at_steps = {n: accuracy(next(iter(o.values())), labels) for n, o in snapshots.items()}
    exact = None
    if target.computes_in_integers(options, hardware):
        truth = interpret(compilation.quantized, frames_of(inputs) if streams else inputs)
        exact = all(np.array_equal(outputs[name], truth[name]) for name in truth)
    score = None if labels is None else accuracy(next(iter(outputs.values())), labels)
    if at_steps and score is not None and profile.steps:
        at_steps[profile.steps] = score
    answers = None if labels is None else labels.size
    return Result(profile, score, agreement(outputs, reference, answers), exact, at_steps)
