"""How two traces differ: layer by layer, and the first layer, step and neuron where they part."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from striate_runtime.trace import EVENTS, SPIKES, STEPPED, Trace, TraceError

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Divergence:
    """One number that differs. `neuron` is its index in the layer's shape: (c, y, x) of an image."""

    sample: int
    step: int | None
    neuron: tuple[int, ...]
    a: float
    b: float


@dataclass(frozen=True)
class LayerDifference:
    """How one array of A differs from B's.

    `snr_db` takes A for the signal and A - B for the noise: None where there is no noise, or no signal.
    `spike_mismatch` is the share of (neuron, step) pairs in which just one of the two sent a spike.
    `first` is the earliest step's first neuron that is off by more than the tolerance, None where all agree.
    """

    layer: str
    shape: tuple[int, ...]
    exact: bool
    differing: int
    max_abs: float
    snr_db: float | None
    spike_mismatch: float | None
    first: Divergence | None


@dataclass(frozen=True)
class Difference:
    """Two traces side by side. `unlike` are names that cannot be compared.

    Those are integers in one trace and floats in the other, or of another shape or number of steps."""

    a: str
    b: str
    tolerance: float
    layers: tuple[LayerDifference, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    unlike: tuple[str, ...]

    @property
    def first(self) -> LayerDifference | None:
        """The first layer, in the order in which A computes them, that is off by more than the tolerance."""
        return next((layer for layer in self.layers if layer.first is not None), None)


def compare_traces(a: Trace, b: Trace, tolerance: float = 0.0) -> Difference:
    """Compare what both traces hold. Raises TraceError where they hold nothing in common or not the same samples."""
    both = [name for name in a.values if name in b.values]
    unlike = [name for name in both if not _are_alike(name, a.values[name], b.values[name])]
    alike = [name for name in both if name not in unlike]
    if a.samples != b.samples:
        raise TraceError(f"one trace has {a.samples} samples, the other {b.samples}")
    if set(alike) <= set(a.inputs):
        raise TraceError(
            f"the traces of {a.machine} and {b.machine} have no layer in common"
            + (f"; not alike, by their type or shape: {', '.join(unlike)}" if unlike else "")
        )
    return Difference(
        a.machine,
        b.machine,
        tolerance,
        tuple(_layer(name, a.values[name], b.values[name], tolerance) for name in alike),
        tuple(name for name in a.values if name not in b.values),
        tuple(name for name in b.values if name not in a.values),
        tuple(unlike),
    )


def _are_alike(name: str, a: Array, b: Array) -> bool:
    """Whether both are codes or both are numbers, for as many steps. A vector may be an image of one pixel."""
    lead = 2 if name.endswith(STEPPED) else 1
    return (
        (a.dtype.kind == "f") == (b.dtype.kind == "f")
        and a.shape[1:lead] == b.shape[1:lead]
        and (
            [extent for extent in a.shape[lead:] if extent != 1] == [extent for extent in b.shape[lead:] if extent != 1]
        )
    )


def _layer(name: str, a: Array, b: Array, tolerance: float) -> LayerDifference:
    lead = 2 if name.endswith(STEPPED) else 1
    shape = a.shape[lead:] if len(a.shape) <= len(b.shape) else b.shape[lead:]
    flat_a, flat_b = (array.reshape(*a.shape[:lead], -1).astype(np.float64) for array in (a, b))
    same = (flat_a == flat_b) | (np.isnan(flat_a) & np.isnan(flat_b))
    with np.errstate(invalid="ignore"):
        error = np.where(same, 0.0, np.abs(flat_a - flat_b))
    error[np.isnan(error)] = np.inf
    return LayerDifference(
        layer=name,
        shape=shape,
        exact=bool(same.all()),
        differing=int(same.size - np.count_nonzero(same)),
        max_abs=float(error.max(initial=0.0)),
        snr_db=_snr_db(flat_a, error),
        spike_mismatch=float(1 - same.mean()) if name.endswith(SPIKES) and same.size else None,
        first=_first(flat_a, flat_b, error > tolerance, () if name.endswith(EVENTS) else shape),
    )


def _snr_db(signal: Array, noise: Array) -> float | None:
    known = np.isfinite(signal) & np.isfinite(noise)
    signal_power, noise_power = float((signal[known] ** 2).sum()), float((noise[known] ** 2).sum())
    if signal_power == 0 or noise_power == 0:
        return None
    return 10 * math.log10(signal_power / noise_power)


def _first(a: Array, b: Array, apart: Array, shape: tuple[int, ...]) -> Divergence | None:
    """Of the numbers that are apart, that of the earliest step; within it, of the first sample and neuron."""
    if not apart.any():
        return None
    stepped = apart.ndim == 3
    by_step = apart.swapaxes(0, 1) if stepped else apart[None]
    step, sample, neuron = (int(index) for index in np.argwhere(by_step)[0])
    at = (sample, step, neuron) if stepped else (sample, neuron)
    place = tuple(int(index) for index in np.unravel_index(neuron, shape or (1,)))
    return Divergence(sample, step if stepped else None, place if shape else (), float(a[at]), float(b[at]))
