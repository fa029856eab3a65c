"""`striate diff`: where two machines part, layer by layer, down to the first step and neuron."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from striate.cli.arguments import Calibration, Data, Json, NoFallback, On, Weights

if TYPE_CHECKING:
    from striate_runtime.trace import Trace


def diff(
    what: Annotated[
        list[Path],
        typer.Argument(metavar="A.npz B.npz | MODEL", help="Two traces, or a model with two --on.", show_default=False),
    ],
    on: On = None,
    data: Data = None,
    samples: Annotated[int, typer.Option(min=1, help="How many samples to trace.")] = 1,
    tolerance: Annotated[
        float, typer.Option(min=0.0, help="The largest difference of two numbers that counts as none.")
    ] = 0.0,
    weights: Weights = None,
    calibration: Calibration = None,
    no_fallback: NoFallback = False,
    json: Json = False,
) -> None:
    """Compare two runs layer by layer; name the first layer, step and neuron that differ. Exit code 1 if any does.

    A is the reference: the signal of each layer's signal-to-noise ratio, and the order of the layers.
    Besides machines, --on takes 'interpreter' and 'interpreter(graph=quantized)': the reference's values.
    """
    import msgspec

    from striate.cli import console
    from striate_runtime.diff import compare_traces
    from striate_runtime.report.difference import difference_table

    a, b = _traces(what, on or [], data, samples, weights, calibration, not no_fallback)
    difference = compare_traces(a, b, tolerance)
    if json:
        first = difference.first.layer if difference.first else None
        found = {"format": 1, "equal": first is None, "first": first, **msgspec.to_builtins(difference)}
        console.print_json(_without_infinities(found))
    else:
        console.show(*difference_table(difference))
    if difference.first is not None:
        raise typer.Exit(1)


def _traces(
    what: list[Path],
    on: list[str],
    data: Path | None,
    samples: int,
    weights: str | None,
    calibration: Path | None,
    fallback: bool,
) -> tuple[Trace, Trace]:
    from striate.cli import console
    from striate.cli.trace import trace_on
    from striate.diagnostics import CompileError, Diagnostic
    from striate_runtime.trace import load_trace

    if len(what) == 2 and not on:
        return load_trace(what[0]), load_trace(what[1])
    if len(what) != 1 or len(on) != 2:
        message = f"given {len(what)} files and {len(on)} machines, there are not two runs to compare"
        help = "striate diff A.npz B.npz, or striate diff MODEL --on SPEC --on SPEC"
        raise CompileError(Diagnostic("bad-machine", message, help=help))
    with console.progress() as progress:
        a, b = (trace_on(what[0], spec, data, samples, weights, calibration, fallback, progress) for spec in on)
    return a, b


def _without_infinities(value: Any) -> Any:
    """JSON has no infinity and no NaN: they become text."""
    if isinstance(value, dict):
        named = cast("dict[str, Any]", value)
        return {key: _without_infinities(each) for key, each in named.items()}
    if isinstance(value, list | tuple):
        return [_without_infinities(each) for each in cast("list[Any]", value)]
    return value if not isinstance(value, float) or isfinite(value) else str(value)
