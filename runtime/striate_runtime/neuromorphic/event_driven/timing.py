"""How long a sample takes on a chip without steps: as long as its input, and an event's way to the output after it."""

from __future__ import annotations

from striate_runtime.hardware import Chip
from striate_runtime.neuromorphic.event_driven.check import depths
from striate_runtime.profile import Figure
from striate_runtime.program.neuromorphic import NeuromorphicBody
from striate_runtime.report import quantity

UNTOLD = "how many events a core works on in a second is not published, so that overload is not noticed"


def event_latency(layers: int, chip: Chip) -> Figure:
    """An event's way through so many layers. It is published for one and for as many as there are cores.

    Between, it is derived: along the line through the two.
    """
    one, most = chip.time.event_one_layer_latency_us, chip.time.event_all_layers_latency_us
    low, high = (figure.value if figure else None for figure in (one, most))
    cores = sum(group.count.value or 0 for group in chip.core_classes)
    source = one.source if one else ""
    if low is None or high is None or not 1 <= layers <= cores:
        return Figure(None, "emulated", source, low, high, f"an event's way through {layers} layers is not published")
    value = low if cores == 1 else low + (high - low) * (layers - 1) / (cores - 1)
    note = f"an event's way through {layers} layer{'s' if layers > 1 else ''}"
    if 1 < layers < cores:
        note += f", derived: along the line from {low} us through one to {high} us through {cores}"
    return Figure(value, "emulated", source, low, high, note)


def sample_latency(body: NeuromorphicBody, chip: Chip) -> Figure:
    """How long a sample takes: its ticks, where the network says how long one is, and the last event's way out."""
    way = event_latency(max(depths(body).values(), default=0), chip)
    answer = f"the answer comes {quantity.duration(way.value)} after the last event ({way.note})"
    if body.tick_us is None:
        note = f"how long an input is shown is up to who shows it; {answer}; {UNTOLD}"
        return Figure(None, "emulated", way.source, note=note)
    shown = body.steps * body.tick_us
    value = None if way.value is None else shown + way.value
    note = f"{body.steps} steps of {quantity.duration(body.tick_us)} are the input's own; {answer}; {UNTOLD}"
    return Figure(value, "emulated", way.source, note=note)
