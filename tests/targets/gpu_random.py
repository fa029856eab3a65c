"""Random graphs of operators that keep an image an image: what kernels take along, in every combination."""

from __future__ import annotations

import numpy as np
from gpu_networks import filled

from striate.graph import Graph
from striate.operators import (
    Add,
    Clip,
    Concat,
    Conv2d,
    Lookup,
    MaxPool2d,
    Mul,
    Pad,
    Permute,
    Prelu,
    ReduceMax,
    Relu,
    Requantize,
    Reshape,
    Sigmoid,
    Slice,
    Sub,
    Tanh,
    Upsample,
)
from striate.operators.schema import Operator
from striate.tensor import TensorType

SIDE, CHANNELS = 6, 6
"""Images are squares, so that permutations of their dimensions still fit."""

FLOATS: tuple[Operator, ...] = (Relu(), Sigmoid(), Tanh(), Prelu(CHANNELS), Clip(-1.0, 1.0))
MOVES: tuple[Operator, ...] = (
    Permute((2, 3, 1)),
    Permute((1, 3, 2)),
    Reshape((CHANNELS, SIDE, SIDE)),
    MaxPool2d(3, 1, 1),
)
BYTES: tuple[Operator, ...] = (Requantize("u8"), Requantize("i8"))


def random_graph(seed: int, nodes: int, *, integers: bool) -> Graph:
    """A graph of about `nodes` nodes on [6, 6, 6] images, every loose end an output. Integers are bytes or i32."""
    rng = np.random.default_rng(seed)
    graph = Graph("random")
    graph.add_input("x", TensorType("u8" if integers else "f32", (CHANNELS, SIDE, SIDE)))
    graph.add_input("z", TensorType("u8" if integers else "f32", (CHANNELS, SIDE, SIDE)))
    grow = _grow_integers if integers else _grow_floats
    while len(graph) < nodes:
        grow(graph, rng)
    loose = [node.name for node in graph if not graph.users(node.name)]
    inner = [str(name) for name in rng.choice([node.name for node in graph], 2, replace=False)]
    graph.outputs |= {f"out{number}": name for number, name in enumerate(dict.fromkeys([*loose, *inner]))}
    return filled(graph, seed)


def _grow_floats(graph: Graph, rng: np.random.Generator) -> None:
    a, b = _pick(graph, rng), _pick(graph, rng)
    match int(rng.integers(7)):
        case 0 | 1:
            _add(graph, FLOATS[rng.integers(len(FLOATS))], a)
        case 2:
            _add(graph, (Add(), Sub(), Mul())[rng.integers(3)], a, b)
        case 3:
            _add(graph, Conv2d(CHANNELS, 3, padding=1), a)
        case 4:
            _add(graph, MOVES[rng.integers(len(MOVES))], a)
        case 5:
            _add(graph, Mul(), a, _add(graph, ReduceMax((2, 3), True), b))
        case _:
            _cut_and_join(graph, rng, a, b)


def _grow_integers(graph: Graph, rng: np.random.Generator) -> None:
    a, b = _pick(graph, rng), _pick(graph, rng)
    match int(rng.integers(7)):
        case 0:
            _add(graph, BYTES[rng.integers(2)], _add(graph, Conv2d(CHANNELS, 3, padding=1), a))
        case 1:
            total = _add(graph, Add(), _add(graph, Requantize("i32"), a), _add(graph, Conv2d(CHANNELS, 1), b))
            _add(graph, BYTES[rng.integers(2)], total)
        case 2:
            _add(graph, BYTES[rng.integers(2)], _add(graph, Mul(), a, b))
        case 3:
            _add(graph, Lookup("u8" if rng.integers(2) else "i8"), a)
        case 4:
            _add(graph, (*MOVES, Relu())[rng.integers(len(MOVES) + 1)], a)
        case 5:
            _add(graph, BYTES[rng.integers(2)], a)
        case _:
            same = [name for name in _names(graph) if graph.type_of(name) == graph.type_of(a)]
            _cut_and_join(graph, rng, a, str(rng.choice(same)))


def _cut_and_join(graph: Graph, rng: np.random.Generator, a: str, b: str) -> None:
    """Halves of two images side by side, or an image enlarged, bordered and cut."""
    if rng.integers(2):
        dim = int(rng.integers(1, 4))
        halves = _add(graph, Slice(dim, 0, 3), a), _add(graph, Slice(dim, 0, 6, 2), b)
        _add(graph, Concat(dim), *halves)
        return
    large = _add(graph, Upsample(2), _add(graph, Pad((1, 0, 0, 1)), a))
    _add(graph, Slice(3, 2, 14, 2), _add(graph, Slice(2, 4, 10), large))


def _add(graph: Graph, operator: Operator, *inputs: str) -> str:
    return graph.add(f"n{len(graph)}", operator, inputs).name


def _names(graph: Graph) -> list[str]:
    images = [*graph.inputs, *(node.name for node in graph)]
    shape = (CHANNELS, SIDE, SIDE)
    return [name for name in images if graph.type_of(name).shape == shape and graph.type_of(name).dtype != "i32"]


def _pick(graph: Graph, rng: np.random.Generator) -> str:
    """A value, a recent one more often."""
    names = _names(graph)
    return names[max(0, len(names) - 1 - int(rng.exponential(4)))]
