"""The body of a program for a GPU: what to launch, on which buffers, in which order.

Activations are `[N, H, W, C]` (channels last); a buffer's shape is one sample's. Everything that depends on the batch
does so linearly, so one program serves every batch: a buffer of `bytes` per sample at `offset` per sample lies at
`offset * batch` and takes `bytes * batch`; a launch covers `rows_per_sample * batch` rows. Rows and the numbers of a
buffer are counted by i32, so a batch is small enough where `elements * batch` of every buffer is below 2^31.

A port's buffer has the port's own type and lies channels last, as every buffer does: the host moves the axis, and the
first and last launches change the type. The buffers of ports are kept from end to end, so that a replay without new
inputs gives the same outputs.

A network with time runs for `steps` steps: what is needed in each of them is `[N, steps, H, W, C]`, in ports too.
"""

from __future__ import annotations

from typing import Literal

import msgspec


class Buffer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A place for activations in the arena. `offset` and `bytes` are per sample and multiples of 256.

    `order` is the tensor's dimensions from the outermost in memory to the innermost; empty for channels last. With
    `over_time`, the first dimension of `shape` is the steps, and `order` leaves it out; `holds` says what a trace of a
    network with time calls its numbers.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int
    bytes: int
    order: tuple[int, ...] = ()
    over_time: bool = False
    holds: Literal["values", "spikes", "potentials"] = "values"


class Argument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kernel parameter: a pointer to a buffer or an array of the program, the number of rows, or the step."""

    name: str
    kind: Literal["buffer", "array", "rows", "step"]
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
    `arguments` are the kernel's non-constant parameters in its order. Launches that follow each other with one `loop`
    number, not 0, are a loop: all of them are started for step 0, then all for step 1, ..., and costs are those of all
    steps. `keeps_state` says whether neurons run in it.
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
    loop: int = 0
    keeps_state: bool = False


class GpuBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole launch list. `inputs` and `outputs` map port names to buffers.

    `arena_bytes` is per sample, with reuse; `arena_bytes_without_reuse` is what it would be without. `steps` are those
    of a network with time, else None.
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
    steps: int | None = None
