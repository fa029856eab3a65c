"""Work that does not fit: cores and links that would need longer than a step of a fixed length has.

A chip with barriers waits for its slowest core, so that nothing is ever late there. Where steps are ticks, what a core
or a link has not done by the end of one is late: the result is not what the chip would give, and is not valid.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from striate_runtime.hardware import Chip
from striate_runtime.neuromorphic.costs.counts import MESSAGES_IN, Counts
from striate_runtime.neuromorphic.costs.links import Links
from striate_runtime.neuromorphic.costs.timing import message_times_ns, tick_ns
from striate_runtime.profile import Problem
from striate_runtime.report import quantity

Times = npt.NDArray[Any]

CORE_KNOB = "fewer neurons or synapses on a core, fewer events, or a longer tick"
LINK_KNOB = "layers that send much to each other on routers side by side, fewer events, or a longer tick"


@dataclass
class Late:
    """Of a run, for cores and links: how often each was late, first in which step, and the longest it took, in ns."""

    cores: dict[int, tuple[int, int, float]] = field(default_factory=dict[int, tuple[int, int, float]])
    links: dict[int, tuple[int, int, float]] = field(default_factory=dict[int, tuple[int, int, float]])
    levels: dict[str, tuple[int, int, float]] = field(default_factory=dict[str, tuple[int, int, float]])
    """Steps that end too late at a finer level of timing: level -> the same."""
    dropped: int = 0
    """Messages that their core had not worked on when the tick ended."""

    def add(self, cores: Times | None, links: Times | None, counts: Counts, chip: Chip) -> None:
        """Take in more samples: times `[N, steps, cores]` and `[N, steps, links]`, counts `[N, steps, cores, ...]`."""
        limit = tick_ns(chip)
        if limit is None or cores is None:
            return
        _note(self.cores, cores, limit)
        if links is not None:
            _note(self.links, links, limit)
        self.dropped += _unfinished(cores, counts, chip, limit)

    def add_level(self, level: str, steps: Times, chip: Chip) -> None:
        """Take in a sample's steps `[steps]` as a level of timing has them."""
        limit = tick_ns(chip)
        if limit is not None:
            found = dict[int, tuple[int, int, float]]()
            _note(found, steps[None, :, None], limit)
            for entry in found.values():
                self.levels[level] = _merged(self.levels.get(level), entry)

    def problems(self, core_layers: tuple[str, ...], links: Links, chip: Chip) -> tuple[Problem, ...]:
        """What was late, in words."""
        if not (self.cores or self.links or self.levels):
            return ()
        limit = quantity.duration((tick_ns(chip) or 0.0) / 1000)
        named = [
            *((f"core {core} (layer '{core_layers[core]}')", found, CORE_KNOB) for core, found in self.cores.items()),
            *((f"the link {links.name(link)}", found, LINK_KNOB) for link, found in self.links.items()),
            *((f"the chip, by timing '{level}',", found, CORE_KNOB) for level, found in self.levels.items()),
        ]
        return tuple(
            Problem(
                f"{who} needs longer than a tick of {limit}: {quantity.duration(worst / 1000)} at most,"
                f" in {times:,} step{'s' if times > 1 else ''}, first in step {first}",
                knob,
            )
            for who, (times, first, worst), knob in named
        )


def _note(found: dict[int, tuple[int, int, float]], busy: Times, limit: float) -> None:
    """Add what exceeds the limit, from `[N, steps, things]`."""
    over = busy > limit
    for thing in np.flatnonzero(over.any((0, 1))).tolist():
        first = int(np.flatnonzero(over[:, :, thing].any(0))[0])
        entry = int(over[:, :, thing].sum()), first, float(busy[:, :, thing].max())
        found[thing] = _merged(found.get(thing), entry)


def _merged(one: tuple[int, int, float] | None, other: tuple[int, int, float]) -> tuple[int, int, float]:
    return other if one is None else (one[0] + other[0], min(one[1], other[1]), max(one[2], other[2]))


def _unfinished(cores: Times, counts: Counts, chip: Chip, limit: float) -> int:
    """Messages left when the tick ends, a core's taken as all alike, and after its neurons where it works in turn."""
    messages = message_times_ns(counts, chip)
    available = (
        np.maximum(limit - (cores - messages), 0.0) if chip.time.overlap == "sum" else np.full_like(cores, limit)
    )
    late = messages > available
    number = counts[..., MESSAGES_IN][late]
    done = np.floor(number * available[late] / messages[late] + 1e-9)
    return int((number - done).sum())
