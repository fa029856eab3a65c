"""The levels of timing: how much of what messages do to each other is taken into account.

`simple` is timing.py: the busiest core or link. `detailed` lets messages queue before cores and crowd the mesh;
`events` follows each from link to link. Both are functions of a sample's messages and the chip's description.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from striate_runtime.device import DeviceError
from striate_runtime.hardware import Chip, Limit
from striate_runtime.neuromorphic.costs.messages import Messages
from striate_runtime.neuromorphic.costs.timing import link_time_ns
from striate_runtime.program.neuromorphic import Core

Array = npt.NDArray[Any]

LEVELS = ("simple", "detailed", "events")
"""From the roughest to the finest."""

_UNLIMITED = 1 << 62


def check_level(level: str, chip: Chip) -> None:
    """Raise DeviceError unless there is such a level, and the chip's description has what it is about."""
    if level not in LEVELS:
        raise DeviceError(f"there is no timing '{level}'; there is {', '.join(LEVELS)}")
    if level != "simple" and chip.time.model == "async_event":
        raise DeviceError(f"timing '{level}' is about steps, and {chip.title} has none; timing 'simple' does without")
    if level != "simple" and chip.topology.routing != "xy":
        raise DeviceError(
            f"timing '{level}' follows messages over a mesh, and the cores of {chip.title} are connected directly;"
            " timing 'simple' does without"
        )


def level_steps_ns(level: str, messages: Messages, cores: tuple[Core, ...], chip: Chip) -> Array:
    """Of each step of a sample: how long until all is done, and for how long senders were held up; `[steps, 2]`.

    Neither barrier nor tick is in it.
    """
    if not cores:
        return np.zeros((len(messages.pass_ns), 2))
    return _KERNELS[level](messages, cores, chip)


def left_out(level: str, chip: Chip, crossings: bool) -> tuple[str, ...]:
    """What of a message's way a level does not know of, or has no published figure for."""
    if level == "simple":
        return ("contention in the mesh",)
    topology = chip.topology
    hops = (topology.hop_east_west_latency_ns, topology.hop_north_south_latency_ns)
    lacking = {
        "the way between chips": crossings,
        "the time of hops (topology.hop_*_latency_ns is unpublished)": None in (hop.value for hop in hops),
        "full buffers (topology.link_buffer_messages is unpublished)": _buffer(chip) is None,
        "links that are taken (topology.tile_gspikes_per_s is unpublished)": level == "events"
        and link_time_ns(chip) is None,
    }
    return tuple(what for what, lacks in lacking.items() if lacks)


def _queues(messages: Messages, cores: tuple[Core, ...], chip: Chip) -> Array:
    events = importlib.import_module("striate_runtime.neuromorphic.kernels.queues")  # numba takes a second to import

    result = np.zeros((len(messages.pass_ns), 2))
    in_turn = chip.time.overlap == "sum"
    events.queued_steps(_arrays(messages), _places(cores), _hops_ns(chip), _buffer(chip) or 0, in_turn, result)
    return result


def _mesh(messages: Messages, cores: tuple[Core, ...], chip: Chip) -> Array:
    events = importlib.import_module("striate_runtime.neuromorphic.kernels.mesh")

    result = np.zeros((len(messages.pass_ns), 3))
    buffer, in_turn = _buffer(chip) or _UNLIMITED, chip.time.overlap == "sum"
    taken_ns = link_time_ns(chip) or 0.0
    events.travelled_steps(_arrays(messages), _places(cores), _hops_ns(chip), taken_ns, buffer, in_turn, result)
    assert int(result[:, 2].sum()) == len(messages.source), "every message that is sent is worked on"
    return result[:, :2]


_KERNELS: dict[str, Callable[[Messages, tuple[Core, ...], Chip], Array]] = {"detailed": _queues, "events": _mesh}


def _arrays(messages: Messages) -> tuple[Array, ...]:
    sent = messages.source, messages.target, messages.ready_ns, messages.service_ns
    return (*sent, messages.start, messages.pass_ns)


def _places(cores: tuple[Core, ...]) -> Array:
    return np.array([(core.chip, core.x, core.y) for core in cores], np.int64)


def _hops_ns(chip: Chip) -> Array:
    topology = chip.topology
    hops = (topology.hop_east_west_latency_ns, topology.hop_north_south_latency_ns)
    return np.array([hop.value or 0.0 for hop in hops])


def _buffer(chip: Chip) -> int | None:
    buffer: Limit | None = chip.topology.link_buffer_messages
    return buffer.value if buffer else None
