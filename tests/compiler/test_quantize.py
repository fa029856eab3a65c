"""The integer graph stands for the float graph: every operator, whole networks, borders, and bad data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from striate.diagnostics import CompileError
from striate.graph import Graph
from striate.interpreter import interpret, interpret_all
from striate.language import read
from striate.operators import OPERATORS
from striate.operators.schema import Case
from striate.passes import QuantizeReport, quantize, run_passes
from striate.passes.quantization.rules import RULES
from striate.passes.quantization.weights import quantize_weights
from striate.printer import print_graph
from striate.tensor import Array
from striate.verify import verify

CASES = [
    pytest.param(case, id=f"{operator.name}: {case.note}")
    for operator in OPERATORS.values()
    for case in operator.cases()
    if case.inputs and not operator.stateful and all(type.is_float for type in case.inputs)
]


def snr_db(wanted: Array, found: Array) -> float:
    wanted, found = wanted.astype(np.float64), found.astype(np.float64)
    return float(10 * np.log10((wanted**2).sum() / max(((wanted - found) ** 2).sum(), 1e-300)))


def network(text: str, seed: int = 0) -> Graph:
    """A network with weights that keep activations at one size (variance 2 / terms, as He et al. 2015)."""
    graph = read(text).graph
    rng = np.random.default_rng(seed)
    for node in graph:
        for role, value in node.operator.sample_parameters(rng, *graph.input_types(node)).items():
            name = node.parameters[role]
            if value.ndim > 1:
                value = value * np.sqrt(6 / np.prod(value.shape[1:]))
            graph.set_parameter(name, value.astype(np.float32), graph.parameters[name].type)
    return graph


def samples(graph: Graph, count: int = 16, seed: int = 1) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    return {name: rng.random((count, *type.shape), dtype=np.float32) for name, type in graph.inputs.items()}


def quantized(graph: Graph, data: Mapping[str, Array]) -> tuple[Graph, QuantizeReport]:
    run_passes(graph)
    integers = graph.copy()
    report = quantize(integers, data)
    verify(integers, "quantize")
    assert read(print_graph(integers)).graph == integers
    return integers, report


def worst_snr_db(text: str) -> tuple[Graph, QuantizeReport, float]:
    graph = network(text)
    data, unseen = samples(graph), samples(graph, seed=2)
    integers, report = quantized(graph, data)
    wanted, found = interpret(graph, unseen), interpret(integers, unseen)
    return integers, report, min(snr_db(wanted[name], found[name]) for name in wanted)


# -- every operator


@pytest.mark.parametrize("case", CASES)
def test_every_operator_becomes_integers_or_an_island_and_stays_close(case: Case) -> None:
    """With the largest |x| at 127 steps, rounding x is at most 1/254 of it: SNR >= 30 dB for anything near linear."""
    operands, parameters = case.arrays()
    graph = Graph("alone")
    for index, type in enumerate(case.inputs):
        graph.add_input(f"x{index}", type)
    node = graph.add("y", case.operator, list(graph.inputs))
    graph.outputs = {"y": "y"}
    for role, value in parameters.items():
        graph.set_parameter(node.parameters[role], value, graph.parameters[node.parameters[role]].type)
    inputs = {f"x{index}": array for index, array in enumerate(operands)}
    integers = graph.copy()
    report = quantize(integers, inputs)
    wanted, found = interpret(graph, inputs)["y"], interpret(integers, inputs)["y"]
    assert found.shape == wanted.shape
    if report.islands:
        assert integers.node("y").operator == case.operator
    elif case.operator.name == "argmax":
        assert (wanted == found).mean() > 0.7
    else:
        floats = [n.name for n in integers if n.type.is_float and n.operator.name != "dequantize"]
        assert floats == []
        assert snr_db(wanted, found) > 30


def test_only_operators_without_a_rule_or_with_a_reason_are_islands() -> None:
    always = {"softmax", "log_softmax", "div", "quantize", "sum_pool2d"}
    takes_floats = {case.values[0].operator.name for case in CASES if isinstance(case.values[0], Case)}
    assert takes_floats - RULES.keys() == always


# -- whole networks


LENET = """
network lenet(image: f32[1, 20, 20]) -> logits {
  conv1  = image |> conv2d(6, 5, padding=2) |> relu |> avg_pool2d(2)
  conv2  = conv1 |> conv2d(16, 5) |> relu |> max_pool2d(2)
  fc1    = conv2 |> flatten |> linear(32) |> relu
  logits = fc1 |> linear(10)
}
"""


def test_lenet_agrees_with_the_float_network_by_more_than_30_db() -> None:
    """Four layers, each rounding weights (1/254 of the channel's largest) and activations (1/510): about 40 dB each."""
    integers, report, snr = worst_snr_db(LENET)
    assert snr > 30
    assert report.islands == ()
    assert all(health.snr_db is not None and health.snr_db > 30 for health in report.health())
    assert all(health.saturated == 0 for health in report.health())
    assert [node.operator.name for node in integers] == [
        "quantize", "conv2d", "requantize", "sum_pool2d", "requantize", "conv2d", "requantize", "max_pool2d",
        "flatten", "linear", "requantize", "linear", "dequantize",
    ]  # fmt: skip


def test_every_convolution_and_linear_layer_reads_bytes_and_gives_i32() -> None:
    integers, _, _ = worst_snr_db(LENET)
    for node in integers:
        if node.operator.name in ("conv2d", "linear"):
            assert integers.type_of(node.inputs[0]).dtype in ("i8", "u8")
            assert integers.parameter(node, "weight").type.dtype == "i8"
            assert node.type.dtype == "i32"


def test_what_was_never_negative_is_u8_and_all_else_symmetric_i8() -> None:
    graph = network("network n(x: f32[3, 8, 8]) -> y { y = x |> conv2d(4, 3) |> relu |> conv2d(4, 3) |> conv2d(2, 3) }")
    data = {"x": samples(graph)["x"] * 2 - 1}
    integers, _ = quantized(graph, data)
    values = interpret_all(integers, data)
    dtypes = [integers.type_of(n.inputs[0]).dtype for n in integers if n.operator.name == "conv2d"]
    assert dtypes == ["i8", "u8", "i8"]
    for node in integers:
        if node.type.dtype == "i8":
            assert values[node.name].min() >= -127


RESIDUAL = """
network residual(x: f32[3, 12, 12]) -> y {
  stem = x |> conv2d(8, 3, padding=1, bias=false) |> batch_norm |> relu
  a1   = stem |> conv2d(8, 3, padding=1, bias=false) |> batch_norm |> relu
  a2   = a1 |> conv2d(8, 3, padding=1, bias=false) |> batch_norm
  a    = a2 + stem |> relu
  b1   = a |> conv2d(16, 3, stride=2, padding=1) |> relu
  b2   = b1 |> conv2d(16, 3, padding=1)
  down = a |> conv2d(16, 1, stride=2)
  b    = b2 + down |> relu
  y    = b |> adaptive_avg_pool2d(1) |> flatten |> linear(5)
}
"""


def test_a_residual_network_adds_at_the_accumulators_scale() -> None:
    integers, report, snr = worst_snr_db(RESIDUAL)
    assert snr > 28
    assert report.islands == ()
    for node in integers:
        if node.operator.name == "add":
            kinds = sorted(integers.node(name).operator.name for name in node.inputs)
            assert kinds == ["conv2d", "requantize"]
            assert integers.node(node.inputs[0]).operator.name == "conv2d", "the 3x3 in the main path hosts the sum"
            assert node.type.dtype == "i32"


def test_sums_and_differences_of_codes_meet_at_one_scale() -> None:
    _, report, snr = worst_snr_db(
        """
network n(a: f32[3, 4, 4], b: f32[3, 4, 4]) -> y, z, s {
  y = a - b
  z = a + b |> relu6
  s = a + a
}
"""
    )
    assert snr > 35
    assert report.islands == ()


def test_branches_of_a_concat_meet_at_its_scale() -> None:
    integers, report, snr = worst_snr_db("""
network n(x: f32[3, 8, 8]) -> y {
  a = x |> conv2d(4, 3, padding=1) |> relu
  b = a |> conv2d(4, 1)
  c = x |> max_pool2d(3, stride=1, padding=1)
  y = concat(a, b, c) |> conv2d(4, 3) |> relu |> conv2d(2, 3)
}
""")
    assert snr > 28
    assert report.islands == ()
    concat = next(node for node in integers if node.operator.name == "concat")
    assert {integers.type_of(name).dtype for name in concat.inputs} == {"i8"}


def test_a_mobile_block_clips_at_six_and_gates_its_channels() -> None:
    integers, report, snr = worst_snr_db("""
network n(x: f32[4, 10, 10]) -> y {
  e    = x |> conv2d(12, 1, bias=false) |> batch_norm |> relu6
  d    = e |> conv2d(12, 3, padding=1, groups=12, bias=false) |> batch_norm |> hard_swish
  gate = d |> adaptive_avg_pool2d(1) |> conv2d(12, 1) |> hard_sigmoid
  p    = d * gate |> conv2d(4, 1)
  y    = p + x |> reduce_mean((2, 3)) |> linear(3)
}
""")
    assert snr > 24
    assert report.islands == ()
    assert [n.operator.name for n in integers].count("lookup") == 2


def test_a_clip_reaches_through_a_pool_to_the_convolution() -> None:
    graph = network(
        "network n(x: f32[3, 8, 8]) -> y { y = x |> conv2d(4, 3) |> relu6 |> max_pool2d(2) |> conv2d(2, 3) }"
    )
    integers, _ = quantized(graph, samples(graph))
    names = [node.operator.name for node in integers]
    assert names == ["quantize", "conv2d", "requantize", "max_pool2d", "conv2d", "dequantize"]
    assert next(n for n in integers if n.operator.name == "requantize").type.dtype == "u8"


def test_what_has_no_integer_form_is_an_island_between_scales() -> None:
    integers, report, snr = worst_snr_db("""
network n(x: f32[3, 6, 6]) -> y {
  a = x |> conv2d(4, 3) |> upsample(2, bilinear) |> conv2d(4, 3)
  y = a |> flatten |> linear(6) |> softmax
}
""")
    assert snr > 25
    assert set(report.islands) == {"a.upsample", "y"}
    assert [n.operator.name for n in integers][-3:] == ["linear", "dequantize", "softmax"]


def test_between_the_last_accumulator_and_an_output_nothing_is_rounded_to_8_bits() -> None:
    integers, _, _ = worst_snr_db("network n(x: f32[12]) -> y { y = x |> linear(6) |> reshape((2, 3)) |> tanh }")
    assert [n.operator.name for n in integers] == ["quantize", "linear", "dequantize", "reshape", "tanh"]


def test_other_layers_and_constants_become_integers_too() -> None:
    integers, report, snr = worst_snr_db("""
network n(x: f32[4, 9], z: f32[4, 5, 5]) -> y, t {
  k = constant((6, 1))
  y = x |> conv1d(6, 3) |> relu |> mul(k)
  c = z |> batch_norm |> conv_transpose2d(6, 3, stride=2, groups=2)
  t = matmul(c, c |> permute((1, 3, 2))) |> prelu
}
""")
    assert snr > 25
    assert report.islands == ("t",)
    assert [n.type.dtype for n in integers if n.operator.name == "constant"] == ["i8"]


def test_two_layers_may_share_a_weight_and_keep_their_own_scales() -> None:
    _, _, snr = worst_snr_db("""
network n(x: f32[8]) -> y {
  a = x |> linear(8, weight="w", bias="b") |> relu
  y = a |> linear(8, weight="w", bias="b")
}
""")
    assert snr > 28


def test_a_graph_of_integers_is_left_as_it_is() -> None:
    graph = network(LENET)
    data = samples(graph)
    integers, _ = quantized(graph, data)
    again = integers.copy()
    quantize(again, data)
    assert again == integers


def test_a_percentile_clips_outliers_and_keeps_resolution_for_the_rest() -> None:
    graph = network("network n(x: f32[64]) -> y { y = x |> linear(8) }")
    data = samples(graph, 64)
    data["x"][0, 0] = 1000.0
    fine, coarse = graph.copy(), graph.copy()
    saturated = quantize(fine, data, percentile=99.9).health()[0].saturated
    assert quantize(coarse, data).health()[0].saturated == 0
    assert 0 < saturated < 0.001
    usual = samples(graph, seed=5)
    wanted = interpret(graph, usual)["y"]
    assert snr_db(wanted, interpret(fine, usual)["y"]) > snr_db(wanted, interpret(coarse, usual)["y"]) + 10


def test_the_report_counts_channels_that_died() -> None:
    graph = network("network n(x: f32[3, 6, 6]) -> y { y = x |> conv2d(4, 3) |> relu |> conv2d(2, 3) }")
    weight = graph.parameters["y.conv2d.weight"].value
    bias = graph.parameters["y.conv2d.bias"].value
    assert weight is not None
    assert bias is not None
    weight[1], bias[1] = -1, -1
    _, report = quantized(graph, samples(graph))
    health = next(layer for layer in report.health() if layer.name == "y.relu")
    assert (health.dead_channels, health.channels) == (1, 4)


# -- borders of what i32 holds


@pytest.mark.parametrize("per_channel", [True, False])
def test_no_accumulator_can_overflow_whatever_the_weights(per_channel: bool) -> None:
    rng = np.random.default_rng(0)
    weight = rng.choice([-1.0, 1.0], (4, 70_000))
    weight[1], weight[2] = 0, 1e-12
    bias = np.array([1e9, 1e9, -5.0, 0.0])
    integers = quantize_weights(weight, bias, 1e-3, 255, per_channel=per_channel)
    assert integers.bias is not None
    largest = np.abs(integers.weight.astype(np.int64)).sum(axis=1) * 255 + np.abs(integers.bias.astype(np.int64))
    assert largest.max() == integers.bound < 2**31
    assert (np.abs(integers.bias * integers.scale - bias) <= integers.scale * 0.500001).all()


def test_a_channel_of_zeros_gives_its_bias() -> None:
    graph = network("network n(x: f32[5]) -> y { y = x |> linear(3) }")
    weight, bias = graph.parameters["y.weight"].value, graph.parameters["y.bias"].value
    assert weight is not None
    assert bias is not None
    weight[:] = 0
    data = samples(graph)
    integers, _ = quantized(graph, data)
    found = interpret(integers, data)["y"]
    assert np.allclose(found, bias, rtol=1e-2, atol=1e-3)


def test_a_network_that_is_zero_throughout_the_calibration_still_runs() -> None:
    graph = network(LENET)
    data = {"image": np.zeros((2, 1, 20, 20), np.float32)}
    integers, _ = quantized(graph, data)
    assert np.isfinite(interpret(integers, samples(graph))["logits"]).all()


def test_a_border_of_zeros_is_clipped_even_if_what_it_surrounds_was_clipped_before() -> None:
    graph = network("network n(x: f32[1, 4, 4]) -> y { y = x |> conv2d(2, 1) |> pad((1, 1)) |> clip(0.5, 2.0) }")
    data = samples(graph)
    integers, _ = quantized(graph, data)
    wanted, found = interpret(graph, data)["y"], interpret(integers, data)["y"]
    assert np.abs(wanted - found).max() < 0.02


def test_a_mean_that_cancels_on_the_calibration_data_saturates_and_does_not_wrap() -> None:
    graph = network("network n(x: f32[1, 2, 2]) -> y { y = x |> avg_pool2d(2) |> relu |> flatten |> linear(1) }")
    data = {"x": np.array([[[[1.0, -1.0], [1e-30, 0.0]]]], np.float32)}
    integers, _ = quantized(graph, data)
    values = interpret_all(integers, {"x": np.ones((1, 1, 2, 2), np.float32)})
    requantized = next(node.name for node in integers if node.operator.name == "requantize")
    assert values[requantized].max() == np.iinfo(values[requantized].dtype).max


@pytest.mark.parametrize("weight", [1e-30, 1e-6, 1e20])
def test_a_residual_sum_is_right_whatever_the_size_of_the_convolution(weight: float) -> None:
    graph = network(
        "network n(x: f32[2, 4, 4]) -> y { y = (x |> conv2d(2, 1, bias=false)) + x |> relu |> conv2d(1, 1) }"
    )
    values = next(p for name, p in graph.parameters.items() if name.endswith("weight") and p.type.shape[0] == 2).value
    assert values is not None
    values[:] = np.float32(weight)
    data = samples(graph)
    integers, _ = quantized(graph, data)
    assert snr_db(interpret(graph, data)["y"], interpret(integers, data)["y"]) > 30


# -- bad data


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        ({}, "needs-calibration", "no sample inputs"),
        ({"picture": np.zeros((1, 1, 20, 20))}, "bad-calibration", "no array for the input 'image'"),
        ({"image": np.zeros((1, 3, 20, 20))}, "bad-calibration", "must be [N, 1, 20, 20]"),
        ({"image": np.zeros((0, 1, 20, 20))}, "bad-calibration", "no samples"),
        ({"image": np.full((1, 1, 20, 20), np.nan)}, "bad-calibration", "NaN"),
        ({"image": np.zeros((1, 1, 20, 20), "U1")}, "bad-calibration", "<U1"),
    ],
)
def test_data_that_give_no_scales_are_refused(data: dict[str, Array], code: str, words: str) -> None:
    graph = network(LENET)
    before = graph.copy()
    with pytest.raises(CompileError, match=r".") as caught:
        quantize(graph, data)
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == [code]
    assert words in str(caught.value)
    assert graph == before


def test_a_network_that_makes_infinities_of_the_data_is_refused() -> None:
    graph = network("network n(x: f32[4]) -> y { y = x |> linear(4) |> linear(4) }")
    for parameter in graph.parameters.values():
        assert parameter.value is not None
        parameter.value[...] = 3e38
    with np.errstate(all="ignore"), pytest.raises(CompileError, match="bad-calibration"):
        quantize(graph, samples(graph))


def test_inputs_that_disagree_on_the_number_of_samples_are_refused() -> None:
    graph = network("network n(a: f32[4], b: f32[4]) -> y { y = a + b }")
    with pytest.raises(CompileError, match="disagree"):
        quantize(graph, {"a": np.zeros((2, 4)), "b": np.zeros((3, 4))})


def test_the_digits_example_keeps_its_accuracy() -> None:
    folder = Path(__file__).parents[2] / "examples" / "digits"
    from striate.data import load_arrays, load_labels
    from striate.pipeline import read as read_network

    compilation = read_network(folder / "lenet5.striate")
    test = folder / "digits_test.npz"
    images = {name: array[:500] for name, array in load_arrays(test, compilation.graph.inputs).items()}
    labels = load_labels(test, len(load_arrays(test, compilation.graph.inputs)["image"]))
    assert labels is not None
    floats = interpret(compilation.optimised, images)["logits"].argmax(1)
    integers = interpret(compilation.quantized, images)["logits"].argmax(1)
    assert (integers == labels[:500]).mean() > (floats == labels[:500]).mean() - 0.005
