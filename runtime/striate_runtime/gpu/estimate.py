"""What a GPU would take, by the roofline of its description: a formula, and called one everywhere.

    launch time = launch latency + max(bytes / bandwidth, 2 x MACs / peak of the precision, other operations / f32 peak)
    total time  = sum over launches
    energy      = bytes x energy per byte + MACs x energy per MAC + constant power x total time

Weights are read and kernels launched once for a batch, so one sample's share is a `batch`-th; in a loop over time, once
for each step. At batch 1 the launches are most of a small network's time, and the constant power over that time most of
its energy. The start of the graph as a whole, once for a batch, is the high end of the band: a host that feeds the GPU
without pause hides it. Caches and partly filled processors are not modelled. What the description leaves unknown stays
unknown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from striate_runtime.gpu.plan import Plan
from striate_runtime.gpu.summary import counts_of_launch
from striate_runtime.hardware import Gpu, Quantity, assumed_note
from striate_runtime.profile import Energy, Figure, LayerProfile
from striate_runtime.program.gpu import Launch

NOTE = "roofline plus launch latency per kernel; all traffic at main memory's cost; high: with the start of the graph"
STEPS_NOTE = "; that the steps within a kernel wait for each other is not counted"
"""Said of kernels in which neurons run from step to step: a lower bound of their time, where it counts most."""

_PEAKS: dict[str, Callable[[Gpu], Quantity]] = {
    "f16": lambda gpu: gpu.compute.peak_f16_tflops,
    "f32": lambda gpu: gpu.compute.peak_f32_tflops,
    "i8": lambda gpu: gpu.compute.peak_i8_tops,
}
_MAC_ENERGIES: dict[str, Callable[[Gpu], Quantity]] = {
    "f16": lambda gpu: gpu.energy.mac_f16_pj,
    "f32": lambda gpu: gpu.energy.mac_f32_pj,
    "i8": lambda gpu: gpu.energy.mac_i8_pj,
}


@dataclass(frozen=True)
class Estimate:
    """Time and energy of one sample when `batch` are run together."""

    latency_us: Figure
    energy_uj: Energy
    layers: tuple[LayerProfile, ...]


def estimate(plan: Plan, hardware: Gpu, batch: int) -> Estimate:
    """The roofline of every launch, and their sum."""
    precision = plan.body.precision
    bandwidth, peak = hardware.memory.bandwidth_gb_per_s, _PEAKS[precision](hardware)
    per_bit, per_mac = hardware.energy.memory_pj_per_bit, _MAC_ENERGIES[precision](hardware)
    power = hardware.energy.constant_power_w
    launches = plan.body.launches
    note = NOTE + (STEPS_NOTE if any(launch.keeps_state for launch in launches) else "")
    times = [_time_us(launch, plan.starts_of(launch), batch, hardware, peak) for launch in launches]
    known = [time for time in times if time is not None]
    total_us = sum(known) if len(known) == len(times) else None
    start = hardware.memory.graph_start_us
    highest_us = None if total_us is None or start is None or start.value is None else total_us + start.value / batch
    moved = sum(moved_bytes(launch, batch) for launch in launches)
    macs = sum(launch.macs for launch in launches)
    stack = {
        "compute": _scaled(per_mac, macs * 1e-6),
        "memory": _scaled(per_bit, moved * 8e-6),
        "static": _with_high(_scaled(power, total_us), power, highest_us),
        "host": _unknown("the host that feeds the GPU is not described"),
        "io": _unknown("transfers to and from the GPU are not described"),
    }
    sources = "; ".join(q.source for q in (bandwidth, peak, hardware.memory.launch_latency_us))
    return Estimate(
        latency_us=Figure(total_us, "estimated", sources, None if highest_us is None else total_us, highest_us, note),
        energy_uj=Energy(_total(stack, hardware), stack, _missing(stack)),
        layers=tuple(
            _layer(launch, batch, time, (per_mac.value, per_bit.value, power.value))
            for launch, time in zip(launches, times, strict=True)
        ),
    )


def moved_bytes(launch: Launch, batch: int) -> float:
    """Bytes to and from memory for one sample of a batch."""
    return launch.bytes_read + launch.bytes_written + launch.weight_bytes / batch


def _time_us(launch: Launch, starts: int, batch: int, hardware: Gpu, peak: Quantity) -> float | None:
    """The start, and the longest of moving, multiplying on the precision's own units, and the rest on ordinary ones."""
    demands = (
        (moved_bytes(launch, batch) * 1e-3, hardware.memory.bandwidth_gb_per_s.value),
        (2 * launch.macs * 1e-6, peak.value),
        (launch.operations * 1e-6, hardware.compute.peak_f32_tflops.value),
    )
    times = [amount / rate if rate else None for amount, rate in demands if amount]
    known = [time for time in times if time is not None]
    start = hardware.memory.launch_latency_us.value
    return max(known, default=0.0) + starts * start / batch if start is not None and len(known) == len(times) else None


def _layer(
    launch: Launch, batch: int, time_us: float | None, costs: tuple[float | None, float | None, float | None]
) -> LayerProfile:
    per_mac, per_bit, power = costs
    return LayerProfile(
        layer=launch.layer,
        operator=launch.operator,
        latency_us=time_us,
        energy_uj={
            "compute": _times(per_mac, launch.macs * 1e-6),
            "memory": _times(per_bit, moved_bytes(launch, batch) * 8e-6),
            "static": _times(power, time_us),
        },
        counts=counts_of_launch(launch),
    )


def _scaled(quantity: Quantity, factor: float | None) -> Figure:
    """A quantity times a factor, its band with it."""
    note = f"{quantity.grade}: {quantity.note}" if quantity.note else str(quantity.grade or "")
    low, high = _times(quantity.low, factor), _times(quantity.high, factor)
    return Figure(_times(quantity.value, factor), "estimated", quantity.source, low, high, note)


def _with_high(figure: Figure, power: Quantity, highest_us: float | None) -> Figure:
    """Constant power over the longest time as the high end."""
    if figure.value is None or power.value is None or highest_us is None:
        return figure
    edge = power.value if power.high is None else power.high
    return msgspec.structs.replace(figure, low=figure.low or figure.value, high=edge * highest_us)


def _missing(stack: dict[str, Figure]) -> tuple[str, ...]:
    return tuple(name for name, part in stack.items() if part.value is None)


def _total(stack: dict[str, Figure], hardware: Gpu) -> Figure:
    """The sum of the known parts, with the band that theirs make; unknown where no part is known."""
    parts = [part for part in stack.values() if part.value is not None]
    if not parts:
        return Figure(None, "estimated", note=NOTE)
    value = sum(part.value for part in parts if part.value is not None)
    low = sum(part.value if part.low is None else part.low for part in parts if part.value is not None)
    high = sum(part.value if part.high is None else part.high for part in parts if part.value is not None)
    is_band = low < value or high > value
    note = "; ".join((NOTE, *assumed_note(hardware, hardware.title)))
    return Figure(value, "estimated", "", low if is_band else None, high if is_band else None, note)


def _times(value: float | None, factor: float | None) -> float | None:
    return None if value is None or factor is None else value * factor


def _unknown(note: str) -> Figure:
    return Figure(None, "estimated", note=note)
