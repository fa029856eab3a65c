"""PilotNet-SDNN as lava-dl publishes it, as a program for the emulated chip: traces, and what a Loihi 2 counted.

The network file and traces are of a small input (100 x 33 pixels, one image at every step); the counters are of a run
on images that are not published, of a network file that is not published either. It lay on the cores as PilotNet-LIF
did.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from pilotnet import DATA, FIRST_CORE, SLABS, Layer, read_columns

from striate_runtime.device import open_device
from striate_runtime.hardware import load_hardware
from striate_runtime.program import Port, Program
from striate_runtime.program.neuromorphic import Core, NeuromorphicBody, Population, Projection

Array = npt.NDArray[Any]

TRACES = DATA / "gts" / "pilotnet_sdnn"
TRACE_STEPS, OUTPUT_STEPS = 20, 9

STATE_EXP = 6
"""A state counts 64 of a payload's units."""
EXP = 12
"""A bias or a threshold of the file counts 4096 of the state's units."""
LARGEST = (1 << 20) - 1
"""No activation of the traces comes near it; lava has no limit but its 24 bits."""

ODD_CORES = (54, 55)
"""They count four times as many updates as their neighbours, and as many messages in as out: left out, unexplained."""
RUN_STEPS = 2000
COUNTS_PER_READING = 3.5e5
"""How exactly the published counters could be read off their plots."""


@dataclass(frozen=True)
class Compared:
    """One published trace and how many of its values differ, with lava's rounding and with the coding delta's."""

    what: str
    values: int
    as_lava: int
    as_delta: int


def program(file: str, rounding: str) -> Program:
    """The network of a file. rounding: `lava` loses what a payload's shift cuts off, `delta` sends it later.

    Ports: the sum of all that each layer was sent, over all steps.
    """
    import h5py

    arrays: dict[str, Array] = {}
    populations: list[Population] = []
    projections: list[Projection] = []
    with h5py.File(TRACES / file) as opened:
        groups: Any = opened["layer"]
        for index in range(len(groups)):
            group = groups[str(index)]
            if group["type"][0] == b"flatten":
                continue
            channels, height, width = (int(n) for n in (*group["shape"][()], 1, 1)[:3])
            shape = channels, height, width
            if index == 0:
                populations.append(Population("input", "input", shape, "input"))
                continue
            source, name = populations[-1], f"layer{index}"
            arrays[f"{name}.weights"] = _weights(group, source)
            populations.append(_neurons(group, name, shape, rounding, arrays))
            projections.append(_synapses(group, name, source.name))
    shown = populations[1:]
    body = NeuromorphicBody(
        coding="native",
        steps=TRACE_STEPS,
        populations=tuple(populations),
        projections=tuple(projections),
        cores=tuple(_one_core(index, population) for index, population in enumerate(shown)),
        inputs={"input": "input"},
        outputs={p.name: p.name for p in shown},
        input_scale={"input": 1.0},
        input_low={"input": -8192},
        input_high={"input": 8191},
        reads={p.name: "current" for p in shown if p.kind == "sigma_delta"},
        series=tuple(p.name for p in shown),
    )
    return Program(
        target="neuromorphic",
        machine="loihi2(coding=native)",
        network="pilotnet_sdnn",
        inputs=(Port("input", "i32", (1, *populations[0].shape)),),
        outputs=tuple(Port(p.name, "i32", (TRACE_STEPS, *p.shape)) for p in shown),
        hardware=load_hardware("loihi2").text,
        body=msgspec.to_builtins(body),
        arrays=arrays,
        files={},
    )


def _one_core(index: int, population: Population) -> Core:
    channels, height, width = population.shape
    return Core(index, population.name, (0, channels), (0, height), (0, width), 0, index % 8, index // 8, ())


def _weights(group: Any, source: Population) -> Array:
    weights = np.rint(group["weight"][()]).astype(np.int16)
    if weights.ndim == 4:
        return weights.transpose(2, 3, 1, 0)
    return weights.reshape(len(weights), *source.shape).transpose(2, 3, 1, 0).reshape(-1, len(weights))


def _synapses(group: Any, name: str, source: str) -> Projection:
    if group["type"][0] != b"conv":
        return Projection(name, name, source, name, "dense", weights=f"{name}.weights")
    (vertical, horizontal), stride = (int(n) for n in group["padding"][()]), tuple(int(n) for n in group["stride"][()])
    padding = horizontal, horizontal, vertical, vertical
    fields = {"weights": f"{name}.weights", "stride": stride, "padding": padding, "kernel": (3, 3)}
    return msgspec.convert(
        {"name": name, "layer": name, "source": source, "target": name, "kind": "conv2d", **fields}, Projection
    )


def _neurons(group: Any, name: str, shape: tuple[int, ...], rounding: str, arrays: dict[str, Array]) -> Population:
    """lava sends the change of an activation >> 6; the coding delta sends the change of the activation >> 6."""
    fields: dict[str, Any] = {"name": name, "layer": name, "shape": shape}
    if "sigma_output" in group["neuron"]:
        return msgspec.convert({**fields, "kind": "readout"}, Population)
    bias = np.rint(group["bias"][()]).astype(np.int32) << EXP
    threshold = int(group["neuron"]["vThMant"][()]) << EXP
    own = {"bias": bias, "threshold": np.full(shape[0], max(1, threshold))}
    fields |= {"kind": "sigma_delta", "low": 0, "high": LARGEST}
    if rounding == "lava":
        fields["payload_shift"] = STATE_EXP
    else:
        half = 1 << (STATE_EXP - 1)
        own |= {"multiplier": np.ones(shape[0]), "shift": np.full(shape[0], STATE_EXP), "bias": bias - half}
        own["threshold"] = np.full(shape[0], max(1, threshold >> STATE_EXP))
        fields["high"] = LARGEST >> STATE_EXP
    arrays |= {f"{name}.{role}": np.asarray(array).astype(np.int32) for role, array in own.items()}
    return msgspec.convert(fields | {role: f"{name}.{role}" for role in own}, Population)


def compare_traces() -> list[Compared]:
    """Every published trace."""
    image = np.load(TRACES / "input.npy")[..., 0].transpose(2, 1, 0).astype(np.int32) << STATE_EXP
    rows: list[Compared] = []
    for file, given, ending in (("network.net", image, ""), ("square_network.net", image[:, :, :33], "_square")):
        found = [_run(program(file, rounding), given) for rounding in ("lava", "delta")]
        for layer in (1, 2, 3, 4):
            path = TRACES / f"sigma{layer}{ending}.npy"
            if path.exists():
                published = np.load(path).transpose(3, 2, 1, 0)
                own = [run[f"layer{layer}"] for run in found]
                rows.append(_compared(f"{file}: sigma of layer {layer}, {TRACE_STEPS} steps", published, own))
        if not ending:
            outputs = [run["layer9"].reshape(-1)[:OUTPUT_STEPS] for run in found]
            published = np.load(TRACES / "output.npy").reshape(-1)
            rows.append(_compared(f"{file}: output, {OUTPUT_STEPS} steps", published, outputs))
    return rows


def _compared(what: str, published: Array, own: list[Array]) -> Compared:
    lava, delta = (int((values != published).sum()) for values in own)
    return Compared(what, published.size, lava, delta)


def _run(made: Program, given: Array) -> dict[str, Array]:
    """layer -> its sums after each step, `[steps, *shape]`."""
    with open_device(made) as chip:
        return {port: values[0] for port, values in chip.run({"input": given[None, None]}).items()}


@dataclass(frozen=True)
class Updates:
    """A convolution's neuron updates on each of its cores over the run: two for each configured neuron and step."""

    layer: str
    cores: int
    counted: float
    measured: tuple[float, ...]


def compare_updates(layers: list[Layer]) -> list[Updates]:
    """The convolutions' cores but `ODD_CORES`. `layers`: PilotNet-LIF's, for the shapes."""
    published = read_columns("pilotnet_sdnn_activity_percore.csv")
    rows: list[Updates] = []
    for layer in layers:
        if layer.name not in SLABS:
            continue
        channels, height, width = layer.shape
        number = -(-width // SLABS[layer.name])
        cores = [FIRST_CORE[layer.name] + n for n in range(number) if FIRST_CORE[layer.name] + n not in ODD_CORES]
        counted = 2.0 * channels * height * SLABS[layer.name] * RUN_STEPS
        measured = tuple(value for core in cores if (value := published[core][1]) is not None)
        rows.append(Updates(layer.name, len(cores), counted, measured))
    return rows
