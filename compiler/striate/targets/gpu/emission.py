"""What lowering has made so far: buffers, arrays, kernel texts, launches, and where each value of the graph lies."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np

from striate.diagnostics import CompileError, Diagnostic
from striate.graph import Graph, Node
from striate.targets.gpu.candidates import Tile
from striate.targets.gpu.clock import Clock, keeps_state, needed_over_time
from striate.targets.gpu.layout import Order, Place, Value, channels_last, row_major
from striate.tensor import Array, DType, Shape, TensorType
from striate_runtime.program.gpu import Argument, Candidate, Launch

Precision = Literal["f16", "f32", "i8"]
Constant = int | float | bool | str

MOST_NODES_OUT_OF_TURN = 16
"""How many nodes may be computed before their turn so that another can be fused: a branch beside a skip connection."""

KERNEL_FOLDER = Path(__file__).with_name("kernels")


@dataclass
class Emission:
    """One graph on its way to a program. `values` says where each value of the graph lies once it is computed.

    `compute` lowers a node out of turn; `begun` are the nodes whose lowering has begun, `absorbed` those that another
    node's launch takes along. With time, `steps` is how many a sample has; `over_time` are the values needed in each of
    them; `loops` the nodes that depend on themselves, of which `loop` are those being lowered and `loop_number` counts
    the loops so far; `promised` is where a value of a loop will lie that is read before it is there.
    """

    graph: Graph
    precision: Precision
    default_batch: int
    buffers: dict[str, Place] = field(default_factory=dict[str, Place])
    arrays: dict[str, Array] = field(default_factory=dict[str, Array])
    sources: dict[str, str] = field(default_factory=dict[str, str])
    launches: list[Launch] = field(default_factory=list[Launch])
    values: dict[str, Value] = field(default_factory=dict[str, Value])
    inputs: dict[str, str] = field(default_factory=dict[str, str])
    outputs: dict[str, str] = field(default_factory=dict[str, str])
    copies: dict[tuple[str, Order, int | None], Value] = field(
        default_factory=dict[tuple[str, Order, int | None], Value]
    )
    absorbed: set[str] = field(default_factory=set[str])
    begun: set[str] = field(default_factory=set[str])
    compute: Callable[[str], None] = field(default=lambda _: None)
    steps: int | None = None
    over_time: set[str] = field(default_factory=set[str])
    loops: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    loop: frozenset[str] = frozenset()
    loop_number: int = 0
    promised: dict[str, Place] = field(default_factory=dict[str, Place])
    _launched: set[str] = field(default_factory=set[str])
    _stored: dict[str, Place] = field(default_factory=dict[str, Place])

    def __post_init__(self) -> None:
        """Find out what is needed when, and which nodes depend on themselves."""
        self.over_time = needed_over_time(self.graph)
        self.loops = {name: loop for loop in self.graph.loops() for name in loop}

    def clock(self, nodes: Sequence[Node]) -> Clock:
        """How a kernel that computes these nodes, in order, goes through time."""
        if self.steps is None:
            return Clock()
        if self.loop:
            return Clock("step", self.steps)
        if any(keeps_state(node) for node in nodes):
            return Clock("loop", self.steps)
        return Clock("frames" if nodes[0].name in self.over_time else "once", self.steps)

    def steps_of(self, name: str) -> int | None:
        """How many frames of a value are stored."""
        return self.steps if name in self.over_time else None

    def stored_dtype(self, type: TensorType) -> DType:
        """What a value's numbers are stored as: f32 as f16 where that is the precision."""
        return "f16" if self.precision == "f16" and type.dtype == "f32" else type.dtype

    def new_buffer(self, stem: str, dtype: str, shape: Shape, order: Order, steps: int | None = None) -> Place:
        """A buffer of the arena, called `stem` or `stem_2`, ..."""
        name = _fresh(stem, self.buffers)
        self.buffers[name] = Place("buffer", name, dtype, shape, order, steps)
        return self.buffers[name]

    def store(self, stem: str, array: Array) -> Place:
        """An array of the program; the same array under the same name is stored once."""
        array = np.ascontiguousarray(array)
        stem = re.sub(r"[^A-Za-z0-9_.-]", "_", stem).lstrip(".")
        key = f"{stem} {hashlib.sha256(array.tobytes()).hexdigest()} {array.dtype} {array.shape}"
        if key not in self._stored:
            name = _fresh(stem, self.arrays)
            self.arrays[name] = array
            self._stored[key] = Place("array", name, _DTYPES[array.dtype.name], array.shape, row_major(array.ndim))
        return self._stored[key]

    def can_compute(self, name: str) -> bool:
        """Whether a value is there, or soon could be: computing it takes few nodes, none of which has begun.

        A loop is only computed in its turn, and while it is, nothing else.
        """
        waiting, seen = [name], set[str]()
        while waiting:
            name = waiting.pop()
            if name in self.values or name in seen:
                continue
            if name in self.begun or name in self.absorbed or len(seen) == MOST_NODES_OUT_OF_TURN:
                return False
            if self.loops.get(name, frozenset()) != self.loop:
                return False
            seen.add(name)
            waiting += self.graph.node(name).inputs
        return True

    def result(self, node: Node, order: Order) -> Place:
        """Where a node's value goes: the output's own buffer if it is an output and lies as one, else a new one.

        A value that is read before it is there goes where that was promised, if it lies as promised.
        """
        ports = [port for port, value in self.graph.outputs.items() if value == node.name]
        steps = self.steps_of(node.name)
        buffer = Place("buffer", "", self.stored_dtype(node.type), node.type.shape, order, steps)
        wanted = Place("buffer", "", node.type.dtype, node.type.shape, channels_last(len(order)), steps)
        promised = self.promised.get(node.name)
        if promised is not None and promised.lies_like(buffer):
            return promised
        if len(ports) == 1 and not self.graph.users(node.name) and buffer.lies_like(wanted):
            place = self.new_buffer(node.name, wanted.dtype, wanted.shape, wanted.order, steps)
            self.outputs[ports[0]] = place.name
            return place
        return self.new_buffer(node.name, buffer.dtype, buffer.shape, order, steps)

    def launch(
        self,
        node: Node | None,
        *,
        nodes: Sequence[str],
        kernel: str,
        slots: Mapping[str, Sequence[str]],
        arguments: Mapping[str, Place],
        result: Place,
        rows: int,
        constants: Mapping[str, Constant],
        tiles: Sequence[Tile],
        programs: Callable[[Mapping[str, int]], int],
        extra: Sequence[Place] = (),
        layer: str = "",
        clock: Clock,
        states: Sequence[Place] = (),
    ) -> None:
        """Append a launch for `node`; None changes only how the value `layer` is stored. `rows` are one frame's.

        `arguments` are the template's own pointers, `extra` those that its slots read as `p0_ptr`, ..., of which
        `states` are read and written in every step. `programs` gives how many programs share a block of rows, from a
        tile's sizes. A node that several launches read as a view belongs to the first.
        """
        nodes = [name for name in nodes if name not in self._launched]
        self._launched.update(nodes)
        pointers = [f"p{index}_ptr" for index in range(len(extra))]
        if clock.kind == "step":
            self._require_steps(kernel, node)
            pointers_and_step = [*(f"{pointer}," for pointer in pointers), "step,"]
        else:
            pointers_and_step = [f"{pointer}," for pointer in pointers]
        text = render(kernel, {**slots, "pointers": pointers_and_step})
        file = f"kernels/{kernel}_{hashlib.sha256(text.encode()).hexdigest()[:8]}.py"
        self.sources[file] = text
        places = {**arguments, **dict(zip(pointers, extra, strict=True))}
        names = [name for name in parameters_of(text) if name in places or name in _NUMBERS]
        work = [(self._times(n), self.graph.node(n).operator.work(*self._types(n))) for n in nodes]
        moved = {place.name: place for place in places.values() if place.kind == "buffer" and place not in states}
        reads = [place for place in moved.values() if place != result]
        weights = {place.name: place for place in places.values() if place.kind == "array"}
        state_bytes = sum(place.bytes for place in states) * clock.steps
        self.launches.append(
            Launch(
                layer=node.name if node else layer,
                operator=node.operator.name if node else "layout",
                nodes=tuple(nodes),
                arguments=tuple(
                    Argument(name, _NUMBERS[name])
                    if name in _NUMBERS
                    else Argument(name, places[name].kind, places[name].name)
                    for name in names
                ),
                rows_per_sample=rows * clock.frames,
                candidates=tuple(
                    Candidate(
                        source=file,
                        kernel=kernel,
                        constants={**constants, **tile.sizes},
                        row_constant="BM",
                        block_rows=tile.sizes["BM"],
                        programs_per_block=programs(tile.sizes),
                        num_warps=tile.num_warps,
                        num_stages=tile.num_stages,
                        cubins={},
                    )
                    for tile in tiles
                ),
                macs=sum(times * one.macs for times, one in work),
                operations=sum(times * one.operations for times, one in work),
                bytes_read=sum(_bytes_now(place, clock) for place in reads) + state_bytes,
                bytes_written=result.bytes + state_bytes,
                weight_bytes=sum(place.bytes for place in weights.values()) * (clock.steps if self.loop else 1),
                loop=self.loop_number if self.loop else 0,
                keeps_state=any(keeps_state(self.graph.node(name)) for name in nodes),
            )
        )

    def _types(self, name: str) -> tuple[TensorType, ...]:
        return self.graph.input_types(self.graph.node(name))

    def _times(self, name: str) -> int:
        """How often a sample computes a node."""
        is_repeated = name in self.over_time or keeps_state(self.graph.node(name))
        return self.steps if is_repeated and self.steps is not None else 1

    def _require_steps(self, kernel: str, node: Node | None) -> None:
        """A kernel in a loop can do one step at a time. Raises CompileError[cannot-lower]."""
        if has_steps(kernel) or node is None:
            return
        what = f"'{node.name}' ({node.operator.name}) depends on itself through a delay"
        message = f"{what}, and the GPU's kernel for it takes all steps at once"
        raise CompileError(Diagnostic("cannot-lower", message, node.span, help="take it out of the loop"))


def _bytes_now(place: Place, clock: Clock) -> int:
    """What a launch reads of a buffer: after the last step, that frame only."""
    return place.bytes_of_frame if clock.kind == "once" else place.bytes


@cache
def template(kernel: str) -> str:
    """The text of a template kernel."""
    return (KERNEL_FOLDER / f"{kernel}.py").read_text(encoding="utf-8")


def has_steps(kernel: str) -> bool:
    """Whether a kernel can go through time."""
    return "# slot: steps" in template(kernel)


def render(kernel: str, slots: Mapping[str, Sequence[str]]) -> str:
    """A template with every slot that has lines replaced by them, and the others' marks removed."""
    lines: list[str] = []
    for line in template(kernel).split("\n"):
        match = _SLOT.match(line)
        if match is None:
            lines.append(line)
            continue
        indent, default, name = match.groups()
        written = slots.get(name) or ([default.rstrip()] if default else [])
        lines += [(indent + one).rstrip() for one in written]
    return "\n".join(lines)


def parameters_of(text: str) -> list[str]:
    """The kernel's parameters that are not constants, in order, read from its text."""
    head = text[text.index("\ndef ") : text.index("):\n", text.index("\ndef "))]
    return [name for name, kind in _PARAMETER.findall(head) if "constexpr" not in kind]


_NUMBERS: dict[str, Literal["rows", "step"]] = {"M": "rows", "step": "step"}
"""The kernels' parameters that are no pointers."""

_SLOT = re.compile(r"^( *)(.*?)# slot: (\w+)$")
_PARAMETER = re.compile(r"^ +(\w+)(: tl\.constexpr)?,", re.MULTILINE)
_DTYPES = {"float16": "f16", "float32": "f32", "int8": "i8", "uint8": "u8", "int32": "i32"}


def _fresh(stem: str, taken: Mapping[str, object]) -> str:
    name, number = stem, 2
    while name in taken:
        name, number = f"{stem}_{number}", number + 1
    return name
