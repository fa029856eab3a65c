"""What the kernel of the level `events` walks: the mesh, what moves on it in a step, and who sends.

Links are numbered: four of each router (east, west, south, north), then the doors that cores and host send through,
then the doors that they receive through. Messages are numbered from the first of the step.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Mesh(NamedTuple):
    """What stays. A core's place is chip, x, y; a hop along x takes way_ns[0], along y way_ns[1]."""

    chip: Any
    x: Any
    y: Any
    width: Any
    height: Any
    doors: Any
    """Links from this one on are the doors of the sources, then those of the targets; before it four of each router."""
    sources: Any
    first: Any
    """The first message of the step; and of those after it, the first that the host injects."""
    injected: Any
    target: Any
    """Of each message: its target core."""
    service: Any
    ready: Any
    way_ns: Any
    taken_ns: Any
    """How long a message takes a link."""
    buffer: Any
    """How many messages a link's buffer holds."""
    in_turn: Any
    """Whether a core takes messages only while it has nothing to do with its neurons."""


class Traffic(NamedTuple):
    """What moves in a step. Messages are numbered from the first of the step."""

    first: Any
    """Of each link: the first message at its end, and `last` the last; of each message, `after`: the one behind it."""
    last: Any
    after: Any
    link: Any
    """Of each message: the link that it is on."""
    held: Any
    """Of each link: how many messages are on it or at its end; and when it can be entered."""
    free_at: Any
    asked_first: Any
    """Of each link: the first and the last link whose first message waits for it; of each link: who waits after it."""
    asked_last: Any
    asked_after: Any
    waking: Any
    """Of each link: whether it is to be looked at again."""
    when: Any
    """The heap: times, kinds and numbers, and [1] how many."""
    what: Any
    size: Any


class Sources(NamedTuple):
    """The cores, and the host as the last one."""

    next: Any
    """Its next message, and the end of its messages."""
    last: Any
    shift: Any
    """How late it is."""
    stuck: Any
    """Whether it stands still before its door; whether its pass has ended."""
    passed: Any
    busy: Any
    """Whether it works on a message, and until when."""
    busy_until: Any
    taken: Any
    """[1]: how many messages have been worked on."""
