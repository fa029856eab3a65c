"""Networks of Loihi's own neurons, drawn at random, and a reference in plain integers, written from the spec alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from neuromorphic_networks import Net, matrix

from striate_runtime.device import open_device
from striate_runtime.neuromorphic.chip import EmulatedChip
from striate_runtime.program import Port, Program
from striate_runtime.program.neuromorphic import Population, Projection

Array = npt.NDArray[Any]

READS = ("potential", "current", "spike_count")


@dataclass(frozen=True)
class States:
    """What one population held after each step: u, v i64 and spikes bool, each `[steps, neurons]`, channels last."""

    u: Array
    v: Array
    spikes: Array


def native_program(net: Net, low: int = 0, times: dict[str, int] | None = None, **body: Any) -> Program:
    """The program of a native network, which gives all states of all its neurons: port `<population>.<read>`.

    `times`: the ports that give a series, and of how many steps.
    """
    times = times or {}
    program = net.program()
    neurons = [p for p in net.populations if p.kind == "cuba_lif"]
    ports = {f"{p.name}.{read}": (p, read) for p in neurons for read in (READS if p.fires else READS[:2])}
    program.body["outputs"] = {port: p.name for port, (p, _) in ports.items()}
    program.body["reads"] = {port: read for port, (_, read) in ports.items()}
    program.body["input_low"] = dict.fromkeys(program.body["inputs"], low)
    program.body["series"] = list(times)
    program.body.update(body)
    return msgspec.structs.replace(
        program,
        inputs=tuple(Port(port.name, "i32", (net.steps, *port.shape)) for port in program.inputs),
        outputs=tuple(
            Port(name, "i32", (times[name], *p.shape) if name in times else p.shape) for name, (p, _) in ports.items()
        ),
    )


def states_on_the_chip(program: Program, x: Array) -> dict[str, States]:
    """Every population's states over time for one sample `[steps, C, H, W]`; silent ones have no spikes."""
    device = open_device(program)
    assert isinstance(device, EmulatedChip)
    steps = program.body["steps"]
    at = device.run_at_steps({"x": x[None].astype(np.int32)}, range(1, steps + 1))
    names = dict.fromkeys(program.body["outputs"].values())
    held = {
        name: [
            np.stack(
                [
                    at[step].get(f"{name}.{read}", at[step][f"{name}.potential"] * 0)[0].transpose(1, 2, 0).reshape(-1)
                    for step in range(1, steps + 1)
                ]
            )
            for read in ("current", "potential", "spike_count")
        ]
        for name in names
    }
    return {
        name: States(u.astype(np.int64), v.astype(np.int64), np.diff(count, axis=0, prepend=0).astype(np.bool_))
        for name, (u, v, count) in held.items()
    }


def reference(net: Net, x: Array, sum_bits: int | None = None, even_mixed_weights: bool = False) -> dict[str, States]:
    """What the spec says happens. x: `[steps, C, H, W]` integers given to the input, channels last inside."""
    sizes = {p.name: int(np.prod(p.shape)) for p in net.populations}
    wires = [(p, _weights(net, p, even_mixed_weights)) for p in net.projections]
    sent = {name: np.zeros((net.steps, size), np.int64) for name, size in sizes.items()}
    sent["x"] = x.transpose(0, 2, 3, 1).reshape(net.steps, -1).astype(np.int64)
    states = {
        p.name: States(
            np.zeros((net.steps, sizes[p.name]), np.int64),
            np.zeros((net.steps, sizes[p.name]), np.int64),
            np.zeros((net.steps, sizes[p.name]), np.bool_),
        )
        for p in net.populations
        if p.kind == "cuba_lif"
    }
    for step in range(net.steps):
        for p in net.populations:
            if p.kind != "cuba_lif":
                continue
            arriving = sum(
                (
                    sent[wire.source][step - wire.delay] @ weights
                    for wire, weights in wires
                    if wire.target == p.name and step >= wire.delay
                ),
                np.zeros(sizes[p.name], np.int64),
            )
            own = states[p.name]
            if step:
                u, v = own.u[step - 1], own.v[step - 1]
            else:
                u, v = np.zeros(sizes[p.name], np.int64), _per_neuron(net, p, p.initial)
            rests = np.asarray(own.spikes[max(0, step - p.refractory) : step].any(0))
            own.u[step], own.v[step], own.spikes[step] = _update(net, p, u, v, rests, arriving, step, sum_bits)
            sent[p.name][step] = own.spikes[step]
    return states


def _update(
    net: Net, p: Population, u: Array, v: Array, rests: Array, arriving: Array, step: int, sum_bits: int | None
) -> Any:
    if p.reset_interval and step % p.reset_interval == p.reset_offset:
        u, v = u * 0, v * 0
    given = arriving * 64
    if sum_bits is not None:
        given = _wrapped(given, sum_bits)
    u = _wrapped(_decayed(u, _per_neuron(net, p, p.current_decay) + 1) + given, 23)
    driven = _decayed(v, _per_neuron(net, p, p.voltage_decay)) + u + _per_neuron(net, p, p.bias)
    v = np.where(rests, v, np.clip(driven, -(2**23) + 1, 2**23 - 1))
    level = _per_neuron(net, p, p.threshold) * 64
    spikes = ~rests & (v > level) & p.fires
    return u, np.where(spikes, v - level if p.reset == "subtract" else 0, v), spikes


def _decayed(state: Array, decay: Array) -> Array:
    return np.sign(state) * (np.abs(state) * (4096 - decay) // 4096)


def _wrapped(value: Array, bits: int) -> Array:
    return (value + 2**bits) % 2 ** (bits + 1) - 2**bits


def _per_neuron(net: Net, p: Population, name: str | None) -> Array:
    number = int(np.prod(p.shape))
    return (
        np.zeros(number, np.int64) if name is None else np.tile(net.arrays[name].astype(np.int64), number // p.shape[0])
    )


def _weights(net: Net, projection: Projection, even_mixed_weights: bool) -> Array:
    weights = matrix(net, projection)[0]
    mixed = bool((weights < 0).any() and (weights > 0).any())
    if even_mixed_weights and projection.kind == "dense" and mixed:
        return weights // 2 * 2
    return weights


def random_native(seed: int) -> tuple[Net, Array]:
    """Two or three populations, the last of which also feeds back; and one sample, spikes or integers."""
    rng = np.random.default_rng(seed)
    steps, strong = int(rng.integers(6, 24)), bool(rng.random() < 0.4)
    arrays: dict[str, Array] = {}

    def store(name: str, values: Array, dtype: Any = np.int32) -> str:
        arrays[name] = values.astype(dtype)
        return name

    def neurons(name: str, shape: tuple[int, int, int], fires: bool = True) -> Population:
        c, interval = shape[0], int(rng.choice([0, 0, 5, 7]))
        return Population(
            name,
            name,
            shape,
            "cuba_lif",
            fires_at=0,
            bias=store(f"{name}.bias", rng.integers(-2000, 6000, c)),
            threshold=store(f"{name}.vth", rng.integers(1, 131072 if strong else 400, c)) if fires else None,
            reset="subtract" if fires and rng.random() < 0.5 else "zero",
            refractory=int(rng.choice([0, 0, 1, 2, 5])) if fires else 0,
            fires=fires,
            initial=store(f"{name}.v", rng.integers(-5000, 5000, c)),
            current_decay=store(f"{name}.du", rng.choice([0, 1, 4094, 4095, int(rng.integers(4096))], c)),
            voltage_decay=store(f"{name}.dv", rng.choice([0, 1, 4095, int(rng.integers(4096))], c)),
            reset_interval=interval,
            reset_offset=int(rng.integers(interval)) if interval else 0,
        )

    def weights(name: str, shape: tuple[int, ...]) -> str:
        low, high = ((-256, 256), (0, 256), (-20, 30))[int(rng.integers(3))]
        return store(name, rng.integers(low, high, shape) * (rng.random(shape) < 0.8), np.int16)

    c, h, w = (int(n) for n in rng.integers([1, 2, 2], [4, 8, 8]))
    stride, out = int(rng.integers(1, 3)), int(rng.integers(1, 20))
    conv = (out, (h + 2 - 3) // stride + 1, (w + 2 - 3) // stride + 1)
    dense = (int(rng.integers(1, 40)), 1, 1)
    sizes = [int(np.prod(shape)) for shape in ((c, h, w), conv, dense)]
    number = int(rng.integers(2, 5))
    listens = number == 2 and rng.random() < 0.5
    populations = (Population("x", "x", (c, h, w), "input"), neurons("a", conv), neurons("b", dense, not listens))
    d = [int(n) for n in rng.integers(1, 4, 4)]
    arriving: dict[str, Any] = {"stride": (stride, stride), "padding": (1, 1, 1, 1), "kernel": (3, 3)}
    projections = (
        Projection("xa", "a", "x", "a", "conv2d", weights("xa", (3, 3, c, out)), **arriving, delay=d[0]),
        Projection("ab", "b", "a", "b", "dense", weights("ab", (sizes[1], sizes[2])), delay=d[1]),
        Projection("bb", "b", "b", "b", "one_to_one", weights("bb", (dense[0],)), delay=d[2]),
        Projection("ba", "a", "b", "a", "dense", weights("ba", (sizes[2], sizes[1])), delay=d[3]),
    )
    net = Net("native", steps, populations, projections[:number], arrays, high=2000)
    x = rng.integers(-2000, 2001, (steps, c, h, w)) if strong else np.ones((steps, c, h, w), np.int64)
    return net, x * (rng.random(x.shape) < 0.4)
