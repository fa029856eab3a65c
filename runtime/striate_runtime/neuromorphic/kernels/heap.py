"""A heap of (time, number) in two arrays: the earliest first, of equal times the least number."""

# pyright: basic
# numba compiles these functions from the types of their arrays, which its decorators cannot express.

from __future__ import annotations

from numba import njit


@njit(nogil=True)
def push(times, numbers, size, time, number):
    """Add an entry; gives the new size."""
    at = size
    while at > 0:
        above = (at - 1) // 2
        if times[above] < time or (times[above] == time and numbers[above] <= number):
            break
        times[at], numbers[at] = times[above], numbers[above]
        at = above
    times[at], numbers[at] = time, number
    return size + 1


@njit(nogil=True)
def pop(times, numbers, size):
    """Take the first entry, which lies at 0, away; gives the new size."""
    last = size - 1
    time, number = times[last], numbers[last]
    at = 0
    while True:
        below = 2 * at + 1
        if below >= last:
            break
        other = below + 1
        if other < last and (
            times[other] < times[below] or (times[other] == times[below] and numbers[other] < numbers[below])
        ):
            below = other
        if time < times[below] or (time == times[below] and number <= numbers[below]):
            break
        times[at], numbers[at] = times[below], numbers[below]
        at = below
    times[at], numbers[at] = time, number
    return last
