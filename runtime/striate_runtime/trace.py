"""What one run computed, value by value, under names that every machine shares: kept in a file, and read back.

A trace maps names to arrays. `conv1` is the value of the node `conv1`, `[N, *shape]`. Where values travel as spikes
over time, `conv1@spikes` is 1 where a neuron sent one (on a chip without steps, how many it sent in a tick), and
`conv1@potentials` what it held after each step (and `conv1@currents`, where a neuron has one), each
`[N, steps, *shape]`. `conv1@events` is how many events the layer sent at each step, `[N, steps]`.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

SPIKES, POTENTIALS, CURRENTS, EVENTS = "@spikes", "@potentials", "@currents", "@events"
STEPPED = (SPIKES, POTENTIALS, CURRENTS, EVENTS)
"""Endings of the names of arrays that have a number for each step, after the sample."""

_HEADER = "@trace"


class TraceError(Exception):
    """A file is no trace, or two traces cannot be compared; says which and why."""


@dataclass(frozen=True)
class Trace:
    """The values of one run, in the order in which the machine computes them; `inputs` names those it was given."""

    machine: str
    network: str
    inputs: tuple[str, ...]
    values: Mapping[str, Array]

    @property
    def bytes(self) -> int:
        """How much memory the values take."""
        return sum(array.nbytes for array in self.values.values())

    @property
    def samples(self) -> int:
        """How many samples were run."""
        return len(next(iter(self.values.values()), ()))


def save_trace(trace: Trace, path: Path) -> None:
    """Write a trace as a compressed .npz, whole or not at all."""
    header = json.dumps({"format": 1, "machine": trace.machine, "network": trace.network, "inputs": trace.inputs})
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **{_HEADER: np.array(header)}, **trace.values)
    temporary.replace(path)


def load_trace(path: Path) -> Trace:
    """Read a trace; unpickles nothing. Raises TraceError."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as loaded:
            if not hasattr(loaded, "files") or _HEADER not in loaded.files:
                raise TraceError(f"{path} holds no trace; 'striate trace' writes one")
            header = json.loads(str(loaded[_HEADER]))
            values = {name: loaded[name] for name in loaded.files if name != _HEADER}
    except FileNotFoundError:
        raise TraceError(f"{path}: there is no such file") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, AttributeError, TypeError) as error:
        raise TraceError(f"{path} is no trace: {error or type(error).__name__}") from error
    if header.get("format") != 1:
        raise TraceError(f"{path}: traces of format {header.get('format')} cannot be read here, only of format 1")
    return Trace(header["machine"], header["network"], tuple(header["inputs"]), values)
