"""SANA-FE on sample 0 of the peers' workload, for benchmarks/workload.py: run by an interpreter that has `sanafe`.

    PYTHON benchmarks/workload_sanafe.py WORKLOAD.npz

Prints one line of JSON: CPU seconds of building (network, mapping, loading) and of running, spikes of each layer, and
what the model of the chip says. Its Loihi 1 has 1024 neurons to a core; they are placed one after the other.
"""
# pyright: basic

from __future__ import annotations

import importlib.metadata
import json
import sys
import time

import numpy as np
import sanafe

STEPS = 64
SHAPES = ((1, 28, 28), (16, 28, 28), (32, 14, 14), (10, 1, 1))
THRESHOLDS = (151, 521, 701)
NEURONS_PER_CORE = 1024


def edges(weights, source, target, stride):
    """Pairs of neurons, numbered [C, H, W], and the weight between them. weights: [O, I, 3, 3], or [O, I] if dense."""
    if weights.ndim == 2:
        outputs, inputs = weights.shape
        i, o = np.meshgrid(np.arange(inputs), np.arange(outputs), indexing="ij")
        return i.reshape(-1), o.reshape(-1), weights.T.reshape(-1)
    (_, height, width), (channels, rows, columns) = source, target
    o, c, ky, kx, oy, ox = np.meshgrid(
        *(np.arange(n) for n in (*weights.shape, rows, columns)), indexing="ij", sparse=False
    )
    y, x = oy * stride + ky - 1, ox * stride + kx - 1
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    i = (c * height + y) * width + x
    j = (o * rows + oy) * columns + ox
    return i[inside], j[inside], weights[o, c, ky, kx][inside]


def build(x, weights):
    """The network on SANA-FE's Loihi, loaded."""
    architecture, network = sanafe.load_loihi(), sanafe.Network()
    cores = [core for tile in architecture.tiles for core in tile.cores]
    groups = [network.create_neuron_group("in", int(np.prod(SHAPES[0])))]
    core, held = 0, 0
    for k in range(int(np.prod(SHAPES[0]))):
        neuron = groups[0][k]
        spikes = [bool(spike) for spike in x[:, k]]
        neuron.set_attributes(soma_hw_name=f"loihi_inputs[{k}]", model_attributes={"spikes": spikes})
        neuron.map_to_core(cores[core])
    for layer, threshold in enumerate(THRESHOLDS):
        number = int(np.prod(SHAPES[layer + 1]))
        attributes = {"threshold": float(threshold), "reset": 0.0, "reset_mode": "hard", "leak_decay": 1.0}
        group = network.create_neuron_group(f"l{layer + 1}", number, model_attributes=attributes)
        core, held = core + 1, 0
        for k in range(number):
            if held == NEURONS_PER_CORE:
                core, held = core + 1, 0
            group[k].set_attributes(soma_hw_name="loihi_lif", default_synapse_hw_name="loihi_conv_synapse")
            group[k].map_to_core(cores[core])
            held += 1
        i, j, w = edges(weights[layer], SHAPES[layer], SHAPES[layer + 1], 2 if layer == 1 else 1)
        pairs = list(zip(i.tolist(), j.tolist(), strict=True))
        groups[-1].connect_neurons_sparse(group, {"weight": [float(v) for v in w]}, pairs)
        groups.append(group)
    chip = sanafe.SpikingChip(architecture)
    chip.load(network)
    return chip


def main():
    """Build twice and run twice; the quicker of each is told."""
    with np.load(sys.argv[1]) as file:
        x = file["x"][:, 0].reshape(STEPS, -1)
        weights = [file[name] for name in ("w1", "w2", "w3")]
    built, ran, result = [], [], {}
    for _ in range(2):
        start = time.process_time()
        chip = build(x, weights)
        built.append(time.process_time() - start)
        start = time.process_time()
        result = chip.sim(STEPS, timing_model="simple", processing_threads=1)
        ran.append(time.process_time() - start)
    told = {"version": importlib.metadata.version("sanafe"), "build_s": min(built), "run_s": min(ran)}
    told |= {"chip_latency_us": result["sim_time"] * 1e6, "spikes": int(result["neurons_fired"])}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
