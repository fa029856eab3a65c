"""The body of a neuromorphic program, run densely in numpy as program/neuromorphic.py words it: slow and plain.

Knows nothing of cores. The emulator and the compiler are both held against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from striate_runtime.program import Program
from striate_runtime.program.neuromorphic import NeuromorphicBody, Population, Projection

Array = npt.NDArray[Any]


def run_densely(program: Program, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Outputs `[N, *shape]` for inputs `[N, *shape]`."""
    body = msgspec.convert(program.body, NeuromorphicBody)
    samples = len(next(iter(inputs.values())))
    rows = [_sample(program, body, {name: array[n] for name, array in inputs.items()}) for n in range(samples)]
    return {
        port.name: np.stack([row[port.name] for row in rows]).reshape(samples, *port.shape) for port in program.outputs
    }


def _sample(program: Program, body: NeuromorphicBody, inputs: Mapping[str, Array]) -> dict[str, Array]:
    populations = {population.name: population for population in body.populations}
    arrays = program.arrays
    given = {body.inputs[port]: _injected(body, populations, port, x) for port, x in inputs.items()}
    arriving = {
        name: np.zeros((body.steps + 64, *_hwc(population)), np.int64) for name, population in populations.items()
    }
    potential = {name: _by_channel(program, p, p.initial, 0) for name, p in populations.items()}
    accumulator = {name: np.zeros(_hwc(p), np.int64) for name, p in populations.items()}
    result: dict[str, Array] = {}
    for step in range(body.steps):
        for name, population in populations.items():
            events = np.zeros(_hwc(population), np.int64)
            drive = arriving[name][step]
            bias = _by_channel(program, population, population.bias, 0)
            if population.kind == "input" and body.coding == "graded":
                events = given[name] if step == 0 else events
            elif population.kind in ("input", "integrate_and_fire"):
                threshold = _by_channel(program, population, population.threshold, 1)
                if population.kind == "input" or step >= population.fires_at:
                    potential[name] = potential[name] + (given[name] if population.kind == "input" else drive + bias)
                events = (potential[name] >= threshold).astype(np.int64)
                potential[name] = potential[name] - events * threshold
            elif population.reduce == "max":
                accumulator[name] = np.maximum(accumulator[name], drive)
            else:
                accumulator[name] = accumulator[name] + drive
            if population.kind == "graded" and step == population.fires_at:
                events = result[name] = _fire(program, population, accumulator[name] + bias)
            for projection in body.projections:
                if projection.source == name and events.any():
                    into = arriving[projection.target][step + projection.delay]
                    _deliver(projection, arrays, events, into, populations[projection.target])
    for name, population in populations.items():
        if population.kind == "readout":
            result[name] = accumulator[name] + _by_channel(program, population, population.bias, 0)
    return {output: _read(program, populations[name], result[name]) for output, name in body.outputs.items()}


def _injected(body: NeuromorphicBody, populations: Mapping[str, Population], port: str, x: Array) -> Array:
    c, h, w = populations[body.inputs[port]].shape
    codes = np.rint(x.astype(np.float32) / np.float32(body.input_scale[port])) if x.dtype.kind == "f" else x
    codes = np.clip(codes.astype(np.int64), body.input_low[port], body.input_high[port])
    return codes.reshape(c, h, w).transpose(1, 2, 0)


def _fire(program: Program, population: Population, total: Array) -> Array:
    if population.multiplier is not None and population.shift is not None:
        multiplier, shift = (
            program.arrays[name].astype(np.int64) for name in (population.multiplier, population.shift)
        )
        total = (total * multiplier + (np.int64(1) << (shift - 1))) >> shift
    return np.clip(total, population.low, population.high)


def _deliver(
    projection: Projection, arrays: Mapping[str, Array], events: Array, into: Array, target: Population
) -> None:
    if projection.multiplier is not None and projection.shift is not None:
        multiplier, shift = (arrays[name].astype(np.int64) for name in (projection.multiplier, projection.shift))
        events = (events * multiplier + (np.int64(1) << (shift - 1))) >> shift
    weights = None if projection.weights is None else arrays[projection.weights].astype(np.int64)
    channels = events.shape[2]
    if projection.kind == "dense":
        assert weights is not None
        into += (events.reshape(-1) @ weights).reshape(into.shape)
        return
    (kh, kw), (sh, sw), (dh, dw) = projection.kernel, projection.stride, projection.dilation
    left, _, top, _ = projection.padding
    for oy in range(into.shape[0]):
        for ox in range(into.shape[1]):
            for ky in range(kh):
                for kx in range(kw):
                    y, x = oy * sh + ky * dh - top, ox * sw + kx * dw - left
                    if not (0 <= y < events.shape[0] and 0 <= x < events.shape[1]):
                        continue
                    seen = events[y, x]
                    if projection.kind == "conv2d":
                        assert weights is not None
                        groups = seen.reshape(projection.groups, -1)
                        taps = weights[ky, kx].reshape(groups.shape[1], projection.groups, -1)
                        into[oy, ox] += np.einsum("gi,igo->go", groups, taps).reshape(-1)
                        continue
                    seen = seen if weights is None else seen * weights
                    place = into[oy, ox, projection.channel_offset : projection.channel_offset + channels]
                    if target.reduce == "max":
                        np.maximum(place, seen, out=place)
                    else:
                        place += seen


def _read(program: Program, population: Population, total: Array) -> Array:
    numbers = total.transpose(2, 0, 1)
    if population.scale is None:
        return numbers.astype(np.int32)
    scale = program.arrays[population.scale].astype(np.float32)
    return numbers.astype(np.float32) * scale[:, None, None]


def _hwc(population: Population) -> tuple[int, int, int]:
    c, h, w = population.shape
    return h, w, c


def _by_channel(program: Program, population: Population, name: str | None, default: int) -> Array:
    values = np.full(population.shape[0], default) if name is None else program.arrays[name]
    return np.broadcast_to(values.astype(np.int64), _hwc(population))
