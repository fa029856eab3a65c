"""Runs crossbar cores in SANA-FE, with its TrueNorth neurons, and prints every spike as JSON. It runs in SANA-FE's own
environment, not in striate's:

PYTHON_WITH_SANAFE truenorth_peer.py CHIPS.json
"""

# pyright: basic, reportMissingImports=false

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from importlib.metadata import version

import sanafe

NEVER = -1.0e9
"""A lower threshold that no potential reaches."""


def architecture(cores: int) -> str:
    """So many cores of TrueNorth's neurons and one of inputs; nothing costs anything."""
    nothing = "\n".join(f"{what}_{{0}}: 0.0" for what in ("energy", "latency"))

    def free(indent: int, *names: str) -> str:
        lines = [line for name in names for line in nothing.format(name).splitlines()]
        return "\n".join(" " * indent + line for line in lines)

    soma = free(16, "access_neuron", "update_neuron", "spike_out")
    return f"""\
architecture:
  name: truenorth
  attributes:
    topology: mesh
    width: {cores + 1}
    height: 1
    link_buffer_size: 16
    sync_model: fixed
    latency_sync: 0
  tile:
    - name: tile[0..{cores}]
      attributes:
{free(8, "north_hop", "east_hop", "south_hop", "west_hop")}
      core:
        - name: core[0..0]
          attributes: {{ buffer_position: soma, buffer_inside_unit: false, max_neurons_supported: 8192 }}
          axon_in:
            - name: axons_in
              attributes:
{free(16, "message_in")}
          synapse:
            - name: bits
              attributes:
                model: current_based
{free(16, "process_spike")}
          dendrite:
            - name: dendrites
              attributes: {{ model: accumulator, energy_update: 0.0, latency_update: 0.0 }}
          soma:
            - name: neurons
              attributes:
                model: truenorth
{soma}
            - name: inputs[0..8191]
              attributes:
                model: input
{soma}
          axon_out:
            - name: axons_out
              attributes:
{free(16, "message_out")}
"""


def run(given: dict) -> list[list[list[int]]]:
    """For each tick the neurons that fired, as [core, neuron]."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(architecture(len(given["cores"])))
        file.flush()
        arch = sanafe.load_arch(file.name)
    network, places = sanafe.Network(), [core for tile in arch.tiles for core in tile.cores]
    groups = []
    for number, core in enumerate(given["cores"]):
        group = network.create_neuron_group(f"c{number}", len(core["slots"]))
        groups.append(group)
        for at, slot in enumerate(core["slots"]):
            attributes = {
                "threshold": float(slot["threshold"]),
                "reset": 0.0,
                "reset_mode": "soft" if slot["subtracts"] else "hard",
                "reverse_threshold": NEVER,
                "bias": float(slot["leak"]),
                "leak": 0.0,
                "leak_towards_zero": False,
            }
            group[at].set_attributes(
                soma_hw_name="neurons", default_synapse_hw_name="bits", log_spikes=True, model_attributes=attributes
            )
            group[at].map_to_core(places[number])
    inputs = network.create_neuron_group("inputs", len(given["inputs"]))
    for at, each in enumerate(given["inputs"]):
        spikes = [False] * given["ticks"]
        for tick in each["sent"]:
            if tick < given["ticks"]:
                spikes[tick] = True
        inputs[at].set_attributes(soma_hw_name=f"inputs[{at}]", model_attributes={"spikes": spikes})
        inputs[at].map_to_core(places[-1])

    def connect(group, at, core, axon):
        kind, row = given["cores"][core]["types"][axon], given["cores"][core]["rows"][axon]
        weights = [float(given["cores"][core]["slots"][j]["strengths"][kind]) for j in row]
        if row:
            group.connect_neurons_sparse(groups[core], {"weight": weights}, [(at, j) for j in row])

    for number, core in enumerate(given["cores"]):
        for at, slot in enumerate(core["slots"]):
            if slot["to"] is not None:
                connect(groups[number], at, *slot["to"])
    for at, each in enumerate(given["inputs"]):
        connect(inputs, at, *each["to"])
    chip = sanafe.SpikingChip(arch)
    chip.load(network)
    with contextlib.redirect_stdout(open(os.devnull, "w")):
        trace = chip.sim(given["ticks"], timing_model="simple", spike_trace=True)["spike_trace"]
    fired = [[address for address in step if address.group_name != "inputs"] for step in trace]
    return [sorted([int(one.group_name[1:]), int(one.neuron_offset)] for one in step) for step in fired]


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        chips = json.load(file)
    print(json.dumps({"sanafe": version("sanafe"), "spikes": [run(each) for each in chips]}))
