"""The coding `graded` against the integer graph's reference, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
from dense_chip import run_densely
from hypothesis import given, settings
from hypothesis import strategies as st
from mapped_networks import GRADED_ONLY, NETWORKS, compiled

from striate.diagnostics import CompileError
from striate.graph import Graph
from striate.interpreter import interpret
from striate.machine import Machine
from striate.operators.pooling import MaxPool2d
from striate.pipeline import lower
from striate.targets.neuromorphic import compile_for_neuromorphic
from striate.tensor import TensorType
from striate_runtime.device import open_device
from striate_runtime.hardware import load_hardware
from striate_runtime.program import Program

LOIHI2 = load_hardware("loihi2")


def graded(graph: Graph) -> Program:
    return compile_for_neuromorphic(
        graph, coding="graded", steps=1, hardware=LOIHI2, machine="loihi2(coding=graded)", calibration=None
    )


@pytest.mark.parametrize("name", [*NETWORKS, *GRADED_ONLY])
def test_a_network_on_the_chip_equals_its_integer_reference(name: str) -> None:
    compilation, inputs = compiled((NETWORKS | GRADED_ONLY)[name])
    program = graded(compilation.quantized)
    wanted = interpret(compilation.quantized, inputs)
    with open_device(program) as chip:
        outputs = chip.run(inputs)
    for output, array in wanted.items():
        assert np.ptp(array) > 0, "a constant output would prove nothing"
        np.testing.assert_array_equal(outputs[output], array)


@pytest.mark.parametrize("name", [*NETWORKS, *GRADED_ONLY])
def test_a_program_means_the_same_to_a_plain_reading_of_its_words(name: str) -> None:
    compilation, inputs = compiled((NETWORKS | GRADED_ONLY)[name], samples=2)
    wanted = interpret(compilation.quantized, inputs)
    for output, array in run_densely(graded(compilation.quantized), inputs).items():
        np.testing.assert_array_equal(array, wanted[output])


def test_data_movement_costs_no_neurons() -> None:
    text = """
        network moves(x: f32[4, 6, 6]) -> y {
          weights init(0)
          a = x |> conv2d(6, 3) |> relu
          left, right = a |> split(3, dim=1)
          y = concat(right, left, dim=1) |> conv2d(4, 1) |> relu |> flatten |> linear(2)
        }"""
    compilation, inputs = compiled(text)
    program = graded(compilation.quantized)
    assert [p["kind"] for p in program.body["populations"]] == ["input", "graded", "graded", "readout"]
    np.testing.assert_array_equal(run_densely(program, inputs)["y"], interpret(compilation.quantized, inputs)["y"])


def test_a_residual_addition_needs_no_population_of_its_own() -> None:
    compilation, _ = compiled(NETWORKS["residual"])
    populations = graded(compilation.quantized).body["populations"]
    assert sum(p["kind"] == "graded" for p in populations) == 7, "stem, two per block, a shortcut, the mean"


def test_sums_of_codes_fit_in_the_membrane() -> None:
    text = """
        network sums(x: f32[2, 6, 6]) -> y {
          weights init(0)
          a = x |> conv2d(2, 3, padding=1) |> relu
          b = x + a
          c = b |> conv2d(2, 1) |> relu
          y = a + c + x + b
        }"""
    compilation, inputs = compiled(text)
    with open_device(graded(compilation.quantized)) as chip:
        outputs, profile = chip.profile(inputs)
    assert profile.valid, profile.problems
    np.testing.assert_array_equal(outputs["y"], interpret(compilation.quantized, inputs)["y"])


def test_signed_codes_are_lifted_for_a_maximum_and_let_down_after() -> None:
    graph = Graph("signed")
    graph.add_input("x", TensorType("i8", (2, 5, 5)))
    graph.add("y", MaxPool2d(3, 2, 1), ["x"])
    graph.outputs = {"y": "y"}
    x = np.random.default_rng(0).integers(-128, 1, (4, 2, 5, 5)).astype(np.int8)
    program = graded(graph)
    assert any(p["name"] == "y.lifted" for p in program.body["populations"])
    np.testing.assert_array_equal(run_densely(program, {"x": x})["y"], interpret(graph, {"x": x})["y"])


def test_an_input_that_nothing_reads_is_still_a_port() -> None:
    text = "network idle(x: f32[3], z: f32[2]) -> y { weights init(0)\n y = x |> linear(2) }"
    compilation, inputs = compiled(text)
    with open_device(graded(compilation.quantized)) as chip:
        np.testing.assert_array_equal(chip.run(inputs)["y"], interpret(compilation.quantized, inputs)["y"])


def test_a_chip_whose_events_carry_nothing_is_refused() -> None:
    compilation, _ = compiled(NETWORKS["lenet"])
    with pytest.raises(CompileError) as error:
        compile_for_neuromorphic(
            compilation.quantized,
            coding="graded",
            steps=1,
            hardware=load_hardware("loihi1"),
            machine="loihi1",
            calibration=None,
        )
    (diagnostic,) = error.value.diagnostics
    assert diagnostic.code == "cannot-lower"
    assert diagnostic.help == "use coding=rate"


def test_every_node_that_cannot_be_encoded_is_named_with_its_reason() -> None:
    text = """
        network refused(x: f32[4]) -> y {
          weights init(0)
          a = x |> linear(4) |> sigmoid
          b = x |> linear(4) |> tanh
          y = concat(a, b, dim=1) |> linear(2)
        }"""
    compilation, _ = compiled(text)
    with pytest.raises(CompileError) as error:
        graded(compilation.quantized)
    named = {d.message.split("'")[1] for d in error.value.diagnostics}
    assert len(named) == 2
    assert all("lookup" in d.message and "no table" in d.message for d in error.value.diagnostics)
    assert all(d.span is not None for d in error.value.diagnostics), "a refusal points into the text"


@pytest.mark.parametrize("option", ["steps", "percentile"])
def test_an_option_of_rate_is_refused_for_graded(option: str) -> None:
    compilation, _ = compiled(NETWORKS["lenet"])
    with pytest.raises(CompileError) as error:
        lower(compilation, Machine("loihi2", {"coding": "graded", option: 64}))
    assert [diagnostic.code for diagnostic in error.value.diagnostics] == ["bad-machine"]
    assert f"'{option}'" in error.value.diagnostics[0].message


def test_the_same_network_gives_the_same_bytes() -> None:
    def build() -> bytes:
        compilation, _ = compiled(NETWORKS["residual"])
        return graded(compilation.quantized).to_bytes()

    assert build() == build()


@st.composite
def rearranged(draw: st.DrawFn) -> str:
    """A network that moves the channels and borders of two branches about before it convolves them."""
    lines, names = ["a = x |> conv2d(4, 3, padding=1) |> relu", "b = x |> conv2d(3, 1) |> relu"], [("a", 4), ("b", 3)]
    for number in range(draw(st.integers(1, 5))):
        name = f"m{number}"
        (first, channels), (second, more) = draw(st.sampled_from(names)), draw(st.sampled_from(names))
        start = draw(st.integers(0, channels - 1))
        end = draw(st.integers(start + 1, channels))
        moves = [
            (f"{name} = concat({first}, {second}, dim=1)", channels + more),
            (f"{name} = {first} |> slice(1, {start}, {end})", end - start),
            (f"{name} = {first} |> slice(2, 1, 4) |> pad((0, 0, 2, 0))", channels),
            (f"{name} = {first} |> permute((1, 3, 2))", channels),
        ]
        line, channels = draw(st.sampled_from(moves))
        lines.append(line)
        names.append((name, channels))
    lines += [f"z = {names[-1][0]} |> conv2d(3, 3, padding=1) |> relu", "y = z |> flatten |> linear(2)"]
    return "network moves(x: f32[2, 5, 5]) -> y {\n  weights init(0)\n  " + "\n  ".join(lines) + "\n}"


@settings(max_examples=30, deadline=None)
@given(rearranged())
def test_channels_that_are_moved_about_still_meet_their_weights(text: str) -> None:
    compilation, inputs = compiled(text, samples=2)
    wanted = interpret(compilation.quantized, inputs)["y"]
    np.testing.assert_array_equal(run_densely(graded(compilation.quantized), inputs)["y"], wanted)
