"""Random networks with time in integers: convolutions, sums, neurons, delays, views and loops in every combination."""

from __future__ import annotations

import numpy as np
from gpu_time_networks import tuned, with_time

from striate.graph import Graph
from striate.operators import (
    Add,
    Concat,
    Conv2d,
    Delay,
    FixedPointIntegrator,
    FixedPointLif,
    Last,
    MaxPool2d,
    Permute,
    Slice,
    SpikeCount,
    Sub,
    SumOverTime,
    SumPool2d,
)
from striate.operators.schema import Operator
from striate.tensor import TensorType

SHAPE = (3, 3, 3)
"""Channels as many as pixels across, so that permutations of the dimensions still fit."""

READOUTS: tuple[Operator, ...] = (SpikeCount(), SumOverTime(), Last())


def random_network(seed: int, nodes: int, loops: int) -> Graph:
    """A network of about `nodes` nodes with so many values that are read before they are defined."""
    rng = np.random.default_rng(seed)
    graph = with_time("random", x=TensorType("i8", SHAPE), z=TensorType("i8", SHAPE))
    for number in range(loops):
        graph.add(f"back{number}", Delay(int(rng.integers(1, 3)), SHAPE, "i8"), ["x"])
    while len(graph) < nodes:
        _grow(graph, rng)
    for number in range(loops):
        inner = _sum(graph, rng, f"back{number}")
        graph.add(f"loop{number}", _neuron(rng), [inner])
        graph.replace(f"back{number}", inputs=[f"loop{number}"])
    for node in [node for node in graph if not graph.users(node.name)]:
        readout = _add(graph, READOUTS[rng.integers(3)], node.name)
        graph.outputs[readout] = readout
    inner = [node.name for node in graph if not node.operator.reads_out]
    graph.outputs |= {f"inner{n}": str(name) for n, name in enumerate(rng.choice(inner, 3, replace=False))}
    return tuned(graph, seed, **{node.name: 3000 for node in graph})


def _grow(graph: Graph, rng: np.random.Generator) -> None:
    match int(rng.integers(8)):
        case 0 | 1 | 2:
            _add(graph, _neuron(rng), _sum(graph, rng, _pick(graph, rng)))
        case 3:
            _add(graph, Delay(int(rng.integers(1, 4)), of="i8"), _pick(graph, rng))
        case 4:
            moves: tuple[Operator, ...] = (Permute((2, 3, 1)), Permute((1, 3, 2)), MaxPool2d(3, 1, 1))
            _add(graph, moves[rng.integers(3)], _pick(graph, rng))
        case 5:
            _add(graph, _neuron(rng), _add(graph, SumPool2d(3, 1, 1), _pick(graph, rng)))
        case 6:
            total = _sum(graph, rng, _pick(graph, rng))
            _add(graph, FixedPointIntegrator(), _add(graph, Delay(1, of="i32"), total))
        case _:
            halves = [_add(graph, Slice(3, 0, n), _pick(graph, rng)) for n in (1, 2)]
            _add(graph, Concat(3), *halves)


def _sum(graph: Graph, rng: np.random.Generator, first: str) -> str:
    """A convolution, or the sum or the difference of two."""
    kernel, groups = (1, 1) if rng.integers(2) else (3, int(rng.choice([1, 3])))
    one = _add(graph, Conv2d(3, kernel, padding=kernel // 2, groups=groups), first)
    if rng.integers(2):
        return one
    other = _add(graph, Conv2d(3, 3, padding=1, bias=False), _pick(graph, rng))
    return _add(graph, (Add(), Sub())[rng.integers(2)], one, other)


def _neuron(rng: np.random.Generator) -> Operator:
    return FixedPointLif("zero" if rng.integers(2) else "subtract", int(rng.integers(3)))


def _add(graph: Graph, operator: Operator, *inputs: str) -> str:
    return graph.add(f"n{len(graph)}", operator, inputs).name


def _pick(graph: Graph, rng: np.random.Generator) -> str:
    """A value in bytes, a recent one more often."""
    named = {**graph.inputs, **{node.name: node.type for node in graph.topological()}}
    names = [name for name, type in named.items() if type == TensorType("i8", SHAPE)]
    return names[max(0, len(names) - 1 - int(rng.exponential(4)))]
