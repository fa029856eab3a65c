"""Networks with time on the GPU: its kernels, interpreted, agree with the reference in every step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from gpu_interpreted import Interpreted
from gpu_time_networks import NETWORKS, feedforward, floats, joined, recurrent, series, with_time
from gpu_time_random import random_network

from striate.graph import Graph
from striate.interpreter import interpret, interpret_all
from striate.operators import OPERATORS, CubaLif, IntegrateAndFire, Lif
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
def test_networks_agree_bit_for_bit_with_two_tiles(interpreted: Open, network: Callable[[], Graph]) -> None:
    graph = network()
    inputs = series(graph, STEPS, SAMPLES)
    expected, program = interpret(graph, inputs), interpreted(graph, "i8", STEPS)
    for candidate in (0, 1):
        assert_equal(program.run(inputs, candidate), expected)
    assert all(values.any() for values in expected.values()), "an output that is 0 throughout shows nothing"


@pytest.mark.parametrize("network", [feedforward, joined, recurrent], ids=lambda network: network.__name__)
def test_one_step_is_enough(interpreted: Open, network: Callable[[], Graph]) -> None:
    graph = network()
    inputs = series(graph, 1, SAMPLES)
    assert_equal(interpreted(graph, "i8", 1).run(inputs), interpret(graph, inputs))


@pytest.mark.parametrize(("seed", "loops"), [(1, 0), (2, 1), (3, 3)])
def test_random_networks_agree_bit_for_bit(interpreted: Open, seed: int, loops: int) -> None:
    graph = random_network(seed, 24, loops)
    inputs = series(graph, 4, SAMPLES, seed)
    assert_equal(interpreted(graph, "i8", 4).run(inputs), interpret(graph, inputs))


def assert_equal(outputs: dict[str, Array], expected: dict[str, Array]) -> None:
    wrong = [
        f"{name}: {outputs[name].dtype}{outputs[name].shape}, wanted {expected[name].dtype}{expected[name].shape}"
        for name in expected
        if outputs[name].dtype != expected[name].dtype or not np.array_equal(outputs[name], expected[name])
    ]
    assert not wrong, wrong


# -- floats


def test_neurons_alone_in_single_precision_are_the_references_bit_for_bit(interpreted: Open) -> None:
    graph, cases = cases_over_time("f32")
    assert {case.operator.name for case in cases.values()} >= {"lif", "cuba_lif", "sigma_delta", "integrate_and_fire"}
    inputs = series_of_cases(graph, cases)
    assert_equal(interpreted(graph, "f32", STEPS).run(inputs), interpret(graph, inputs))


def test_neurons_in_half_precision_keep_their_state_in_single(interpreted: Open) -> None:
    graph, cases = cases_over_time("f16")
    inputs = {name: halved(array) for name, array in series_of_cases(graph, cases).items()}
    outputs, expected = interpreted(graph, "f16", STEPS).run(inputs), interpret(graph, inputs)
    rounded = {name for name, case in cases.items() if case.operator.name in ("sigma_delta", "delta")}
    assert_equal(
        {n: outputs[n] for n in outputs if n not in rounded}, {n: expected[n] for n in expected if n not in rounded}
    )
    for name in rounded:  # what is sent is rounded, and the next step makes up for it
        np.testing.assert_allclose(outputs[name].cumsum(1), expected[name].cumsum(1), atol=2e-3)


@pytest.mark.parametrize("precision", ["f16", "f32"])
def test_spikes_are_those_of_double_precision_where_no_potential_is_near_its_threshold(
    interpreted: Open, precision: Precision
) -> None:
    graph = floats()
    inputs = {name: halved(array) for name, array in series(graph, STEPS, SAMPLES).items()}
    expected = interpret_all(graph, inputs, float64=True)
    assert min(margins(graph, expected)) > 1e-5, "another seed: this one has ties"
    outputs = interpreted(graph, precision, STEPS).run(inputs)
    for port in ("s1", "s2", "s3", "count"):
        np.testing.assert_array_equal(outputs[port], expected[port], err_msg=port)
        assert 0.02 < (outputs[port] != 0).mean() < 0.98
    error = np.abs(outputs["v"] - expected["v"]).max() / np.abs(expected["v"]).max()
    assert error < {"f16": 2e-3, "f32": 1e-5}[precision]


def margins(graph: Graph, values: dict[str, Array]) -> Iterator[float]:
    """How near the threshold the potential of each population came, with soft resets: v before the reset, less it."""
    for node in graph:
        if not isinstance(node.operator, (IntegrateAndFire, Lif, CubaLif)):
            continue
        operand = values[node.inputs[0]]
        state = node.operator.at_rest((operand[:, 0],), (node.type,))
        for step in range(operand.shape[1]):
            awake = state["resting"] == 0
            spikes, state = node.operator.step((operand[:, step],), state, 1e-3)
            distance = np.abs(state["v"] + spikes * node.operator.threshold - node.operator.threshold)
            yield float(distance[awake].min())


def halved(array: Array) -> Array:
    return array.astype(np.float16).astype(array.dtype) if array.dtype.kind == "f" else array
