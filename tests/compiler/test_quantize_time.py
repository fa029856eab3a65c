"""Networks with time in integers: exact where they can be, close elsewhere, within a chip's registers, or refused."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from striate.diagnostics import CompileError
from striate.graph import Graph
from striate.interpreter import interpret
from striate.language import read
from striate.operators.fixed_point import FixedPointLif
from striate.passes import quantize_time, run_passes
from striate.pipeline import read as read_file
from striate.printer import print_graph
from striate.tensor import NUMPY, Array, TensorType
from striate.weights import WeightsDeclaration, load_weights

EXAMPLE = Path(__file__).parents[2] / "examples" / "spiking" / "events_small.striate"


def network(body: str, x: str = "f32[6]", outputs: str = "y", **weights: Array) -> Graph:
    """A network with dt, weights from a seed but those given by name."""
    graph = read(f"network n(x: {x}, dt = 1ms) -> {outputs} {{\n{body}\n}}").graph
    load_weights(graph, WeightsDeclaration(seed=3), Path())
    for name, value in weights.items():
        name = name.replace("__", ".")
        graph.set_parameter(name, np.asarray(value, np.float32), graph.parameters[name].type)
    run_passes(graph)
    return graph


def spikes(graph: Graph, steps: int = 40, samples: int = 3, rate: float = 0.3, seed: int = 0) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    return {
        name: (rng.random((samples, steps, *type.shape)) < rate).astype(NUMPY[type.dtype])
        for name, type in graph.inputs.items()
    }


def quantized(graph: Graph, data: Mapping[str, Array]) -> Graph:
    integers = graph.copy()
    quantize_time(integers, data)
    return integers


def refusals(body: str, x: str = "f32[6]") -> str:
    graph = network(body, x)
    with pytest.raises(CompileError) as caught:
        quantize_time(graph, spikes(graph))
    assert {diagnostic.code for diagnostic in caught.value.diagnostics} == {"cannot-lower"}
    assert all(diagnostic.span for diagnostic in caught.value.diagnostics)
    return "\n".join(diagnostic.message for diagnostic in caught.value.diagnostics)


@pytest.mark.parametrize("reset", ["zero", "subtract"])
@pytest.mark.parametrize("refractory", [0, 2])
@pytest.mark.parametrize("threshold", [1.0, 3.0, 0.75])
def test_without_a_leak_and_in_whole_units_every_spike_is_the_float_neurons(
    reset: str, refractory: int, threshold: float
) -> None:
    weight = np.random.default_rng(1).integers(-100, 101, (5, 6))
    weight[:, 0] = 127
    body = f'y = x |> linear(5, bias=false, name="a") |> integrate_and_fire({threshold}, {reset}, {refractory})'
    graph = network(body, a__weight=weight * threshold / 64)
    data = spikes(graph, steps=300)
    wanted, found = (interpret(g, data, float64=True)["y"] for g in (graph, quantized(graph, data)))
    assert 0.05 < wanted.mean() < 0.95
    assert np.array_equal(wanted, found)


@pytest.mark.parametrize("reset", ["zero", "subtract"])
def test_constant_input_fires_the_integer_neuron_as_often_as_its_closed_form(reset: str) -> None:
    graph = network(f"y = x |> linear(1, bias=false) |> integrate_and_fire(1, {reset})", "f32[1]")
    name = graph.node("y.linear" if "y.linear" in graph else graph.topological()[0].name).parameters["weight"]
    graph.set_parameter(name, np.array([[0.25]], np.float32), graph.parameters[name].type)
    integers = quantized(graph, {"x": np.ones((1, 1, 1), np.float32)})
    count = interpret(integers, {"x": np.ones((1, 402, 1), np.float32)})["y"].sum()
    assert count == 402 // 4


def test_the_registers_of_a_chip_hold_every_number() -> None:
    graph = read_file(EXAMPLE).optimised
    integers = quantized(graph, spikes(graph, 8))
    for node in integers:
        for role in node.parameters:
            value = integers.value(node, role)
            assert value is not None
            low, high = {
                "weight": (-127, 127), "bias": (-4095, 4095), "threshold": (1, 131071), "current_decay": (0, 4096),
                "voltage_decay": (0, 4096), "scale": (0, np.inf),
            }[role]  # fmt: skip
            assert low <= value.min() <= value.max() <= high, f"{role} of {node.name}"
    assert {node.operator.name for node in integers if node.operator.stateful} == {
        "fixed_point_lif", "fixed_point_integrator", "delay", "spike_count", "last"
    }  # fmt: skip


def test_decays_are_the_nearest_4096ths_and_a_current_with_a_time_constant_loses_one() -> None:
    body = """
      a = x |> cuba_lif(tau_current=5ms, tau_voltage=1s, threshold=1)
      b = x |> lif(tau=20ms)
      c = x |> cuba_lif(decay_current=0, decay_voltage=0.25)
      d = x |> lif(tau=100s)
      e = x |> cuba_lif(tau_current=100s, decay_voltage=1)
    """
    graph = network(body, outputs="a, b, c, d, e")
    integers = quantized(graph, spikes(graph))
    found = {
        name: tuple(int(integers.value(integers.node(name), role)[0]) for role in ("current_decay", "voltage_decay"))  # type: ignore[index]
        for name in "abcde"
    }
    assert found == {
        "a": (round(4096 * (1 - math.exp(-1 / 5))), round(4096 * (1 - math.exp(-1 / 1000)))),
        "b": (4096, round(4096 * (1 - math.exp(-1 / 20)))),
        "c": (0, 1024),
        "d": (4096, 0),
        "e": (1, 4096),
    }


def test_a_bias_too_large_for_its_register_makes_the_unit_coarser() -> None:
    graph = network('y = x |> linear(2, name="a") |> lif(tau=20ms, threshold=9)', a__bias=np.array([2.0, 0.001]))
    weight = np.full((2, 6), 0.01, np.float32)
    graph.set_parameter("a.weight", weight, graph.parameters["a.weight"].type)
    integers = quantized(graph, spikes(graph))
    bias = integers.parameters["a.bias"].value
    assert bias is not None
    assert 2000 < bias[0] <= 4095
    assert integers.parameters["a.weight"].value[1].tolist() == [127] * 6  # type: ignore[index]


def test_sums_that_meet_share_their_units_and_codes_join_them() -> None:
    body = """
      a = x |> linear(6) |> lif(20ms)
      y = (a |> linear(6)) - (x |> linear(6, bias=false)) + a |> integrate_and_fire
    """
    graph = network(body)
    data = spikes(graph, 60)
    wanted, found = (interpret(g, data)["y"] for g in (graph, quantized(graph, data)))
    assert wanted.mean() > 0.05
    assert np.abs(wanted - found).mean() < 0.05


@pytest.mark.parametrize(
    "body",
    [
        "y = x |> avg_pool2d(2) |> conv2d(4, 3, padding=1) |> lif(20ms, threshold=0.3)",
        "y = x |> conv2d(4, 3, padding=1) |> avg_pool2d(2) |> lif(20ms, threshold=0.3)",
        "y = x |> avg_pool2d(3) |> lif(20ms, threshold=0.3)",
        "y = x |> lif(5ms) |> max_pool2d(2) |> conv2d(4, 3) |> lif(5ms, threshold=0.3)",
        "y = concat(x, x |> delay(2)) |> conv2d(4, 3, groups=2) |> lif(5ms, threshold=0.3)",
        "y = x |> conv2d(4, 3, groups=2) |> delay(3) |> upsample(2) |> lif(5ms, threshold=0.3)",
        "y = x |> flatten |> linear(8) |> reshape((4, 2)) |> lif(5ms, threshold=0.3)",
        "y = x |> conv_transpose2d(4, 3, stride=2) |> pad((1, 1, 0, 2)) |> lif(5ms, threshold=0.3)",
        "y = x |> conv2d(4, 3) |> batch_norm |> lif(5ms, threshold=0.3)",
        "y = x |> cuba_lif(5ms, 20ms, 0.8, zero) |> conv2d(4, 3) |> cuba_lif(5ms, 20ms, 0.8, subtract, 2)",
    ],
)
def test_operators_between_spikes_keep_the_rates(body: str) -> None:
    graph = network(body, "f32[2, 9, 9]")
    data = spikes(graph, 60)
    wanted, found = (interpret(g, data)["y"] for g in (graph, quantized(graph, data)))
    assert 0.01 < wanted.mean() < 0.99
    assert found.mean() == pytest.approx(wanted.mean(), rel=0.05)
    assert np.abs(wanted - found).mean() < 0.06


@pytest.mark.parametrize(
    ("readout", "relative"),
    [
        ("linear(5) |> last", 0.02),
        ("linear(5) |> sum_over_time", 0.02),
        ("linear(5) |> leaky_integrator(20ms) |> last", 0.02),
        ("linear(5) |> leaky_integrator(20ms) |> sum_over_time", 0.02),
        ("linear(5) |> leaky_integrator(20ms)", 0.02),
        ("linear(5)", 0.02),
        ("spike_count", 0.0),
        ("sum_over_time", 0.0),
        ("last", 0.0),
        ("delay(2)", 0.0),
        ("spike_count |> linear(3) |> softmax", 1e-6),
        ("linear(5) |> leaky_integrator(20ms) |> sigmoid", 0.02),
    ],
)
def test_readouts_are_the_floats_again(readout: str, relative: float) -> None:
    graph = network(f"y = x |> {readout}")
    data = spikes(graph, 50)
    wanted, found = (interpret(g, data)["y"] for g in (graph, quantized(graph, data)))
    assert wanted.shape == found.shape
    assert found.dtype == np.float32
    assert np.abs(wanted - found).max() <= relative * np.abs(wanted).max()


def test_counts_travel_as_they_are_and_other_numbers_at_the_scale_of_the_data() -> None:
    graph = network("y = x |> linear(4) |> lif(20ms)")

    def coded(data: Array) -> tuple[float, str]:
        operator = quantized(graph, {"x": data}).node("x.quantize").operator
        return operator.scale, operator.to  # type: ignore[attr-defined]

    ones = np.ones((1, 3, 6), np.float32)
    assert coded(ones) == (1, "i8")
    assert coded(-9 * ones) == (1, "i8")
    assert coded(200 * ones) == (1, "u8")
    assert coded(0.5 * ones) == (pytest.approx(0.5 / 127), "i8")
    assert coded(1000 * ones) == (pytest.approx(1000 / 127), "i8")


@pytest.mark.parametrize("readout", ["leaky_integrator(2s) |> last", "sum_over_time"])
def test_what_came_near_its_width_makes_the_unit_coarser(readout: str) -> None:
    weight = np.array([[0.5] * 6, [0.25] * 6])
    graph = network(f'y = x |> linear(2, name="a", bias=false) |> {readout}', a__weight=weight)
    data = {"x": np.ones((1, 60_000, 6), np.float32)}
    integers = quantized(graph, data)
    assert interpret(integers, data)["y"] == pytest.approx(interpret(graph, data)["y"], rel=0.2)
    fine = quantized(graph, {"x": data["x"][:, :10]}).parameters["a.weight"].value
    coarse = integers.parameters["a.weight"].value
    assert fine is not None
    assert fine.max() == 127
    assert coarse is not None
    assert coarse.max() < 64


def test_an_integer_graph_with_time_prints_parses_and_stays_as_it_is() -> None:
    graph = read_file(EXAMPLE).optimised
    data = spikes(graph, 5)
    integers = quantized(graph, data)
    assert read(print_graph(integers)).graph == integers
    again = integers.copy()
    quantize_time(again, data)
    assert again == integers


def test_health_names_the_dead_and_the_saturated() -> None:
    weight = np.zeros((3, 6), np.float32)
    weight[1] = 5
    graph = network('y = x |> linear(3, name="a") |> integrate_and_fire(reset=zero)', a__weight=weight)
    graph.set_parameter("a.bias", np.array([-1, 0, 1], np.float32), graph.parameters["a.bias"].type)
    data = {"x": np.ones((2, 20, 6), np.float32)}
    (found,) = quantize_time(graph, data).health()
    assert (found.dead_channels, found.channels, found.saturated) == (1, 3, pytest.approx(2 / 3))
    assert (found.differing, found.overflows) == (0, 0)
    assert found.rate == found.rate_in_integers == pytest.approx(2 / 3)


def test_health_counts_the_sums_that_no_current_holds() -> None:
    graph = network('y = x |> linear(1, name="a", bias=false) |> lif(20ms)', "f32[2000]", a__weight=np.ones((1, 2000)))
    (found,) = quantize_time(graph, {"x": np.ones((1, 4, 2000), np.float32)}).health()
    assert found.overflows == 4


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ("y = x |> lif(20ms) |> sigmoid |> linear(4) |> lif(20ms)", "'y.sigmoid' (sigmoid) has no integer form"),
        ("y = x |> linear(4) |> linear(4) |> lif(20ms)", "(linear) has no integer form"),
        ("y = x |> leaky_integrator(20ms) |> linear(4) |> lif(20ms)", "(linear) has no integer form"),
        ("y = x |> leaky_integrator(20ms) |> lif(20ms)", "'y' (lif) has no integer form"),
        ("y = x + (y |> delay(2, size=(6,)))", "there is no neuron in the loop"),
        ("y = concat(x, x |> lif(20ms)) * constant((12,)) |> lif(20ms)", "(mul) has no integer form"),
    ],
)
def test_what_has_no_integer_form_is_refused_by_name(body: str, named: str) -> None:
    graph = read(f"network n(x: f32[6], dt = 1ms) -> y {{\n{body}\n}}").graph
    for name, parameter in list(graph.parameters.items()):
        graph.set_parameter(name, np.full(parameter.type.shape, 0.5, np.float32), parameter.type)
    with pytest.raises(CompileError) as caught:
        quantize_time(graph, spikes(graph))
    assert any(named in diagnostic.message for diagnostic in caught.value.diagnostics), str(caught.value)
    assert all(diagnostic.span and diagnostic.help for diagnostic in caught.value.diagnostics)


def test_what_concat_puts_side_by_side_means_the_same() -> None:
    graph = network("y = concat(x, x |> lif(20ms)) |> linear(4) |> lif(20ms)")
    with pytest.raises(CompileError, match="mean different things in integers"):
        quantize_time(graph, {"x": np.full((1, 3, 6), 0.5, np.float32)})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.ones((2, 6)), "must be [N, T, 6]"),
        (np.ones((2, 0, 6)), "hold no time steps"),
        (np.ones((0, 3, 6)), "hold no samples"),
        (np.full((1, 3, 6), np.nan), "hold NaN or infinity"),
    ],
)
def test_calibration_over_time_has_samples_and_steps(data: Array, message: str) -> None:
    graph = network("y = x |> lif(20ms)")
    with pytest.raises(CompileError) as caught:
        quantize_time(graph, {"x": data.astype(np.float32)})
    assert [d.code for d in caught.value.diagnostics] == ["bad-calibration"]
    assert message in str(caught.value)


def test_initial_is_where_a_potential_starts_and_a_zero_reset_forgets_it() -> None:
    one = np.full(1, 1, np.int32)
    values = {"current_decay": one * 4096, "voltage_decay": one * 0, "threshold": one * 2}
    neuron = FixedPointLif("zero", initial=65)
    state = neuron.at_rest((np.zeros((1, 1), np.int32),), (TensorType("i32", (1,)),))
    sent: list[int] = []
    for x in (0, 1, 0, 2, 1):
        out, state = neuron.step((np.full((1, 1), x, np.int32),), state, 1e-3, **values)
        sent.append(int(out[0, 0]))
    assert sent == [0, 1, 0, 0, 1]
