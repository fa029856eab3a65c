"""What a GPU program's body says, checked: where buffers lie, how many programs a launch needs, how images lie.

The same functions lay out the GPU's memory and the interpreter's, so a mistake in the plan shows in both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import msgspec
import numpy as np

from striate_runtime.device import Array, InputError
from striate_runtime.program import Port, Program, ProgramError
from striate_runtime.program.gpu import Buffer, Candidate, GpuBody, Launch

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

    def walk(self, batch: int) -> Iterator[tuple[int, Launch, tuple[Region, ...]]]:
        """The launches in order, each with its number and the buffers that no earlier one has touched.

        Those hold nothing yet, so whoever runs the launch poisons them first: what is read too early then shows.
        """
        touched = set(self.body.inputs.values())
        for index, launch in enumerate(self.body.launches):
            arguments = self.arguments(launch, batch)
            yield index, launch, tuple(region for name, region in arguments.items() if name not in touched)
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
    """`[N, C, ...]` in the port's type -> `[N, ..., C]` in the buffer's; channels that the buffer adds are zero."""
    last = np.moveaxis(array, 1, -1) if array.ndim > 1 else array
    laid_out = np.zeros((len(array), *buffer.shape), NUMPY[buffer.dtype])
    with np.errstate(over="ignore"):
        laid_out[tuple(slice(0, extent) for extent in last.shape)] = last
    if laid_out.dtype.kind == "f" and not np.isfinite(laid_out).all():
        raise InputError(f"input '{port.name}' holds values too large for the program's {buffer.dtype}")
    return laid_out


def from_buffer(array: Array, port: Port) -> Array:
    """`[N, ..., C]` in a buffer's type -> `[N, C, ...]` in the port's; channels that the buffer adds are dropped."""
    if array.ndim == 1:
        return array.astype(NUMPY[port.dtype])
    first = np.moveaxis(array, -1, 1)[(slice(None), *(slice(0, extent) for extent in port.shape))]
    return np.ascontiguousarray(first.astype(NUMPY[port.dtype], copy=False))


def to_tensor(array: Array, buffer: Buffer) -> Array:
    """A buffer's `[N, ...]` as the tensor it holds, `[N, C, ...]`."""
    order = buffer.order or (*range(1, len(buffer.shape)), 0)[: len(buffer.shape)]
    return np.ascontiguousarray(array.transpose(0, *(1 + order.index(dim) for dim in range(len(order)))))


def values_of(plan: Plan, buffers: Mapping[str, Array]) -> dict[str, Array]:
    """Those of the buffers `[N, ...]` that hold a node's value, as tensors `[N, C, ...]` by the node's name."""
    nodes = {node for launch in plan.body.launches for node in launch.nodes}
    return {name: to_tensor(array, plan.buffers[name]) for name, array in buffers.items() if name in nodes}


def _named(program: Program) -> str:
    return f"program '{program.network}' for {program.machine}"


def _problems(program: Program, plan: Plan) -> Iterator[str]:
    body = plan.body
    if body.default_batch < 1:
        yield f"its default batch is {body.default_batch}"
    if len(plan.buffers) != len(body.buffers):
        yield "two of its buffers have the same name"
    for buffer in body.buffers:
        yield from _problems_of_buffer(buffer, body.arena_bytes)
    for ports, mapping, what in ((program.inputs, body.inputs, "input"), (program.outputs, body.outputs, "output")):
        yield from _problems_of_ports(ports, mapping, what, plan)
    for launch in body.launches:
        yield from _problems_of_launch(program, launch, plan)


def _problems_of_buffer(buffer: Buffer, arena_bytes: int) -> Iterator[str]:
    if buffer.dtype not in NUMPY:
        yield f"buffer '{buffer.name}' has the unknown type '{buffer.dtype}'"
        return
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
        elif not _holds(port.shape, buffer.shape):
            yield f"{what} '{port.name}' of shape {port.shape} does not fit its buffer of shape {buffer.shape}"
        elif NUMPY[port.dtype].kind != "f" and port.dtype != buffer.dtype:
            yield f"{what} '{port.name}' is {port.dtype}, its buffer {buffer.dtype}"


def _holds(port: tuple[int, ...], buffer: tuple[int, ...]) -> bool:
    """Whether a buffer is the port channels last, with no fewer channels."""
    if len(port) != len(buffer) or not port:
        return port == buffer
    return (*port[1:],) == buffer[:-1] and port[0] <= buffer[-1]


def _problems_of_launch(program: Program, launch: Launch, plan: Plan) -> Iterator[str]:
    known = {"buffer": plan.buffers, "array": program.arrays, "rows": {"": None}}
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
