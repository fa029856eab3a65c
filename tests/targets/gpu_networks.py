"""Small graphs in which kernels meet: fusion, views, several readers, integers from end to end."""

from __future__ import annotations

import numpy as np

from striate.graph import Graph
from striate.operators import (
    AdaptiveAvgPool2d,
    Add,
    BatchNorm,
    Concat,
    Constant,
    Conv2d,
    Dequantize,
    Flatten,
    HardSwish,
    Linear,
    Lookup,
    MaxPool2d,
    Mul,
    Permute,
    Prelu,
    Quantize,
    Relu,
    Requantize,
    Reshape,
    Sigmoid,
    Slice,
    Softmax,
    Upsample,
)
from striate.tensor import TensorType


def residual() -> Graph:
    """Two convolutions around a skip connection, activations with parameters, a flatten and a linear layer."""
    graph = Graph("residual")
    graph.add_input("image", TensorType("f32", (3, 9, 8)))
    graph.add("stem", Conv2d(8, 3, 2, 1), ["image"])
    graph.add("stem.prelu", Prelu(8), ["stem"])
    graph.add("conv1", Conv2d(8, 3, padding=1, bias=False), ["stem.prelu"])
    graph.add("bn1", BatchNorm(), ["conv1"])
    graph.add("sum", Add(), ["bn1", "stem.prelu"])
    graph.add("relu", Relu(), ["sum"])
    graph.add("flat", Flatten(), ["relu"])
    graph.add("fc", Linear(7), ["flat"])
    graph.outputs["logits"] = "fc"
    return filled(graph, 0)


def squeeze() -> Graph:
    """A squeeze-and-excitation block: one number for each channel is broadcast over the image."""
    graph = Graph("squeeze")
    graph.add_input("image", TensorType("f32", (8, 5, 5)))
    graph.add("conv", Conv2d(8, 3, padding=1, groups=8), ["image"])
    graph.add("swish", HardSwish(), ["conv"])
    graph.add("pool", AdaptiveAvgPool2d(1), ["swish"])
    graph.add("gate", Conv2d(8, 1), ["pool"])
    graph.add("sigmoid", Sigmoid(), ["gate"])
    graph.add("scaled", Mul(), ["swish", "sigmoid"])
    graph.add("offset", Constant((8, 1, 1)), [])
    graph.add("shifted", Add(), ["scaled", "offset"])
    graph.outputs["y"] = "shifted"
    return filled(graph, 1)


def views() -> Graph:
    """Views of views, read once and read twice, by kernels of every kind; an input and an inner value as outputs."""
    graph = Graph("views")
    graph.add_input("image", TensorType("f32", (6, 4, 6)))
    graph.add("half", Slice(1, 1, 6, 2), ["image"])
    graph.add("big", Upsample(2), ["half"])
    graph.add("turned", Permute((1, 3, 2)), ["big"])
    graph.add("conv", Conv2d(4, 3, padding=1), ["turned"])
    graph.add("rows", Reshape((4, 96)), ["conv"])
    graph.add("weights", Softmax(2), ["rows"])
    graph.add("mixed", Linear(5), ["weights"])
    graph.add("both", Concat(2), ["rows", "mixed"])
    graph.add("flat", Flatten(), ["both"])
    graph.outputs |= {"rows": "rows", "flat": "flat", "image": "image"}
    return filled(graph, 2)


def quantized() -> Graph:
    """An integer network: u8 codes, a residual sum in i32, a table, pools, and a dequantized output."""
    graph = Graph("quantized")
    graph.add_input("image", TensorType("f32", (3, 9, 8)))
    graph.add("codes", Quantize(0.008, "u8"), ["image"])
    graph.add("conv1", Conv2d(16, 3, padding=1), ["codes"])
    graph.add("code1", Requantize("u8"), ["conv1"])
    graph.add("pool", MaxPool2d(3, 2, 1), ["code1"])
    graph.add("conv2", Conv2d(16, 3, padding=1), ["pool"])
    graph.add("skip", Requantize("i32"), ["pool"])
    graph.add("sum", Add(), ["conv2", "skip"])
    graph.add("code2", Requantize("i8"), ["sum"])
    graph.add("table", Lookup("u8"), ["code2"])
    graph.add("flat", Flatten(), ["table"])
    graph.add("fc", Linear(10), ["flat"])
    graph.add("logits", Dequantize(), ["fc"])
    graph.outputs["logits"] = "logits"
    return filled(graph, 3)


NETWORKS = (residual, squeeze, views, quantized)


def filled(graph: Graph, seed: int) -> Graph:
    """The graph with random parameters."""
    rng = np.random.default_rng(seed)
    for node in graph:
        for role, value in node.operator.sample_parameters(rng, *graph.input_types(node)).items():
            graph.set_parameter(node.parameters[role], value, graph.parameter(node, role).type)
    return graph
