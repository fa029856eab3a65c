"""The same networks, mapping and constants in SANA-FE and here.

python tests/validation/compare_sanafe.py --python PYTHON, which is the interpreter of an environment that has SANA-FE
(`pip install sanafe`; GPL-3: it is run, not shipped). Writes benchmarks/results/sanafe.json, from which write_page.py
makes a section of spec/validation.md.
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
from peer_networks import HARDWARE, PeerNetwork, networks

from striate_runtime.device import open_device
from striate_runtime.hardware import Chip, load_hardware
from striate_runtime.neuromorphic.chip import EmulatedChip
from striate_runtime.neuromorphic.costs.counts import (
    ACTIVE,
    CHIP_CROSSINGS,
    COLUMNS,
    EVENTS_OUT,
    HOPS_EAST_WEST,
    HOPS_NORTH_SOUTH,
    MESSAGES_IN,
    MESSAGES_OUT,
    SYNOPS_CONV,
    SYNOPS_DENSE,
    WORDS,
)
from striate_runtime.neuromorphic.costs.energy import ROW, UPDATES, prices_of, spend
from striate_runtime.neuromorphic.costs.timing import barrier_ns, core_times_ns

Array = npt.NDArray[Any]

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "sanafe.json"
PEER = Path(__file__).parent / "sanafe_peer.py"
ARRIVING = (MESSAGES_IN, SYNOPS_DENSE, SYNOPS_DENSE + 1, SYNOPS_CONV, WORDS)
"""Counters of the step in which a message takes effect, one after the step in which SANA-FE works on it."""


def ours(network: PeerNetwork) -> dict[str, Any]:
    """Counts, energy and time of `network.steps` steps as SANA-FE splits them, and the spikes of each layer.

    Everything that the messages of a step cost belongs to that step there. One silent step more is run here, whose
    arriving messages are those of the last one.
    """
    steps = network.steps
    device = open_device(network.program(steps + 1))
    assert isinstance(device, EmulatedChip)
    silent = np.zeros((1, *network.spikes.shape[1:]), np.uint8)
    given = {"input": np.concatenate([network.spikes, silent])[None]}
    counts, updates = device.step_counts(given)
    aligned = counts[:, :steps].copy()
    aligned[..., ARRIVING] = counts[:, 1:][..., ARRIVING]
    inputs = np.array([core.population == "input" for core in network.cores()])
    without = aligned.copy()
    without[:, :, inputs, ACTIVE] = without[:, :, inputs, EVENTS_OUT] = 0
    neurons = np.where(inputs, 0, updates[:, :steps])
    rows = np.zeros((1, ROW))
    rows[0, :COLUMNS], rows[0, UPDATES] = without.sum((0, 1, 2)), neurons.sum()
    chip = device.hardware
    parts = spend(rows, np.ones(1), None, 1, chip, prices_of(chip))
    busy = core_times_ns(aligned, updates[:, :steps], chip)
    assert busy is not None
    barrier = barrier_ns(len({(core.x, core.y) for core in network.cores()}), chip).value or 0.0
    idle_inputs = core_times_ns(without, neurons, chip)
    assert idle_inputs is not None
    times = {
        level: float(found[0, :steps].sum()) / 1000
        for level in ("simple", "detailed", "events")
        if (found := device.step_times_ns(given, level)) is not None
    }
    energy = {part: float(each.value[0]) for part in ("synapse", "neuron", "routing") if (each := parts[part])}
    total = aligned.sum((0, 1, 2))
    return {
        "cores": len(network.cores()),
        "spikes": {name: int(sent.sum()) for name, (sent, _) in states(network).items()},
        "counts": {
            "synaptic operations": int(total[SYNOPS_DENSE : SYNOPS_CONV + 1].sum()),
            "messages": int(total[MESSAGES_OUT]),
            "hops": int(total[HOPS_EAST_WEST] + total[HOPS_NORTH_SOUTH] + total[CHIP_CROSSINGS]),
            "spikes": int(total[EVENTS_OUT]),
            "active neurons": int(rows[0, ACTIVE]),
            "active neurons, and sums of 0": reached_or_charged(network),
        },
        "energy_uj": energy | {"total": sum(energy.values())},
        "us": times | {"simple, as SANA-FE splits steps": float((idle_inputs.max(2) + barrier).sum()) / 1000},
    }


def states(network: PeerNetwork) -> dict[str, tuple[Array, Array]]:
    """Of each layer: what it sends and its potential after each step, `[steps, neurons]`, channels last."""
    device, steps = open_device(network.program(network.steps)), range(1, network.steps + 1)
    assert isinstance(device, EmulatedChip)
    at = device.run_at_steps({"input": network.spikes[None]}, steps)

    def over_time(port: str) -> Array:
        images = np.stack([at[step][port][0] for step in steps])
        return images.transpose(0, 2, 3, 1).reshape(network.steps, -1)

    return {
        layer.name: (
            np.diff(over_time(f"{layer.name}.spike_count"), axis=0, prepend=0),
            over_time(f"{layer.name}.potential"),
        )
        for layer in network.layers
    }


def reached_or_charged(network: PeerNetwork) -> int:
    """Neurons, step by step, with a potential or reached by a spike, also where what arrives adds up to 0."""
    found = states(network)
    sent = {name: spikes for name, (spikes, _) in found.items()}
    sent["input"] = network.spikes.transpose(0, 2, 3, 1).reshape(network.steps, -1)
    updated = 0
    for layer in network.layers:
        _, potential = found[layer.name]
        busy = np.concatenate([potential[:1] * 0, potential[:-1]]) != 0
        for source in layer.sources:
            i, j, _ = network.synapses(layer, source)
            for step in range(1, network.steps):
                busy[step, j[sent[source][step - 1][i] != 0]] = True
        updated += int(busy.sum())
    return updated


def theirs(network: PeerNetwork, python: str) -> dict[str, Any]:
    """What SANA-FE gives for it."""
    with tempfile.TemporaryDirectory() as folder:
        architecture, arrays = Path(folder) / "chip.yaml", Path(folder) / "network.npz"
        chip = load_hardware(HARDWARE)
        assert isinstance(chip, Chip)
        architecture.write_text(described(chip), "utf-8")
        np.savez(arrays, **exported(network))  # pyright: ignore[reportArgumentType]
        done = subprocess.run([python, str(PEER), str(architecture), str(arrays)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"SANA-FE failed on '{network.name}':\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def exported(network: PeerNetwork) -> dict[str, Array]:
    """The network as SANA-FE's side reads it: neurons' cores, synapses one by one, input spikes."""
    sent = network.spikes.transpose(0, 2, 3, 1).reshape(network.steps, -1)
    arrays: dict[str, Array] = {"spikes": sent}
    plan: dict[str, Any] = {"thresholds": {"input": 0}, "formats": {}, "projections": []}
    for name in network.shapes:
        arrays[f"core.{name}"] = network.core_of(name)
    for layer in network.layers:
        plan["thresholds"][layer.name] = layer.threshold
        for source, weights in layer.sources.items():
            plan["formats"][layer.name] = "conv" if weights.ndim == 4 else "dense"
            plan["projections"].append([source, layer.name])
            arrays[f"synapses.{source}->{layer.name}"] = np.stack(network.synapses(layer, source))
    return arrays | {"plan": np.array(json.dumps(plan))}


def described(chip: Chip) -> str:
    """A chip of ours as SANA-FE describes an architecture: the same constants; inputs cost nothing, as in its Loihi."""
    cost, topology = chip.cost, chip.topology

    def costs(indent: int, **named: tuple[Any, Any]) -> str:
        lines: list[str] = []
        for name, (energy_pj, latency_ns) in named.items():
            lines += [f"energy_{name}: {energy_pj.value}e-12", f"latency_{name}: {latency_ns.value}e-9"]
        return "\n".join(" " * indent + line for line in lines)

    along_x = topology.hop_east_west_energy_pj, topology.hop_east_west_latency_ns
    along_y = topology.hop_north_south_energy_pj, topology.hop_north_south_latency_ns
    first = [1, *(point.tiles + 1 for point in chip.time.barrier)]  # it has the least number, we have the largest
    barrier = ", ".join(
        f"{tiles}: {point.latency_ns.value}e-9" for tiles, point in zip(first, chip.time.barrier, strict=False)
    )
    neuron = costs(
        16,
        access_neuron=(cost.neuron_access_energy_pj, cost.neuron_access_latency_ns),
        update_neuron=(cost.neuron_update_energy_pj, cost.neuron_update_latency_ns),
        spike_out=(cost.spike_out_energy_pj, cost.spike_out_latency_ns),
    )
    nothing = "\n".join(
        f"                {what}_{name}: 0.0"
        for name in ("access_neuron", "update_neuron", "spike_out")
        for what in ("energy", "latency")
    )
    synapses = "\n".join(
        f"            - name: loihi_{name}_synapse\n              attributes:\n                model: current_based\n"
        + costs(16, process_spike=figures)
        for name, figures in {
            "dense": (cost.synop_dense_energy_pj, cost.synop_dense_latency_ns),
            "conv": (cost.synop_conv_energy_pj, cost.synop_conv_latency_ns),
        }.items()
    )
    hops = costs(8, north_hop=along_y, east_hop=along_x, south_hop=along_y, west_hop=along_x)
    arriving = costs(16, message_in=(cost.axon_in_energy_pj, cost.axon_in_latency_ns))
    leaving = costs(16, message_out=(cost.axon_out_energy_pj, cost.axon_out_latency_ns))
    buffer = topology.link_buffer_messages.value if topology.link_buffer_messages else None
    routers = (topology.mesh_width.value or 1) * (topology.mesh_height.value or 1)
    return f"""\
architecture:
  name: {chip.name}
  attributes:
    topology: mesh
    width: {topology.mesh_width.value}
    height: {topology.mesh_height.value}
    link_buffer_size: {buffer}
    sync_model: table
    latency_sync: {{ {barrier} }}
  tile:
    - name: tile[0..{routers - 1}]
      attributes:
{hops}
      core:
        - name: core[0..{(topology.cores_per_router.value or 1) - 1}]
          attributes:
            buffer_position: soma
            buffer_inside_unit: false
            max_neurons_supported: {chip.limits.neuron_slots.value}
          axon_in:
            - name: axons_in
              attributes:
{arriving}
          soma:
            - name: loihi_lif
              attributes:
                model: leaky_integrate_fire
{neuron}
            - name: loihi_inputs[0..{(chip.limits.neuron_slots.value or 1) - 1}]
              attributes:
                model: input
{nothing}
          dendrite:
            - name: dendrites
              attributes:
                model: accumulator
                energy_update: 0.0
                latency_update: 0.0
          synapse:
{synapses}
          axon_out:
            - name: axons_out
              attributes:
{leaving}
"""


def main() -> None:
    """Run all networks in both and keep the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", required=True, help="the interpreter of an environment that has sanafe")
    python = parser.parse_args().python
    found = {
        name: {"neurons": sum(map(np.prod, network.shapes.values())), "steps": network.steps}
        | {"ours": ours(network), "sanafe": theirs(network, python)}
        for name, network in networks().items()
    }
    RESULTS.write_text(json.dumps(found, indent=1, default=int) + "\n", "utf-8")
    print(f"wrote {RESULTS.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
