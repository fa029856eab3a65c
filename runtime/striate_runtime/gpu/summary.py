"""What a profile says of a GPU program, whoever ran it: memory, counts, and whether the values can be used."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from striate_runtime.device import Array
from striate_runtime.gpu.plan import Plan, place_arrays
from striate_runtime.profile import Problem
from striate_runtime.program import Program
from striate_runtime.program.gpu import GpuBody, Launch


def memory_of(program: Program, plan: Plan, batch: int) -> dict[str, int]:
    """Bytes on the GPU for one batch."""
    return {
        "arena": plan.body.arena_bytes * batch,
        "arena_without_reuse": plan.body.arena_bytes_without_reuse * batch,
        "weights": place_arrays(program, plan)[1],
    }


def counts_of(plan: Plan) -> dict[str, float]:
    """The program's own counters for one sample."""
    launches = plan.body.launches
    return {"macs": sum(launch.macs for launch in launches), "launches": sum(map(plan.starts_of, launches))}


def counts_of_launch(launch: Launch) -> dict[str, float]:
    """A launch's own counters for one sample; `weight_bytes` is once for a batch."""
    return {
        "macs": launch.macs,
        "bytes_read": launch.bytes_read,
        "bytes_written": launch.bytes_written,
        "weight_bytes": launch.weight_bytes,
    }


def problems_of(outputs: Mapping[str, Array], body: GpuBody) -> tuple[Problem, ...]:
    """Outputs that are not numbers; inputs and weights were, so the precision's range was exceeded."""
    return tuple(
        Problem(f"{count} of {array.size} values of '{name}' are NaN or infinite in {body.precision}", "precision=f32")
        for name, array in outputs.items()
        if array.dtype.kind == "f" and (count := int((~np.isfinite(array)).sum()))
    )
