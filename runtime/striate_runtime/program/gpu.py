"""The body of a program for a GPU: what to launch, on which buffers, in which order.

Activations are `[N, H, W, C]` (channels last); a buffer's shape is one sample's. Everything that depends on the batch
does so linearly, so one program serves every batch: a buffer of `bytes` per sample at `offset` per sample lies at
`offset * batch` and takes `bytes * batch`; a launch covers `rows_per_sample * batch` rows. Rows and the numbers of a
buffer are counted by i32, so a batch is small enough where `elements * batch` of every buffer is below 2^31.

A port's buffer has the port's own type and lies channels last, as every buffer does: the host moves the axis, and the
first and last launches change the type. The buffers of ports are kept from end to end, so that a replay without new
inputs gives the same outputs.
"""

from __future__ import annotations

from typing import Literal

import msgspec


class Buffer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A place for activations in the arena. `offset` and `bytes` are per sample and multiples of 256.

    `order` is the tensor's dimensions from the outermost in memory to the innermost; empty for channels last.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int
    bytes: int
    order: tuple[int, ...] = ()


class Argument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kernel parameter: a pointer to a buffer or an array of the program, or the number of rows as an i32."""

    name: str
    kind: Literal["buffer", "array", "rows"]
    ref: str = ""


class Cubin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A kernel compiled for one architecture: the file in the program, its entry, and what the assembler reported."""

    file: str
    entry: str
    shared_bytes: int
    num_warps: int
    registers: int
    spill_bytes: int


class Candidate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One way to run a launch: kernel source, constants, tile.

    The grid is `ceil(rows / block_rows) * programs_per_block` programs in x. `row_constant` names the constant that
    holds `block_rows`, so that the interpreter, whose cost is per operation, may enlarge it.
    """

    source: str
    kernel: str
    constants: dict[str, int | float | bool | str]
    row_constant: str
    block_rows: int
    programs_per_block: int
    num_warps: int
    num_stages: int
    cubins: dict[str, Cubin]


class Launch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kernel launch and the graph nodes it stands for.

    Costs are for one sample except `weight_bytes`, which are read once for a batch. `operations` are all arithmetic but
    the multiply-accumulates. `bytes_read` leaves the weights out.
    `arguments` are the kernel's non-constant parameters in its order.
    """

    layer: str
    operator: str
    nodes: tuple[str, ...]
    arguments: tuple[Argument, ...]
    rows_per_sample: int
    candidates: tuple[Candidate, ...]
    macs: int
    operations: int
    bytes_read: int
    bytes_written: int
    weight_bytes: int


class GpuBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole launch list. `inputs` and `outputs` map port names to buffers.

    `arena_bytes` is per sample, with reuse; `arena_bytes_without_reuse` is what it would be without.
    """

    precision: Literal["f16", "f32", "i8"]
    default_batch: int
    arena_bytes: int
    arena_bytes_without_reuse: int
    buffers: tuple[Buffer, ...]
    inputs: dict[str, str]
    outputs: dict[str, str]
    launches: tuple[Launch, ...]
    versions: dict[str, str]
