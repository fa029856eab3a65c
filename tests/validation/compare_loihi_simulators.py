"""50 drawn networks of Loihi's own neurons in the published simulators and here: every spike, the last u and v.

python tests/validation/compare_loihi_simulators.py --nengo-loihi PYTHON --lava PYTHON, each the interpreter of an
environment that has the simulator (nengo-loihi 1.1 wants numpy < 2, lava-nc 0.10 wants Python 3.10); one that is not
named keeps its last result. Writes benchmarks/results/loihi_simulators.json, from which write_page.py makes a section.
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
from peer_networks import PeerNetwork, drawn

from striate_runtime.device import open_device

Array = npt.NDArray[Any]

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "loihi_simulators.json"
PEERS = {"nengo-loihi": "nengo_loihi_peer.py", "lava": "lava_peer.py"}
NETWORKS = 50


def exported(networks: dict[str, PeerNetwork]) -> dict[str, Array]:
    """All networks as the simulators' sides read them: synapses one by one, neurons channels last."""
    arrays: dict[str, Array] = {}
    plans: dict[str, Any] = {}
    for key, network in networks.items():
        arrays[f"{key}.spikes"] = network.spikes.transpose(0, 2, 3, 1).reshape(network.steps, -1)
        layers: list[dict[str, Any]] = []
        for layer in network.layers:
            numbers = ("threshold", "current_decay", "voltage_decay", "bias")
            fields = {"name": layer.name, "neurons": int(np.prod(layer.shape)), "sources": list(layer.sources)}
            layers.append(fields | {name: getattr(layer, name) for name in numbers})
            for source in layer.sources:
                arrays[f"{key}.{source}->{layer.name}"] = np.stack(network.synapses(layer, source))
        plans[key] = {"layers": layers}
    return arrays | {"plan": np.array(json.dumps(plans))}


def ours(network: PeerNetwork) -> dict[str, Array]:
    """`<layer>.spikes` `[steps, neurons]`, `<layer>.u` and `<layer>.v` after the last step, channels last."""
    device, steps = open_device(network.program(network.steps)), range(1, network.steps + 1)
    at = device.run_at_steps({"input": network.spikes[None]}, steps)  # type: ignore[attr-defined]

    def flat(step: int, port: str) -> Array:
        return at[step][port][0].transpose(1, 2, 0).reshape(-1)

    found: dict[str, Array] = {}
    for layer in network.layers:
        count = np.stack([flat(step, f"{layer.name}.spike_count") for step in steps])
        found[f"{layer.name}.spikes"] = np.diff(count, axis=0, prepend=0)
        found[f"{layer.name}.u"] = flat(network.steps, f"{layer.name}.current")
        found[f"{layer.name}.v"] = flat(network.steps, f"{layer.name}.potential")
    return found


def compared(python: str, peer: str, networks: dict[str, PeerNetwork]) -> dict[str, Any]:
    """How many values there are of each kind, and how many differ."""
    with tempfile.TemporaryDirectory() as folder:
        given, result = Path(folder) / "networks.npz", Path(folder) / "result.npz"
        np.savez(given, **exported(networks))  # pyright: ignore[reportArgumentType]
        command = [python, str(Path(__file__).parent / peer), str(given), str(result)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{peer} failed:\n{done.stderr[-4000:]}")
        with np.load(result) as file:
            theirs = dict(file)
    values, differ = dict.fromkeys(("spikes", "u", "v"), 0), dict.fromkeys(("spikes", "u", "v"), 0)
    fired = 0
    for key, network in networks.items():
        for name, array in ours(network).items():
            kind = name.rpartition(".")[2]
            values[kind] += array.size
            differ[kind] += int((theirs[f"{key}.{name}"] != array).sum())
            fired += int(array.sum()) if kind == "spikes" else 0
    return {
        "version": str(theirs["version"]),
        "networks": len(networks),
        "fired": fired,
        "values": values,
        "differ": differ,
    }


def main() -> None:
    """Every simulator that is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in PEERS:
        parser.add_argument(f"--{name}", help=f"the interpreter of an environment that has {name}")
    named = vars(parser.parse_args())
    found: dict[str, Any] = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    networks = {str(seed): drawn(seed) for seed in range(NETWORKS)}
    for name, peer in PEERS.items():
        if python := named[name.replace("-", "_")]:
            found[name] = compared(python, peer, networks)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    print(f"wrote {RESULTS.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
