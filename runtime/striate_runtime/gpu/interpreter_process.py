"""This side of the interpreter: starts the child process, hands it arrays, waits for answers, says how it died."""

from __future__ import annotations

import importlib.util
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

import msgspec
import numpy as np

from striate_runtime.device import Array, DeviceError
from striate_runtime.gpu.interpret import Answer, Request
from striate_runtime.gpu.plan import Plan
from striate_runtime.program import Program

SILENCE_S = 300.0
"""How long one kernel program may take before the interpreter counts as hung."""

Trace = list[tuple[dict[str, Array], dict[str, Array]]]
"""For each launch, its buffers before and after it, by name, `[N, *shape]`."""


def is_available() -> bool:
    """Whether Triton is installed here."""
    return importlib.util.find_spec("triton") is not None


class InterpreterProcess:
    """A child that interprets one program's kernels, until closed. Raises DeviceError for whatever befalls it."""

    def __init__(self, program: Program, plan: Plan, *, silence_s: float = SILENCE_S) -> None:
        if not is_available():
            raise DeviceError("Triton is not installed, so kernels cannot be interpreted (pip install 'striate[gpu]')")
        self._plan = plan
        self._folder = tempfile.TemporaryDirectory(prefix="striate-")
        path = Path(self._folder.name) / "program"
        program.save(path)
        self._errors = (Path(self._folder.name) / "errors").open("w+b")
        self._child = _start(path, self._errors)
        self._answers: queue.Queue[bytes] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()
        try:
            self._silence_s = SILENCE_S
            self._wait("ready", _ignore)
            self._silence_s = silence_s
        except DeviceError:
            self.close()
            raise

    def run(
        self,
        buffers: Mapping[str, Array],
        *,
        shuffle: int | None = None,
        candidate: int = 0,
        working: Callable[[int], None] | None = None,
    ) -> dict[str, Array]:
        """Output port -> buffer `[N, *shape]`, for input port -> buffer `[N, *shape]`.

        `shuffle` seeds the order of each launch's programs; `candidate` is the number of the candidate to interpret;
        `working` is called with the number of the launch at work.
        """
        with self._make_folder() as folder:
            self._serve(Path(folder), buffers, working or _ignore, shuffle=shuffle, candidate=candidate)
            ports = sorted(self._plan.body.outputs)
            return {port: _load(Path(folder) / f"output.{number}.npy") for number, port in enumerate(ports)}

    def trace(self, buffers: Mapping[str, Array], working: Callable[[int], None] | None = None) -> Trace:
        """What every launch makes of its buffers, for input port -> buffer `[N, *shape]`."""
        batch = len(next(iter(buffers.values())))
        with self._make_folder() as folder:
            self._serve(Path(folder), buffers, working or _ignore, trace=True)

            def state(index: int, moment: str) -> dict[str, Array]:
                names = self._plan.arguments(self._plan.body.launches[index], batch)
                return {name: _load(Path(folder) / f"{index}.{moment}.{n}.npy") for n, name in enumerate(names)}

            return [(state(i, "before"), state(i, "after")) for i in range(len(self._plan.body.launches))]

    def close(self) -> None:
        """End the child and remove what it was given."""
        if self._child.stdin:
            self._child.stdin.close()
        self._child.kill()
        self._child.wait()
        if self._child.stdout:
            self._child.stdout.close()
        self._errors.close()
        self._folder.cleanup()

    def _make_folder(self) -> tempfile.TemporaryDirectory[str]:
        """A place for one request's arrays. A child that is still writing there is cleaned up after by `close`."""
        return tempfile.TemporaryDirectory(dir=self._folder.name, ignore_cleanup_errors=True)

    def _serve(
        self,
        folder: Path,
        buffers: Mapping[str, Array],
        working: Callable[[int], None],
        *,
        shuffle: int | None = None,
        candidate: int = 0,
        trace: bool = False,
    ) -> None:
        for number, (_, array) in enumerate(sorted(buffers.items())):
            np.save(folder / f"input.{number}.npy", array, allow_pickle=False)
        batch = len(next(iter(buffers.values())))
        request = Request(str(folder), batch, shuffle, trace, candidate)
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(msgspec.json.encode(request) + b"\n")
            self._child.stdin.flush()
        except BrokenPipeError:
            raise DeviceError(self._obituary(0)) from None
        self._wait("done", working)

    def _wait(self, wanted: str, working: Callable[[int], None]) -> None:
        launch = 0
        while True:
            try:
                line = self._answers.get(timeout=self._silence_s)
            except queue.Empty:
                self._child.kill()
                where = self._at(launch)
                raise DeviceError(f"Triton's interpreter made no progress for {self._silence_s:g} s, {where}") from None
            if not line:
                raise DeviceError(self._obituary(launch))
            answer = msgspec.json.decode(line, type=Answer)
            if answer.kind == "failed":
                raise DeviceError(f"Triton's interpreter: {answer.message}")
            if answer.kind == wanted:
                return
            launch = answer.launch
            working(launch)

    def _obituary(self, launch: int) -> str:
        code = self._child.wait()
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        last = f": {lines[-1]}" if lines else ""
        return f"Triton's interpreter {how}, {self._at(launch)}{last}"

    def _at(self, launch: int) -> str:
        record = self._plan.body.launches[launch]
        return f"at kernel '{record.candidates[0].kernel}' of layer '{record.layer}'"

    def _listen(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            self._answers.put(line)
        self._answers.put(b"")


def _start(program: Path, errors: IO[bytes]) -> subprocess.Popen[bytes]:
    runtime = str(Path(__file__).resolve().parents[2])
    inherited = os.environ.get("PYTHONPATH")
    environment = {
        **os.environ,
        "TRITON_INTERPRET": "1",
        "PYTHONPATH": os.pathsep.join([runtime, *([inherited] if inherited else [])]),
    }
    command = [sys.executable, "-m", "striate_runtime.gpu.interpret", str(program)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=environment, cwd=program.parent
    )


def _load(path: Path) -> Array:
    return np.load(path, allow_pickle=False)


def _ignore(launch: int) -> None:
    """Progress that nobody watches."""
