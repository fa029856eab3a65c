"""Networks with time on the GPU: its kernels, interpreted, agree with the reference over many steps, and what they do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from gpu_interpreted import Interpreted
from gpu_time_networks import NETWORKS, feedforward, recurrent, series, with_time
from gpu_time_random import random_network

from striate.graph import Graph
from striate.interpreter import interpret
from striate.operators import OPERATORS
from striate.operators.schema import Case
from striate.targets.gpu.emission import Precision
from striate.tensor import Array

pytest.importorskip("triton")

STEPS, SAMPLES = 7, 2

Open = Callable[[Graph, Precision, int], Interpreted]


@pytest.fixture
def interpreted() -> Iterator[Open]:
    opened: list[Interpreted] = []

    def open_program(graph: Graph, precision: Precision, steps: int) -> Interpreted:
        opened.append(Interpreted(graph, precision, steps))
        return opened[-1]

    yield open_program
    for one in opened:
        one.close()


def cases_over_time(precision: Precision) -> tuple[Graph, dict[str, Case]]:
    """One network of every case of every operator with state, each an output; and the cases by name."""
    cases = [case for operator in OPERATORS.values() if operator.stateful for case in operator.cases()]
    chosen = {f"c{n}": case for n, case in enumerate(cases) if (case.inputs[0].dtype == "f32") != (precision == "i8")}
    graph = with_time("cases")
    for name, case in chosen.items():
        graph.add_input(f"{name}.x", case.inputs[0])
        node = graph.add(name, case.operator, [f"{name}.x"])
        for role, value in case.arrays(1)[1].items():
            graph.set_parameter(node.parameters[role], value, graph.parameter(node, role).type)
        graph.outputs[name] = name
    return graph, chosen


def series_of_cases(graph: Graph, cases: dict[str, Case]) -> dict[str, Array]:
    """A case's operands at each step, `[SAMPLES, STEPS, *shape]`, and in the last steps the largest integers."""
    inputs: dict[str, Array] = {}
    for name, case in cases.items():
        steps = [replace(case, batch=SAMPLES).arrays(seed)[0][0] for seed in range(STEPS)]
        inputs[f"{name}.x"] = np.stack(steps, axis=1)
        if case.inputs[0].dtype == "i32":
            inputs[f"{name}.x"][:, -2], inputs[f"{name}.x"][:, -3] = 2**31 - 1, -(2**31)
            inputs[f"{name}.x"][:, -1] = -(2**17)
    return inputs


def test_every_case_in_integers_agrees_bit_for_bit_in_every_step(interpreted: Open) -> None:
    graph, cases = cases_over_time("i8")
    assert {case.operator.name for case in cases.values()} >= {"fixed_point_lif", "spike_count", "delay"}
    inputs = series_of_cases(graph, cases)
    assert_equal(interpreted(graph, "i8", STEPS).run(inputs), interpret(graph, inputs))


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.__name__)
def test_networks_agree_bit_for_bit_with_every_tile(interpreted: Open, network: Callable[[], Graph]) -> None:
    graph = network()
    inputs = series(graph, STEPS, SAMPLES)
    expected, program = interpret(graph, inputs), interpreted(graph, "i8", STEPS)
    for candidate in range(max(len(launch.candidates) for launch in program.plan.body.launches)):
        assert_equal(program.run(inputs, candidate), expected)
    assert all(values.any() for values in expected.values()), "an output that is 0 throughout shows nothing"


@pytest.mark.parametrize("network", [feedforward, recurrent], ids=lambda network: network.__name__)
def test_one_step_is_enough(interpreted: Open, network: Callable[[], Graph]) -> None:
    graph = network()
    inputs = series(graph, 1, SAMPLES)
    assert_equal(interpreted(graph, "i8", 1).run(inputs), interpret(graph, inputs))


@pytest.mark.parametrize(("seed", "loops"), [(0, 0), (1, 0), (2, 1), (3, 2), (4, 3)])
def test_random_networks_agree_bit_for_bit(interpreted: Open, seed: int, loops: int) -> None:
    graph = random_network(seed, 30, loops)
    inputs = series(graph, 5, SAMPLES, seed)
    assert_equal(interpreted(graph, "i8", 5).run(inputs), interpret(graph, inputs))


def assert_equal(outputs: dict[str, Array], expected: dict[str, Array]) -> None:
    wrong = [
        f"{name}: {outputs[name].dtype}{outputs[name].shape}, wanted {expected[name].dtype}{expected[name].shape}"
        for name in expected
        if outputs[name].dtype != expected[name].dtype or not np.array_equal(outputs[name], expected[name])
    ]
    assert not wrong, wrong
