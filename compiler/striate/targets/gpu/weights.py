"""Weights and biases as the kernels want them: rows of whole steps, in the type they are multiplied in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from striate.graph import Graph, Node
from striate.targets.gpu.candidates import Tile
from striate.tensor import NUMPY, Array


def parameter(graph: Graph, node: Node, role: str) -> Array:
    """A parameter's value, which must be loaded."""
    value = graph.value(node, role)
    assert value is not None, f"the weights of '{node.name}' are not loaded"
    return value


def pack_rows(weight: Array, tiles: Sequence[Tile], dtype: str) -> Array:
    """[K, C] -> [K, LENGTH]: zero-padded to whole steps of the sum under every tile, for operands of `dtype`."""
    step = max(tile.sizes["BK"] for tile in tiles)
    packed = np.zeros((len(weight), -(-weight.shape[1] // step) * step), multiplied_in(dtype))
    packed[:, : weight.shape[1]] = weight
    return packed


def multiplied_in(dtype: str) -> np.dtype[np.generic]:
    """The type of the weights that meet operands of `dtype`."""
    return NUMPY["i8" if dtype == "u8" else dtype]


def bias_of(graph: Graph, node: Node) -> Array | None:
    """The node's bias as it is added to the accumulator: f32 or i32."""
    bias = graph.value(node, "bias")
    return bias.astype(np.float32) if bias is not None and bias.dtype.kind == "f" else bias


def bias_for_unsigned(weight: Array, bias: Array | None) -> Array:
    """The bias of a product whose u8 operand is read as x - 128: sum(x w) = sum((x - 128) w) + 128 sum(w), modulo 2^32.

    weight: [K, C], every weight that the kernel multiplies by anything, padding included.
    """
    shift = 128 * weight.astype(np.int64).sum(axis=1)
    return (shift if bias is None else shift + bias).astype(np.int32)
