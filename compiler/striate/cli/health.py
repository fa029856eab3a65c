"""`striate compile --emit health`: how well a machine's numbers stand for the float network, on calibration data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType

    from striate.cli.console import Progress
    from striate.machine import Machine
    from striate.pipeline import Compilation
    from striate.tensor import Array
    from striate_runtime.program import Program

SAMPLES = 16
"""How many of the calibration samples are run."""

TITLES = {
    "rate": "rates beside float activations, in parts of each layer's full scale",
    "native": "spikes, or changes, beside the float network's",
    "integers": "integers beside floats",
}
SHARES = ("saturated", "clipped", "rate", "drift", "error", "rate_in_integers", "differing")
"""Figures that are printed as percentages."""


def health_of(compilation: Compilation, machine: Machine, progress: Progress) -> dict[str, Any]:
    """`kind` (a key of TITLES), `samples`, `layers` (a row each), and `problems`: sums beyond the chip's membrane.

    Raises CompileError[bad-machine] for a machine that computes in floats: there is nothing to compare.
    """
    from striate.diagnostics import CompileError, Diagnostic
    from striate.pipeline import lower
    from striate.targets import find

    target, hardware, options = find(machine)
    if target.name != "neuromorphic" and not target.computes_in_integers(options, hardware):
        message = f"'{machine}' computes in floats, as the network does: there is no health to tell"
        raise CompileError(Diagnostic("bad-machine", message, machine.span))
    inputs = {name: array[:SAMPLES] for name, array in compilation.calibration.items()}
    samples = len(next(iter(inputs.values())))
    if target.name == "neuromorphic":
        program = lower(compilation, machine, progress=progress)
        if program.body["coding"] in ("rate", "native"):
            return {"samples": samples, **_firing(compilation, program, inputs, progress)}
    return {"kind": "integers", "samples": samples, "layers": _integers(compilation), "problems": []}


def _firing(
    compilation: Compilation, program: Program, inputs: Mapping[str, Array], progress: Progress
) -> dict[str, Any]:
    import msgspec

    from striate.interpreter import interpret_all
    from striate.passes import quantize_time
    from striate.targets.neuromorphic.health import examine_changes, examine_rates, examine_spikes
    from striate_runtime import open_device
    from striate_runtime.program.neuromorphic import NeuromorphicBody
    from striate_runtime.trace import POTENTIALS, SPIKES

    body = msgspec.convert(program.body, NeuromorphicBody)
    with open_device(program, progress=progress) as device:
        traced = device.trace(inputs)
        _, profile = device.profile(inputs)
    spikes = {name.removesuffix(SPIKES): array for name, array in traced.items() if name.endswith(SPIKES)}
    floats = interpret_all(compilation.optimised, inputs, keep=set(spikes))
    if body.coding == "rate":
        layers = examine_rates(body.populations, body.steps, spikes, floats)
    else:
        held = {name.removesuffix(POTENTIALS): array for name, array in traced.items() if name.endswith(POTENTIALS)}
        scales = quantize_time(compilation.optimised.copy(), compilation.calibration).scales
        firing = examine_spikes(body.populations, spikes, floats)
        layers = (*firing, *examine_changes(body.populations, spikes, held, floats, scales))
    return {
        "kind": body.coding,
        "layers": [asdict(layer) for layer in layers],
        "problems": [{"message": problem.message, "knob": problem.knob} for problem in profile.problems],
    }


def _integers(compilation: Compilation) -> list[dict[str, Any]]:
    """What the quantize pass says of itself."""
    from striate.passes import quantize, quantize_time

    graph = compilation.optimised.copy()
    if graph.dt_s is not None:
        return [asdict(layer) for layer in quantize_time(graph, compilation.calibration).health(SAMPLES)]
    return [asdict(layer) for layer in quantize(graph, compilation.calibration).health(SAMPLES)]


def health_table(found: Mapping[str, Any]) -> list[RenderableType]:
    """The rows as a table, and the problems under it."""
    from rich.table import Table
    from rich.text import Text

    rows: list[dict[str, Any]] = found["layers"]
    columns = list(rows[0]) if rows else []
    title = f"{TITLES[found['kind']]}, {found['samples']} calibration samples"
    table = Table(*(name.replace("_", " ") for name in columns), title=title, title_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        table.add_row(*(_cell(name, row[name]) for name in columns))
    lines = [f"{problem['message']}; {problem['knob']}" for problem in found["problems"]]
    if found["kind"] != "integers":
        lines = lines or ["no sum exceeded the membrane"]
    return [table, *(Text(line) for line in lines)]


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "–"
    if name in SHARES:
        return f"{value:.2%}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
