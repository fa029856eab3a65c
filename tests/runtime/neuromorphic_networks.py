"""Mapped networks written by hand, and what they mean: an oracle with dense matrices and plain loops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from striate_runtime.hardware import load_hardware
from striate_runtime.program import Port, Program
from striate_runtime.program.neuromorphic import Core, NeuromorphicBody, Population, Projection

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Net:
    """Populations and projections, the arrays they name, and how many blocks of rows each population is cut into."""

    coding: Any
    steps: int
    populations: tuple[Population, ...]
    projections: tuple[Projection, ...]
    arrays: dict[str, Array] = field(default_factory=dict[str, Array])
    cuts: dict[str, int] = field(default_factory=dict[str, int])
    high: int = 255
    hardware: str = "loihi1_sanafe25"

    def cut(self, **cuts: int) -> Net:
        """The same network on more cores."""
        return replace(self, cuts=cuts)

    def program(self, text: str | None = None) -> Program:
        """The program; `text` replaces the hardware's description."""
        inputs = [p for p in self.populations if p.kind == "input"]
        outputs = [p for p in self.populations if p.output]
        body = NeuromorphicBody(
            coding=self.coding,
            steps=self.steps,
            populations=self.populations,
            projections=self.projections,
            cores=self.cores(),
            inputs={p.name: p.name for p in inputs},
            outputs={p.output or "": p.name for p in outputs},
            input_scale={p.name: 1.0 for p in inputs},
            input_low={p.name: 0 for p in inputs},
            input_high={p.name: self.high for p in inputs},
        )
        return Program(
            target="neuromorphic",
            machine="by hand",
            network="net",
            inputs=tuple(Port(p.name, "f32", p.shape) for p in inputs),
            outputs=tuple(Port(p.output or "", "f32" if p.scale else "i32", p.shape) for p in outputs),
            hardware=text or load_hardware(self.hardware).text,
            body=msgspec.to_builtins(body),
            arrays=self.arrays,
            files={},
        )

    def cores(self) -> tuple[Core, ...]:
        """Each population but the inputs in equal blocks of neurons: of rows, then of columns, then of channels."""
        cores: list[Core] = []
        for population in self.populations:
            if population.kind == "input" and population.name not in self.cuts:
                continue
            for channels, rows, columns in _blocks(population.shape, self.cuts.get(population.name, 1)):
                x, y = len(cores) // 4 % 8, len(cores) // 32
                cores.append(Core(len(cores), population.name, channels, rows, columns, 0, x, y, ()))
        return tuple(cores)


def _blocks(shape: tuple[int, int, int], cut: int) -> list[tuple[tuple[int, int], tuple[int, int], tuple[int, int]]]:
    ranges = [[(a, b) for a, b in pairwise(edges) if a < b] for edges in (_edges(n, cut) for n in shape)]
    return [(c, y, x) for c in ranges[0] for y in ranges[1] for x in ranges[2]]


def _edges(extent: int, cut: int) -> list[int]:
    return [round(extent * i / cut) for i in range(cut + 1)]


def integrator(current: int, threshold: int, initial: int, steps: int) -> Net:
    """One pixel of constant current, and a readout that counts its spikes."""
    arrays = {"threshold": np.array([threshold], np.int32), "initial": np.array([initial], np.int32)}
    neuron = Population("x", "x", (1, 1, 1), "input", threshold="threshold", initial="initial")
    counter = Population("y", "y", (1, 1, 1), "readout", output="y", fires_at=1)
    return Net("rate", steps + 1, (neuron, counter), (Projection("p", "y", "x", "y", "one_to_one"),), arrays, high=1000)


def matrix(net: Net, projection: Projection) -> tuple[Array, Array]:
    """A projection as weights and as numbers of synapses, `[source neurons, target neurons]`, by its definition."""
    by_name = {p.name: p for p in net.populations}
    source, target = by_name[projection.source].shape, by_name[projection.target].shape
    sizes = int(np.prod(source)), int(np.prod(target))
    weights, synapses = np.zeros(sizes, np.int64), np.zeros(sizes, np.int64)
    given = None if projection.weights is None else net.arrays[projection.weights].astype(np.int64)
    if projection.kind == "dense":
        assert given is not None
        return given, np.ones(sizes, np.int64)
    if projection.kind == "one_to_one":
        for i in range(sizes[0]):
            j = i
            if source[1:] == target[1:]:
                j = i // source[0] * target[0] + i % source[0] + projection.channel_offset
            weights[i, j] = 1 if given is None else given[i % source[0]]
            synapses[i, j] = 1
        return weights, synapses
    (kh, kw), (sy, sx), (dy, dx) = projection.kernel, projection.stride, projection.dilation
    left, _, top, _ = projection.padding
    per_in, per_out = source[0] // projection.groups, target[0] // projection.groups
    for co in range(target[0]):
        for oy in range(target[1]):
            for ox in range(target[2]):
                for ky in range(kh):
                    for kx in range(kw):
                        y, x = oy * sy + ky * dy - top, ox * sx + kx * dx - left
                        if not (0 <= y < source[1] and 0 <= x < source[2]):
                            continue
                        for ci in range(source[0]):
                            if projection.kind == "window":
                                if ci + projection.channel_offset != co:
                                    continue
                                w = 1 if given is None else given[ci]
                            elif ci // per_in != co // per_out:
                                continue
                            else:
                                assert given is not None
                                w = given[ky, kx, ci % per_in, co]
                            i, j = (y * source[2] + x) * source[0] + ci, (oy * target[2] + ox) * target[0] + co
                            weights[i, j] += w
                            synapses[i, j] += 1
    return weights, synapses


@dataclass
class Truth:
    """What should come out: raw outputs by population `[neurons]`, and counts summed over everything."""

    outputs: dict[str, Array]
    spikes: dict[str, Array]
    synops: int
    messages_sent: int
    messages_received: int


def oracle(net: Net, inputs: dict[str, Array]) -> Truth:
    """Run one sample: inputs are integers `[C, H, W]`."""
    by_name = {p.name: p for p in net.populations}
    rate = net.coding == "rate"
    wires = [
        (projection, *matrix(net, projection), operations_of(net, projection), _cores_of(net, projection.target))
        for projection in net.projections
    ]
    arrived = {
        name: [np.zeros(int(np.prod(p.shape)), np.int64) for _ in range(net.steps)] for name, p in by_name.items()
    }
    potential = {name: _per_neuron(net, p, p.initial) for name, p in by_name.items()}
    for name, p in by_name.items():
        if p.kind == "readout":
            potential[name] = potential[name] + _per_neuron(net, p, p.bias)
    spikes = {name: np.zeros(int(np.prod(p.shape)), np.int64) for name, p in by_name.items()}
    truth = Truth({}, spikes, 0, 0, 0)
    for step in range(net.steps):
        for name, p in by_name.items():
            if step < p.fires_at or (not rate and step > p.fires_at):
                continue
            given = np.transpose(inputs[name], (1, 2, 0)).reshape(-1) if p.kind == "input" else arrived[name][step]
            if not rate and p.kind != "input":
                given = _total(arrived[name], p.reduce, step)
            sent = _update(net, p, potential, given.astype(np.int64), rate)
            truth.spikes[name] += sent != 0
            for wire in wires:
                if wire[0].source == name:
                    _send(net, wire, sent, step, arrived, truth)
    truth.outputs = {name: potential[name] for name, p in by_name.items() if p.output}
    return truth


def _total(arrived: list[Array], reduce: str, step: int) -> Array:
    stacked = np.stack(arrived[: step + 1])
    return stacked.sum(0) if reduce == "sum" else stacked.max(0, initial=0)


def _update(net: Net, p: Population, potential: dict[str, Array], given: Array, rate: bool) -> Array:
    none = np.zeros(len(given), np.int64)
    if p.kind == "readout":
        potential[p.name] = potential[p.name] + given
        return none
    if rate:
        threshold = _per_neuron(net, p, p.threshold)
        v = potential[p.name] + given + _per_neuron(net, p, p.bias)
        fired = (v >= threshold).astype(np.int64)
        potential[p.name] = v - fired * threshold
        return fired
    if p.kind == "input":
        return given
    total = given + _per_neuron(net, p, p.bias)
    if p.multiplier is not None:
        multiplier, shift = _per_neuron(net, p, p.multiplier), _per_neuron(net, p, p.shift)
        total = (total * multiplier + (1 << (shift - 1))) >> shift
    out = np.clip(total, p.low, p.high)
    potential[p.name] = out
    return out


def _send(
    net: Net,
    wire: tuple[Projection, Array, Array, Array, Array],
    sent: Array,
    step: int,
    arrived: dict[str, list[Array]],
    truth: Truth,
) -> None:
    projection, weights, synapses, operations, cores = wire
    by_name = {p.name: p for p in net.populations}
    source = by_name[projection.source]
    payload = sent.copy()
    if projection.multiplier is not None and projection.shift is not None:
        multiplier, shift = (net.arrays[name].astype(np.int64) for name in (projection.multiplier, projection.shift))
        channel = np.arange(len(sent)) % source.shape[0] % len(multiplier)
        payload = (payload * multiplier[channel] + (1 << (shift[channel] - 1))) >> shift[channel]
    events = np.flatnonzero(sent)
    messages = sum(len(np.unique(cores[synapses[i] > 0])) for i in events)
    truth.messages_sent += messages
    when = step + projection.delay
    if when >= net.steps:
        return
    truth.messages_received += messages
    target = arrived[projection.target][when]
    for i in events:
        truth.synops += int(operations[i])
        contribution = payload[i] * weights[i]
        if by_name[projection.target].reduce == "max":
            np.maximum(target, np.where(synapses[i] > 0, contribution, 0), out=target)
        else:
            target += contribution


def operations_of(net: Net, projection: Projection) -> Array:
    """Synaptic operations of one event of each source neuron: its weights that are not 0, borders clipped."""
    arrays = dict(net.arrays)
    if projection.weights is not None:
        arrays[projection.weights] = (arrays[projection.weights] != 0).astype(np.int64)
    return matrix(replace(net, arrays=arrays), projection)[0].sum(1)


def _per_neuron(net: Net, p: Population, name: str | None) -> Array:
    number = int(np.prod(p.shape))
    if name is None:
        return np.zeros(number, np.int64)
    return np.tile(net.arrays[name].astype(np.int64), number // p.shape[0])


def _cores_of(net: Net, population: str) -> Array:
    """The core of each neuron, channels last."""
    shape = next(p.shape for p in net.populations if p.name == population)
    cores = np.full((shape[1], shape[2], shape[0]), -1)
    for core in net.cores():
        if core.population == population:
            (c0, c1), (y0, y1), (x0, x1) = core.channels, core.rows, core.columns
            cores[y0:y1, x0:x1, c0:c1] = core.index
    return cores.reshape(-1)


def as_given(shape: Sequence[int], values: Array) -> Array:
    """Outputs of the device `[C, H, W]` for raw numbers channels last."""
    c, h, w = shape
    return values.reshape(h, w, c).transpose(2, 0, 1)
