"""Where every buffer lies in the arena: buffers that never live at the same time may share a place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

ALIGNMENT_BYTES = 256


@dataclass(frozen=True)
class Lifetime:
    """A buffer's size for one sample, and the first and last launch (both included) during which it holds something."""

    name: str
    bytes: int
    first: int
    last: int

    def overlaps(self, other: Lifetime) -> bool:
        """Whether both hold something during the same launch."""
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True)
class MemoryPlan:
    """Offsets and sizes in bytes for one sample, multiples of 256; a batch multiplies all of them alike."""

    offsets: dict[str, int]
    bytes: dict[str, int]
    arena_bytes: int
    arena_bytes_without_reuse: int


def plan_memory(lifetimes: Sequence[Lifetime]) -> MemoryPlan:
    """Place the largest buffers first, each in the tightest gap between those that live at the same time.

    Two buffers that overlap in time never overlap in space, at any batch, since places scale with it. The arena is
    never larger than it would be without reuse: a buffer that fits no gap lies directly behind another.
    """
    sizes = {life.name: align(life.bytes) for life in lifetimes}
    placed: list[tuple[Lifetime, int]] = []
    for life in sorted(lifetimes, key=lambda life: (-sizes[life.name], life.first, life.name)):
        neighbours = sorted((at, at + sizes[other.name]) for other, at in placed if other.overlaps(life))
        placed.append((life, _tightest_gap(neighbours, sizes[life.name])))
    return MemoryPlan(
        offsets={life.name: at for life, at in placed},
        bytes=sizes,
        arena_bytes=max((at + sizes[life.name] for life, at in placed), default=0),
        arena_bytes_without_reuse=sum(sizes.values()),
    )


def align(size: int) -> int:
    """The next multiple of 256."""
    return -(-size // ALIGNMENT_BYTES) * ALIGNMENT_BYTES


def _tightest_gap(taken: list[tuple[int, int]], size: int) -> int:
    """The start of the smallest gap between taken places that holds `size`, else the end of the last."""
    best, best_room, end = -1, 0, 0
    for start, past in taken:
        room = start - end
        if room >= size and (best < 0 or room < best_room):
            best, best_room = end, room
        end = max(end, past)
    return best if best >= 0 else end
