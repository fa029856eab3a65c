"""How a kernel goes through time, and where in memory a value of another moment lies.

In a network with time a sample is T frames. Buffers of values that are needed in every step hold all of them, sample by
sample, `[N, T, H, W, C]`; buffers of what is read after the last step only hold none but that one, `[N, H, W, C]`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from striate.graph import Graph, Node
from striate.operators.readout import Delay, Last
from striate.targets.gpu.layout import Value, over, plus, times


@dataclass(frozen=True)
class Clock:
    """What one launch does about the T `steps` of a sample.

    `once`: there is no time, or it has passed: rows are those of the last frame. `frames`: every frame is a sample of
    its own, and rows are those of all of them. `loop`: rows are those of one frame, and the kernel goes through all
    steps by itself, with its state in registers. `step`: the same, for the one step that the launch is given, with its
    state in memory: what a recurrent connection needs.
    """

    kind: Literal["once", "frames", "loop", "step"] = "once"
    steps: int = 1

    @property
    def keeps_state(self) -> bool:
        """Whether the kernel has a variable `step`, and rows of one frame."""
        return self.kind in ("loop", "step")

    @property
    def frames(self) -> int:
        """How many frames' rows the launch has."""
        return self.steps if self.kind == "frames" else 1

    def frame(self, value: Value, own: str) -> str:
        """The frame of `value` to be read now, where `own` is the kernel's own frame: of one step, or of all."""
        steps = value.place.steps
        if self.kind == "once":
            return own if steps is None else plus(times(own, steps), str(steps - 1 - value.delay))
        if steps is None:
            return over(own, self.steps) if self.kind == "frames" else own
        moved = own if self.kind == "frames" else plus(times(own, steps), "step")
        return moved if not value.delay else f"{moved} - {value.delay}"

    def number(self, value: Value) -> str:
        """The number of `value` to be read now, where `at` is that of the result and both lie alike."""
        steps, frame = value.place.steps, value.place.elements
        if self.kind == "once":
            return "at" if steps is None else _at_the_end(steps, frame, value.delay)
        if steps is None:
            whole = frame * self.steps
            return plus(times(over("at", whole), frame), f"at % {frame}")
        return plus("at", f"-{value.delay * frame}") if value.delay else "at"

    def guard(self, value: Value, own: str) -> str:
        """The condition under which a delayed value is not 0 yet; nothing where it is not delayed."""
        if not value.delay:
            return ""
        now = {"once": str(self.steps - 1), "frames": f"{own} % {self.steps}"}.get(self.kind, "step")
        return f"({now} >= {value.delay})"


ONCE = Clock()


def _at_the_end(steps: int, frame: int, delay: int) -> str:
    return plus("at", times(over("at", frame), frame * (steps - 1)), str((steps - 1 - delay) * frame))


def needed_over_time(graph: Graph) -> set[str]:
    """The values that are needed in every step, not just after the last.

    Those that leave the network step by step, and all that an operator with state reads, at whatever distance; `last`
    reads only the end.
    """
    if graph.dt_s is None:
        return set()
    at_the_end = graph.downstream(node.name for node in graph if node.operator.reads_out)
    seeds = {name for name in graph.outputs.values() if name not in at_the_end}
    seeds.update(name for node in graph if keeps_state(node) or is_delay(node) for name in node.inputs)
    return graph.upstream(seeds) | set(graph.inputs)


def keeps_state(node: Node) -> bool:
    """Whether a kernel that computes the node keeps something from step to step."""
    return node.operator.stateful and not isinstance(node.operator, (Last, Delay))


def is_delay(node: Node) -> bool:
    """Whether the node only looks back."""
    return isinstance(node.operator, Delay)
