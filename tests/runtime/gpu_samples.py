"""A hand-written GPU program of three launches, in f16 or i8, whose kernels Triton compiles in a child process.

a = image; b = a + a; c = clip(b @ w + bias, 0, 100); d = b + c. Of its sixteen channels the input
uses three and the output ten; d lies where a was.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from striate_runtime.program import Port, Program
from striate_runtime.program.gpu import Argument, Buffer, Candidate, Cubin, GpuBody, Launch

Array = npt.NDArray[Any]

WIDTH = 16
SIDE = 4
ARCHITECTURES = {"sm_90a": 90, "sm_80": 80}

KERNELS = """
import triton
import triton.language as tl


@triton.jit
def add(x_ptr, y_ptr, out_ptr, rows, WIDTH: tl.constexpr, BLOCK: tl.constexpr):
    row = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    at = row[:, None] * WIDTH + tl.arange(0, WIDTH)[None, :]
    mask = (row < rows)[:, None]
    tl.store(out_ptr + at, tl.load(x_ptr + at, mask=mask) + tl.load(y_ptr + at, mask=mask), mask=mask)


@triton.jit
def mix(x_ptr, w_ptr, bias_ptr, out_ptr, rows, WIDTH: tl.constexpr, BLOCK: tl.constexpr):
    row = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    column = tl.arange(0, WIDTH)
    at = row[:, None] * WIDTH + column[None, :]
    mask = (row < rows)[:, None]
    x = tl.load(x_ptr + at, mask=mask, other=0)
    w = tl.load(w_ptr + column[:, None] * WIDTH + column[None, :])
    if x_ptr.dtype.element_ty == tl.int8:
        total = tl.sum((x.to(tl.int32)[:, :, None] * w.to(tl.int32)[None, :, :]), axis=1)
    else:
        total = tl.dot(x, w, out_dtype=tl.float32)
    total = total + tl.load(bias_ptr + column)[None, :]
    total = tl.minimum(tl.maximum(total, 0), 100)
    tl.store(out_ptr + at, total.to(out_ptr.dtype.element_ty), mask=mask)
"""

_BUILD = """
import json, os, sys, linecache, types
os.environ["TRITON_DISABLE_LINE_INFO"] = "1"
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
folder, text, jobs = sys.argv[1], sys.stdin.read(), json.loads(sys.argv[2])
linecache.cache["<sample>"] = (len(text), None, text.splitlines(keepends=True), "<sample>")
module = types.ModuleType("sample"); module.__file__ = "<sample>"
exec(compile(text, "<sample>", "exec"), module.__dict__)
for job in jobs:
    kernel = getattr(module, job["kernel"])
    signature = {n: "constexpr" if n in job["constants"] else job["types"].get(n, "i32") for n in kernel.arg_names}
    attributes = {(kernel.arg_names.index(n),): [["tt.divisibility", 16]] for n in job["types"]}
    source = ASTSource(fn=kernel, signature=signature, constexprs=job["constants"], attrs=attributes)
    built = triton.compile(source, target=GPUTarget("cuda", job["arch"], 32), options={"num_warps": 4})
    open(os.path.join(folder, job["file"]), "wb").write(built.asm["cubin"])
    job["shared"] = built.metadata.shared
print(json.dumps([job["shared"] for job in jobs]))
"""


def build_cubins(folder: Path, dtype: str) -> dict[str, tuple[bytes, int]]:
    """File -> (cubin, shared bytes) of both kernels, two tiles, two architectures."""
    element, accumulator = {"f16": ("*fp16", "*fp32"), "i8": ("*i8", "*i32")}[dtype]
    types = {"add": {"x_ptr": element, "y_ptr": element, "out_ptr": element}}
    types["mix"] = {"x_ptr": element, "w_ptr": element, "bias_ptr": accumulator, "out_ptr": element}
    jobs = [
        {
            "kernel": kernel,
            "types": types[kernel],
            "constants": {"WIDTH": WIDTH, "BLOCK": block},
            "arch": number,
            "file": f"{kernel}.{block}.{arch}.cubin",
        }
        for kernel in types
        for block in (16, 64)
        for arch, number in ARCHITECTURES.items()
    ]
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environment["TRITON_CACHE_DIR"] = str(folder / "cache")
    command = [sys.executable, "-c", _BUILD, str(folder), json.dumps(jobs)]
    done = subprocess.run(command, input=KERNELS, text=True, capture_output=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    shared = json.loads(done.stdout.splitlines()[-1])
    return {
        str(job["file"]): ((folder / str(job["file"])).read_bytes(), n) for job, n in zip(jobs, shared, strict=True)
    }


def make_program(dtype: str, cubins: Mapping[str, tuple[bytes, int]] | None = None, batch: int = 4) -> Program:
    """The program; without cubins it can only be interpreted."""
    rows, row_bytes = SIDE * SIDE, WIDTH * (2 if dtype == "f16" else 1)
    size = rows * row_bytes
    places = {"a": 2 * size, "b": 0, "c": size, "d": 2 * size}
    buffers = tuple(Buffer(name, dtype, (SIDE, SIDE, WIDTH), at, size) for name, at in places.items())
    launches = (
        _launch("double", "add", [_buffer("a"), _buffer("a"), _buffer("b")], cubins, macs=0, moved=3 * size),
        _launch(
            "mix",
            "mix",
            [_buffer("b"), Argument("w", "array", "w"), Argument("bias", "array", "bias"), _buffer("c")],
            cubins,
            macs=rows * WIDTH * WIDTH,
            moved=2 * size,
        ),
        _launch("join", "add", [_buffer("b"), _buffer("c"), _buffer("d")], cubins, macs=0, moved=3 * size),
    )
    body = GpuBody(
        precision="f16" if dtype == "f16" else "i8",
        default_batch=batch,
        arena_bytes=3 * size,
        arena_bytes_without_reuse=4 * size,
        buffers=buffers,
        inputs={"image": "a"},
        outputs={"result": "d"},
        launches=launches,
        versions={"triton": "3.6.0"},
    )
    port = "f32" if dtype == "f16" else "i8"
    files = {name: content for name, (content, _) in (cubins or {}).items()}
    return Program(
        target="gpu",
        machine="gpu",
        network="sample",
        inputs=(Port("image", port, (3, SIDE, SIDE)),),
        outputs=(Port("result", port, (10, SIDE, SIDE)),),
        hardware="",
        body=msgspec.to_builtins(body),
        arrays=_weights(dtype),
        files={"sample.py": KERNELS.encode(), **files},
    )


def edit_body(program: Program, edit: Callable[[dict[str, Any]], None]) -> Program:
    """The program with its body changed by `edit`, on a copy."""
    body = json.loads(json.dumps(program.body))
    edit(body)
    return msgspec.structs.replace(program, body=body)


def sample_images(dtype: str, count: int, seed: int = 0) -> Array:
    """Images `[count, 3, SIDE, SIDE]` in the port's type, small enough that i8 never wraps."""
    rng = np.random.default_rng(seed)
    shape = (count, 3, SIDE, SIDE)
    if dtype == "f16":
        return rng.standard_normal(shape).astype(np.float32)
    return rng.integers(-8, 9, shape).astype(np.int8)


def expected(program: Program, images: Array) -> Array:
    """`[N, 10, SIDE, SIDE]`: the program's meaning, in float64 or exact integers, rounded nowhere but at the end."""
    exact = np.float64 if images.dtype.kind == "f" else np.int64
    a = np.zeros((len(images), SIDE, SIDE, WIDTH), exact)
    a[..., :3] = np.moveaxis(images.astype(exact), 1, -1)
    b = a + a
    c = np.clip(b @ program.arrays["w"].astype(exact) + program.arrays["bias"], 0, 100)
    return np.moveaxis((b + c)[..., :10], -1, 1)


def _weights(dtype: str) -> dict[str, Array]:
    rng = np.random.default_rng(7)
    if dtype == "f16":
        w = (rng.standard_normal((WIDTH, WIDTH)) / 4).astype(np.float16)
        return {"w": w, "bias": rng.standard_normal(WIDTH).astype(np.float32)}
    return {
        "w": rng.integers(-2, 3, (WIDTH, WIDTH)).astype(np.int8),
        "bias": rng.integers(-5, 6, WIDTH).astype(np.int32),
    }


def _buffer(name: str) -> Argument:
    return Argument(name, "buffer", name)


def _launch(
    layer: str,
    kernel: str,
    arguments: list[Argument],
    cubins: Mapping[str, tuple[bytes, int]] | None,
    *,
    macs: int,
    moved: int,
) -> Launch:
    candidates = tuple(_candidate(kernel, block, cubins) for block in (16, 64))
    return Launch(
        layer=layer,
        operator=kernel,
        nodes=(layer,),
        arguments=(*arguments, Argument("rows", "rows")),
        rows_per_sample=SIDE * SIDE,
        candidates=candidates,
        macs=macs,
        operations=0 if macs else SIDE * SIDE * WIDTH,
        bytes_read=moved * 2 // 3,
        bytes_written=moved // 3,
        weight_bytes=WIDTH * WIDTH * 2 if macs else 0,
    )


def _candidate(kernel: str, block: int, cubins: Mapping[str, tuple[bytes, int]] | None) -> Candidate:
    files = {arch: f"{kernel}.{block}.{arch}.cubin" for arch in ARCHITECTURES}
    return Candidate(
        source="sample.py",
        kernel=kernel,
        constants={"WIDTH": WIDTH, "BLOCK": block},
        row_constant="BLOCK",
        block_rows=block,
        programs_per_block=1,
        num_warps=4,
        num_stages=3,
        cubins={a: Cubin(file, kernel, cubins[file][1], 4, 32, 0) for a, file in files.items()} if cubins else {},
    )
