"""The lines that lead a kernel through the steps of a network with time: what its template leaves open."""

from __future__ import annotations

from collections.abc import Callable

from striate.targets.gpu.chain import Epilogue
from striate.targets.gpu.clock import Clock
from striate.targets.gpu.layout import Value, modulo, over, plus, times

Slots = dict[str, list[str]]
Number = Callable[[str], str]
"""From the text of a row to that of the numbers of the result in it."""

STORE = "tl.store(y_ptr + at, value.to(y_ptr.dtype.element_ty), mask=live)"


def by_columns(columns: str) -> Number:
    """The numbers of a result whose rows are pixels, and whose columns are so many channels."""
    return lambda row: f"{row if row.isidentifier() else f'({row})'}[:, None] * {columns} + channel"


def by_number(row: str) -> str:
    """Of a result whose rows are its numbers."""
    return row


def step_slots(epilogue: Epilogue, rows: int, number: Number) -> Slots:
    """What a kernel that keeps state does around its own work and its epilogue; `rows` are one frame's."""
    clock = epilogue.clock
    slots: Slots = {"epilogue": epilogue.lines}
    if not clock.keeps_state:
        return slots
    first = f"first = {plus('row', times(over('row', rows), rows * (clock.steps - 1)))}"
    home = [f"home = {number('row')}"] if epilogue.states else []
    slots["before"] = [first, *home, *epilogue.before]
    slots["steps"] = [f"for step in range({clock.steps}):" if clock.kind == "loop" else "if True:"]
    slots["at"] = [f"at = {number(plus('first', times('step', rows)))}"]
    slots["after"] = epilogue.after
    if epilogue.is_over:
        slots["store"] = [""]
        slots["after"] = [f"at = {number('row')}", *epilogue.after, STORE]
    return slots


def image_slots(clock: Clock, x: Value, rows: int) -> Slots:
    """Which frame of `x` a kernel reads whose rows are the `rows` pixels of a frame."""
    own = over("row", rows)
    return _source(clock, x, own, clock.frame(x, own))


def row_slots(clock: Clock, x: Value, rows: int) -> Slots:
    """Which row of `x` a kernel reads whose rows are the `rows` rows of a frame."""
    own = over("row", rows)
    frame = clock.frame(x, own)
    return _source(clock, x, own, own if frame == own else plus(times(frame, rows), modulo("row", rows)))


def _source(clock: Clock, x: Value, own: str, frame: str) -> Slots:
    guard = clock.guard(x, own)
    slots: Slots = {} if frame == own else {"frame": [f"frame = {frame}"]}
    return {**slots, "seen": [f"seen = (row < M) & {guard}"]} if guard else slots
