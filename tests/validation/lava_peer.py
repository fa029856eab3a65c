"""Runs networks in lava's fixed-point models; in an environment of its own: PYTHON lava_peer.py NETWORKS.npz RESULT.npz

Every connection is a lava `Dense`: what is compared are neurons and sums, not how a convolution is written.
"""

# pyright: basic, reportMissingImports=false

from __future__ import annotations

import json
import sys
from importlib.metadata import version

import numpy as np
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.process import Dense
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from lava.proc.lif.process import LIF


def run(plan: dict, given: dict[str, np.ndarray], key: str) -> dict[str, np.ndarray]:
    """Spikes `[steps, neurons]`, last currents and potentials of every layer."""
    spikes = given[f"{key}.spikes"]
    steps, inputs = spikes.shape
    senders = {"input": Source(data=spikes.T.astype(np.int32)).s_out}
    neurons, sinks, sizes = {}, {}, {"input": inputs}
    for layer in plan["layers"]:
        name, sizes[layer["name"]] = layer["name"], layer["neurons"]
        neurons[name] = LIF(
            shape=(layer["neurons"],),
            vth=layer["threshold"],
            du=layer["current_decay"],
            dv=layer["voltage_decay"],
            bias_mant=layer["bias"],
            bias_exp=0,
        )
        senders[name] = neurons[name].s_out
        sinks[name] = Sink(shape=(layer["neurons"],), buffer=steps)
        neurons[name].s_out.connect(sinks[name].a_in)
    for layer in plan["layers"]:
        for name in layer["sources"]:
            i, j, w = given[f"{key}.{name}->{layer['name']}"]
            weights = np.zeros((layer["neurons"], sizes[name]), np.int32)
            weights[j, i] = w
            dense = Dense(weights=weights)
            senders[name].connect(dense.s_in)
            dense.a_out.connect(neurons[layer["name"]].a_in)
    last = neurons[plan["layers"][-1]["name"]]
    last.run(condition=RunSteps(steps), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
    found = {}
    for name, lif in neurons.items():
        found[f"{key}.{name}.spikes"] = sinks[name].data.get().T.astype(np.uint8)
        found[f"{key}.{name}.u"] = lif.u.get().copy()
        found[f"{key}.{name}.v"] = lif.v.get().copy()
    last.stop()
    return found


def main(networks: str, result: str) -> None:
    """All networks of a file."""
    given = dict(np.load(networks))
    found = {"version": np.array(f"lava-nc {version('lava-nc')}")}
    for key, plan in json.loads(str(given["plan"])).items():
        found |= run(plan, given, key)
    np.savez(result, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
