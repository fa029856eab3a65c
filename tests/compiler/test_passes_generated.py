"""Passes and quantize on generated networks: what a page did not think of."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from striate.graph import Graph
from striate.interpreter import interpret, interpret_all
from striate.language import read
from striate.passes import quantize, run_passes
from striate.printer import print_graph
from striate.tensor import NUMPY, Array
from striate.verify import verify

STAGES = (
    "relu", "relu6", "clip(-0.5, 1.0)", "clip(0.25, 2.0)", "leaky_relu", "sigmoid", "tanh", "silu", "softmax",
    "batch_norm", "conv2d(4, 3, padding=1)", "conv2d(4, 3, padding=same, bias=false)", "conv2d(4, 1, groups=4)",
    "pad((1, 0, 0, 1))", "conv2d(4, 2)", "max_pool2d(2)", "max_pool2d(3, stride=1, padding=1)", "avg_pool2d(2)",
    "upsample(1)", "upsample(2)", "permute((1, 3, 2))", "permute((1, 2, 3))", "slice(1, 0, 4)",
    "conv_transpose2d(4, 3, padding=1)", "pad((0, 0))",
)  # fmt: skip
PAIRS = ("{a} + {b}", "{a} - {b}", "{a} * {b}", "{a} * k", "{a} + k", "concat({a}, {b}) |> conv2d(4, 1)")


@st.composite
def networks(draw: st.DrawFn) -> str:
    """A network of 2 to 10 statements on images of 4 channels; each reads one or two values of one size before it."""
    sizes = {"x": (8, 8)}
    lines = ["  k = constant((4, 1, 1))"]
    for number in range(draw(st.integers(2, 10))):
        a = draw(st.sampled_from(sorted(sizes)))
        partners = sorted(name for name in sizes if sizes[name] == sizes[a])
        if draw(st.booleans()):
            text = draw(st.sampled_from(PAIRS)).format(a=a, b=draw(st.sampled_from(partners)))
        else:
            text = f"{a} |> {draw(st.sampled_from(STAGES))}"
        shape = shape_of(lines, sizes, f"v{number} = {text}", f"v{number}")
        if min(shape) >= 2 and max(shape) <= 24:
            sizes[f"v{number}"] = shape
            lines.append(f"  v{number} = {text}")
    outputs = draw(st.lists(st.sampled_from(sorted(sizes)), min_size=1, max_size=2, unique=True))
    named = ", ".join(f"out{index} = {name}" for index, name in enumerate(outputs))
    return f"network generated(x: f32[4, 8, 8]) -> {named} {{\n" + "\n".join(lines) + "\n}\n"


def shape_of(lines: list[str], sizes: dict[str, tuple[int, int]], line: str, name: str) -> tuple[int, int]:
    text = "network n(x: f32[4, 8, 8]) -> " + name + " {\n" + "\n".join([*lines, line]) + "\n}\n"
    return read(text).graph.type_of(name).shape[1:3]  # pyright: ignore[reportReturnType]


def loaded(text: str, seed: int) -> tuple[Graph, dict[str, Array]]:
    graph, rng = read(text).graph, np.random.default_rng(seed)
    for node in graph:
        for role, value in node.operator.sample_parameters(rng, *graph.input_types(node)).items():
            name = node.parameters[role]
            graph.set_parameter(name, value.astype(np.float64), graph.parameters[name].type)
    inputs = {name: rng.normal(size=(2, *type.shape)).astype(np.float32) for name, type in graph.inputs.items()}
    return graph, inputs


@settings(max_examples=60, deadline=None)
@given(networks(), st.integers(0, 2**32 - 1))
def test_passes_keep_what_any_network_computes(text: str, seed: int) -> None:
    graph, inputs = loaded(text, seed)
    wanted = interpret(graph, inputs, float64=True)
    scale = max(float(np.abs(value).max()) for value in interpret_all(graph, inputs, float64=True).values())
    run_passes(graph)
    found = interpret(graph, inputs, float64=True)
    for name, expected in wanted.items():
        assert np.abs(expected - found[name]).max() <= 1e-9 * max(scale, 1.0)
    assert read(print_graph(graph)).graph == graph


@settings(max_examples=60, deadline=None)
@given(networks(), st.integers(0, 2**32 - 1))
def test_any_network_becomes_integers_that_stay_in_range(text: str, seed: int) -> None:
    """No accumulator wraps: in 64 bits the sums are what they are in 32. Codes keep to their limits."""
    graph, inputs = loaded(text, seed)
    run_passes(graph)
    types = {name: graph.type_of(value) for name, value in graph.outputs.items()}
    quantize(graph, inputs)
    verify(graph, "quantize")
    assert {name: graph.type_of(value) for name, value in graph.outputs.items()} == types
    assert read(print_graph(graph)).graph == graph
    values = interpret_all(graph, inputs)
    for node in graph:
        found = values[node.name]
        assert found.dtype == NUMPY[node.type.dtype]
        if node.type.dtype == "i8":
            assert found.min() >= -127
        if node.operator.name in ("add", "sub") and node.type.dtype == "i32":
            a, b = (values[name].astype(np.int64) for name in node.inputs)
            exact = a + b if node.operator.name == "add" else a - b
            assert np.array_equal(exact, found)
