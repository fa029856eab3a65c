"""The peers' common workload as a native program: two convolutions and a dense layer of Loihi's own neurons.

Its arrays (weights, input, every spike) are in `shared/peers/workload.npz` beside the repository, read where they lie.
Arrays there are [C, H, W]; kernels are [O, I, ky, kx].
"""

from __future__ import annotations

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

DATA = Path(__file__).parents[2] / "shared" / "peers" / "workload.npz"
STEPS = 64
SHAPES = ((1, 28, 28), (16, 28, 28), (32, 14, 14), (10, 1, 1))
THRESHOLDS = (151, 521, 701)
"""A neuron spikes above them and starts again from 0; it neither leaks nor keeps its current."""

NEURONS_PER_CORE = 1024
MACHINE = "loihi1"


@dataclass(frozen=True)
class Workload:
    """weights: as a program has them. x: `[T, B, 1, 28, 28]`; spikes: three layers, `[T, B, C, H, W]`, without delays."""

    weights: tuple[Array, Array, Array]
    x: Array
    spikes: tuple[Array, Array, Array]

    def given(self, samples: int) -> Array:
        """The first samples as the program takes them, `[N, T, 1, 28, 28]`."""
        return np.ascontiguousarray(self.x[:, :samples].swapaxes(0, 1))

    def expected(self, layer: int, samples: int) -> Array:
        """What layer 0, 1 or 2 sends, `[N, T, C, H, W]`: it is one step late for each connection on the way."""
        late = layer + 1
        spikes = self.spikes[layer][:, :samples].swapaxes(0, 1).reshape(samples, STEPS, *SHAPES[layer + 1])
        return np.concatenate([np.zeros_like(spikes[:, :late]), spikes[:, : STEPS - late]], axis=1)


def read_workload(path: Path = DATA) -> Workload:
    """The arrays of the file."""
    with np.load(path) as file:
        w1, w2, w3 = (file[name] for name in ("w1", "w2", "w3"))
        x, spikes = file["x"], (file["s1"], file["s2"], file["s3"])
    channels, height, width = SHAPES[2]
    dense = w3.reshape(-1, channels, height, width).transpose(2, 3, 1, 0).reshape(-1, len(w3))
    weights = (w1.transpose(2, 3, 1, 0), w2.transpose(2, 3, 1, 0), dense)
    first, second, third = (np.ascontiguousarray(array.astype(np.int16)) for array in weights)
    return Workload((first, second, third), x, spikes)


def native_program(workload: Workload, machine: str = MACHINE) -> Program:
    """The program, reading the spike count of every neuron: ports `conv1`, `conv2`, `dense`."""
    names, arrays = ("conv1", "conv2", "dense"), dict[str, Array]()
    populations = [Population("x", "x", SHAPES[0], "input")]
    projections: list[Projection] = []
    for name, shape, weights, threshold, stride in zip(
        names, SHAPES[1:], workload.weights, THRESHOLDS, (1, 2, 1), strict=True
    ):
        own = {"threshold": threshold, "current_decay": 4095, "voltage_decay": 0}
        arrays |= {f"{name}.{key}": np.full(shape[0], value, np.int32) for key, value in own.items()}
        arrays[name] = weights
        source = populations[-1].name
        fields: dict[str, Any] = {key: f"{name}.{key}" for key in own}
        populations.append(Population(name, name, shape, "cuba_lif", **fields))
        if weights.ndim == 4:
            reach: dict[str, Any] = {"stride": (stride, stride), "padding": (1, 1, 1, 1), "kernel": (3, 3)}
            projections.append(Projection(name, name, source, name, "conv2d", name, **reach))
        else:
            projections.append(Projection(name, name, source, name, "dense", name))
    body = NeuromorphicBody(
        coding="native",
        steps=STEPS,
        populations=tuple(populations),
        projections=tuple(projections),
        cores=cores_of(populations),
        inputs={"x": "x"},
        outputs={name: name for name in names},
        input_scale={"x": 1.0},
        input_low={"x": 0},
        input_high={"x": 1},
        uncounted=("limits of the cores other than neurons",),
        reads=dict.fromkeys(names, "spike_count"),
    )
    return Program(
        target="neuromorphic",
        machine=f"{machine}(coding=native)",
        network="peers_workload",
        inputs=(Port("x", "u8", (STEPS, *SHAPES[0])),),
        outputs=tuple(Port(name, "i32", shape) for name, shape in zip(names, SHAPES[1:], strict=True)),
        hardware=load_hardware(machine).text,
        body=msgspec.to_builtins(body),
        arrays=arrays,
        files={},
    )


def cores_of(populations: list[Population]) -> tuple[Core, ...]:
    """Whole rows of each population, as many as a core has neurons for; cores in order, four to a router of 8 x 4."""
    cores: list[Core] = []
    for population in populations:
        channels, height, width = population.shape
        rows = max(1, NEURONS_PER_CORE // (channels * width))
        for first in range(0, height, rows):
            index = len(cores)
            held = (0, channels), (first, min(first + rows, height)), (0, width)
            cores.append(Core(index, population.name, *held, 0, index // 4 % 8, index // 32, ()))
    return tuple(cores)
