"""The child process that runs a program's kernels in Triton's interpreter: values only, on the CPU, without torch.

    python -m striate_runtime.gpu.interpret PROGRAM

A process of its own because one process cannot both interpret and compile Triton kernels, because an interpreted kernel
that leaves its buffers may crash it, and because this is the one place where text from a program is executed: the
kernels' own source. Requests come in and answers go out as one JSON object a line (`Request`, `Answer`); arrays travel
as .npy files, never pickled.

The arena is laid out by the program's plan, as on the GPU, between red zones. A buffer is poisoned when its time comes,
and after each launch everything outside the buffers it was given must be as it was.
"""

from __future__ import annotations

import importlib
import linecache
import os
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Literal

import msgspec
import numpy as np

from striate_runtime.device import Array
from striate_runtime.gpu.host_arena import Arena, KernelError, aligned
from striate_runtime.gpu.plan import Plan, Region, Turn, count_programs, place_arrays, read_plan
from striate_runtime.gpu.pointer import Pointer
from striate_runtime.program import Program, load
from striate_runtime.program.gpu import Candidate, Launch

LARGEST_TILE_ROWS = 8192
_TOO_LARGE = "exceeds triton maximum tensor numel"


class Request(msgspec.Struct, frozen=True):
    """Run `batch` samples whose buffers lie in `folder` as `input.<n>.npy`; outputs are written as `output.<n>.npy`.

    Ports are numbered in the order of their names, which may hold anything. `shuffle` seeds the order in which a
    launch's programs run (None: ascending). With `trace`, the buffers of every launch are kept too, in the order of its
    arguments: `<launch>.before.<n>.npy` and `.after.`; in a loop, those of the last step. `candidate` picks a launch's
    candidate where it has so many.
    """

    folder: str
    batch: int
    shuffle: int | None = None
    trace: bool = False
    candidate: int = 0


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """`ready`; `working`: on which launch; `done`: the outputs are written; `failed`: what a kernel did wrong."""

    kind: Literal["ready", "working", "done", "failed"]
    launch: int = 0
    message: str = ""


def main(path: str, requests: IO[bytes], answer: Callable[[Answer], None]) -> None:
    """Serve requests until they end. Triton is loaded before the first, so that no request waits for it."""
    importlib.import_module("triton.runtime.interpreter")
    program = load(path)
    interpreter = Interpreter(program, read_plan(program))
    answer(Answer("ready"))
    for line in requests:
        request = msgspec.json.decode(line, type=Request)
        try:
            interpreter.run(request, answer)
        except KernelError as error:
            answer(Answer("failed", message=str(error)))
        else:
            answer(Answer("done"))


class Interpreter:
    """A program's kernels, ready to be interpreted."""

    def __init__(self, program: Program, plan: Plan) -> None:
        self._plan = plan
        self._kernels: dict[tuple[str, str], Any] = {}
        self._sources = {name: program.files[name] for name in _sources(plan)}
        self._places, size = place_arrays(program, plan)
        self._weights = aligned(size)
        for name, start in self._places.items():
            raw = np.ascontiguousarray(program.arrays[name]).reshape(-1).view(np.uint8)
            self._weights[start : start + raw.size] = raw
        self._dtypes = {name: program.arrays[name].dtype for name in self._places}
        self._rows_that_fit: dict[tuple[str, str], int] = {}

    def run(self, request: Request, answer: Callable[[Answer], None]) -> None:
        """Run the launch list on the inputs in the request's folder. Raises KernelError."""
        folder, plan, batch = Path(request.folder), self._plan, request.batch
        arena = Arena(plan.body.arena_bytes * batch)
        for number, (_, name) in enumerate(sorted(plan.body.inputs.items())):
            arena.view(plan.region(name, batch))[...] = np.load(folder / f"input.{number}.npy", allow_pickle=False)
        for turn in plan.walk(batch):
            index, launch = turn.index, turn.launch
            answer(Answer("working", index))
            regions = plan.arguments(launch, batch)
            for region in turn.fresh:
                arena.bytes_of(region)[...] = region.poison
            before = arena.snapshot()
            self._trace(request, arena, f"{index}.before", regions)
            self._launch(arena, turn, request, lambda index=index: answer(Answer("working", index)))
            self._trace(request, arena, f"{index}.after", regions)
            arena.check(before, launch, tuple(regions.values()))
        for number, (_, name) in enumerate(sorted(plan.body.outputs.items())):
            np.save(folder / f"output.{number}.npy", arena.view(plan.region(name, batch)), allow_pickle=False)

    def _trace(self, request: Request, arena: Arena, prefix: str, regions: dict[str, Region]) -> None:
        if request.trace:
            for number, region in enumerate(regions.values()):
                np.save(Path(request.folder) / f"{prefix}.{number}.npy", arena.view(region), allow_pickle=False)

    def _launch(self, arena: Arena, turn: Turn, request: Request, alive: Callable[[], None]) -> None:
        from triton.runtime.interpreter import InterpreterError  # pyright: ignore[reportMissingTypeStubs]

        launch = turn.launch
        candidate = launch.candidates[min(request.candidate, len(launch.candidates) - 1)]
        rows = launch.rows_per_sample * request.batch
        key = (candidate.source, candidate.kernel)
        kernel = self._kernel(candidate)
        block_rows = min(self._rows_that_fit.get(key, LARGEST_TILE_ROWS), _power_of_two_from(rows))
        while True:
            block_rows = max(block_rows, candidate.block_rows)
            programs = count_programs(candidate, rows, block_rows)
            try:
                with _program_order(_order(programs, request.shuffle), alive):
                    kernel[(programs,)](
                        *self._arguments(arena, turn, request.batch, rows),
                        **{**candidate.constants, candidate.row_constant: block_rows},
                    )
            except InterpreterError as error:
                if _TOO_LARGE not in str(error) or block_rows == candidate.block_rows:
                    raise KernelError(f"{_named(launch, candidate)}: {error.args[0]}") from error
                block_rows //= 2
            else:
                self._rows_that_fit[key] = block_rows
                return

    def _arguments(self, arena: Arena, turn: Turn, batch: int, rows: int) -> list[Any]:
        regions = self._plan.arguments(turn.launch, batch)
        values: list[Any] = []
        for argument in turn.launch.arguments:
            if argument.kind == "rows":
                values.append(rows)
            elif argument.kind == "step":
                values.append(turn.step)
            elif argument.kind == "buffer":
                region = regions[argument.ref]
                values.append(Pointer(arena.address + region.start, region.dtype))
            else:
                address = self._weights.ctypes.data + self._places[argument.ref]
                values.append(Pointer(address, self._dtypes[argument.ref]))
        return values

    def _kernel(self, candidate: Candidate) -> Any:
        key = (candidate.source, candidate.kernel)
        if key not in self._kernels:
            text = self._sources[candidate.source].decode()
            name = f"<striate {candidate.source}>"
            linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
            module = types.ModuleType(candidate.source)
            module.__file__ = name
            exec(compile(text, name, "exec"), module.__dict__)
            self._kernels[key] = getattr(module, candidate.kernel)
        return self._kernels[key]


class _program_order:  # noqa: N801 - used as a `with` statement's verb
    """While it lasts, the interpreter's programs run in the given order, and `alive` is called at each."""

    def __init__(self, order: Array, alive: Callable[[], None]) -> None:
        from triton.runtime import interpreter  # pyright: ignore[reportMissingTypeStubs]

        self._builder: Any = interpreter.interpreter_builder
        self._order, self._alive = order, alive

    def __enter__(self) -> None:
        set_index = self._builder.set_grid_idx

        def set_grid_idx(x: int, y: int, z: int) -> None:
            self._alive()
            set_index(int(self._order[x]), y, z)

        self._builder.set_grid_idx = set_grid_idx

    def __exit__(self, *_: object) -> None:
        del self._builder.set_grid_idx


def _order(programs: int, seed: int | None) -> Array:
    if seed is None:
        return np.arange(programs)
    return np.random.default_rng(seed).permutation(programs)


def _sources(plan: Plan) -> set[str]:
    return {candidate.source for launch in plan.body.launches for candidate in launch.candidates}


def _power_of_two_from(count: int) -> int:
    return 1 << max(count - 1, 0).bit_length()


def _named(launch: Launch, candidate: Candidate) -> str:
    return f"kernel '{candidate.kernel}' of layer '{launch.layer}'"


def _serve() -> None:
    """Answer on what was the standard output; what kernels print goes to the standard error."""
    os.environ["TRITON_INTERPRET"] = "1"
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)

    def send(answer: Answer) -> None:
        answers.write(msgspec.json.encode(answer) + b"\n")

    main(sys.argv[1], sys.stdin.buffer, send)


if __name__ == "__main__":
    _serve()
