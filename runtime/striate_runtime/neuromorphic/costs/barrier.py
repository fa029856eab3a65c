"""How long all cores take to meet at the end of a step: by the chip's table, or by its board's among several chips."""

from __future__ import annotations

import msgspec

from striate_runtime.hardware import Chip, Quantity


def barrier_ns(tiles: int, chip: Chip, chips: int = 1) -> Quantity:
    """The barrier among that many used routers: the next larger entry of the table, or its last.

    On several chips that of the table between chips, where there is one; it is then the whole barrier.
    """
    if chips > 1 and chip.time.barrier_between_chips:
        between = sorted(chip.time.barrier_between_chips, key=lambda point: point.chips)
        latency_us = next((point for point in between if point.chips >= chips), between[-1]).latency_us
        return msgspec.structs.replace(latency_us, **{edge: _in_ns(latency_us, edge) for edge in _EDGES})
    points = sorted(chip.time.barrier, key=lambda point: point.tiles)
    return next((point for point in points if point.tiles >= tiles), points[-1]).latency_ns


def untimed_between_chips(chip: Chip, chips: int) -> tuple[str, ...]:
    """What takes time between chips and has no published one."""
    if chips == 1:
        return ()
    barrier = () if chip.time.barrier_between_chips else ("barrier between chips",)
    return ("message to another chip", *barrier)


_EDGES = ("value", "low", "high")


def _in_ns(latency_us: Quantity, edge: str) -> float | None:
    value = getattr(latency_us, edge)
    return None if value is None else value * 1e3
