"""Networks of spiking neurons that other simulators run as well, placed on Loihi 1's cores.

Three for counts, energy and time: neurons keep their potential and are reset to 0 (Loihi's own, with decays that do
nothing); weights are even and thresholds odd, so that no potential meets its threshold and all arithmetic is exact in
floats. And any number, drawn, for Loihi's arithmetic itself. Their weights are even as well: lava takes the lowest bit
off where signs are mixed.
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

WORKLOAD = Path(__file__).parents[3] / "shared" / "peers" / "workload.npz"
HARDWARE = "loihi1_sanafe25"
NEURONS_OF_A_CORE, CORES_OF_A_ROUTER, ROUTERS_OF_A_COLUMN = 1024, 4, 4
FORGETS, KEEPS = 4095, 0
"""A current that is forgotten at once, a potential that is kept for ever."""


@dataclass(frozen=True)
class Layer:
    """Neurons `[C, H, W]` with one threshold, and what reaches them: weights of each source, by its name.

    Weights are `[kh, kw, Cin, Cout]` of a convolution with padding 1, or `[neurons of source, neurons]`, channels last.
    """

    name: str
    shape: tuple[int, int, int]
    threshold: int
    sources: dict[str, Array]
    stride: int = 1
    current_decay: int = FORGETS
    voltage_decay: int = KEEPS
    bias: int = 0


@dataclass(frozen=True)
class PeerNetwork:
    """Layers after the input `[C, H, W]`, and what the input sends: 0 or 1, `[steps, C, H, W]`."""

    name: str
    spikes: Array
    layers: tuple[Layer, ...]

    @property
    def steps(self) -> int:
        """How many steps of input there are."""
        return len(self.spikes)

    @property
    def shapes(self) -> dict[str, tuple[int, int, int]]:
        """Of the input and every layer."""
        channels, height, width = self.spikes.shape[1:]
        return {"input": (channels, height, width)} | {layer.name: layer.shape for layer in self.layers}

    def cores(self) -> tuple[Core, ...]:
        """Each population in slabs of whole rows (or, without rows, of channels), four cores to a router."""
        cores: list[Core] = []
        for name, (channels, height, width) in self.shapes.items():
            rows = max(1, NEURONS_OF_A_CORE // (channels * width))
            held = channels if height > 1 else min(channels, NEURONS_OF_A_CORE // width)
            for y in range(0, height, rows):
                for c in range(0, channels, held):
                    router = len(cores) // CORES_OF_A_ROUTER
                    x, y_of_router = divmod(router, ROUTERS_OF_A_COLUMN)
                    block = (c, min(c + held, channels)), (y, min(y + rows, height)), (0, width)
                    cores.append(Core(len(cores), name, *block, 0, x, y_of_router, ()))
        return tuple(cores)

    def core_of(self, name: str) -> Array:
        """The core of each neuron, channels last."""
        channels, height, width = self.shapes[name]
        held = np.full((height, width, channels), -1)
        for core in self.cores():
            if core.population == name:
                (c0, c1), (y0, y1), (x0, x1) = core.channels, core.rows, core.columns
                held[y0:y1, x0:x1, c0:c1] = core.index
        return held.reshape(-1)

    def synapses(self, layer: Layer, source: str) -> tuple[Array, Array, Array]:
        """Source neuron, target neuron, weight: every weight that is not 0, sorted by source."""
        weights = layer.sources[source]
        if weights.ndim == 2:
            i, j = np.nonzero(weights)
            return i, j, weights[i, j]
        (_, height, width), (_, rows, columns) = self.shapes[source], layer.shape
        found: list[tuple[Array, Array, Array]] = []
        for ky, kx in np.ndindex(weights.shape[:2]):
            oy, ox, ci, co = np.meshgrid(*map(np.arange, (rows, columns, *weights.shape[2:])), indexing="ij")
            y, x, w = oy * layer.stride + ky - 1, ox * layer.stride + kx - 1, weights[ky, kx][ci, co]
            there = (y >= 0) & (y < height) & (x >= 0) & (x < width) & (w != 0)
            i, j = (y * width + x) * weights.shape[2] + ci, (oy * columns + ox) * weights.shape[3] + co
            found.append((i[there], j[there], w[there]))
        i, j, w = (np.concatenate(part) for part in zip(*found, strict=True))
        order = np.lexsort((j, i))
        return i[order], j[order], w[order]

    def program(self, steps: int) -> Program:
        """The program; it takes so many steps of input, and gives every layer's spike counts and states."""
        shapes, arrays = self.shapes, dict[str, Array]()
        populations = [Population("input", "input", shapes["input"], "input")]
        projections: list[Projection] = []
        for layer in self.layers:
            own = {
                "threshold": layer.threshold,
                "current_decay": layer.current_decay,
                "voltage_decay": layer.voltage_decay,
                "bias": layer.bias,
            }
            for name, value in own.items():
                arrays[f"{layer.name}.{name}"] = np.full(layer.shape[0], value, np.int32)
            fields: dict[str, Any] = {name: f"{layer.name}.{name}" for name in own}
            populations.append(Population(layer.name, layer.name, layer.shape, "cuba_lif", **fields))
            for source, weights in layer.sources.items():
                name = f"{source}->{layer.name}"
                arrays[name] = weights.astype(np.int16)
                form: dict[str, Any] = {"kind": "dense"}
                if weights.ndim == 4:
                    stride, padding = (layer.stride,) * 2, (1, 1, 1, 1)
                    form = {"kind": "conv2d", "stride": stride, "padding": padding, "kernel": weights.shape[:2]}
                projections.append(Projection(name, layer.name, source, layer.name, weights=name, **form))
        reads = ("spike_count", "potential", "current")
        ports = {f"{layer.name}.{read}": (layer, read) for layer in self.layers for read in reads}
        body = NeuromorphicBody(
            coding="native",
            steps=steps,
            populations=tuple(populations),
            projections=tuple(projections),
            cores=self.cores(),
            inputs={"input": "input"},
            outputs={port: layer.name for port, (layer, _) in ports.items()},
            input_scale={"input": 1.0},
            input_low={"input": 0},
            input_high={"input": 1},
            reads={port: read for port, (_, read) in ports.items()},  # pyright: ignore[reportArgumentType]
        )
        return Program(
            target="neuromorphic",
            machine=f"{HARDWARE}(coding=native)",
            network=self.name,
            inputs=(Port("input", "u8", (steps, *shapes["input"])),),
            outputs=tuple(Port(port, "i32", layer.shape) for port, (layer, _) in ports.items()),
            hardware=load_hardware(HARDWARE).text,
            body=msgspec.to_builtins(body),
            arrays=arrays,
            files={},
        )


def networks() -> dict[str, PeerNetwork]:
    """By name. The peers' workload is there only where its file is."""
    found = [convolutional(), recurrent()]
    return {network.name: network for network in ([workload(), *found] if WORKLOAD.exists() else found)}


def workload() -> PeerNetwork:
    """The network that the speed of all peers was measured on, sample 0: 1 x 28 x 28, two convolutions, 10 outputs."""
    with np.load(WORKLOAD) as given:
        first, second = (given[name].transpose(2, 3, 1, 0) for name in ("w1", "w2"))
        last = given["w3"].reshape(10, 32, 14, 14).transpose(2, 3, 1, 0).reshape(-1, 10)
        spikes = given["x"][:, 0]
    layers = (
        Layer("conv1", (16, 28, 28), 151, {"input": first}),
        Layer("conv2", (32, 14, 14), 521, {"conv1": second}, stride=2),
        Layer("dense", (10, 1, 1), 701, {"conv2": last}),
    )
    return PeerNetwork("workload", spikes, layers)


def convolutional() -> PeerNetwork:
    """2 x 20 x 18, two convolutions, 10 outputs."""
    rng = np.random.default_rng(20)
    layers = (
        Layer("conv1", (12, 20, 18), 61, {"input": _even(rng, (3, 3, 2, 12))}),
        Layer("conv2", (24, 10, 9), 181, {"conv1": _even(rng, (3, 3, 12, 24))}, stride=2),
        Layer("dense", (10, 1, 1), 301, {"conv2": _even(rng, (24 * 90, 10))}),
    )
    return PeerNetwork("convolutional", (rng.random((40, 2, 20, 18)) < 0.15).astype(np.uint8), layers)


def recurrent() -> PeerNetwork:
    """64 inputs, 1,500 neurons that reach each other (one in ten, mostly inhibiting) over two cores, 20 outputs."""
    rng = np.random.default_rng(21)
    loop = np.where(rng.random((1500, 1500)) < 0.1, _even(rng, (1500, 1500)) - 4, 0)
    layers = (
        Layer("pool", (1500, 1, 1), 91, {"input": _even(rng, (64, 1500)), "pool": loop}),
        Layer("dense", (20, 1, 1), 401, {"pool": _even(rng, (1500, 20))}),
    )
    return PeerNetwork("recurrent", (rng.random((40, 64, 1, 1)) < 0.2).astype(np.uint8), layers)


def drawn(seed: int) -> PeerNetwork:
    """Two convolutions and a dense layer, each with its decays, bias and threshold; every other one is recurrent."""
    rng = np.random.default_rng(seed)

    def layer(name: str, shape: tuple[int, int, int], sources: dict[str, Array], stride: int = 1) -> Layer:
        threshold, bias = int(rng.integers(40, 400)), int(rng.integers(-200, 1500))
        decays = int(rng.integers(0, 4096)), int(rng.integers(0, 1200))
        return Layer(name, shape, threshold, sources, stride, *decays, bias)

    channels, height, width, out = (int(n) for n in rng.integers([1, 4, 4, 2], [3, 9, 9, 14]))
    first, second = int(rng.integers(2, 7)), int(rng.integers(2, 7))
    rows, columns = (height + 1) // 2, (width + 1) // 2
    reaching = {"conv2": _even(rng, (second * rows * columns, out))}
    if seed % 2:
        reaching["dense"] = _even(rng, (out, out))
    layers = (
        layer("conv1", (first, height, width), {"input": _even(rng, (3, 3, channels, first))}),
        layer("conv2", (second, rows, columns), {"conv1": _even(rng, (3, 3, first, second))}, stride=2),
        layer("dense", (out, 1, 1), reaching),
    )
    spikes = rng.random((30, channels, height, width)) < 0.25
    return PeerNetwork(f"drawn {seed}", spikes.astype(np.uint8), layers)


def _even(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return 2 * np.clip(np.rint(rng.normal(2, 20, shape)), -63, 63).astype(np.int64)
