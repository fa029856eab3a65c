"""Networks for chips without steps, written by hand or drawn at random; and what they mean, neuron by neuron.

The oracle shares nothing with the emulator: each event runs to its end the moment it is sent, before the neuron after
the one that sent it has heard of what made it fire; and a pool is where it is on the chip, on an event's way.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from striate_runtime.hardware import load_hardware
from striate_runtime.program import Port, Program
from striate_runtime.program.neuromorphic import Core, NeuromorphicBody, Population, Projection

Array = npt.NDArray[Any]
Shape = tuple[int, int, int]
LARGEST = (1 << 15) - 1


@dataclass(frozen=True)
class Layer:
    """Neurons behind a kernel. weights `[out, in, kh, kw]`; bias `[out]`; `pool` is k of the k x k pool before it.

    A `dense` layer's kernel is the whole image that comes in. `padding` is (left, right, top, bottom).
    """

    source: int
    weights: Array
    stride: int = 1
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    pool: int = 1
    dense: bool = False
    threshold: int = 1
    bias: Array | None = None
    initial: int = 0
    low: int = -LARGEST - 1
    reset: Literal["zero", "subtract"] = "subtract"


@dataclass(frozen=True)
class Network:
    """Layers over one input; layer 0's source is -1. The last layer is the output, and `coding` rate or native."""

    coding: Literal["rate", "native"]
    ticks: int
    shape: Shape
    layers: tuple[Layer, ...]

    def shapes(self) -> list[Shape]:
        """The input's shape, then each layer's."""
        found = [self.shape]
        for layer in self.layers:
            _, height, width = found[layer.source + 1]
            outputs, _, kh, kw = layer.weights.shape
            left, right, top, bottom = layer.padding
            rows = (height // layer.pool + top + bottom - kh) // layer.stride + 1
            found.append((outputs, rows, (width // layer.pool + left + right - kw) // layer.stride + 1))
        return found

    def program(self, hardware: str | None = None) -> Program:
        """The program, a core for each layer; pools as the mapping writes them, in kernels k times as large."""
        arrays: dict[str, Array] = {}
        shapes = self.shapes()
        populations = [Population("x", "x", self.shape, "input", low=0, high=255)]
        if self.coding == "rate":
            arrays["x.threshold"] = np.full(self.shape[0], 255, np.int32)
            arrays["x.initial"] = np.full(self.shape[0], 127, np.int32)
            populations = [Population("x", "x", self.shape, "input", threshold="x.threshold", initial="x.initial")]
        projections: list[Projection] = []
        for n, layer in enumerate(self.layers):
            name, channels = f"l{n}", shapes[n + 1][0]
            arrays[f"{name}.threshold"] = np.full(channels, layer.threshold, np.int32)
            arrays[f"{name}.initial"] = np.full(channels, layer.initial, np.int32)
            if layer.bias is not None:
                arrays[f"{name}.bias"] = layer.bias.astype(np.int32)
            populations.append(
                Population(
                    name,
                    name,
                    shapes[n + 1],
                    "event_driven",
                    low=layer.low,
                    bias=None if layer.bias is None else f"{name}.bias",
                    threshold=f"{name}.threshold",
                    initial=f"{name}.initial",
                    output="y" if n == len(self.layers) - 1 else None,
                    reset=layer.reset,
                )
            )
            projections.append(_projection(layer, name, arrays))
        cores = tuple(Core(n, f"l{n}", (0, c), (0, h), (0, w), 0, n, 0, ()) for n, (c, h, w) in enumerate(shapes[1:]))
        body = NeuromorphicBody(
            coding=self.coding,
            steps=self.ticks,
            populations=tuple(populations),
            projections=tuple(projections),
            cores=cores,
            inputs={"x": "x"},
            outputs={"y": f"l{len(self.layers) - 1}"},
            input_scale={"x": 1.0},
            input_low={"x": 0},
            input_high={"x": 255},
            reads={"y": "spike_count"},
        )
        leading = () if self.coding == "rate" else (self.ticks,)
        return Program(
            target="neuromorphic",
            machine="by hand",
            network="net",
            inputs=(Port("x", "i32", (*leading, *self.shape)),),
            outputs=(Port("y", "i32", shapes[-1]),),
            hardware=hardware or load_hardware("speck").text,
            body=msgspec.to_builtins(body),
            arrays=arrays,
            files={},
        )


def _projection(layer: Layer, name: str, arrays: dict[str, Array]) -> Projection:
    source = "x" if layer.source < 0 else f"l{layer.source}"
    k = layer.pool
    taps = np.repeat(np.repeat(layer.weights, k, axis=2), k, axis=3).transpose(2, 3, 1, 0)  # [kh, kw, in, out]
    if layer.dense:
        arrays[f"{name}.weights"] = np.ascontiguousarray(taps.reshape(-1, taps.shape[3])).astype(np.int8)
        return Projection(name, name, source, name, "dense", f"{name}.weights", delay=0)
    arrays[f"{name}.weights"] = np.ascontiguousarray(taps).astype(np.int8)
    left, right, top, bottom = (side * k for side in layer.padding)
    return Projection(
        name,
        name,
        source,
        name,
        "conv2d",
        f"{name}.weights",
        stride=(layer.stride * k, layer.stride * k),
        padding=(left, right, top, bottom),
        kernel=(taps.shape[0], taps.shape[1]),
        delay=0,
    )


@dataclass
class Oracle:
    """One sample, event by event; then what each neuron sent and held by tick, and what each layer counted."""

    network: Network
    spikes: list[list[dict[Shape, int]]] = field(default_factory=list[list[dict[Shape, int]]])
    potentials: list[list[dict[Shape, int]]] = field(default_factory=list[list[dict[Shape, int]]])
    received: list[int] = field(default_factory=list[int])
    operations: list[int] = field(default_factory=list[int])
    updates: list[int] = field(default_factory=list[int])
    late: list[list[int]] = field(default_factory=list[list[int]])

    def run(self, given: Array) -> None:
        """given: `[C, H, W]`, or under native `[ticks, C, H, W]`."""
        net, shapes = self.network, self.network.shapes()
        self.v = [dict.fromkeys(_places(shapes[n + 1]), layer.initial) for n, layer in enumerate(net.layers)]
        self.received, self.operations, self.updates = ([0] * len(net.layers) for _ in range(3))
        self.late = [[] for _ in net.layers]
        held = dict.fromkeys(_places(net.shape), 127)
        for tick in range(net.ticks):
            self.sent = [dict.fromkeys(_places(shape), 0) for shape in shapes]
            for at in _places(net.shape):
                number = int(given[at]) if net.coding == "rate" else int(given[(tick, *at)])
                if net.coding == "rate":
                    held[at] += number
                    number = int(held[at] >= 255)
                    held[at] -= 255 * number
                for _ in range(number):
                    self._send(-1, at)
            for n, layer in enumerate(net.layers):
                for at in _places(shapes[n + 1]) if layer.bias is not None else ():
                    assert layer.bias is not None
                    if layer.bias[at[0]]:
                        self.updates[n] += 1
                        self._change(n, at, int(layer.bias[at[0]]))
            self.spikes.append(self.sent)
            self.potentials.append([dict(one) for one in self.v])

    def _send(self, n: int, at: Shape) -> None:
        """A neuron of layer n fires: every layer that hears it works on that at once, and to the end."""
        self.sent[n + 1][at] += 1
        for m, layer in enumerate(self.network.layers):
            if layer.source == n:
                self._hear(m, layer, at)

    def _hear(self, n: int, layer: Layer, at: Shape) -> None:
        self.received[n] += 1
        channel, y, x = at[0], at[1] // layer.pool, at[2] // layer.pool
        left, _, top, _ = layer.padding
        for target in _places(self.network.shapes()[n + 1]):
            ky, kx = y + top - target[1] * layer.stride, x + left - target[2] * layer.stride
            if 0 <= ky < layer.weights.shape[2] and 0 <= kx < layer.weights.shape[3]:
                weight = int(layer.weights[target[0], channel, ky, kx])
                if weight:
                    self.operations[n] += 1
                    self.updates[n] += 1
                    self._change(n, target, weight)

    def _change(self, n: int, at: Shape, by: int) -> None:
        layer = self.network.layers[n]
        v = max(self.v[n][at] + by, layer.low)
        if v > LARGEST:
            self.late[n].append(self.received[n])
            v = LARGEST
        if v < layer.threshold:
            self.v[n][at] = v
            return
        self.v[n][at] = v - layer.threshold if layer.reset == "subtract" else 0
        self._send(n, at)


def _places(shape: Shape) -> list[Shape]:
    """Neurons in the order of their numbers: by row, by column, by channel."""
    channels, height, width = shape
    return [(c, y, x) for y in range(height) for x in range(width) for c in range(channels)]


def dense_array(one: dict[Shape, int], shape: Shape) -> Array:
    """A dictionary of numbers as an array `[C, H, W]`."""
    found = np.zeros(shape, np.int64)
    for at, value in one.items():
        found[at] = value
    return found


def draw(random: np.random.Generator, coding: Literal["rate", "native"]) -> Network:
    """A random network of one to four layers: a chain, or layers that two others hear; small numbers, low floors."""
    shape: Shape = (int(random.integers(1, 4)), int(random.integers(3, 9)), int(random.integers(3, 9)))
    net = Network(coding, int(random.integers(1, 7)), shape, ())
    for _ in range(int(random.integers(1, 5))):
        source = int(random.integers(max(-1, len(net.layers) - 2), len(net.layers)))
        net = Network(coding, net.ticks, shape, (*net.layers, _layer(random, source, net.shapes()[source + 1])))
    return net


def _layer(random: np.random.Generator, source: int, before: Shape) -> Layer:
    pools = [k for k in (1, 2, 4) if before[1] % k == 0 and before[2] % k == 0]
    pool = int(random.choice(pools))
    rows, columns = before[1] // pool, before[2] // pool
    outputs, dense = int(random.integers(1, 6)), bool(random.random() < 0.25)
    left, right, top, bottom = (0, 0, 0, 0) if dense else (int(p) for p in random.integers(0, 3, 4))
    kernel = (rows, columns) if dense else tuple(int(random.integers(1, 4)) for _ in range(2))
    kh, kw = min(kernel[0], rows + top + bottom), min(kernel[1], columns + left + right)
    size = (outputs, before[0], kh, kw)
    weights = random.integers(-60, 90, size) * (random.random(size) < 0.8)
    low = int(random.choice([-LARGEST - 1, -LARGEST - 1, -100, 0]))
    return Layer(
        source,
        weights,
        stride=1 if dense else int(random.choice([1, 1, 2, 4])),
        padding=(left, right, top, bottom),
        pool=pool,
        dense=dense,
        threshold=int(random.choice([1, 30, 80, 200])),
        bias=None if random.random() < 0.5 else random.integers(-20, 30, outputs) * (random.random(outputs) < 0.7),
        initial=int(random.integers(max(low, -50), 60)),
        low=low,
        reset="subtract" if random.random() < 0.6 else "zero",
    )
