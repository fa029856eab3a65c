"""The right cubin for this GPU, loaded once, its parameters checked against the cubin's own table, and packed."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from striate_runtime.device import DeviceError
from striate_runtime.gpu.cubin import CubinError, read_parameters
from striate_runtime.gpu.driver import Driver, Handle
from striate_runtime.gpu.plan import count_programs
from striate_runtime.program import Program
from striate_runtime.program.gpu import Candidate, Cubin, Launch

_WARP = 32
_POINTER, _NUMBER = struct.Struct("<Q"), struct.Struct("<i")
_SCRATCH = (_POINTER.pack(0), _POINTER.pack(0))
"""Triton's kernels take two more pointers after their own arguments, to scratch memory; ours use none."""


class UnusableError(Exception):
    """A candidate that this GPU cannot run; the message says why."""


class BuiltElsewhereError(UnusableError):
    """A candidate that was built for other GPUs only."""


@dataclass(frozen=True)
class Kernel:
    """One candidate of a launch, ready to start. `number` is its place among the launch's candidates."""

    launch: Launch
    number: int
    cubin: Cubin
    function: Handle

    @property
    def candidate(self) -> Candidate:
        """Its record in the program."""
        return self.launch.candidates[self.number]

    def start(
        self, driver: Driver, addresses: Mapping[tuple[str, str], int], batch: int, step: int, stream: Handle
    ) -> None:
        """Put it on the stream. `addresses` are device addresses by (kind, name) of an argument."""
        rows = self.launch.rows_per_sample * batch
        grid = count_programs(self.candidate, rows)
        threads, shared = self.cubin.num_warps * _WARP, self.cubin.shared_bytes
        driver.launch(self.function, grid, threads, shared, pack(self.launch, addresses, rows, step), stream)


class Kernels:
    """The modules of one program on one device, until closed."""

    def __init__(self, driver: Driver, program: Program) -> None:
        self._driver, self._program = driver, program
        self._modules: dict[str, Handle] = {}

    def load(self, launch: Launch, number: int) -> Kernel:
        """A candidate, loaded. Raises UnusableError."""
        candidate, properties = launch.candidates[number], self._driver.properties
        architecture = choose_architecture(candidate.cubins, properties.capability)
        if architecture is None:
            built = ", ".join(sorted(candidate.cubins)) or "no architecture"
            raise BuiltElsewhereError(f"built for {built}; this GPU is {_named(properties.capability)}")
        cubin = candidate.cubins[architecture]
        if cubin.shared_bytes > properties.shared_bytes:
            raise UnusableError(
                f"needs {cubin.shared_bytes} bytes of shared memory; this GPU has {properties.shared_bytes}"
            )
        content = self._program.files[cubin.file]
        _check_parameters(content, cubin.entry, launch)
        try:
            if cubin.file not in self._modules:
                self._modules[cubin.file] = self._driver.load_module(content, f"'{cubin.file}'")
            function = self._driver.function(self._modules[cubin.file], cubin.entry, cubin.shared_bytes)
        except DeviceError as error:
            raise UnusableError(str(error)) from error
        return Kernel(launch, number, cubin, function)

    def close(self) -> None:
        """Unload every module."""
        for module in self._modules.values():
            self._driver.unload_module(module)
        self._modules.clear()


def choose_architecture(names: Iterable[str], capability: tuple[int, int]) -> str | None:
    """The best of the architectures a kernel was built for that runs here, or None.

    `sm_90a` runs on 9.0 only. `sm_80` runs on 8.0 and, since a cubin runs on later minor versions of its major one, on
    8.6 and 8.9 too. No cubin runs on another major version.
    """
    major, minor = capability
    fitting: list[tuple[int, bool, str]] = []
    for name in names:
        match = re.fullmatch(r"sm_(\d+)(\d)(a?)", name)
        if match is None or int(match[1]) != major:
            continue
        is_exact = int(match[2]) == minor
        if is_exact or (int(match[2]) < minor and not match[3]):
            fitting.append((int(match[2]), bool(match[3]), name))
    return max(fitting)[2] if fitting else None


def pack(launch: Launch, addresses: Mapping[tuple[str, str], int], rows: int, step: int) -> list[bytes]:
    """The launch's parameters: its own in order, then the two scratch pointers."""
    numbers = {"rows": rows, "step": step}
    own = [
        _NUMBER.pack(numbers[argument.kind])
        if argument.kind in numbers
        else _POINTER.pack(addresses[argument.kind, argument.ref])
        for argument in launch.arguments
    ]
    return [*own, *_SCRATCH]


def _check_parameters(content: bytes, entry: str, launch: Launch) -> None:
    try:
        table = read_parameters(content, entry)
    except CubinError as error:
        raise UnusableError(f"its cubin cannot be read: {error}") from error
    ours = [_NUMBER.size if argument.kind in ("rows", "step") else _POINTER.size for argument in launch.arguments]
    ours += [len(value) for value in _SCRATCH]
    theirs = [parameter.size for parameter in table]
    if ours != theirs:
        raise UnusableError(f"its cubin takes parameters of {theirs} bytes; the launch gives {ours}")


def _named(capability: tuple[int, int]) -> str:
    return f"sm_{capability[0]}{capability[1]}"
