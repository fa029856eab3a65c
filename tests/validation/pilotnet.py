"""PilotNet-LIF as Intel ran it on a Loihi 2, as a program for the emulated chip: its layers, its slabs, its resets.

The network file, traces and counters are lava-dl's (BSD-3). They are read where they lie, beside the repository, and
never copied into it. The file's arrays are images [W, H, C] and kernels [O, I, ky, kx], which meet as a correlation.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from striate_runtime.hardware import load_hardware
from striate_runtime.program import Port, Program
from striate_runtime.program.neuromorphic import Core, NeuromorphicBody, Population, Projection

Array = npt.NDArray[Any]

DATA = Path(__file__).parents[3] / "shared" / "data" / "loihi2_pilotnet"
TRACES = DATA / "gts" / "pilotnet_lif"

INPUT_SHAPE = (3, 66, 200)
TRACE_STEPS = 24
TRACE_PERIOD = 17
"""In the traces, layer k (0: the first convolution) is reset in the steps k + 1 and k + 18, counted from 0."""

RUN_PERIOD = 16
"""In the run on the chip, every layer is reset every 16 steps."""

SLABS = {"input": 16, "conv-0": 4, "conv-1": 4, "conv-2": 8, "conv-3": 8, "conv-4": 16}
"""Columns of a core's slab: all rows and channels of so many columns; the last slab is configured for as many."""

FIRST_CORE = {
    "fc-3": 0, "fc-2": 1, "fc-1": 2, "fc-0": 3,
    "conv-4": 15, "conv-3": 17, "conv-2": 20, "conv-1": 23, "conv-0": 36, "input": 61,
}  # fmt: skip
"""Each layer's first core in the published counters. `fc-0` has 12 cores; how it is cut is not published."""

DENSE_NEURONS_PER_CORE = {"fc-0": 9}


@dataclass(frozen=True)
class Layer:
    """One layer of the file. weights: `[ky, kx, Cin, Cout]` or `[neurons of source, neurons]`, both channels last."""

    name: str
    shape: tuple[int, int, int]
    weights: Array
    bias: Array
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    current_decay: int
    voltage_decay: int
    threshold: int


def read_layers() -> list[Layer]:
    """The nine layers of neurons in order."""
    import h5py

    layers: list[Layer] = []
    shape: tuple[int, int, int] = INPUT_SHAPE
    with h5py.File(TRACES / "network.net") as file:
        groups: Any = file["layer"]
        for index in (*range(1, 6), *range(7, 11)):
            layers.append(_layer(groups[str(index)], index, shape))
            shape = layers[-1].shape
    return layers


def _layer(group: Any, index: int, source: tuple[int, int, int]) -> Layer:
    convolution = index < 7
    channels, height, width = (int(n) for n in group["shape"][()])
    weights = np.rint(group["weight"][()]).astype(np.int16)
    if convolution:
        vertical, horizontal = (int(n) for n in group["padding"][()])
        stride = int(group["stride"][0]), int(group["stride"][1])
        padding = horizontal, horizontal, vertical, vertical
        weights = weights.transpose(2, 3, 1, 0)
    else:  # the neurons of an image are flattened in the order C, H, W
        stride, padding = (1, 1), (0, 0, 0, 0)
        weights = weights.reshape(channels, *source).transpose(2, 3, 1, 0).reshape(-1, channels)
    neuron = group["neuron"]
    return Layer(
        name=f"conv-{index - 1}" if convolution else f"fc-{index - 7}",
        shape=(channels, height, width),
        weights=weights,
        bias=np.rint(np.atleast_1d(group["bias"][()])).astype(np.int32) << 6,
        stride=stride,
        padding=padding,
        current_decay=int(neuron["iDecay"][()]) - 1,  # what decays is this plus 1
        voltage_decay=int(neuron["vDecay"][()]),
        threshold=int(neuron["vThMant"][()]),
    )


def pilotnet(layers: list[Layer], steps: int, *, period: int, first_reset: int, latency: int) -> Program:
    """The program, reading u, v and spike counts of every layer: port `<layer>.<read>`.

    latency: steps from a spike to its arrival, for each layer; the input's spikes always take 1. Layer k is reset in
    every step s with s % period == (first_reset + k * latency) % period.
    """
    arrays: dict[str, Array] = {}
    populations = [Population("input", "input", INPUT_SHAPE, "input")]
    projections: list[Projection] = []
    for k, layer in enumerate(layers):
        own = {
            "bias": layer.bias,
            "threshold": layer.threshold,
            "current_decay": layer.current_decay,
            "voltage_decay": layer.voltage_decay,
        }
        for name, value in own.items():
            arrays[f"{layer.name}.{name}"] = np.broadcast_to(np.asarray(value, np.int32), layer.shape[:1]).copy()
        arrays[f"{layer.name}.weights"] = layer.weights
        resets = {"reset_interval": period, "reset_offset": (first_reset + k * latency) % period}
        fields = {name: f"{layer.name}.{name}" for name in own} | resets
        source = populations[-1].name
        populations.append(
            msgspec.convert(
                {"name": layer.name, "layer": layer.name, "shape": layer.shape, "kind": "cuba_lif", **fields},
                Population,
            )
        )
        dense = layer.weights.ndim == 2
        projections.append(
            Projection(
                layer.name,
                layer.name,
                source,
                layer.name,
                "dense" if dense else "conv2d",
                weights=f"{layer.name}.weights",
                stride=layer.stride,
                padding=layer.padding,
                kernel=(1, 1) if dense else (layer.weights.shape[0], layer.weights.shape[1]),
                delay=latency if k else 1,
            )
        )
    ports = {
        f"{layer.name}.{read}": (layer, read) for layer in layers for read in ("current", "potential", "spike_count")
    }
    body = NeuromorphicBody(
        coding="native",
        steps=steps,
        populations=tuple(populations),
        projections=tuple(projections),
        cores=published_cores(populations),
        inputs={"input": "input"},
        outputs={port: layer.name for port, (layer, _) in ports.items()},
        input_scale={"input": 1.0},
        input_low={"input": 0},
        input_high={"input": 1},
        reads={port: read for port, (_, read) in ports.items()},  # pyright: ignore[reportArgumentType]
    )
    return Program(
        target="neuromorphic",
        machine="loihi2(coding=native)",
        network="pilotnet_lif",
        inputs=(Port("input", "u8", (steps, *INPUT_SHAPE)),),
        outputs=tuple(Port(port, "i32", layer.shape) for port, (layer, _) in ports.items()),
        hardware=load_hardware("loihi2").text,
        body=msgspec.to_builtins(body),
        arrays=arrays,
        files={},
    )


def published_cores(populations: list[Population]) -> tuple[Core, ...]:
    """The 74 cores of the run in their published order, four to a router."""
    cores: list[Core] = []
    for population in sorted(populations, key=lambda p: FIRST_CORE[p.name]):
        channels, height, width = population.shape
        if population.name in SLABS:
            pieces = [((0, channels), columns) for columns in _pieces(width, SLABS[population.name])]
        else:
            pieces = [
                (held, (0, 1)) for held in _pieces(channels, DENSE_NEURONS_PER_CORE.get(population.name, channels))
            ]
        for held, columns in pieces:
            index = len(cores)
            spare = SLABS.get(population.name, 1) - (columns[1] - columns[0])
            x, y = index // 4 % 8, index // 32
            cores.append(Core(index, population.name, held, (0, height), columns, 0, x, y, (), spare))
        assert cores[-len(pieces)].index == FIRST_CORE[population.name], f"{population.name} starts at its core"
    return tuple(cores)


def _pieces(extent: int, piece: int) -> list[tuple[int, int]]:
    return [(start, min(start + piece, extent)) for start in range(0, extent, piece)]


def read_columns(name: str) -> dict[int, list[float | None]]:
    """A published table: first column -> the others, None where a curve was hidden."""
    rows = csv.reader((DATA / name).read_text().splitlines()[1:])
    return {int(row[0]): [float(cell) if cell else None for cell in row[1:]] for row in rows if row[0].isdigit()}
