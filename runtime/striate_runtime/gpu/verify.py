"""Which results of a launch can be believed: close to what was wanted, or the most that agree among themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from striate_runtime.device import Array
from striate_runtime.gpu.plan import NUMPY, Plan
from striate_runtime.program.gpu import Launch

TOLERANCES = {"float16": 2e-3, "float32": 1e-4}
"""Largest difference relative to the largest value wanted."""

TIES = 1e-3
"""Largest share of the numbers of a launch with float neurons that may be wrong by more.

A potential that comes as near to its threshold as sums are exact fires under one order of additions and not under
another, and from then on the neuron goes its own way: rare, where a miscompiled kernel is wrong in most places.
"""

Result = Mapping[str, Array]
"""A launch's buffers after it, by name."""


def find_difference(got: Result, wanted: Result, slack: int = 0, ties: float = 0.0) -> str | None:
    """How two results differ, or None where they agree.

    Integers may differ by `slack`, and of the floats a share of `ties` by anything.
    """
    for name in wanted:
        if reason := _difference(got[name], wanted[name], slack, ties):
            return f"'{name}' {reason}"
    return None


def find_agreement(results: Sequence[Result], slack: int = 0, ties: float = 0.0) -> list[int]:
    """The largest group of results that agree with one of their number; on a tie, the group that comes first."""
    groups = [
        [other for other, result in enumerate(results) if find_difference(result, leader, slack, ties) is None]
        for leader in results
    ]
    return max(groups, key=len)


def slack_of(plan: Plan, launch: Launch, arrays: Mapping[str, Array]) -> int:
    """How far integers of this launch may be off: not at all, or by one where it also reads floats.

    A function of floats (an exponential before a `quantize`) may round otherwise on a GPU than on the host, and then
    the integer that it becomes is the neighbouring one.
    """
    kinds: dict[str, Callable[[str], str]] = {
        "buffer": lambda name: NUMPY[plan.buffers[name].dtype].kind,
        "array": lambda name: arrays[name].dtype.kind,
        "rows": lambda _: "i",
        "step": lambda _: "i",
    }
    return int(any(kinds[argument.kind](argument.ref) == "f" for argument in launch.arguments))


def ties_of(plan: Plan, launch: Launch) -> float:
    """How many floats of this launch may be wrong: only where neurons compare floats with a threshold."""
    return TIES if launch.keeps_state and plan.body.precision != "i8" else 0.0


def _difference(got: Array, wanted: Array, slack: int, ties: float) -> str | None:
    tolerance = TOLERANCES.get(wanted.dtype.name)
    if tolerance is None:
        wrong = np.abs(got.astype(np.int64) - wanted.astype(np.int64)) > slack
        return f"is wrong in {int(wrong.sum())} of {wrong.size} integers" if wrong.any() else None
    is_finite = np.isfinite(wanted)
    if not np.array_equal(is_finite, np.isfinite(got)):
        missing = int((np.isfinite(got) != is_finite).sum())
        return f"has {missing} of {got.size} values that are missing, infinite or too many"
    expected = wanted[is_finite].astype(np.float64)
    error = np.abs(got[is_finite].astype(np.float64) - expected)
    scale = float(np.abs(expected).max(initial=0.0))
    largest = float(error.max(initial=0.0))
    wrong = int((error > tolerance * scale).sum())
    if wrong <= ties * got.size:
        return None
    return f"is off by up to {largest:.3g} where the largest value is {scale:.3g}, in {wrong} of {got.size} values"
