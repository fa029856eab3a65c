"""What a compiled program holds, as text: its size, its kernels, its memory plan."""

from __future__ import annotations

import math

import msgspec

from striate_runtime.program import Program
from striate_runtime.program.gpu import GpuBody
from striate_runtime.program.neuromorphic import NeuromorphicBody


def summary(program: Program) -> dict[str, int]:
    """The few numbers that say how large a program is on its machine."""
    if program.target == "gpu":
        body = msgspec.convert(program.body, GpuBody)
        return {
            "launches": sum(body.steps or 1 if launch.loop else 1 for launch in body.launches),
            "weight_bytes": sum(array.nbytes for array in program.arrays.values()),
            "arena_bytes_per_sample": body.arena_bytes,
            "arena_bytes_without_reuse": body.arena_bytes_without_reuse,
        }
    chip = msgspec.convert(program.body, NeuromorphicBody)
    return {
        "cores": len(chip.cores),
        "chips": len({core.chip for core in chip.cores}),
        "neurons": sum(math.prod(population.shape) for population in chip.populations if population.on_cores),
        "steps": chip.steps,
    }


def kernels_text(program: Program) -> str:
    """The sources of a GPU program's kernels, one file after the other."""
    if program.target != "gpu":
        return f"{program.machine} has no kernels: 'mapping' shows what its cores hold\n"
    sources = {name: text for name, text in program.files.items() if name.endswith(".py")}
    return "".join(f"# {name}\n{text.decode()}\n" for name, text in sorted(sources.items()))


def plan_text(program: Program) -> str:
    """A GPU program's launches and its buffers' places in the arena, per sample."""
    if program.target != "gpu":
        return f"{program.machine} has no memory plan: 'mapping' shows where its populations lie\n"
    body = msgspec.convert(program.body, GpuBody)
    lines = [f"{'buffer':<32} {'type':<20} {'offset':>10} {'bytes':>10}"]
    for buffer in body.buffers:
        type = f"{buffer.dtype}{list(buffer.shape)}"
        lines.append(f"{buffer.name:<32} {type:<20} {buffer.offset:>10,} {buffer.bytes:>10,}")
    without = body.arena_bytes_without_reuse
    reuse = body.arena_bytes / max(without, 1)
    lines += [f"arena: {body.arena_bytes:,} bytes per sample, {reuse:.0%} of {without:,} without reuse", ""]
    lines.append(f"{'launch':<28} {'kernel':<18} {'rows':>9} {'macs':>14} {'stands for'}")
    for launch in body.launches:
        kernel = launch.candidates[0].kernel
        nodes = ", ".join(launch.nodes)
        again = f" ({body.steps} times, loop {launch.loop})" if launch.loop else ""
        lines.append(f"{launch.layer:<28} {kernel:<18} {launch.rows_per_sample:>9,} {launch.macs:>14,} {nodes}{again}")
    return "\n".join(lines) + "\n"
