"""Several machines side by side, on the same data: the rows, the JSON, and the verdict in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from striate_runtime.profile import Figure, Profile

Array = npt.NDArray[Any]

FORMAT = 1
ISO_ACCURACY = 0.005
"""Energies are compared only between rows whose accuracies differ by at most this much (half a percentage point)."""


class Result(msgspec.Struct, frozen=True):
    """One machine's row. Fractions are in 0..1.

    `accuracy` is None without labels. `agreement` is the share of samples whose largest output is the float
    reference's. `exact` says whether the outputs equal the integer reference bit for bit; None for machines that
    compute in floats or in spikes. `accuracy_at_steps` is for codings whose answer sharpens with time.
    """

    profile: Profile
    accuracy: float | None
    agreement: float | None
    exact: bool | None
    accuracy_at_steps: dict[int, float] = {}


class Comparison(msgspec.Struct, frozen=True):
    """Rows on the same samples. `reference_accuracy` is the float network's own, by the interpreter; `notes` are what
    is to be known of the data."""

    network: str
    data: str
    samples: int
    reference_accuracy: float | None
    results: tuple[Result, ...]
    notes: tuple[str, ...] = ()


def accuracy(outputs: Array, labels: Array) -> float:
    """The share of labels `[N]` (in every step `[N, T]`) at which the largest of the outputs `[N, ..., classes]` is."""
    return float((outputs.reshape(labels.size, -1).argmax(axis=1) == labels.reshape(-1)).mean())


def agreement(outputs: Mapping[str, Array], reference: Mapping[str, Array], answers: int | None = None) -> float:
    """The share of samples whose largest value is at the same place as the reference's, in every output.

    `answers`: how many there are in each output, where there is one for every step of a sample.
    """
    same: list[Array] = []
    for name, expected in reference.items():
        number = len(expected) if answers is None else answers
        same.append(outputs[name].reshape(number, -1).argmax(1) == expected.reshape(number, -1).argmax(1))
    return float(np.logical_and.reduce(same).mean())


def to_json(comparison: Comparison) -> dict[str, Any]:
    """The comparison as `compare --json` writes it."""
    return {
        "format": FORMAT,
        "network": comparison.network,
        "data": comparison.data,
        "samples": comparison.samples,
        "reference_accuracy": comparison.reference_accuracy,
        "results": [_row(result) for result in comparison.results],
        "notes": list(comparison.notes),
        "verdict": verdict(comparison),
    }


def _row(result: Result) -> dict[str, Any]:
    profile: dict[str, Any] = msgspec.to_builtins(result.profile)
    energy = result.profile.energy_uj
    stack = {part: figure.value for part, figure in energy.stack.items()}
    total = energy.total
    return {
        "machine": profile.pop("machine"),
        "accuracy": result.accuracy,
        "samples": profile.pop("samples"),
        "agreement": result.agreement,
        "exact": result.exact,
        "accuracy_at_steps": {str(steps): value for steps, value in result.accuracy_at_steps.items()},
        "latency_us": profile.pop("latency_us"),
        "energy_uj": {
            "total": total.value,
            "basis": total.basis,
            "low": total.low,
            "high": total.high,
            "stack": stack,
            "uncounted": list(energy.uncounted),
            "figures": profile.pop("energy_uj"),
        },
        **profile,
    }


# -- the verdict


def verdict(comparison: Comparison) -> list[str]:
    """An honest sentence for each chip, against the int8 GPU at every batch there is, else another GPU."""
    rows = [result for result in comparison.results if result.profile.valid]
    gpus = [result for result in rows if result.profile.device == "gpu"]
    chips = [result for result in rows if result.profile.device != "gpu"]
    sentences = [
        f"{result.profile.machine} is left out: its result is not valid ({result.profile.problems[0].message})."
        for result in comparison.results
        if not result.profile.valid and result.profile.problems
    ]
    if not gpus or not chips:
        return [*sentences, "There is nothing to weigh: a verdict needs a GPU and a chip on the same data."]
    fair = [gpu for gpu in gpus if "precision=i8" in gpu.profile.machine] or gpus[:1]
    sentences += [_weigh(chip, fair) for chip in chips]
    bases = {result.profile.energy_uj.total.basis for result in [*fair, *chips]}
    if bases != {"measured"}:
        sentences.append(
            f"No figure here is more than its basis ({', '.join(sorted(bases))}): "
            "read the ratios as orders of magnitude, and see what each total leaves out."
        )
    return sentences


def _weigh(chip: Result, baselines: list[Result]) -> str:
    name, other = chip.profile.machine, baselines[0].profile.machine
    for baseline in baselines:
        lost = (baseline.accuracy or 0.0) - (chip.accuracy or 0.0)
        if chip.accuracy is not None and abs(lost) > ISO_ACCURACY:
            gap = (
                f"{name} is {abs(lost) * 100:.1f} points {'below' if lost > 0 else 'above'} {baseline.profile.machine}"
            )
            return f"{gap}: at unequal accuracy their energies are not compared."
    unknown = next((r for r in [chip, *baselines] if r.profile.energy_uj.total.value is None), None)
    if unknown is not None:
        return f"The energy of {unknown.profile.machine} is not known, so it is not compared."
    free = next((r for r in [chip, *baselines] if not r.profile.energy_uj.total.value), None)
    if free is not None:
        return f"The energy of {free.profile.machine} is 0 by its description, so there is no ratio to it."
    ratios = [f"{_ratios(chip, baseline)} at batch {baseline.profile.batch}" for baseline in baselines]
    return f"Against {other}, {name} takes {', and '.join(ratios)}; {_largest(chip)}."


def _ratios(chip: Result, baseline: Result) -> str:
    mine, theirs = chip.profile.energy_uj.total, baseline.profile.energy_uj.total
    assert mine.value is not None
    assert theirs.value is not None
    text = f"{_times(mine.value / theirs.value)} times the energy"
    low, high = _band(mine), _band(theirs)
    if low[0] <= high[1] and high[0] <= low[1]:
        text += " (the bands overlap: no winner)"
    ours, others = chip.profile.latency_us.value, baseline.profile.latency_us.value
    return text if ours is None or not others else f"{text} and {_times(ours / others)} times the time"


def _largest(chip: Result) -> str:
    known = {part: figure.value for part, figure in chip.profile.energy_uj.stack.items() if figure.value is not None}
    total = sum(known.values())
    if not total:
        return "none of its energy is known in parts"
    part = max(known, key=known.__getitem__)
    return f"{known[part] / total:.0%} of its energy is {part}"


def _band(figure: Figure) -> tuple[float, float]:
    assert figure.value is not None
    return (
        figure.value if figure.low is None else figure.low,
        figure.value if figure.high is None else figure.high,
    )


def _times(ratio: float) -> str:
    return f"{ratio:.2g}" if ratio < 10 else f"{ratio:,.0f}"
