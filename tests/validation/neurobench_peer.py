"""Runs a network in torch or snnTorch under NeuroBench and prints its metrics as JSON, in an environment of its own:

PYTHON_WITH_NEUROBENCH neurobench_peer.py NETWORK.npz
"""

# pyright: basic, reportMissingImports=false

from __future__ import annotations

import contextlib
import json
import os
import sys
from importlib.metadata import version

import numpy as np
import snntorch
import torch
from neurobench.benchmarks import Benchmark
from neurobench.metrics.static import ConnectionSparsity, Footprint, ParameterCount
from neurobench.metrics.workload import (
    ActivationSparsity,
    ActivationSparsityByLayer,
    MembraneUpdates,
    SynapticOperations,
)
from neurobench.models import SNNTorchModel, TorchModel
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Spiking(nn.Module):
    """Integer neurons whose synapses take one step: a current is kept until the next step."""

    def __init__(self, layers: list[dict], given: dict[str, np.ndarray]) -> None:
        super().__init__()
        self.layers = layers
        for layer in layers:
            neuron = snntorch.Leaky(
                beta=1.0,
                threshold=float(layer["threshold"]),
                reset_mechanism="zero",
                reset_delay=False,
                init_hidden=True,
                output=True,
            )
            self.add_module(layer["name"], neuron)
            for source in layer["sources"]:
                weight = torch.tensor(given[f"{source}->{layer['name']}"], dtype=torch.float32)
                if weight.ndim == 4:
                    out, within, *kernel = weight.shape
                    synapse = nn.Conv2d(within, out, kernel, stride=layer["stride"], padding=1, bias=False)
                else:
                    synapse = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
                synapse.weight = nn.Parameter(weight, requires_grad=False)
                self.add_module(f"{source}_to_{layer['name']}", synapse)
        self.kept: dict[str, torch.Tensor] = {}

    def reset(self) -> None:
        """At rest."""
        self.kept = {}
        for layer in self.layers:
            getattr(self, layer["name"]).reset_mem()

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, None]:
        """One step."""
        sent = {"input": x}
        for layer in self.layers:
            shape = (len(x), *layer["shape"])
            current = self.kept.get(layer["name"], torch.zeros(shape))
            sent[layer["name"]], _ = getattr(self, layer["name"])(current.reshape(shape))
        self.kept = {}
        for layer in self.layers:
            for source in layer["sources"]:
                synapse = getattr(self, f"{source}_to_{layer['name']}")
                spikes = sent[source]
                arrived = synapse(spikes if isinstance(synapse, nn.Conv2d) else spikes.flatten(1))
                shape = (len(x), *layer["shape"])
                self.kept[layer["name"]] = self.kept.get(layer["name"], 0) + arrived.reshape(shape)
        return sent[self.layers[-1]["name"]].flatten(1), None


def sequential(layers: list[dict], given: dict[str, np.ndarray]) -> nn.Sequential:
    """A network of layers one after the other."""
    made: list[tuple[str, nn.Module]] = []
    for layer in layers:
        kind, name, fields = layer["kind"], layer["name"], layer["fields"]
        if kind in ("conv2d", "linear"):
            weight = torch.tensor(given[f"{name}.weight"])
            bias = torch.tensor(given[f"{name}.bias"]) if f"{name}.bias" in given else None
            if kind == "conv2d":
                within = weight.shape[1] * fields["groups"]
                one = nn.Conv2d(within, len(weight), weight.shape[2:], bias=bias is not None, **fields)
            else:
                one = nn.Linear(weight.shape[1], len(weight), bias=bias is not None)
            one.weight = nn.Parameter(weight)
            one.bias = None if bias is None else nn.Parameter(bias)
        else:
            one = {
                "relu": nn.ReLU,
                "sigmoid": nn.Sigmoid,
                "flatten": nn.Flatten,
                "avg_pool2d": nn.AvgPool2d,
                "max_pool2d": nn.MaxPool2d,
            }[kind](**fields)
        made.append((name, one))
    network = nn.Sequential()
    for name, one in made:
        network.add_module(name.replace(".", "_"), one)
    return network


def main(path: str) -> None:
    """All metrics of one network.

    Operations are counted sample by sample, since one number that is no spike decides for its whole batch. Activations
    are in one batch: over several, the package averages rounded shares.
    """
    given = dict(np.load(path))
    plan = json.loads(str(given["plan"]))
    data = torch.tensor(given["data"], dtype=torch.float32)
    static: list = [ParameterCount, ConnectionSparsity]
    workload: list = [SynapticOperations]
    if plan["spiking"]:
        model = SNNTorchModel(Spiking(plan["layers"], given))
        workload.append(MembraneUpdates)
    else:
        model = TorchModel(sequential(plan["layers"], given).eval())
        static.append(Footprint)
    runs = {1: [static, workload], len(data): [[], [ActivationSparsity, ActivationSparsityByLayer]]}
    metrics: dict = {}
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), torch.no_grad():
        for size, wanted in runs.items():
            loader = DataLoader(TensorDataset(data, torch.zeros(len(data))), batch_size=size, shuffle=False)
            metrics |= Benchmark(model, loader, [], [], wanted).run(quiet=True)
    versions = {name: version(name) for name in ("neurobench", "snntorch", "torch")}
    print(json.dumps({"versions": versions, "metrics": metrics}))


if __name__ == "__main__":
    main(sys.argv[1])
