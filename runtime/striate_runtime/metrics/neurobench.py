"""NeuroBench's metrics with its names and exactly its values, as neurobench 2.3.0 computes them.

What it leaves out (pooling, normalisation, residual and bias additions, neuron dynamics, memory, routing) is left out
here too; `strict` has our own counts beside these.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from striate_runtime.metrics.connection import Connection, count_operations

Array = npt.NDArray[Any]
Call = tuple[Connection, Array]
"""A layer of synapses and what it was given in one call: `[B, C, H, W]`, or `[B, ..., I]` of a linear layer."""


def footprint(tensors: Iterable[Array]) -> int:
    """`Footprint`: bytes of parameters and buffers, zeros included."""
    return sum(tensor.nbytes for tensor in tensors)


def parameter_count(parameters: Iterable[Array]) -> int:
    """`ParameterCount`: how many numbers are trained."""
    return sum(parameter.size for parameter in parameters)


def connection_sparsity(weights: Sequence[Array]) -> float:
    """`ConnectionSparsity`: the share of weights (biases left out) that are 0, rounded to four decimals."""
    total = sum(weight.size for weight in weights)
    zeros = sum(weight.size - int(np.count_nonzero(weight)) for weight in weights)
    return round(zeros / total, 4) if total else 0.0


def activation_sparsity(outputs: Mapping[str, Array]) -> float:
    """`ActivationSparsity`: the share of zeros among all outputs of all activation layers, over all steps."""
    total = sum(output.size for output in outputs.values())
    active = sum(int(np.count_nonzero(output)) for output in outputs.values())
    return (total - active) / total if total else 0.0


def activation_sparsity_by_layer(outputs: Mapping[str, Array]) -> dict[str, float]:
    """`ActivationSparsityByLayer`: the same, layer by layer."""
    return {name: activation_sparsity({name: output}) for name, output in outputs.items()}


def is_accumulation(x: Array) -> bool:
    """Whether a call counts as accumulates: every number of its input is -1, 0 or 1."""
    return bool(np.isin(x, (-1, 0, 1)).all())


def synaptic_operations(calls: Iterable[Call], samples: int) -> dict[str, float]:
    """`SynapticOperations` per sample. A call is all accumulates or all multiply-accumulates; Dense knows no zeros."""
    counts = {"Effective_MACs": 0, "Effective_ACs": 0, "Dense": 0}
    for connection, x in calls:
        kind = "Effective_ACs" if is_accumulation(x) else "Effective_MACs"
        counts[kind] += count_operations(connection, x != 0)
        counts["Dense"] += count_operations(connection, np.ones(x.shape, np.bool_), dense=True)
    return {name: count / samples for name, count in counts.items()}


def membrane_updates(potentials: Iterable[Array]) -> float:
    """`MembraneUpdates` per sample: all neurons at the first step, later those whose potential has changed.

    potentials: of each spiking layer, after every step, `[N, steps, ...]`.
    """
    updates = 0.0
    for layer in potentials:
        first = layer[:, 0].size
        later = np.count_nonzero(layer[:, 1:] != layer[:, :-1])
        updates += (first + int(later)) / len(layer)
    return updates
