"""The level `events`: every message of a step goes from link to link and waits wherever another one is before it.

A way is the sender's door, the links along x, the links along y, the receiver's door. A link takes one message at a
time, for as long as its published rate says (a hop takes as long at least), and ends in a buffer that holds so many; a
message is in it from when it enters the link until it enters the next one, or is taken by the core. Only the first of a
buffer can go on, those of several buffers that want the same link in the order in which they came to want it. A core
whose door's buffer is full stands still. Doors take no time. Ways along x before y cannot close a circle of buffers:
all messages arrive. What the host injects comes from outside of the mesh: it waits before its core in no buffer, and
holds up nothing.
"""

# pyright: basic
# numba compiles these functions from the types of their arrays, which its decorators cannot express.

from __future__ import annotations

import numpy as np
from numba import njit

from striate_runtime.neuromorphic.costs import mesh_tables
from striate_runtime.neuromorphic.costs.mesh_tables import Mesh, Sources, Traffic
from striate_runtime.neuromorphic.kernels import heap
from striate_runtime.neuromorphic.kernels.heap import pop, push
from striate_runtime.neuromorphic.kernels.kept import kept

_jit = njit(nogil=True, error_model="numpy")

NONE = -1
SEND, ARRIVE, ASK, WAKE, SERVED, PASSED = range(6)
"""What happens at a time: a source has its next message ready; a message is at the end of its link; the first of a
link's buffer asks for the next link; a link can be entered again; a core has worked on a message; a pass has ended."""


@_jit
def _travelled_steps(messages, places, hops_ns, taken_ns, buffer, in_turn, result):
    """Into `result` [steps, 3]: each step's duration, how long senders stood still in it, both in ns; messages served.

    messages: (source, target, ready_ns, service_ns, start, pass_ns) as in messages.Messages
    places i64 [cores, 3]: chip, x, y of each core; hops_ns: of a hop along x, and along y
    taken_ns: how long a link is taken by one message; buffer: how many messages a link's buffer holds
    in_turn: whether a core takes messages only while it does nothing with its neurons
    """
    _, target, ready, service, start, pass_ns = messages
    steps, sources = pass_ns.shape
    cores = sources - 1
    width, height = places[:, 1].max() + 1, places[:, 2].max() + 1
    links = (places[:, 0].max() + 1) * width * height * 4 + 2 * sources
    chip, x, y = places[:, 0].copy(), places[:, 1].copy(), places[:, 2].copy()
    doors = links - 2 * sources
    for step in range(steps):
        first, number = start[step, 0], start[step, sources] - start[step, 0]
        mesh = Mesh(
            *(chip, x, y, width, height, doors, sources, first, start[step, cores] - first),
            *(target, service, ready, hops_ns, taken_ns, buffer, in_turn),
        )
        room = 2 * number + 4 * links + 4 * sources + 16
        traffic = Traffic(
            np.full(links, NONE),
            np.full(links, NONE),
            np.full(number, NONE),
            np.zeros(number, np.int64),
            np.zeros(links, np.int64),
            np.zeros(links),
            np.full(links, NONE),
            np.full(links, NONE),
            np.full(links, NONE),
            np.zeros(links, np.bool_),
            np.empty(room),
            np.empty(room, np.int64),
            np.zeros(1, np.int64),
        )
        own = Sources(
            start[step, :sources].copy(),
            start[step, 1:].copy(),
            np.zeros(sources),
            np.zeros(sources, np.bool_),
            np.zeros(sources, np.bool_),
            np.zeros(sources, np.bool_),
            np.zeros(sources),
            np.zeros(1, np.int64),
        )
        for s in range(sources):
            if own.next[s] < own.last[s]:
                _happens(traffic, ready[own.next[s]], SEND, s)
            else:
                _happens(traffic, pass_ns[step, s] if s < cores else 0.0, PASSED, s)
        now = 0.0
        while traffic.size[0] > 0:
            now, what = traffic.when[0], traffic.what[0]
            traffic.size[0] = pop(traffic.when, traffic.what, traffic.size[0])
            kind, at = what % 6, what // 6
            if kind == SEND:
                _send(mesh, traffic, own, at, now, pass_ns[step])
            elif kind == ARRIVE:
                _arrive(mesh, traffic, own, at, now)
            elif kind == ASK:
                _ask(mesh, traffic, at, now)
            elif kind == WAKE:
                _wake(mesh, traffic, own, at, now)
            elif kind == SERVED:
                result[step, 0] = max(result[step, 0], now)
                own.busy[at] = False
                own.taken[0] += 1
                _serve(mesh, traffic, own, at, now)
            else:
                result[step, 0] = max(result[step, 0], now)
                own.passed[at] = True
                _serve(mesh, traffic, own, at, now)
        result[step, 1] = own.shift.sum()
        result[step, 2] = own.taken[0]


@_jit
def _happens(traffic, when, kind, at):
    traffic.size[0] = push(traffic.when, traffic.what, traffic.size[0], when, at * 6 + kind)


@_jit
def _send(mesh, traffic, own, s, now, pass_ns):
    """A source puts its message into its door's buffer, or stands still."""
    door, m = mesh.doors + s, own.next[s]
    if m - mesh.first >= mesh.injected:
        door = mesh.doors + mesh.sources + mesh.target[m]
    elif traffic.held[door] >= mesh.buffer:
        own.stuck[s] = True
        _serve(mesh, traffic, own, s, now)
        return
    else:
        own.stuck[s] = False
        own.shift[s] = now - mesh.ready[m]
        traffic.held[door] += 1
    traffic.link[m - mesh.first] = door
    _happens(traffic, now, ARRIVE, m - mesh.first)
    own.next[s] += 1
    if own.next[s] < own.last[s]:
        _happens(traffic, mesh.ready[own.next[s]] + own.shift[s], SEND, s)
    else:
        _happens(traffic, pass_ns[s] + own.shift[s], PASSED, s)


@_jit
def _arrive(mesh, traffic, own, n, now):
    """A message is at the end of its link: the last of those there."""
    link = traffic.link[n]
    alone = traffic.first[link] == NONE
    if alone:
        traffic.first[link] = n
    else:
        traffic.after[traffic.last[link]] = n
    traffic.last[link] = n
    traffic.after[n] = NONE
    if link >= mesh.doors + mesh.sources:
        _serve(mesh, traffic, own, link - mesh.doors - mesh.sources, now)
    elif alone:
        _ask(mesh, traffic, link, now)


@_jit
def _ask(mesh, traffic, link, now):
    """The first message at a link's end asks for the next link, after those that asked before."""
    wanted = _next_link(mesh, traffic, link)
    if traffic.asked_first[wanted] == NONE:
        traffic.asked_first[wanted] = link
    else:
        traffic.asked_after[traffic.asked_last[wanted]] = link
    traffic.asked_last[wanted] = link
    traffic.asked_after[link] = NONE
    _wake_at(traffic, wanted, max(now, traffic.free_at[wanted]))


@_jit
def _wake_at(traffic, link, when):
    if not traffic.waking[link]:
        traffic.waking[link] = True
        _happens(traffic, when, WAKE, link)


@_jit
def _wake(mesh, traffic, own, link, now):
    """Let the first in that waits for a link, if there is room; a source that stands still before its door goes on."""
    traffic.waking[link] = False
    if mesh.doors <= link < mesh.doors + mesh.sources:
        s = link - mesh.doors
        if own.stuck[s] and traffic.held[link] < mesh.buffer:
            own.stuck[s] = False
            _happens(traffic, max(now, own.busy_until[s] if mesh.in_turn else now), SEND, s)
        return
    asking = traffic.asked_first[link]
    if asking == NONE or traffic.held[link] >= mesh.buffer:
        return
    if traffic.free_at[link] > now:
        _wake_at(traffic, link, traffic.free_at[link])
        return
    traffic.asked_first[link] = traffic.asked_after[asking]
    if traffic.asked_first[link] == NONE:
        traffic.asked_last[link] = NONE
    n = _leave(mesh, traffic, asking, now)
    if traffic.first[asking] != NONE:
        _happens(traffic, now, ASK, asking)
    traffic.link[n] = link
    traffic.held[link] += 1
    is_door = link >= mesh.doors
    traffic.free_at[link] = now if is_door else now + mesh.taken_ns
    way = 0.0 if is_door else max(mesh.taken_ns, mesh.way_ns[0 if link % 4 < 2 else 1])
    _happens(traffic, now + way, ARRIVE, n)
    if traffic.asked_first[link] != NONE and traffic.held[link] < mesh.buffer:
        _wake_at(traffic, link, traffic.free_at[link])


@_jit
def _leave(mesh, traffic, link, now):
    """Take the first message out of a link's buffer; who waits for the room is woken."""
    n = traffic.first[link]
    traffic.first[link] = traffic.after[n]
    if traffic.first[link] == NONE:
        traffic.last[link] = NONE
    if n < mesh.injected:
        traffic.held[link] -= 1
        _wake_at(traffic, link, max(now, traffic.free_at[link]))
    return n


@_jit
def _serve(mesh, traffic, own, core, now):
    """A core that may takes the next message before its door."""
    door = mesh.doors + mesh.sources + core
    may = own.passed[core] or own.stuck[core] or not mesh.in_turn
    if traffic.first[door] == NONE or own.busy[core] or not may:
        return
    n = _leave(mesh, traffic, door, now)
    own.busy[core] = True
    own.busy_until[core] = now + mesh.service[mesh.first + n]
    _happens(traffic, own.busy_until[core], SERVED, core)


@_jit
def _next_link(mesh, traffic, link):
    """Where the first message at the end of `link` goes on to: along x, then along y, then its target's door."""
    target = mesh.target[mesh.first + traffic.first[link]]
    if link >= mesh.doors:
        source = link - mesh.doors
        if mesh.chip[source] != mesh.chip[target]:
            return mesh.doors + mesh.sources + target
        chip, x, y = mesh.chip[source], mesh.x[source], mesh.y[source]
    else:
        place, direction = link // 4, link % 4
        chip, x, y = place // (mesh.width * mesh.height), place // mesh.height % mesh.width, place % mesh.height
        x += (direction == 0) - (direction == 1)
        y += (direction == 2) - (direction == 3)
    here = ((chip * mesh.width + x) * mesh.height + y) * 4
    if x != mesh.x[target]:
        return here + (0 if mesh.x[target] > x else 1)
    if y != mesh.y[target]:
        return here + (2 if mesh.y[target] > y else 3)
    return mesh.doors + mesh.sources + target


def _compiled(stamp, keep):
    """`_travelled_steps`, compiled at its first call and kept on disk: found there by its own file and by `stamp`."""

    @njit(cache=keep, nogil=True, error_model="numpy")
    def travelled_steps(messages, places, hops_ns, taken_ns, buffer, in_turn, result):
        if stamp != -1:  # never -1: it is named here so that it counts
            _travelled_steps(messages, places, hops_ns, taken_ns, buffer, in_turn, result)

    return travelled_steps


travelled_steps = kept(_compiled, heap, mesh_tables)
"""The kernel that costs/levels.py calls."""
