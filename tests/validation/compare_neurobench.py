"""NeuroBench's metrics, by the neurobench package and here, of the same networks.

python tests/validation/compare_neurobench.py --python PYTHON, which is the interpreter of an environment that has
neurobench and snntorch. Writes benchmarks/results/neurobench.json, from which write_page.py makes a section of
spec/validation.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from peer_networks import PeerNetwork, convolutional, recurrent

from striate.cli.metrics import metrics_of_graph, metrics_of_spikes
from striate.operators.convolution import Conv2d
from striate.operators.linear import Linear
from striate.pipeline import Compilation, read
from striate_runtime.device import open_device
from striate_runtime.neuromorphic.chip import EmulatedChip
from striate_runtime.trace import POTENTIALS, SPIKES

Array = npt.NDArray[Any]

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "neurobench.json"
PEER = Path(__file__).parent / "neurobench_peer.py"
SAMPLES = 32

MIXED = """
network mixed(image: f32[4, 17, 15]) -> y {
  a = image |> conv2d(8, 3, stride=2, padding=1) |> relu
  b = a |> conv2d(12, 3, groups=4, dilation=2, padding=2) |> sigmoid |> max_pool2d(2)
  c = b |> conv2d(16, 1, bias=false) |> relu |> flatten
  y = c |> linear(24) |> relu |> linear(5)
}
"""
"""Strides, groups, dilation, a convolution without a bias, and a sigmoid."""


def digits() -> tuple[Compilation, dict[str, Array]]:
    """The trained network of the examples, and its first test images."""
    folder = ROOT / "examples" / "digits"
    with np.load(folder / "digits_test.npz") as data:
        return read(folder / "lenet5.striate"), {"image": data["image"][:SAMPLES]}


def mixed() -> tuple[Compilation, dict[str, Array]]:
    """A network with drawn weights, a third of which are 0 where its text says nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mixed.striate"
        path.write_text(MIXED, "utf-8")
        compilation = read(path, weights="init(7)")
    rng = np.random.default_rng(7)
    image = rng.normal(size=(SAMPLES, 4, 17, 15)) * (rng.random((SAMPLES, 4, 17, 15)) < 0.7)
    return compilation, {"image": image.astype(np.float32)}


def float_network(compilation: Compilation, inputs: dict[str, Array]) -> tuple[dict[str, Any], dict[str, Array]]:
    """Our metrics, and the network as the other side reads it."""
    graph = compilation.optimised
    arrays: dict[str, Array] = {"data": inputs["image"]}
    layers: list[dict[str, Any]] = []
    for node in graph:
        operator, fields = node.operator, dict[str, Any]()
        for role, parameter in node.parameters.items():
            value = graph.parameters[parameter].value
            assert value is not None
            arrays[f"{node.name}.{role}"] = value
        if isinstance(operator, Conv2d):
            pads = operator.pads(*graph.input_types(node)[0].shape[1:])
            fields = {"stride": operator.strides, "padding": (pads[2], pads[0]), "dilation": operator.dilations}
            fields["groups"] = operator.groups
        elif operator.name.endswith("pool2d"):
            fields = {"kernel_size": 2}
        elif not isinstance(operator, Linear):
            assert operator.name in ("relu", "sigmoid", "flatten"), operator.name
        layers.append({"kind": operator.name, "name": node.name, "fields": fields})
    plan = {"spiking": False, "layers": layers}
    return metrics_of_graph(compilation, False, inputs)["neurobench"], arrays | {"plan": np.array(json.dumps(plan))}


def spiking_network(network: PeerNetwork, samples: int = 4) -> tuple[dict[str, Any], dict[str, Array]]:
    """The same of a network of spikes: the first sample is its own, the others are drawn like it."""
    rng = np.random.default_rng(11)
    drawn = rng.random((samples - 1, *network.spikes.shape)) < network.spikes.mean()
    data = np.concatenate([network.spikes[None], drawn.astype(np.uint8)])
    program, steps = network.program(network.steps), range(1, network.steps + 1)
    device = open_device(program)
    assert isinstance(device, EmulatedChip)
    at = device.run_at_steps({"input": data}, steps)

    def over_time(port: str) -> Array:
        return np.stack([at[step][port] for step in steps], 1)

    values: dict[str, Array] = {f"input{SPIKES}": data}
    layers: list[dict[str, Any]] = []
    arrays: dict[str, Array] = {"data": data}
    for layer in network.layers:
        values[layer.name + SPIKES] = np.diff(over_time(f"{layer.name}.spike_count"), axis=1, prepend=0)
        values[layer.name + POTENTIALS] = over_time(f"{layer.name}.potential")
        named = {"name": layer.name, "shape": layer.shape, "threshold": layer.threshold, "stride": layer.stride}
        layers.append(named | {"sources": list(layer.sources)})
        for source, weights in layer.sources.items():
            arrays[f"{source}->{layer.name}"] = channels_first(network, layer.shape, source, weights)
    plan = {"spiking": True, "layers": layers}
    return metrics_of_spikes(program, values)["neurobench"], arrays | {"plan": np.array(json.dumps(plan))}


def channels_first(network: PeerNetwork, shape: tuple[int, int, int], source: str, weights: Array) -> Array:
    """Weights as torch has them: `[Cout, Cin, kh, kw]`, or `[neurons, neurons of source]`, channels first."""
    if weights.ndim == 4:
        return weights.transpose(3, 2, 0, 1)
    (c, h, w), (channels, height, width) = shape, network.shapes[source]
    lifted = weights.reshape(height, width, channels, h, w, c).transpose(5, 3, 4, 2, 0, 1)
    return lifted.reshape(c * h * w, channels * height * width)


def measured(python: str, arrays: dict[str, Array]) -> dict[str, Any]:
    """What the package says of the network."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.npz"
        np.savez(path, **arrays)  # pyright: ignore[reportArgumentType]
        done = subprocess.run([python, str(PEER), str(path)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"NeuroBench failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def cases() -> dict[str, tuple[dict[str, Any], dict[str, Array]]]:
    """name -> our metrics, and the network."""
    return {
        "lenet5 (digits)": float_network(*digits()),
        "mixed": float_network(*mixed()),
        "convolutional (spikes)": spiking_network(convolutional()),
        "recurrent (spikes)": spiking_network(recurrent()),
    }


def main() -> None:
    """Both sides of every network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", required=True, help="the interpreter of an environment that has neurobench")
    python = parser.parse_args().python
    found = {
        name: {"samples": len(arrays["data"]), "ours": own, "neurobench": measured(python, arrays)}
        for name, (own, arrays) in cases().items()
    }
    RESULTS.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    print(f"wrote {RESULTS.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
