"""Runs networks in nengo-loihi's emulator, in an environment of its own:

PYTHON nengo_loihi_peer.py NETWORKS.npz RESULT.npz

Its blocks are given Loihi's integers as they are; its own builder would scale and round them once more.
"""

# pyright: basic, reportMissingImports=false

from __future__ import annotations

import json
import sys
import types
import warnings
from importlib.metadata import version

import numpy as np

warnings.simplefilter("ignore")
from nengo_loihi.block import Axon, LoihiBlock, Synapse  # noqa: E402
from nengo_loihi.emulator import EmulatorInterface  # noqa: E402
from nengo_loihi.inputs import SpikeInput  # noqa: E402
from nengo_loihi.probe import LoihiProbe  # noqa: E402

LARGEST = 2**23 - 1


def block_of(layer: dict) -> LoihiBlock:
    """Neurons without synapses."""
    number = layer["neurons"]
    block = LoihiBlock(number)
    compartment = block.compartment

    def each(value: int) -> np.ndarray:
        return np.full(number, value, np.int32)

    compartment.decay_u, compartment.decay_v = each(layer["current_decay"]), each(layer["voltage_decay"])
    compartment.vth, compartment.bias = each(layer["threshold"] << 6), each(layer["bias"])
    compartment.refract_delay = each(1)
    compartment.scale_u = compartment.scale_v = False
    compartment.vmin, compartment.vmax = -LARGEST, LARGEST
    return block


def connect(sender: object, neurons: int, block: LoihiBlock, synapses: np.ndarray) -> None:
    """Every synapse (source, target, weight), sorted by source."""
    i, j, w = synapses
    first = np.searchsorted(i, np.arange(neurons + 1))
    weights = [w[first[n] : first[n + 1]].astype(np.int32) << 6 for n in range(neurons)]
    indices = [j[first[n] : first[n + 1]].astype(np.int64) for n in range(neurons)]
    synapse = Synapse(neurons)
    synapse._set_weights_indices(weights, indices=indices, weight_dtype="int32")
    block.add_synapse(synapse)
    axon = Axon(neurons)
    axon.target = synapse
    sender.add_axon(axon)


def run(plan: dict, given: dict[str, np.ndarray], key: str) -> dict[str, np.ndarray]:
    """Spikes `[steps, neurons]`, last currents and potentials of every layer."""
    spikes = given[f"{key}.spikes"]
    source = SpikeInput(spikes.shape[1])
    blocks = {layer["name"]: block_of(layer) for layer in plan["layers"]}
    senders = {"input": source, **blocks}
    sizes = {"input": spikes.shape[1], **{layer["name"]: layer["neurons"] for layer in plan["layers"]}}
    for layer in plan["layers"]:
        for name in layer["sources"]:
            connect(senders[name], sizes[name], blocks[layer["name"]], given[f"{key}.{name}->{layer['name']}"])
    for step, sent in enumerate(spikes):
        source.add_spikes(step + 1, sent.nonzero()[0], permanent=True)
    probes = {name: LoihiProbe(target=block, key="spiked") for name, block in blocks.items()}
    model = types.SimpleNamespace(blocks=list(blocks.values()), inputs=[source], probes=list(probes.values()), dt=0.001)
    emulator = EmulatorInterface(model, seed=0)
    emulator.run_steps(len(spikes))
    found = {}
    for name, block in blocks.items():
        place = emulator.block_info.slices[block]
        found[f"{key}.{name}.spikes"] = np.array(emulator.probes.outputs[probes[name]][0]).astype(np.uint8)
        found[f"{key}.{name}.u"] = emulator.compartment.current[place].copy()
        found[f"{key}.{name}.v"] = emulator.compartment.voltage[place].copy()
    return found


def main(networks: str, result: str) -> None:
    """All networks of a file."""
    given = dict(np.load(networks))
    found = {"version": np.array(f"nengo-loihi {version('nengo-loihi')}")}
    for key, plan in json.loads(str(given["plan"])).items():
        found |= run(plan, given, key)
    np.savez(result, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
