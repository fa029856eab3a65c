"""The GPU's kernels compute what the references say, in Triton's interpreter, with every candidate's tile."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pytest
from gpu_cases import BATCH, Cases, all_cases, gather, is_exact, with_halves
from gpu_interpreted import Interpreted
from gpu_networks import NETWORKS, quantized
from gpu_random import random_graph

from striate.graph import Graph
from striate.interpreter import interpret
from striate.targets.gpu.emission import Precision
from striate.tensor import Array, TensorType

pytest.importorskip("triton")

RELATIVE_ERROR = 2e-3
"""Norm of the error over norm of the reference in double precision, for halves."""


@pytest.fixture
def interpreted() -> Iterator[Callable[[Graph, Precision], Interpreted]]:
    opened: list[Interpreted] = []

    def open_program(graph: Graph, precision: Precision) -> Interpreted:
        opened.append(Interpreted(graph, precision))
        return opened[-1]

    yield open_program
    for one in opened:
        one.close()


Open = Callable[[Graph, Precision], Interpreted]


@pytest.mark.parametrize("candidate", [0, 1, 2])
def test_every_float_case_agrees_in_half_precision(interpreted: Open, candidate: int) -> None:
    cases = with_halves(gather(case for case in all_cases() if not is_exact(case)))
    outputs = interpreted(cases.graph, "f16").run(cases.inputs, candidate)
    wrong = _wrong(cases, outputs, interpret(cases.graph, cases.inputs, float64=True), _is_near)
    assert not wrong, wrong


def test_every_float_case_agrees_in_single_precision(interpreted: Open) -> None:
    cases = gather(case for case in all_cases() if not is_exact(case) and case.inputs[0].dtype == "f32")
    outputs = interpreted(cases.graph, "f32").run(cases.inputs)
    wrong = _wrong(
        cases, outputs, interpret(cases.graph, cases.inputs, float64=True), lambda a, b: _relative_error(a, b) < 1e-5
    )
    assert not wrong, wrong


@pytest.mark.parametrize("candidate", [0, 1, 2])
def test_every_integer_case_agrees_bit_for_bit(interpreted: Open, candidate: int) -> None:
    cases = gather(case for case in all_cases() if is_exact(case))
    outputs = interpreted(cases.graph, "i8").run(cases.inputs, candidate)
    wrong = _wrong(cases, outputs, interpret(cases.graph, cases.inputs), _is_equal)
    assert not wrong, wrong


@pytest.mark.parametrize("network", NETWORKS[:-1], ids=lambda network: network.__name__)
def test_fused_networks_agree_in_half_precision(interpreted: Open, network: Callable[[], Graph]) -> None:
    graph = network()
    inputs = _random_inputs(graph)
    outputs, expected = interpreted(graph, "f16").run(inputs), interpret(graph, inputs, float64=True)
    assert {name: round(_relative_error(outputs[name], expected[name]), 5) for name in expected} == {
        name: pytest.approx(0, abs=4 * RELATIVE_ERROR) for name in expected
    }


def test_a_fused_integer_network_agrees_bit_for_bit(interpreted: Open) -> None:
    graph = quantized()
    inputs = _random_inputs(graph)
    np.testing.assert_array_equal(
        interpreted(graph, "i8").run(inputs)["logits"], interpret(graph, inputs)["logits"], strict=True
    )


@pytest.mark.parametrize("seed", range(3))
def test_random_float_graphs_agree_in_single_precision(interpreted: Open, seed: int) -> None:
    graph = random_graph(seed, 40, integers=False)
    inputs = _random_inputs(graph)
    outputs, expected = interpreted(graph, "f32").run(inputs), interpret(graph, inputs, float64=True)
    assert [name for name in expected if _relative_error(outputs[name], expected[name]) > 1e-4] == []


@pytest.mark.parametrize("seed", range(3))
def test_random_integer_graphs_agree_bit_for_bit(interpreted: Open, seed: int) -> None:
    graph, rng = random_graph(seed, 40, integers=True), np.random.default_rng(seed)
    inputs = {name: rng.integers(0, 256, (BATCH, *type.shape)).astype("u1") for name, type in graph.inputs.items()}
    outputs, expected = interpreted(graph, "i8").run(inputs), interpret(graph, inputs)
    assert [name for name in expected if not _is_equal(outputs[name], expected[name])] == []


@pytest.mark.parametrize("dtype", ["u8", "i8"])
def test_extreme_bytes_are_summed_exactly_up_to_the_border(interpreted: Open, dtype: str) -> None:
    from striate.operators import Conv2d

    graph = Graph("extremes")
    graph.add_input("x", TensorType("u8" if dtype == "u8" else "i8", (32, 5, 5)))
    node = graph.add("y", Conv2d(4, 3, padding=1), ["x"])
    weight = np.full((4, 32, 3, 3), -128, np.int8)
    weight[1], weight[2, ::2] = 127, 127
    graph.set_parameter("y.weight", weight, graph.parameter(node, "weight").type)
    graph.set_parameter("y.bias", np.array([0, 1, -1, 2**30], np.int32), graph.parameter(node, "bias").type)
    graph.outputs["y"] = "y"
    limits = np.iinfo(dtype if dtype == "i8" else "uint8")
    x = np.stack([np.full((32, 5, 5), limits.max), np.full((32, 5, 5), limits.min)]).astype(limits.dtype)
    np.testing.assert_array_equal(interpreted(graph, "i8").run({"x": x})["y"], interpret(graph, {"x": x})["y"])


def _random_inputs(graph: Graph) -> dict[str, Array]:
    rng = np.random.default_rng(7)
    return {
        name: rng.uniform(-1, 1, (BATCH, *type.shape)).astype(np.float16).astype(np.float32)
        for name, type in graph.inputs.items()
    }


def _wrong(
    cases: Cases, outputs: Mapping[str, Array], expected: Mapping[str, Array], agree: Callable[[Array, Array], bool]
) -> list[str]:
    """The cases whose output does not agree; a constant's batch of one is repeated."""
    full = {name: np.broadcast_to(expected[name], outputs[name].shape) for name in cases.cases}
    return [
        f"{case.operator} on {', '.join(map(str, case.inputs))}: {case.note}"
        for name, case in cases.cases.items()
        if not agree(outputs[name], full[name])
    ]


def _is_near(output: Array, expected: Array) -> bool:
    return _relative_error(output, expected) < RELATIVE_ERROR


def _relative_error(output: Array, expected: Array) -> float:
    scale = float(np.linalg.norm(expected.astype(np.float64)))
    return float(np.linalg.norm(output.astype(np.float64) - expected)) / (scale or 1.0)


def _is_equal(output: Array, expected: Array) -> bool:
    return output.dtype == expected.dtype and np.array_equal(output, expected)
