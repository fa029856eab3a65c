"""Every operator's cases in every coding: encoded and right, or refused and listed in NOT_YET."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from striate.diagnostics import CompileError
from striate.graph import Graph, Parameter
from striate.interpreter import interpret
from striate.operators import OPERATORS
from striate.operators.neurons import IntegrateAndFire
from striate.operators.quantized import Requantize
from striate.operators.schema import Case
from striate.passes import quantize_time
from striate.targets.neuromorphic import compile_for_neuromorphic
from striate.targets.neuromorphic.compile import Coding
from striate.targets.neuromorphic.not_yet import NOT_YET, document
from striate.tensor import NUMPY, Array, TensorType
from striate_runtime.device import open_device
from striate_runtime.hardware import load_hardware

MAPPING = Path(__file__).parents[2] / "spec" / "mapping.md"
STEPS = 256
RATE_TOLERANCE = 0.03
"""Of the largest value, at 256 steps: one spike in 256, and weights of 8 bits."""

OVER_TIME = 4
"""Steps of a sample under `native`."""
LARGEST_SUM = 1 << 17
"""Of weights in one step; a current has 24 bits, of 64ths."""
CODINGS: dict[str, Coding] = {"graded": "graded", "rate": "rate", "delta": "delta"}

Applied = tuple[Graph, dict[str, Array]]


def applied(case: Case, positive: bool) -> Applied:
    """A graph of one node with random parameters, and its inputs (none below zero if `positive`).

    No event carries an i32, so that an i32 operand is made from i8 as `quantize` makes it: times 8, by a requantize.
    """
    graph, inputs = Graph("case"), dict[str, Array]()
    arrays, parameters = case.arrays()
    operands: list[str] = []
    for number, (type, array) in enumerate(zip(case.inputs, arrays, strict=True)):
        name = f"x{number}"
        narrow = TensorType("i8", type.shape) if type.dtype == "i32" else type
        graph.add_input(name, narrow)
        inputs[name] = (array % 127).astype(np.int8) if type.dtype == "i32" else array
        inputs[name] = np.abs(inputs[name]) if positive else inputs[name]
        operands.append(_times_eight(graph, name) if type.dtype == "i32" else name)
    node = graph.add("y", case.operator, operands)
    for role, value in parameters.items():
        _set(graph, node.parameters[role], value)
    graph.outputs = {"out": "y"}
    return graph, inputs


def _times_eight(graph: Graph, name: str) -> str:
    node = graph.add(f"{name}.wide", Requantize("i32"), [name])
    channels = graph.inputs[name].shape[0]
    _set(graph, node.parameters["multiplier"], np.full(channels, 1 << 30, np.int32))
    _set(graph, node.parameters["shift"], np.full(channels, 27, np.int32))
    return node.name


def _set(graph: Graph, name: str, value: Array) -> None:
    graph.parameters[name] = Parameter(graph.parameters[name].type, value)


def over_time(case: Case) -> Applied:
    """A graph with time of one node, quantized if it has floats (it is given spikes then), and small whole inputs."""
    graph, _ = applied(case, positive=False)
    graph.dt_s = 1e-3
    for name, type in graph.inputs.items() if case.operator.name not in ("quantize", "requantize") else ():
        if type.is_float:
            graph.redirect(name, graph.add(f"{name}.spikes", IntegrateAndFire(), [name]).name)
    rng = np.random.default_rng(0)
    inputs = {
        name: rng.integers(-2, 3, (2, OVER_TIME, *type.shape)).astype(NUMPY[type.dtype])
        for name, type in graph.inputs.items()
    }
    if inputs and any(node.type.is_float for node in graph):
        quantize_time(graph, inputs)
    return graph, inputs


def lowered_over_time(case: Case) -> tuple[Array, Array] | None:
    """(the chip's output, the reference), or None where quantize_time or the coding refuses it."""
    try:
        graph, inputs = over_time(case)
        chip = load_hardware("loihi2")
        program = compile_for_neuromorphic(
            graph, coding="native", steps=OVER_TIME, hardware=chip, machine="native", calibration=None
        )
    except CompileError as error:
        codes = {diagnostic.code for diagnostic in error.diagnostics}
        return None if codes == {"cannot-lower"} else pytest.fail(str(error))
    with open_device(program) as device:
        outputs, profile = device.profile(inputs)
    found, wanted = outputs["out"], interpret(graph, inputs)["out"]
    if profile.valid:
        return found, wanted
    assert np.abs(wanted.astype(np.int64)).max() >= LARGEST_SUM, "only what no current holds is invalid"
    return wanted, wanted


def lowered(coding: str, case: Case) -> tuple[Array, Array] | None:
    """(the chip's output, the reference), or None where it is refused."""
    graph, inputs = applied(case, positive=coding == "rate")
    try:
        program = compile_for_neuromorphic(
            graph,
            coding=CODINGS[coding],
            steps=STEPS if coding == "rate" else len(next(iter(inputs.values()))),
            hardware=load_hardware("loihi2"),
            machine=coding,
            calibration=inputs if coding == "rate" else None,
            percentile=100.0,
        )
    except CompileError as error:
        codes = {diagnostic.code for diagnostic in error.diagnostics}
        return None if codes == {"cannot-lower"} else pytest.fail(str(error))
    wanted = interpret(graph, inputs)["out"]
    with open_device(program) as chip:
        if coding == "delta":
            return chip.run({name: array[None] for name, array in inputs.items()})["out"][0], wanted
        return chip.run(inputs)["out"], wanted


def cases_of(coding: str, name: str) -> list[Case]:
    """The cases that the coding is about: `rate` takes f32; the others integers, and floats that become integers."""
    cases = [case for case in OPERATORS[name].cases() if case.inputs]
    floats = [case for case in cases if all(t.dtype == "f32" for t in case.inputs)]
    if coding == "rate":
        return floats
    integers = [case for case in cases if not any(t.is_float for t in case.inputs)]
    if coding == "native":
        return [*floats, *integers]
    return cases if name == "quantize" else integers


@pytest.mark.parametrize("coding", ["graded", "delta"])
@pytest.mark.parametrize("name", sorted(OPERATORS))
def test_exact_codings_equal_the_reference_or_are_listed_as_not_yet(name: str, coding: str) -> None:
    refused = 0
    for case in cases_of(coding, name):
        result = lowered(coding, case)
        if result is None:
            refused += 1
            continue
        got, wanted = result
        np.testing.assert_array_equal(got.astype(wanted.dtype), wanted, err_msg=f"{name}: {case.note}")
    listed = (coding, name) in NOT_YET
    assert refused == 0 or listed, f"{refused} cases of {name} are refused, and NOT_YET does not say why"


@pytest.mark.parametrize("name", sorted(OPERATORS))
def test_rate_comes_close_to_the_reference_or_is_listed_as_not_yet(name: str) -> None:
    refused = 0
    for case in cases_of("rate", name):
        result = lowered("rate", case)
        if result is None:
            refused += 1
            continue
        got, wanted = result
        assert np.abs(got - wanted).max() <= RATE_TOLERANCE * np.abs(wanted).max(), f"{name}: {case.note}"
    listed = ("rate", name) in NOT_YET
    assert refused == 0 or listed, f"{refused} cases of {name} are refused, and NOT_YET does not say why"


@pytest.mark.parametrize("name", sorted(OPERATORS))
def test_native_equals_the_reference_or_is_listed_as_not_yet(name: str) -> None:
    refused = 0
    for case in cases_of("native", name):
        result = lowered_over_time(case)
        if result is None:
            refused += 1
            continue
        got, wanted = result
        np.testing.assert_array_equal(got, wanted, err_msg=f"{name}: {case.note}")
    listed = ("native", name) in NOT_YET
    assert refused == 0 or listed, f"{refused} cases of {name} are refused, and NOT_YET does not say why"


@pytest.mark.parametrize(("coding", "name"), sorted(NOT_YET))
def test_a_line_of_not_yet_is_still_true(coding: str, name: str) -> None:
    assert name in OPERATORS, f"there is no operator '{name}'"
    cases = cases_of(coding, name) or OPERATORS[name].cases()
    assert any(_is_refused(coding, case) for case in cases), f"every case of {name} is encoded as '{coding}' by now"


def _is_refused(coding: str, case: Case) -> bool:
    if coding == "native":
        return lowered_over_time(case) is None
    graph, inputs = applied(case, positive=True)
    try:
        compile_for_neuromorphic(
            graph,
            coding=CODINGS[coding],
            steps=1,
            hardware=load_hardware("loihi2"),
            machine=coding,
            calibration=inputs,
        )
    except CompileError:
        return True
    return False


def test_the_specification_prints_the_table() -> None:
    regenerate = "run python -m striate.targets.neuromorphic.not_yet and put it at the end of spec/mapping.md"
    assert MAPPING.read_text("utf-8").endswith(document()), regenerate
