"""A printed graph is a text that means the same graph."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from striate.diagnostics import Source
from striate.graph import Graph
from striate.language import format_source, read
from striate.operators import OPERATORS
from striate.operators.pointwise import LeakyRelu
from striate.operators.schema import Case
from striate.passes import quantize, run_passes
from striate.printer import print_graph, write_value
from striate.tensor import TensorType
from striate.weights import WeightsDeclaration, load_weights

CASES = [(name, case) for name, operator in OPERATORS.items() for case in operator.cases()]
MODELS = sorted((Path(__file__).parent.parent.parent / "examples").glob("*/*.striate"))
NAMES = st.one_of(
    st.sampled_from(["a", "layer1.0", "if", "relu", "true", "name", "weights", "two words", 'quo"te', "back\\slash"]),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6),
)


def single(case: Case) -> Graph:
    graph = Graph("one operator")
    graph.dt_s = 1e-3 if case.operator.stateful else None
    for index, type in enumerate(case.inputs):
        graph.add_input(f"in.{index}", type)
    graph.add("y", case.operator, list(graph.inputs))
    graph.outputs = {"y": "y"}
    return graph


@pytest.mark.parametrize("case", [case for _, case in CASES], ids=[f"{name}-{i}" for i, (name, _) in enumerate(CASES)])
def test_every_case_of_every_operator_comes_back(case: Case) -> None:
    graph = single(case)
    assert read(print_graph(graph)).graph == graph


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """A graph of cases put side by side and in chains, with odd names for values and parameters."""
    graph = Graph(draw(NAMES))
    graph.dt_s = draw(st.sampled_from([1e-3, 5e-6, 0.00125]))
    for _ in range(draw(st.integers(1, 6))):
        _, case = draw(st.sampled_from(CASES))
        operands: list[str] = []
        for type in case.inputs:
            fitting = [name for name in (*graph.inputs, *(n.name for n in graph)) if graph.type_of(name) == type]
            if fitting and draw(st.booleans()):
                operands.append(draw(st.sampled_from(fitting)))
            else:
                operands.append(graph.fresh(draw(NAMES)))
                graph.add_input(operands[-1], type)
        name = graph.fresh(draw(NAMES))
        roles = case.operator.parameters(*case.inputs)
        naming = draw(st.sampled_from(["default", "prefix", "each"]))
        prefix = draw(NAMES)
        separator = "." if naming == "prefix" else ""
        chosen = {} if naming == "default" else {role: f"{prefix}{separator}{role}" for role in roles}
        known = graph.parameters
        assume(all(known[n].type == roles[r] for r, n in chosen.items() if n in known))
        assume(naming != "default" or not any(f"{name}.{role}" in known for role in roles))
        graph.add(name, case.operator, operands, chosen)
    nodes = [node.name for node in graph]
    outputs = draw(st.lists(st.sampled_from(nodes), min_size=1, max_size=3))
    graph.outputs = {draw(NAMES): name for name in outputs}
    return graph


@given(graphs())
@settings(max_examples=150, deadline=None)
def test_any_graph_comes_back(graph: Graph) -> None:
    text = print_graph(graph)
    back = read(text).graph
    assert back == graph
    assert print_graph(back) == text
    assert read(format_source(Source("printed", text))).graph == graph


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_every_example_network_comes_back(path: Path) -> None:
    graph = read(path.read_text("utf-8")).graph
    assert read(print_graph(graph)).graph == graph


NETWORK = """
network small(x: f32[3, 8, 8]) -> logits {
  a      = x |> conv2d(8, 3, padding=1, bias=false) |> batch_norm |> relu
  b      = a |> conv2d(8, 3, padding=1) |> sigmoid
  c      = a + b |> max_pool2d(2)
  logits = c |> avg_pool2d(2) |> flatten |> linear(10)
}
"""


def test_folded_and_quantized_graphs_come_back() -> None:
    graph = read(NETWORK).graph
    load_weights(graph, WeightsDeclaration(seed=0), Path())
    run_passes(graph)
    assert read(print_graph(graph)).graph == graph
    rng = np.random.default_rng(0)
    quantize(graph, {"x": rng.uniform(-1, 1, (8, 3, 8, 8)).astype(np.float32)})
    assert any(node.operator.name == "requantize" for node in graph)
    assert read(print_graph(graph)).graph == graph


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (7.0, "7"), (-0.0, "-0.0"), (0.0, "0"), (0.1, "0.1"), (1e-05, "1e-05"), (1e20, "1e+20"),
        (float("-inf"), "-inf"),
        (True, "true"), (None, "none"), ("same", "same"), ((3,), "(3,)"), ((), "()"), ((1, -2), "(1, -2)"),
    ],
)  # fmt: skip
def test_an_attributes_value_is_written_as_the_language_reads_it(value: object, text: str) -> None:
    assert write_value(value) == text


@pytest.mark.parametrize("value", [1e20, 1e-05, 0.1, -2.5, 1e16, 5e-324, 1.7976931348623157e308, -0.0, float("inf")])
def test_any_float_attribute_comes_back_exactly(value: float) -> None:
    graph = Graph("n")
    graph.add_input("x", TensorType("f32", (4,)))
    graph.add("y", LeakyRelu(value), ["x"])
    graph.outputs = {"y": "y"}
    operator = read(print_graph(graph)).graph.node("y").operator
    assert isinstance(operator, LeakyRelu)
    assert struct.pack("d", operator.negative_slope) == struct.pack("d", value)
