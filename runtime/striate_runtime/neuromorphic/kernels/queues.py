"""The level `detailed`: one queue before each core, and one number for how full a message's way through the mesh is.

After the equations of SANA-FE (Boyle et al., IEEE TCAD 2025). Each message under way counts as 1 / (hops + 2) on each
of the hops + 2 links of its way, the doors of both cores included. A message that is sent finds `density`, the sum over
its own way, and `mean`, what a message under way costs its receiver on average:

    density > (hops + 1) x buffer:  its sender waits (density - (hops + 1) x buffer) x mean
    on its way                      max(time of the hops, density x mean / (hops + 1))

Within a router only its sender's door counts, by 1 / 2, as in SANA-FE.
Then it waits until its receiver has done with those before it; from when the receiver takes it, it is not under way.
What the host injects comes from outside of the mesh: it waits for its receiver alone.
"""

# pyright: basic
# numba compiles these functions from the types of their arrays, which its decorators cannot express.

from __future__ import annotations

import numpy as np
from numba import njit

from striate_runtime.neuromorphic.kernels import heap
from striate_runtime.neuromorphic.kernels.heap import pop, push
from striate_runtime.neuromorphic.kernels.kept import kept

_jit = njit(nogil=True, error_model="numpy")


@_jit
def _queued_steps(messages, places, hops_ns, buffer, in_turn, result):
    """Each step's duration and how long senders were held up in it, in ns, into `result` [steps, 2].

    messages: (source, target, ready_ns, service_ns, start, pass_ns) as in messages.Messages
    places i64 [cores, 3]: chip, x, y of each core; hops_ns: of a hop along x, and along y
    buffer: messages that a link's buffer holds, 0 for any number
    in_turn: whether a core takes messages only after its neurons
    """
    source, target, ready, service, start, pass_ns = messages
    steps, sources = pass_ns.shape
    cores = sources - 1
    chips, width, height = places[:, 0].max() + 1, places[:, 1].max() + 1, places[:, 2].max() + 1
    mesh = np.zeros((chips, width, height, 4))
    leaving, entering = np.zeros(sources), np.zeros(sources)
    largest = 1
    for step in range(steps):
        largest = max(largest, start[step, sources] - start[step, 0])
    sending_at, sending = np.empty(sources + 1), np.empty(sources + 1, np.int64)
    taken_at, under_way = np.empty(largest + 1), np.empty(largest + 1, np.int64)
    free, held_up, next_of = np.zeros(sources), np.zeros(sources), np.zeros(sources, np.int64)
    for step in range(steps):
        mesh[:] = 0
        leaving[:] = 0
        entering[:] = 0
        held_up[:] = 0
        waiting, flying, total = 0, 0, 0.0
        for s in range(sources):
            free[s] = pass_ns[step, s] if in_turn else 0.0
            next_of[s] = start[step, s]
            if next_of[s] < start[step, s + 1]:
                waiting = push(sending_at, sending, waiting, ready[next_of[s]], s)
        while waiting > 0:
            now, s = sending_at[0], sending[0]
            waiting = pop(sending_at, sending, waiting)
            m = next_of[s]
            while flying > 0 and taken_at[0] <= now:
                done = under_way[0]
                flying = pop(taken_at, under_way, flying)
                total -= service[done]
                _along(mesh, leaving, entering, places, source[done], target[done], -1.0)
            next_of[s] += 1
            if s == cores:
                free[target[m]] = max(now, free[target[m]]) + service[m]
                if next_of[s] < start[step, s + 1]:
                    waiting = push(sending_at, sending, waiting, ready[next_of[s]], s)
                continue
            mean = total / flying if flying > 0 else 0.0
            density, hops, way = _look(mesh, leaving, entering, places, s, target[m], hops_ns)
            room = (hops + 1) * buffer
            if buffer > 0 and density > room:
                held_up[s] += (density - room) * mean
                now += (density - room) * mean
            arrived = now + max(way, density * mean / (hops + 1))
            taken = max(arrived, free[target[m]])
            free[target[m]] = taken + service[m]
            flying = push(taken_at, under_way, flying, taken, m)
            total += service[m]
            _along(mesh, leaving, entering, places, s, target[m], 1.0)
            if next_of[s] < start[step, s + 1]:
                waiting = push(sending_at, sending, waiting, ready[next_of[s]] + held_up[s], s)
        for s in range(sources):
            ended = pass_ns[step, s] + held_up[s] if s < cores or start[step, s] < start[step, s + 1] else 0.0
            result[step, 0] = max(result[step, 0], ended, free[s])
            result[step, 1] += held_up[s]


@_jit
def _look(mesh, leaving, entering, places, s, t, hops_ns):
    """How full a message's way is, how many hops it has, and how long they take."""
    full, hops, way = leaving[s], 0, 0.0
    if not (places[s] == places[t]).all():
        full += entering[t]
    if places[s, 0] != places[t, 0]:
        return full, hops, way
    chip, x, y = places[s]
    while x != places[t, 1]:
        ahead = places[t, 1] > x
        full += mesh[chip, x, y, 0 if ahead else 1]
        x += 1 if ahead else -1
        hops += 1
        way += hops_ns[0]
    while y != places[t, 2]:
        ahead = places[t, 2] > y
        full += mesh[chip, x, y, 2 if ahead else 3]
        y += 1 if ahead else -1
        hops += 1
        way += hops_ns[1]
    return full, hops, way


@_jit
def _along(mesh, leaving, entering, places, s, t, sign):
    """Put a message on its way, or take it off."""
    inside = places[s, 0] == places[t, 0]
    hops = abs(places[s, 1] - places[t, 1]) + abs(places[s, 2] - places[t, 2]) if inside else 0
    share = sign / (hops + 2)
    leaving[s] += share
    if hops > 0 or not inside:
        entering[t] += share
    if not inside:
        return
    chip, x, y = places[s]
    while x != places[t, 1]:
        ahead = places[t, 1] > x
        mesh[chip, x, y, 0 if ahead else 1] += share
        x += 1 if ahead else -1
    while y != places[t, 2]:
        ahead = places[t, 2] > y
        mesh[chip, x, y, 2 if ahead else 3] += share
        y += 1 if ahead else -1


def _compiled(stamp, keep):
    """`_queued_steps`, compiled at its first call and kept on disk: found there by its own file and by `stamp`."""

    @njit(cache=keep, nogil=True, error_model="numpy")
    def queued_steps(messages, places, hops_ns, buffer, in_turn, result):
        if stamp != -1:  # never -1: it is named here so that it counts
            _queued_steps(messages, places, hops_ns, buffer, in_turn, result)

    return queued_steps


queued_steps = kept(_compiled, heap)
"""The kernel that costs/levels.py calls."""
