"""Runs the float network on sample data and keeps the range of every value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from striate.diagnostics import CompileError, Diagnostic, did_you_mean
from striate.graph import Graph
from striate.interpreter import interpret_all
from striate.tensor import Array, TensorType

_CHUNK_ELEMENTS = 1 << 25
"""How many numbers, of all values together, are held at a time."""
_BINS = 4096


@dataclass(frozen=True)
class Range:
    """The smallest and the largest number seen, and the magnitude that codes should reach."""

    low: float
    high: float
    magnitude: float


def check_calibration(graph: Graph, calibration: Mapping[str, Array]) -> dict[str, Array]:
    """The arrays for the graph's inputs. Raises CompileError: needs-calibration, bad-calibration."""
    if not calibration:
        raise CompileError(
            Diagnostic(
                "needs-calibration",
                f"'{graph.name}' must be calibrated before it can compute in integers, and there are no sample inputs",
                help="name sample inputs: 'calibration \"FILE.npz\"' in the compare section, or --calibration FILE.npz",
            )
        )
    mistakes: list[Diagnostic] = []
    arrays: dict[str, Array] = {}
    for name, type in graph.inputs.items():
        if name not in calibration:
            message = f"the calibration data hold no array for the input '{name}'"
            mistakes.append(Diagnostic("bad-calibration", message, help=did_you_mean(name, calibration)))
            continue
        arrays[name] = np.asarray(calibration[name])
        wrong = _wrong(arrays[name], type, ("N",) if graph.dt_s is None else ("N", "T"))
        if wrong:
            mistakes.append(Diagnostic("bad-calibration", f"the calibration data for '{name}' ({type}) {wrong}"))
    counts = {name: len(array) for name, array in arrays.items() if array.ndim}
    if not mistakes and len(set(counts.values())) > 1:
        mistakes.append(Diagnostic("bad-calibration", f"the inputs disagree on the number of samples: {counts}"))
    steps = {name: array.shape[1] for name, array in arrays.items()} if graph.dt_s is not None and not mistakes else {}
    if len(set(steps.values())) > 1:
        mistakes.append(Diagnostic("bad-calibration", f"the inputs disagree on the number of steps: {steps}"))
    if mistakes:
        raise CompileError(mistakes)
    return arrays


def ranges(graph: Graph, calibration: Mapping[str, Array], percentile: float | None) -> dict[str, Range]:
    """The range of every value over all samples; magnitudes at `percentile` of |x|, or at the largest |x| for None.

    Raises CompileError[bad-calibration] where the network itself makes NaN or infinity of the samples.
    """
    lows: dict[str, float] = {}
    highs: dict[str, float] = {}
    for values in _chunks(graph, calibration):
        for name, array in values.items():
            lows[name] = min(lows.get(name, np.inf), float(array.min()))
            highs[name] = max(highs.get(name, -np.inf), float(array.max()))
            if not np.isfinite(lows[name] + highs[name]):
                message = f"on the calibration data, '{name}' is NaN or infinite in '{graph.name}'"
                raise CompileError(Diagnostic("bad-calibration", message, help="check the weights and the data"))
    largest = {name: max(abs(lows[name]), abs(highs[name])) for name in lows}
    if percentile is not None:
        largest = _percentiles(graph, calibration, largest, percentile)
    return {name: Range(lows[name], highs[name], largest[name]) for name in lows}


def _percentiles(
    graph: Graph, calibration: Mapping[str, Array], largest: Mapping[str, float], percentile: float
) -> dict[str, float]:
    counts = {name: np.zeros(_BINS, np.int64) for name, top in largest.items() if top > 0}
    for values in _chunks(graph, calibration):
        for name, count in counts.items():
            count += np.histogram(np.abs(values[name]), _BINS, (0, largest[name]))[0]
    result = dict(largest)
    for name, count in counts.items():
        reached = int(np.searchsorted(np.cumsum(count), percentile / 100 * int(count.sum())))
        result[name] = largest[name] * min(reached + 1, _BINS) / _BINS
    return result


def _chunks(graph: Graph, calibration: Mapping[str, Array]) -> Iterator[dict[str, Array]]:
    """Every float value of the graph on a slice of the samples at a time.

    Computed in double precision and rounded once, so that scales are the same however a machine's BLAS adds up.
    """
    samples = len(next(iter(calibration.values())))
    elements = sum(t.elements for t in graph.inputs.values()) + sum(node.type.elements for node in graph)
    step = max(1, _CHUNK_ELEMENTS // max(1, elements))
    floats = {name for name, t in graph.inputs.items() if t.is_float} | {n.name for n in graph if n.type.is_float}
    for start in range(0, samples, step):
        piece = {name: array[start : start + step] for name, array in calibration.items()}
        values = interpret_all(graph, piece, float64=True)
        with np.errstate(over="ignore"):
            rounded = {name: values[name].astype(np.float32) for name in floats}
        yield rounded


def _wrong(array: Array, type: TensorType, leading: tuple[str, ...]) -> str | None:
    if array.ndim != len(type.shape) + len(leading) or array.shape[len(leading) :] != type.shape:
        return f"must be [{', '.join(map(str, (*leading, *type.shape)))}], and have shape {list(array.shape)}"
    if len(array) == 0:
        return "hold no samples"
    if 0 in array.shape[: len(leading)]:
        return f"hold no time steps: their shape is {list(array.shape)}"
    if array.dtype.kind not in "fiu" or (array.dtype.kind == "f" and not type.is_float):
        return f"hold {array.dtype}"
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        return "hold NaN or infinity"
    return None
