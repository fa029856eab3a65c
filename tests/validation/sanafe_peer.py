"""Runs a network in SANA-FE and prints what it counted as JSON. It runs in SANA-FE's own environment, not in striate's:

PYTHON_WITH_SANAFE sanafe_peer.py ARCHITECTURE.yaml NETWORK.npz
"""

# pyright: basic, reportMissingImports=false

from __future__ import annotations

import contextlib
import json
import os
import sys
from importlib.metadata import version

import numpy as np
import sanafe

SYNAPSES = {"conv": "loihi_conv_synapse", "dense": "loihi_dense_synapse"}


def build(architecture: str, given: dict[str, np.ndarray]) -> sanafe.SpikingChip:
    """The chip with the network on it: every neuron on the core that the file says, every synapse by itself."""
    arch, network = sanafe.load_arch(architecture), sanafe.Network()
    cores = [core for tile in arch.tiles for core in tile.cores]
    plan = json.loads(str(given["plan"]))
    groups = {}
    for name, threshold in plan["thresholds"].items():
        attributes = {"threshold": float(threshold), "reset": 0.0, "reset_mode": "hard", "leak_decay": 1.0}
        core_of = given[f"core.{name}"]
        group = network.create_neuron_group(name, len(core_of), model_attributes=attributes if name != "input" else {})
        groups[name] = group
        for neuron, core in enumerate(core_of.tolist()):
            one = group[neuron]
            if name == "input":
                spikes = [bool(spike) for spike in given["spikes"][:, neuron]]
                one.set_attributes(soma_hw_name=f"loihi_inputs[{neuron}]", model_attributes={"spikes": spikes})
            else:
                synapse = SYNAPSES[plan["formats"][name]]
                one.set_attributes(soma_hw_name="loihi_lif", default_synapse_hw_name=synapse, log_spikes=True)
            one.map_to_core(cores[core])
    for source, target in plan["projections"]:
        i, j, w = given[f"synapses.{source}->{target}"]
        pairs = list(zip(i.tolist(), j.tolist(), strict=True))
        groups[source].connect_neurons_sparse(groups[target], {"weight": [float(n) for n in w]}, pairs)
    chip = sanafe.SpikingChip(arch)
    chip.load(network)
    return chip


def main(architecture: str, network: str) -> None:
    """Both of its models of time; everything but the time is the same in both."""
    given = dict(np.load(network))
    found: dict[str, object] = {"sanafe": version("sanafe")}
    for timing in ("simple", "detailed"):
        chip = build(architecture, given)  # a reset does not rewind the inputs
        with contextlib.redirect_stdout(open(os.devnull, "w")):
            result = chip.sim(len(given["spikes"]), timing_model=timing, spike_trace=True, perf_trace=True)
        spikes: dict[str, int] = {}
        for step in result.pop("spike_trace"):
            for address in step:
                group = getattr(address, "group_name", None) or str(address).split(".")[0]
                spikes[group] = spikes.get(group, 0) + 1
        perf = result.pop("perf_trace")
        found["spikes"] = spikes
        found[f"{timing}_us"] = result["sim_time"] * 1e6
        found["energy_uj"] = {part: value * 1e6 for part, value in result["energy"].items()}
        found["counts"] = {name: sum(values) for name, values in perf.items()}
        found["rest"] = {name: value for name, value in result.items() if isinstance(value, int | float)}
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
