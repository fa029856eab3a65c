"""Sample inputs and labels: arrays from .npz and .npy files, checked against what a network takes."""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from striate.diagnostics import CompileError, Diagnostic, did_you_mean
from striate.tensor import NUMPY, Array, TensorType

DAMAGE = (
    *(ValueError, EOFError, zipfile.BadZipFile, zlib.error),  # cut off, or the numbers are not where they should be
    *(
        SyntaxError,
        tokenize.TokenError,
        TypeError,
        KeyError,
        OverflowError,
    ),  # a header that is no table of shape and type
    RuntimeError,  # a member said to be encrypted, or compressed in a way nobody has (NotImplementedError)
)
"""What NumPy and zipfile raise for a damaged file while they read it; all become bad-data, with the reason."""


def read_arrays(path: Path) -> dict[str, Array]:
    """Every array in a .npz, or the one in a .npy as ''. Raises CompileError[bad-data]; unpickles nothing."""
    try:
        with path.open("rb") as stream:
            loaded = np.load(stream, allow_pickle=False)
            members: dict[str, Any] = (
                {"": loaded} if isinstance(loaded, np.ndarray) else {name: loaded[name] for name in loaded.files}
            )
            return {name: array for name, array in members.items() if isinstance(array, np.ndarray)}
    except FileNotFoundError:
        raise CompileError(Diagnostic("bad-data", f"{path}: there is no such file", help=_told_of(path))) from None
    except MemoryError as error:
        raise CompileError(Diagnostic("bad-data", f"{path}: too large for this machine's memory: {error}")) from error
    except OSError as error:
        raise CompileError(Diagnostic("bad-data", f"{path}: {error.strerror or error}")) from error
    except DAMAGE as error:
        reason = str(error) or type(error).__name__
        if "allow_pickle" in reason:
            reason = "it holds Python objects, which are never loaded, or something else altogether"
        raise CompileError(Diagnostic("bad-data", f"{path}: not a usable .npz or .npy file: {reason}")) from error


def _told_of(path: Path) -> str | None:
    """Data that is not ours to ship is made by its user: the README.md beside it, where that names the file."""
    page = path.parent / "README.md"
    with suppress(OSError):
        if path.name in page.read_text(encoding="utf-8", errors="replace"):
            return f"{page} says how '{path.name}' is made"
    return None


def write_arrays(path: Path, arrays: Mapping[str, Array]) -> None:
    """The arrays as a compressed .npz. Any name will do, also those that numpy.savez takes for its own arguments."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def load_arrays(
    path: Path, inputs: Mapping[str, TensorType], dt_s: float | None = None, streams: bool = False
) -> dict[str, Array]:
    """The arrays for a network's inputs, `[N, *shape]`, in the inputs' types. Other arrays in the file are ignored.

    For a network with a time step `dt_s`, and for `streams`, they are `[N, T, *shape]`. Raises CompileError: bad-data,
    no-time-steps.
    """
    timed = dt_s is not None or streams
    arrays = read_arrays(path)
    if "" in arrays and len(inputs) == 1:
        arrays = {next(iter(inputs)): arrays[""]}
    mistakes: list[Diagnostic] = []
    checked: dict[str, Array] = {}
    for name, type in inputs.items():
        if name not in arrays:
            held = ", ".join(sorted(arrays)) or "nothing"
            message = f"{path}: it has no array for the input '{name}'; it holds {held}"
            mistakes.append(Diagnostic("bad-data", message, help=did_you_mean(name, arrays)))
            continue
        leading = ("N", "T") if timed else ("N",)
        wrong = _wrong(arrays[name], type, len(leading))
        if wrong:
            message = f"{path}: '{name}' must be {type.dtype}[{', '.join(map(str, (*leading, *type.shape)))}]; {wrong}"
            mistakes.append(Diagnostic("bad-data", message))
        elif 0 in arrays[name].shape[: len(leading)]:
            message = f"{path}: '{name}' holds no time steps: its shape is {list(arrays[name].shape)}"
            whose = (
                "a stream has at least one frame" if dt_s is None else "a network with dt runs for at least one step"
            )
            help = f"the second dimension is time; {whose}"
            mistakes.append(Diagnostic("no-time-steps", message, help=help))
        else:
            checked[name] = arrays[name].astype(NUMPY[type.dtype], copy=False)
    counts = {name: len(array) for name, array in checked.items()}
    if len(set(counts.values())) > 1:
        mistakes.append(Diagnostic("bad-data", f"{path}: the inputs disagree on the number of samples: {counts}"))
    steps = {name: array.shape[1] for name, array in checked.items() if timed}
    if len(set(steps.values())) > 1:
        mistakes.append(Diagnostic("bad-data", f"{path}: the inputs disagree on the number of steps: {steps}"))
    if mistakes:
        raise CompileError(mistakes)
    return checked


def holds_streams(path: Path, inputs: Mapping[str, TensorType]) -> bool:
    """Whether a file's arrays for a network without time have a dimension more: frames, `[N, T, *shape]`."""
    arrays = read_arrays(path)
    if "" in arrays and len(inputs) == 1:
        arrays = {next(iter(inputs)): arrays[""]}
    return all(name in arrays and arrays[name].ndim == len(type.shape) + 2 for name, type in inputs.items())


def frames_of(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Streams `[N, T, *shape]` as their frames, one after the other, `[N T, *shape]`."""
    return {name: array.reshape(-1, *array.shape[2:]) for name, array in arrays.items()}


def load_labels(path: Path, *samples: int, steps: int | None = None) -> Array | None:
    """The array `label` of a data file, `[N]` or for streams `[N, T]`, or None where it has none.

    With `steps`, what is asked answers in every one of them, and labels may be `[N, steps]`.
    """
    labels = read_arrays(path).get("label")
    if labels is None:
        return None
    fits = labels.shape == samples or (steps is not None and labels.shape == (*samples, steps))
    if not fits or labels.dtype.kind not in "iu":
        wrong, each = f"it is {labels.dtype}{list(labels.shape)}", "sample" if len(samples) == 1 else "frame"
        message = f"{path}: 'label' must be integers {list(samples)}, one for each {each}; {wrong}"
        raise CompileError(Diagnostic("bad-data", message))
    if labels.min() < 0:
        raise CompileError(Diagnostic("bad-data", f"{path}: a label is {labels.min()}; labels count from 0"))
    return labels


def random_inputs(
    inputs: Mapping[str, TensorType], samples: int = 2, seed: int = 0, steps: int | None = None
) -> dict[str, Array]:
    """Uniform inputs in 0..1 (integers: their full range), for checks that need some numbers but no particular ones.

    `[N, *shape]`, or with `steps` `[N, steps, *shape]`.
    """
    rng = np.random.default_rng(seed)
    arrays: dict[str, Array] = {}
    for name, type in inputs.items():
        dtype, shape = NUMPY[type.dtype], (samples, *(() if steps is None else (steps,)), *type.shape)
        if type.is_float:
            arrays[name] = rng.uniform(0, 1, shape).astype(dtype)
        else:
            limits = np.iinfo(dtype)
            arrays[name] = rng.integers(limits.min, limits.max, shape, endpoint=True).astype(dtype)
    return arrays


def _wrong(array: Array, type: TensorType, leading: int) -> str | None:
    if array.ndim != len(type.shape) + leading or array.shape[leading:] != type.shape:
        return f"its shape is {list(array.shape)}"
    if array.dtype.kind not in "fiu":
        return f"it holds {array.dtype}"
    if len(array) == 0:
        return "it holds no samples"
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        return "it holds NaN or infinity"
    if type.is_float:
        largest = float(np.finfo(NUMPY[type.dtype]).max)
        narrows = not np.can_cast(array.dtype, NUMPY[type.dtype])
        if narrows and float(np.abs(array.astype(np.float64)).max(initial=0.0)) > largest:
            return f"a number is larger than {largest:.3g}, the most that {type.dtype} holds"
    else:
        limits = np.iinfo(NUMPY[type.dtype])
        if array.dtype.kind == "f":
            return f"it holds {array.dtype}"
        if array.min() < limits.min or array.max() > limits.max:
            return f"a value is outside {limits.min}..{limits.max}"
    return None
