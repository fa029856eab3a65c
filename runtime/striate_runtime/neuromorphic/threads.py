"""Samples are independent: a few threads, the caller's among them, run them, each with a state of its own. What they
counted is added up: integers, so that results do not depend on how many threads there are.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np
import numpy.typing as npt

from striate_runtime.neuromorphic.costs.counts import Counts

Array = npt.NDArray[Any]

_SHARE = 2
"""A piece is what is left, over so many times the number of threads: samples differ, and so the last ones are small."""

_FEWEST = 2
"""A thread is started only for so many samples or more."""

Kernel = Callable[[slice, Any, tuple[Counts, ...], Counts], None]
"""Runs the samples of a slice with a state, and adds to totals and saturation."""


def default_threads() -> int:
    """As many as there are cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_on_threads(
    kernel: Kernel,
    samples: int,
    states: list[Any],
    new: Callable[[], Any],
    threads: int,
    totals: tuple[Counts, ...],
    late: Counts,
) -> None:
    """Run `samples` samples on at most `threads` threads.

    states: one for each thread so far, to which `new` ones are added as they are needed. totals: i64
    and late: i64 `[cores, 2]` (how often a sum was too large, the first step) are added to.
    """
    threads = max(1, min(threads, samples // _FEWEST))
    states += [new() for _ in range(len(states), threads)]
    if threads == 1:
        kernel(slice(0, samples), states[0], totals, late)
        return
    pieces: SimpleQueue[slice] = SimpleQueue()
    start = 0
    while start < samples:
        end = start + max(1, (samples - start) // (_SHARE * threads))
        pieces.put(slice(start, end))
        start = end

    def work(state: Any) -> tuple[tuple[Counts, ...], Counts]:
        own = tuple(np.zeros_like(total) for total in totals), np.zeros_like(late)
        while True:
            try:
                piece = pieces.get_nowait()
            except Empty:
                return own
            kernel(piece, state, *own)

    with ThreadPoolExecutor(threads - 1) as pool:
        others = [pool.submit(work, state) for state in states[1:threads]]
        found = [work(states[0]), *(other.result() for other in others)]
    for own_totals, own_late in found:
        for total, own in zip(totals, own_totals, strict=True):
            total += own
        _add(late, own_late)


def _add(late: Counts, more: Counts) -> None:
    """Add how often, and keep the earlier of the first steps."""
    first = np.where(late[:, 0] > 0, late[:, 1], more[:, 1])
    both = (late[:, 0] > 0) & (more[:, 0] > 0)
    late[:, 1] = np.where(both, np.minimum(late[:, 1], more[:, 1]), first)
    late[:, 0] += more[:, 0]
