"""What a GPU program's body says, checked: where buffers lie, how many programs a launch needs, how images lie.

The same functions lay out the GPU's memory and the interpreter's, so a mistake in the plan shows in both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from math import prod
from typing import Any

import msgspec
import numpy as np

from striate_runtime.device import Array, InputError
from striate_runtime.program import Port, Program, ProgramError
from striate_runtime.program.gpu import Buffer, Candidate, GpuBody, Launch
from striate_runtime.trace import EVENTS, POTENTIALS, SPIKES

ALIGNMENT = 256
"""Every buffer and array starts at a multiple of this many bytes; kernels are compiled for at least 16."""

NUMPY: dict[str, np.dtype[Any]] = {
    "f16": np.dtype("<f2"),
    "f32": np.dtype("<f4"),
    "i8": np.dtype("i1"),
    "u8": np.dtype("u1"),
    "i32": np.dtype("<i4"),
}

_POISON = 0xCD
_POISON_OF_FLOATS = 0xFF


@dataclass(frozen=True)
class Region:
    """A buffer's place in the arena for one batch, in bytes; `used` of them hold `[batch, *shape]`."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int
    used: int

    @property
    def poison(self) -> int:
        """The byte that marks what nothing has written: NaN where the type has one."""
        return _POISON_OF_FLOATS if self.dtype.kind == "f" else _POISON


@dataclass(frozen=True)
class Turn:
    """One start of a launch: its `index` among the launches, the step it is for, and whether that is its last.

    `fresh` are the buffers that nothing has touched before.
    """

    index: int
    launch: Launch
    step: int
    is_last: bool
    fresh: tuple[Region, ...] = ()


@dataclass(frozen=True)
class Plan:
    """A program's body with its buffers by name. Addresses grow linearly with the batch."""

    body: GpuBody
    buffers: Mapping[str, Buffer]

    def region(self, name: str, batch: int) -> Region:
        """Where a buffer lies when `batch` samples are in flight."""
        buffer = self.buffers[name]
        shape, dtype = (batch, *buffer.shape), NUMPY[buffer.dtype]
        return Region(name, dtype, shape, buffer.offset * batch, prod(shape) * dtype.itemsize)

    def arguments(self, launch: Launch, batch: int) -> dict[str, Region]:
        """The buffers that a launch reads or writes, each once, by name."""
        names = [argument.ref for argument in launch.arguments if argument.kind == "buffer"]
        return {name: self.region(name, batch) for name in names}

    def starts_of(self, launch: Launch) -> int:
        """How often a launch is started for one batch."""
        return self.body.steps or 1 if launch.loop else 1

    def turns(self) -> Iterator[Turn]:
        """The launches in order; those of a loop together, once for each step."""
        for loop, together in groupby(enumerate(self.body.launches), key=lambda pair: pair[1].loop):
            launches, steps = list(together), (self.body.steps or 1) if loop else 1
            for step in range(steps):
                yield from (Turn(index, launch, step, step == steps - 1) for index, launch in launches)

    def walk(self, batch: int) -> Iterator[Turn]:
        """The same, each with the buffers that no earlier one has touched.

        Those hold nothing yet, so whoever runs the launch poisons them first: what is read too early then shows.
        """
        touched = set(self.body.inputs.values())
        for turn in self.turns():
            arguments = self.arguments(turn.launch, batch)
            fresh = tuple(region for name, region in arguments.items() if name not in touched)
            yield replace(turn, fresh=fresh)
            touched |= arguments.keys()


def read_plan(program: Program) -> Plan:
    """The program's body, with every name and number in it checked. Raises ProgramError."""
    try:
        body = msgspec.convert(program.body, GpuBody)
    except msgspec.ValidationError as error:
        raise ProgramError(f"{_named(program)}: its launch list is damaged: {error}") from error
    plan = Plan(body, {buffer.name: buffer for buffer in body.buffers})
    for problem in _problems(program, plan):
        raise ProgramError(f"{_named(program)}: {problem}")
    return plan


def count_programs(candidate: Candidate, rows: int, block_rows: int | None = None) -> int:
    """The grid of a launch over `rows` rows, with the candidate's own tile or a given one."""
    return -(-rows // (block_rows or candidate.block_rows)) * candidate.programs_per_block


def place_arrays(program: Program, plan: Plan) -> tuple[dict[str, int], int]:
    """Where each array that a launch uses lies in one block of memory, and the block's size, in bytes."""
    refs = {a.ref for launch in plan.body.launches for a in launch.arguments if a.kind == "array"}
    places: dict[str, int] = {}
    end = 0
    for name in sorted(refs):
        places[name] = end
        end += round_up(program.arrays[name].nbytes)
    return places, end


def round_up(count: int) -> int:
    """The next multiple of ALIGNMENT."""
    return -(-count // ALIGNMENT) * ALIGNMENT


def to_buffer(array: Array, port: Port, buffer: Buffer) -> Array:
    """`[N, C, ...]` in the port's type -> `[N, ..., C]` in the buffer's; channels that the buffer adds are zero.

    Over time, both have the steps as their second dimension.
    """
    channels = _channel_axis(buffer)
    last = np.moveaxis(array, channels, -1) if array.ndim > channels else array
    laid_out = np.zeros((len(array), *buffer.shape), NUMPY[buffer.dtype])
    with np.errstate(over="ignore"):
        laid_out[tuple(slice(0, extent) for extent in last.shape)] = last
    if laid_out.dtype.kind == "f" and not np.isfinite(laid_out).all():
        raise InputError(f"input '{port.name}' holds values too large for the program's {buffer.dtype}")
    return laid_out


def from_buffer(array: Array, port: Port, buffer: Buffer) -> Array:
    """`[N, ..., C]` in a buffer's type -> `[N, C, ...]` in the port's; channels that the buffer adds are dropped."""
    channels = _channel_axis(buffer)
    if array.ndim <= channels:
        return array.astype(NUMPY[port.dtype])
    first = np.moveaxis(array, -1, channels)[(slice(None), *(slice(0, extent) for extent in port.shape))]
    return np.ascontiguousarray(first.astype(NUMPY[port.dtype], copy=False))


def to_tensor(array: Array, buffer: Buffer) -> Array:
    """A buffer's `[N, ...]` as the tensor it holds, `[N, C, ...]`, or `[N, T, C, ...]` over time."""
    before = tuple(range(_channel_axis(buffer)))
    rank = array.ndim - len(before)
    order = buffer.order or (*range(1, rank), 0)[:rank]
    return np.ascontiguousarray(
        array.transpose(*before, *(len(before) + order.index(dim) for dim in range(len(order))))
    )


def values_of(plan: Plan, buffers: Mapping[str, Array]) -> dict[str, Array]:
    """Those of the buffers `[N, ...]` that hold a node's value, as tensors `[N, C, ...]` by the node's name.

    Spikes and potentials over time, `[N, T, C, ...]`, have the names that every machine's trace has for them. In a
    network with time the outputs have theirs.
    """
    nodes = {node for launch in plan.body.launches for node in launch.nodes}
    values: dict[str, Array] = {}
    for name, array in buffers.items():
        if name in nodes:
            values |= _named_value(plan.buffers[name], to_tensor(array, plan.buffers[name]))
    if plan.body.steps is not None:
        results = {port: name for port, name in plan.body.outputs.items() if name in buffers}
        values |= {port: to_tensor(buffers[name], plan.buffers[name]) for port, name in results.items()}
    return values


def _named_value(buffer: Buffer, value: Array) -> dict[str, Array]:
    if buffer.holds == "spikes":
        sent = (value != 0).astype(np.uint8)
        events = sent.sum(axis=tuple(range(2, sent.ndim)), dtype=np.int64)
        return {buffer.name + SPIKES: sent, buffer.name + EVENTS: events}
    return {buffer.name + POTENTIALS if buffer.holds == "potentials" else buffer.name: value}


def _channel_axis(buffer: Buffer) -> int:
    """Where a tensor's channels are: behind the samples and, over time, the steps."""
    return 2 if buffer.over_time else 1


def _named(program: Program) -> str:
    return f"program '{program.network}' for {program.machine}"


def _problems(program: Program, plan: Plan) -> Iterator[str]:
    body = plan.body
    if body.default_batch < 1:
        yield f"its default batch is {body.default_batch}"
    if len(plan.buffers) != len(body.buffers):
        yield "two of its buffers have the same name"
    for buffer in body.buffers:
        yield from _problems_of_buffer(buffer, body.arena_bytes, body.steps)
    for ports, mapping, what in ((program.inputs, body.inputs, "input"), (program.outputs, body.outputs, "output")):
        yield from _problems_of_ports(ports, mapping, what, plan)
    if body.steps is not None and body.steps < 1:
        yield f"it runs for {body.steps} steps"
    for loop, launches in groupby(body.launches, key=lambda launch: launch.loop):
        if loop and (body.steps is None or sum(launch.loop == loop for launch in body.launches) != len(list(launches))):
            yield f"loop {loop} has no steps, or is not one row of launches"
    for launch in body.launches:
        yield from _problems_of_launch(program, launch, plan)


def _problems_of_buffer(buffer: Buffer, arena_bytes: int, steps: int | None) -> Iterator[str]:
    if buffer.dtype not in NUMPY:
        yield f"buffer '{buffer.name}' has the unknown type '{buffer.dtype}'"
        return
    if buffer.over_time and (not buffer.shape or buffer.shape[0] != steps):
        yield f"buffer '{buffer.name}' of shape {buffer.shape} is to hold {steps} steps"
    if any(extent < 1 for extent in buffer.shape):
        yield f"buffer '{buffer.name}' has the shape {buffer.shape}"
    if buffer.offset % ALIGNMENT or buffer.bytes % ALIGNMENT:
        yield f"buffer '{buffer.name}' is not at a multiple of {ALIGNMENT} bytes"
    if buffer.offset < 0 or buffer.offset + buffer.bytes > arena_bytes:
        yield f"buffer '{buffer.name}' ends outside the arena of {arena_bytes} bytes per sample"
    needed = prod(buffer.shape) * NUMPY[buffer.dtype].itemsize
    if needed > buffer.bytes:
        yield f"buffer '{buffer.name}' has {buffer.bytes} bytes, its shape {buffer.shape} needs {needed}"


def _problems_of_ports(ports: Iterable[Port], mapping: Mapping[str, str], what: str, plan: Plan) -> Iterator[str]:
    names = [port.name for port in ports]
    if sorted(names) != sorted(mapping):
        yield f"its {what}s are {names}, its buffers are for {sorted(mapping)}"
        return
    for port in ports:
        buffer = plan.buffers.get(mapping[port.name])
        if port.dtype not in NUMPY:
            yield f"{what} '{port.name}' has the unknown type '{port.dtype}'"
        elif buffer is None:
            yield f"{what} '{port.name}' is in buffer '{mapping[port.name]}', which does not exist"
        elif not _holds(port.shape, buffer):
            yield f"{what} '{port.name}' of shape {port.shape} does not fit its buffer of shape {buffer.shape}"
        elif NUMPY[port.dtype].kind != "f" and port.dtype != buffer.dtype:
            yield f"{what} '{port.name}' is {port.dtype}, its buffer {buffer.dtype}"


def _holds(port: tuple[int, ...], buffer: Buffer) -> bool:
    """Whether a buffer is the port channels last, with no fewer channels; over time, the steps stay first."""
    first = _channel_axis(buffer) - 1
    steps, inner, held = port[:first], port[first:], buffer.shape[first:]
    if steps != buffer.shape[:first] or len(inner) != len(held) or not inner:
        return port == buffer.shape
    return inner[1:] == held[:-1] and inner[0] <= held[-1]


def _problems_of_launch(program: Program, launch: Launch, plan: Plan) -> Iterator[str]:
    known = {"buffer": plan.buffers, "array": program.arrays, "rows": {"": None}, "step": {"": None}}
    for argument in launch.arguments:
        if argument.ref not in known[argument.kind]:
            yield f"launch '{launch.layer}' takes {argument.kind} '{argument.ref}', which does not exist"
    if launch.rows_per_sample < 1 or not launch.candidates:
        yield f"launch '{launch.layer}' has {launch.rows_per_sample} rows and {len(launch.candidates)} candidates"
    for candidate in launch.candidates:
        if candidate.block_rows < 1 or candidate.programs_per_block < 1 or candidate.num_warps < 1:
            yield f"a candidate of launch '{launch.layer}' has an empty tile"
        files = [candidate.source, *(cubin.file for cubin in candidate.cubins.values())]
        for file in files:
            if file not in program.files:
                yield f"launch '{launch.layer}' needs the file '{file}', which the program does not hold"
