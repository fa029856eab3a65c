"""A device runs one program. THE DEVICES, by target, each imported only when it is opened."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from striate_runtime.profile import Profile
from striate_runtime.program import Port, Program

Array = npt.NDArray[Any]
Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much is done, how much there is."""

DEVICES = {
    "gpu": "striate_runtime.gpu.session:open_gpu",
    "neuromorphic": "striate_runtime.neuromorphic.chip:open_chip",
}
"""target -> "module:function"; the function takes (program, fallback, progress, settings) and returns a Device."""


@dataclass(frozen=True)
class Settings:
    """How an emulated chip works; outputs and counts do not depend on it.

    timing: how closely a profile follows the chip's messages: `simple`, `detailed` or `events`.
    threads: at most so many run samples at once; by default one for each core that the process may use.
    """

    timing: str = "simple"
    threads: int | None = None


class InputError(ValueError):
    """The arrays given are not the program's inputs; the message has both."""


class DeviceError(Exception):
    """The device cannot run the program here (no GPU and no stand-in, a fatal overload); says what would help."""


class Device(Protocol):
    """A program loaded on a machine, until closed."""

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs `[N, *shape]` for inputs `[N, *shape]`."""
        ...

    def profile(self, inputs: Mapping[str, Array]) -> tuple[dict[str, Array], Profile]:
        """Outputs, and what computing them took."""
        ...

    def trace(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Every value on the way, `[N, *shape]`, by the names that `striate_runtime.trace` explains."""
        ...

    def close(self) -> None:
        """Give back what the device holds."""
        ...

    def __enter__(self) -> Device: ...

    def __exit__(self, *_: object) -> None: ...


@runtime_checkable
class SteppedDevice(Protocol):
    """A device that can also tell what its outputs were after fewer time steps."""

    @property
    def answers_sharpen(self) -> bool:
        """Whether outputs approach their value as steps pass."""
        ...

    def run_at_steps(self, inputs: Mapping[str, Array], steps: Sequence[int]) -> dict[int, dict[str, Array]]:
        """steps -> outputs `[N, *shape]` as they were after so many steps."""
        ...


def open_device(
    program: Program,
    *,
    fallback: bool = True,
    progress: Progress | None = None,
    timing: str = "simple",
    threads: int | None = None,
) -> Device:
    """Load a program on its machine. With `fallback`, a stand-in is opened where the machine is absent.

    `timing` is how closely an emulated chip's profile follows its messages: `simple`, `detailed` or `events`.
    An emulated chip runs samples on at most `threads` threads, by default one for each core that the process may use;
    results do not depend on it.
    """
    target = DEVICES.get(program.target)
    if target is None:
        raise DeviceError(f"this runtime has no device for target '{program.target}'; it has {', '.join(DEVICES)}")
    module, function = target.split(":")
    settings = Settings(timing, threads)
    return getattr(importlib.import_module(module), function)(program, fallback, progress or _silent, settings)


def check_inputs(ports: tuple[Port, ...], inputs: Mapping[str, Array]) -> dict[str, Array]:
    """The inputs in the ports' types, `[N, *shape]`. Raises InputError; never converts a float to an integer."""
    names = [port.name for port in ports]
    if not names:
        raise InputError("the program has no inputs, so there is no number of samples to run it for")
    unknown, missing = sorted(set(inputs) - set(names)), [name for name in names if name not in inputs]
    if unknown or missing:
        raise InputError(f"the program's inputs are {', '.join(names)}; given: {', '.join(sorted(inputs)) or 'none'}")
    checked = {port.name: _checked(port, np.asarray(inputs[port.name])) for port in ports}
    counts = {name: len(array) for name, array in checked.items()}
    if len(set(counts.values())) > 1:
        raise InputError(f"inputs disagree on the number of samples: {counts}")
    if 0 in counts.values():
        raise InputError("there are no samples in the input")
    return checked


_NUMPY = {"f16": np.float16, "f32": np.float32, "i8": np.int8, "u8": np.uint8, "i32": np.int32}


def _checked(port: Port, array: Array) -> Array:
    wanted = f"{port.dtype}[{', '.join(['N', *map(str, port.shape)])}]"
    if array.ndim != len(port.shape) + 1 or array.shape[1:] != tuple(port.shape):
        raise InputError(f"input '{port.name}' must be {wanted}; the array given has shape {list(array.shape)}")
    if array.dtype.kind not in "fiu":
        raise InputError(f"input '{port.name}' must be {wanted}; the array given holds {array.dtype}")
    target: np.dtype[Any] = np.dtype(_NUMPY[port.dtype])
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InputError(f"input '{port.name}' holds NaN or infinity")
    if target.kind == "f":
        return _narrowed(port, array, target)
    if array.dtype == target:
        return array
    if array.dtype.kind == "f":
        raise InputError(f"input '{port.name}' must be {wanted}; the array given holds {array.dtype}")
    limits = np.iinfo(target.name)
    if array.size and (array.min() < limits.min or array.max() > limits.max):
        raise InputError(f"input '{port.name}' must be {wanted}; a value given is outside {limits.min}..{limits.max}")
    return array.astype(target)


def _narrowed(port: Port, array: Array, target: np.dtype[Any]) -> Array:
    with np.errstate(over="ignore"):
        narrowed = array.astype(target, copy=False)
    if not np.isfinite(narrowed).all():
        raise InputError(f"input '{port.name}' must be {port.dtype}; a value given is too large for that")
    return narrowed


def _silent(what: str, done: int, total: int) -> None:
    """Progress that nobody watches."""
