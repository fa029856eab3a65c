"""Builds many kernels at once in worker processes, and never the same one twice: what was built is kept on disk.

Workers are processes of their own (`build.py`, run by its path), not forks or spawns of this one: a user's script needs
no `if __name__ == "__main__"`, and a compiler that crashes takes nothing with it.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from striate.diagnostics import CompileError, Diagnostic

Progress = Callable[[str, int, int], None]

_WORKER = Path(__file__).with_name("build.py")
_PATIENCE_S = 30
"""How long a worker may take over what it is at when it is told to end; a kernel takes a second or two."""


class BuildRequest(msgspec.Struct, frozen=True):
    """One kernel to build: its text, name, parameter types, constants, architecture (90, 80) and compiler options."""

    source: str
    kernel: str
    signature: dict[str, str]
    constants: dict[str, int | float | bool | str]
    arch: int
    num_warps: int
    num_stages: int
    fuse: bool


class Built(msgspec.Struct, frozen=True):
    """A cubin and what the assembler reported of it."""

    cubin: bytes
    entry: str
    shared_bytes: int
    num_warps: int
    registers: int
    spill_bytes: int


def build_all(
    requests: Sequence[BuildRequest], *, cache: Path | None, jobs: int | None, progress: Progress | None
) -> dict[BuildKey, Built]:
    """Every request's cubin, by key. Raises CompileError[needs-triton] where one must be built and Triton is absent."""
    by_key = {key_of(request): request for request in requests}
    folder = cache or default_cache()
    built = {key: kept for key in by_key if (kept := _recall(folder, key)) is not None}
    missing = {key: request for key, request in by_key.items() if key not in built}
    if missing:
        _require_triton()
        _build_missing(missing, built, folder, jobs or _processors(), progress)
    return built


BuildKey = str
"""The sha256 of everything that a cubin depends on."""


def key_of(request: BuildRequest) -> BuildKey:
    """The request's content address; another version of Triton makes another key."""
    content = json.dumps([msgspec.to_builtins(request), triton_version()], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def triton_version() -> str:
    """The installed Triton's version, or "none"."""
    try:
        return importlib.metadata.version("triton")
    except importlib.metadata.PackageNotFoundError:
        return "none"


def default_cache() -> Path:
    """The user's cache of cubins: `$XDG_CACHE_HOME/striate/cubins`, or under `~/.cache`."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "striate" / "cubins"


def _require_triton() -> None:
    if importlib.util.find_spec("triton") is None:
        raise CompileError(
            Diagnostic(
                "needs-triton",
                "building kernels for a GPU needs Triton, which is not installed here",
                help="pip install 'striate[gpu]' (on Linux)",
            )
        )


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


# -- the workers


def _build_missing(
    missing: dict[BuildKey, BuildRequest],
    built: dict[BuildKey, Built],
    folder: Path,
    jobs: int,
    progress: Progress | None,
) -> None:
    pending: queue.SimpleQueue[tuple[BuildKey, BuildRequest]] = queue.SimpleQueue()
    for item in missing.items():
        pending.put(item)
    done: queue.SimpleQueue[tuple[BuildKey, Built] | BaseException] = queue.SimpleQueue()
    workers = [_start_worker() for _ in range(min(jobs, len(missing)))]
    threads = [threading.Thread(target=_drive, args=(worker, pending, done), daemon=True) for worker in workers]
    for thread in threads:
        thread.start()
    try:
        for count in range(1, len(missing) + 1):
            outcome = done.get()
            if isinstance(outcome, BaseException):
                raise outcome
            key, result = outcome
            built[key] = result
            _keep(folder, key, result)
            if progress:
                progress("building GPU kernels", count, len(missing))
    finally:
        with contextlib.suppress(queue.Empty):
            while True:
                pending.get_nowait()
        for thread in threads:
            thread.join(_PATIENCE_S)
        for worker in workers:
            _stop(worker)


def _start_worker() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-P", str(_WORKER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
    )


def _stop(worker: subprocess.Popen[str]) -> None:
    """Let a worker end by itself, as it does when its input ends, so that it clears away its own folder."""
    for stream in (worker.stdin, worker.stdout):
        if stream:
            with contextlib.suppress(BrokenPipeError):
                stream.close()
    try:
        worker.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()


def _drive(
    worker: subprocess.Popen[str],
    pending: queue.SimpleQueue[tuple[BuildKey, BuildRequest]],
    done: queue.SimpleQueue[tuple[BuildKey, Built] | BaseException],
) -> None:
    """Feed one worker until nothing is pending; put each result, or the reason why there is none, into `done`."""
    while True:
        try:
            key, request = pending.get_nowait()
        except queue.Empty:
            return
        try:
            done.put((key, _ask(worker, request)))
        except (CompileError, OSError, ValueError, AssertionError) as error:
            done.put(error)
            return


def _ask(worker: subprocess.Popen[str], request: BuildRequest) -> Built:
    assert worker.stdin is not None, "workers are started with pipes"
    assert worker.stdout is not None, "workers are started with pipes"
    line = ""
    with contextlib.suppress(BrokenPipeError):
        worker.stdin.write(json.dumps(msgspec.to_builtins(request)) + "\n")
        worker.stdin.flush()
        line = worker.stdout.readline()
    if not line:
        message = f"the process that builds the GPU kernel '{request.kernel}' ended without an answer"
        help = "see whether 'import triton' works in Python, and whether there is memory enough"
        raise CompileError(Diagnostic("build-ended", message, help=help))
    answer: dict[str, object] = json.loads(line)
    assert "error" not in answer, f"'{request.kernel}' does not build: {answer['error']}\n{request}"
    return msgspec.convert(answer, Built)


# -- the cache on disk


def _recall(folder: Path, key: BuildKey) -> Built | None:
    """What was kept under `key`; None where there is nothing, or where it was damaged."""
    try:
        data = (folder / key[:2] / key).read_bytes()
    except OSError:
        return None
    digest, content = data[:32], data[32:]
    return msgspec.msgpack.decode(content, type=Built) if hashlib.sha256(content).digest() == digest else None


def _keep(folder: Path, key: BuildKey, built: Built) -> None:
    """Keep what was built; another process never sees half of it. A folder that cannot be written keeps nothing."""
    content = msgspec.msgpack.encode(built)
    place = folder / key[:2] / key
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=place.parent, suffix=".part")
    except OSError:
        return
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(hashlib.sha256(content).digest() + content)
        os.replace(temporary, place)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
