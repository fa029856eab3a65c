"""Compiles kernels to cubins with Triton. This file is run as a worker process, by its path; nothing imports it.

It needs no GPU and nothing of striate. One request a line on standard input, one answer a line on standard output, both
JSON; cubins are base64. The same request gives the same cubin, bit for bit, in any process: no line numbers are kept,
and nothing of the environment is looked at.
"""

from __future__ import annotations

import base64
import contextlib
import importlib.util
import io
import json
import linecache
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any, TextIO, cast

Request = dict[str, Any]
"""`source`, `kernel`, `signature` {name: Triton type}, `constants`, `arch` (90), `num_warps`, `num_stages`, `fuse`."""


def serve(requests: TextIO, answers: TextIO) -> None:
    """Answer every request until there are no more. An answer is what `build` gives, or `{"error": text}`."""
    with tempfile.TemporaryDirectory(prefix="striate-build-") as folder:
        _prepare_environment(folder)
        for line in requests:
            answers.write(json.dumps(_answer(json.loads(line), Path(folder))) + "\n")
            answers.flush()


def build(request: Request, folder: Path) -> dict[str, Any]:
    """One kernel's cubin and what the assembler says of it: entry, shared bytes, registers, spilled bytes."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    kernel = _load_kernel(request["source"], request["kernel"], folder)
    constants: dict[str, Any] = request["constants"]
    signature = {name: request["signature"].get(name, "constexpr") for name in kernel.arg_names}
    pointers = [index for index, name in enumerate(kernel.arg_names) if signature[name].startswith("*")]
    source = ASTSource(
        fn=kernel,
        signature=signature,
        constexprs=constants,
        attrs={(index,): [["tt.divisibility", 16]] for index in pointers},
    )
    options = {
        "num_warps": request["num_warps"],
        "num_stages": request["num_stages"],
        "enable_fp_fusion": request["fuse"],
    }
    log = io.StringIO()
    compile_kernel = cast(Any, triton.compile)  # pyright: ignore[reportUnknownMemberType]
    with contextlib.redirect_stdout(log):
        compiled = compile_kernel(source, target=GPUTarget("cuda", request["arch"], 32), options=options)
    return {
        "cubin": base64.b64encode(compiled.asm["cubin"]).decode(),
        "entry": compiled.metadata.name,
        "shared_bytes": compiled.metadata.shared,
        "num_warps": compiled.metadata.num_warps,
        "registers": _figure(log.getvalue(), r"Used (\d+) registers"),
        "spill_bytes": _figure(log.getvalue(), r"(\d+) bytes spill stores")
        + _figure(log.getvalue(), r"(\d+) bytes spill loads"),
    }


def _prepare_environment(folder: str) -> None:
    for name in [name for name in os.environ if name.startswith("TRITON_")]:
        del os.environ[name]
    os.environ["TRITON_CACHE_DIR"] = folder
    os.environ["TRITON_ALWAYS_COMPILE"] = "1"
    os.environ["TRITON_DISABLE_LINE_INFO"] = "1"
    os.environ["TRITON_DUMP_PTXAS_LOG"] = "1"


def _answer(request: Request, folder: Path) -> dict[str, Any]:
    from triton.compiler.errors import CompilationError
    from triton.runtime.errors import OutOfResources, PTXASError

    try:
        return build(request, folder)
    except (CompilationError, PTXASError, OutOfResources, RuntimeError) as error:
        return {"error": f"{type(error).__name__}: {error}"}


def _load_kernel(source: str, name: str, folder: Path) -> Any:
    """The kernel's text as a module; Triton wants to read it from a file."""
    path = folder / f"{name}.py"
    path.write_text(source, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("kernel", path)
    assert spec is not None, "a .py file always has a loader"
    assert spec.loader is not None, "a .py file always has a loader"
    module = importlib.util.module_from_spec(spec)
    linecache.checkcache(str(path))
    spec.loader.exec_module(module)
    return getattr(module, name)


def _figure(log: str, pattern: str) -> int:
    match = re.search(pattern, log)
    assert match is not None, f"the assembler's log has no '{pattern}'"
    return int(match.group(1))


if __name__ == "__main__":
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    serve(sys.stdin, answers)
