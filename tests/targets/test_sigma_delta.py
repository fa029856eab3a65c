"""Networks of sigma-delta neurons: integers, chips and the GPU agree bit for bit, with each other and by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from gpu_interpreted import Interpreted
from sigma_networks import STEPS, by_changes, compiled, frames, random_network
from tiny_chips import tiny

from striate.diagnostics import CompileError
from striate.interpreter import interpret, interpret_all
from striate.language import parse_machine
from striate.operators.sigma_delta import FixedPointSigmaDelta
from striate.passes import quantize_time
from striate.pipeline import Compilation, lower, read
from striate.printer import print_graph
from striate.targets.neuromorphic import compile_for_neuromorphic
from striate.targets.neuromorphic.not_yet import GIVEN_ANEW, ONLY_INPUTS
from striate.tensor import Array
from striate_runtime import open_device
from striate_runtime.hardware import load_hardware


def assert_equal(found: dict[str, Array], expected: dict[str, Array]) -> None:
    for name, wanted in expected.items():
        assert found[name].shape == wanted.shape, name
        assert found[name].dtype == wanted.dtype, name
        assert np.array_equal(found[name], wanted), name


def on(compilation: Compilation, machine: str, inputs: dict[str, Array]) -> dict[str, Array]:
    with open_device(lower(compilation, parse_machine(machine))) as device:
        return device.run(inputs)


@pytest.mark.parametrize("seed", range(30))
def test_what_is_held_is_what_changes_add_up_to_one_by_one(seed: int) -> None:
    compilation, inputs = random_network(seed)
    held = by_changes(compilation.quantized, inputs)
    values = interpret_all(compilation.quantized, inputs, keep=set(held))
    assert any(array.any() for array in held.values())
    for name, wanted in held.items():
        assert np.array_equal(values[name], wanted), name


@pytest.mark.parametrize("seed", range(30))
def test_a_chip_equals_the_integer_graph(seed: int) -> None:
    compilation, inputs = random_network(seed)
    assert_equal(on(compilation, "loihi2", inputs), interpret(compilation.quantized, inputs))


@pytest.mark.parametrize("seed", range(30))
def test_the_gpus_kernels_equal_the_integer_graph(seed: int) -> None:
    pytest.importorskip("triton")
    compilation, inputs = random_network(seed)
    program = Interpreted(compilation.quantized, "i8", STEPS)
    try:
        assert_equal(program.run(inputs), interpret(compilation.quantized, inputs))
    finally:
        program.close()


NETWORKS = {
    "an image": "y = x |> delta |> conv2d(4, 3, stride=2, bias=false) |> sigma_delta(0.01, relu, bias=true)",
    "groups, dilation": "y = x |> delta(0.1) |> conv2d(4, 3, groups=2, dilation=2, bias=false) |> sigma_delta",
    "a convolution backwards": "y = x |> delta |> conv_transpose2d(3, 3, stride=2, bias=false) |> sigma_delta",
    "vectors": (
        "h = x |> delta |> flatten |> linear(7, bias=false) |> sigma_delta(0.02, relu)\n"
        " y = h |> linear(3, bias=false) |> sigma_delta(bias=true) |> sigma"
    ),
    "a pool by itself": "y = x |> delta |> avg_pool2d(3) |> sigma_delta |> sigma",
    "an input rearranged": "y = x |> permute((1, 3, 2)) |> delay(2) |> delta(0.3) |> conv2d(4, 3, bias=false)",
    "a border": "y = x |> delta |> pad((1, 1, 1, 1)) |> conv2d(4, 3, bias=false) |> sigma_delta |> slice(1, 0, 2)",
    "the encoder alone": "y = x |> delta(0.3)",
    "what the encoder holds": "y = x |> delta(0.3) |> sigma",
    "the encoder's last change": "y = x |> delta(0.3) |> last",
    "a potential of changes": "y = x |> delta |> conv2d(4, 3, bias=false) |> sigma_delta |> leaky_integrator(4ms)",
    "spikes added up": "y = x |> lif(5ms) |> conv2d(4, 3, bias=false) |> sigma_delta(0.1, relu) |> sigma",
    "spikes counted": "y = x |> lif(5ms) |> sigma",
    "sums of spikes added up": "y = x |> lif(5ms) |> conv2d(4, 3) |> sigma",
    "three scales": (
        "a = x |> delta |> sigma_delta(0, relu)\n b = x |> delta |> conv2d(2, 1, bias=false) |> sigma_delta\n"
        " y = a + b - (x |> delta) |> sigma_delta |> sigma"
    ),
    "a loop": (
        "b = y |> delay(3, size=(4, 9, 9)) |> conv2d(4, 1, bias=false)\n a = b |> sigma_delta(0.01)\n"
        " y = (x |> delta |> conv2d(4, 3, padding=1, bias=false)) - a |> sigma_delta(0, relu)"
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_chip_and_the_gpu_equal_the_integer_graph(name: str) -> None:
    pytest.importorskip("triton")
    compilation, inputs = compiled(NETWORKS[name], seed=3)
    truth = interpret(compilation.quantized, inputs)
    assert truth["y"].any(), "what is 0 throughout shows nothing"
    assert_equal(on(compilation, "loihi2", inputs), truth)
    program = Interpreted(compilation.quantized, "i8", STEPS)
    try:
        assert_equal(program.run(inputs), truth)
    finally:
        program.close()


def test_two_inputs_of_which_one_is_changes_and_one_is_given_anew() -> None:
    body = (
        "a = x |> delta |> conv2d(4, 3, bias=false) |> sigma_delta(0, relu)\n"
        " y = a |> conv2d(2, 3, bias=false) |> lif(5ms, 0.1)\n z = w |> conv2d(2, 3) |> lif(5ms, 0.1)"
    )
    compilation, inputs = compiled(body, "f32[2, 9, 9], w: f32[2, 9, 9]", "y, z")
    truth = interpret(compilation.quantized, inputs)
    assert all(0 < array.mean() < 1 for array in truth.values())
    assert_equal(on(compilation, "loihi2", inputs), truth)


def test_numbers_that_are_changes_already_are_added_up() -> None:
    body = "y = x |> conv2d(4, 3, bias=false) |> sigma_delta(activation=relu, bias=true) |> sigma"
    compilation, inputs = compiled(body, whole=True)
    truth = interpret(compilation.quantized, inputs)
    assert_equal(on(compilation, "loihi2", inputs), truth)
    wanted = interpret(compilation.optimised, inputs)["y"]
    assert np.abs(truth["y"] - wanted).max() < 0.02 * np.abs(wanted).max(), "whole numbers are not rounded"


# -- against networks without time

LAYERS = ('conv2d(4, 3, padding=1{}, name="c1")', 'conv2d(6, 3, stride=2{}, name="c2")', 'linear(5{}, name="f")')


def both_ways() -> tuple[str, str]:
    """The same weights as a network of changes, and as one without time."""
    first, second, third = LAYERS
    free = [layer.format(", bias=false") for layer in LAYERS]
    timed = (
        "network n(x: f32[2, 9, 9], dt = 1ms) -> y, total { weights init(3)\n"
        f' a = x |> delta |> {free[0]} |> sigma_delta(0, relu, bias=true, name="c1")\n'
        f' b = a |> {free[1]} |> sigma_delta(0, relu, bias=true, name="c2")\n'
        f' l = b |> flatten |> {free[2]} |> sigma_delta(bias=true, name="f")\n y = l |> sigma\n'
        " total = l |> sum_over_time }"
    )
    still = (
        "network n(x: f32[2, 9, 9]) -> y { weights init(3)\n"
        f" y = x |> {first.format('')} |> relu |> {second.format('')} |> relu |> flatten |> {third.format('')} }}"
    )
    return timed, still


def biased(compilation: Compilation) -> Compilation:
    """With the same biases in both, which a seed alone would draw for one of them only."""
    rng = np.random.default_rng(8)
    for name in ("c1.bias", "c2.bias", "f.bias"):
        type = compilation.graph.parameters[name].type
        compilation.graph.set_parameter(name, rng.normal(size=type.shape).astype(np.float32) * 0.1, type)
    return compilation


def test_at_threshold_0_every_frame_is_the_float_networks_without_time() -> None:
    timed, still = both_ways()
    x = frames((2, 9, 9), 3)
    added = interpret(biased(read(timed, calibration={"x": x})).graph, {"x": x}, float64=True)
    alone = interpret(biased(read(still)).graph, {"x": x.reshape(-1, 2, 9, 9)}, float64=True)["y"]
    np.testing.assert_allclose(added["y"].reshape(alone.shape), alone, atol=1e-9)
    np.testing.assert_allclose(added["total"], alone.reshape(*x.shape[:2], -1)[:, -1], atol=1e-9)


def test_at_threshold_0_every_frame_is_the_integer_networks_without_time() -> None:
    """What `quantize` makes of the network without time, but for the last layer's codes."""
    timed, still = both_ways()
    x = frames((2, 9, 9), 3)
    still_x = {"x": x.reshape(-1, 2, 9, 9)}
    compilation, alone = biased(read(timed, calibration={"x": x})), biased(read(still, calibration=still_x))
    values = interpret_all(compilation.quantized, {"x": x})
    frame_by_frame = interpret_all(alone.quantized, still_x)
    layers = [node.name for node in alone.quantized if node.operator.name == "requantize"]
    assert len(layers) == 2
    for neurons, layer in zip(("a", "b"), layers, strict=True):
        codes = frame_by_frame[layer]
        assert np.array_equal(values[neurons].reshape(codes.shape), codes), neurons
        assert 0 < (codes != 0).mean() < 1
    error = np.abs(values["y.dequantize"].reshape(-1, 5) - frame_by_frame["y.dequantize"]).max()
    assert error <= 0.51 * np.abs(frame_by_frame["y.dequantize"]).max() / 127 + 1e-6


def test_changes_are_fewer_events_than_activations() -> None:
    timed, still = both_ways()
    x = frames((2, 9, 9), 3)
    compilation = biased(read(timed, calibration={"x": x}))
    alone = biased(read(still, calibration={"x": x.reshape(-1, 2, 9, 9)}))
    alone.steps = x.shape[1]
    counts: dict[str, dict[str, float]] = {}
    for name, machine in (("native", "loihi2"), ("delta", "loihi2(coding=delta)"), ("graded", "loihi2(coding=graded)")):
        network = compilation if name == "native" else alone
        given = {"x": x.reshape(-1, 2, 9, 9)} if name == "graded" else {"x": x}
        with open_device(lower(network, parse_machine(machine))) as device:
            counts[name] = dict(device.profile(given)[1].counts)
    frame = {key: value / x.shape[1] for key, value in counts["native"].items()}
    assert frame["synops"] < 0.6 * counts["graded"]["synops"]
    assert frame["messages_injected"] == counts["delta"]["messages_injected"]
    assert frame["synops"] == pytest.approx(counts["delta"]["synops"]), "the same changes travel"


def test_a_threshold_saves_events_and_leaves_less_than_itself_unsent() -> None:
    timed, _ = both_ways()
    x = frames((2, 9, 9), 3)
    exact, coarse = (
        biased(read(text, calibration={"x": x}))
        for text in (timed, timed.replace("sigma_delta(0,", "sigma_delta(0.1,"))
    )
    neuron, exactly = coarse.quantized.node("a").operator, coarse.quantized.copy()
    assert isinstance(neuron, FixedPointSigmaDelta)
    exactly.replace("a", operator=replace(neuron, threshold=0))
    held, followed = (interpret_all(graph, {"x": x})["a"].astype(int) for graph in (coarse.quantized, exactly))
    assert 0 < np.abs(held - followed).max() < neuron.threshold
    sent: list[float] = []
    for compilation in (exact, coarse):
        with open_device(lower(compilation, parse_machine("loihi2"))) as device:
            sent.append(device.profile({"x": x})[1].counts["events_out"])
    assert sent[1] < 0.7 * sent[0]


def test_what_is_in_integers_already_stays_as_it_is() -> None:
    compilation, inputs = random_network(3)
    again = compilation.quantized.copy()
    quantize_time(again, inputs)
    assert any(node.operator.name == "delta" for node in again)
    assert print_graph(again) == print_graph(compilation.quantized)


# -- what is refused

REFUSED = {
    "y = x |> delta |> conv2d(4, 3) |> sigma_delta": "'y.conv2d' (conv2d) weighs changes, and would add its bias",
    "y = (x |> delta |> sigma_delta) + x |> lif(5ms)": "'y.add' (add) adds 'y.sigma_delta', which are changes, and 'x'",
    "y = concat(x |> lif(5ms), x |> delta) |> conv2d(4, 3, bias=false) |> lif(5ms)": "(concat) puts side by side",
    "y = concat(x |> lif(5ms) |> delta, x |> delta |> sigma_delta) |> conv2d(4, 3, bias=false) |> sigma_delta": (
        "mean different things in integers"
    ),
    "y = x |> delta |> max_pool2d(2) |> sigma_delta": "'y.max_pool2d' (max_pool2d) takes the largest change",
    "y = x |> delta |> sigmoid |> sigma_delta": "'y.sigmoid' (sigmoid) has no integer form",
}


@pytest.mark.parametrize("body", REFUSED)
def test_what_changes_cannot_mean_is_refused(body: str) -> None:
    compilation, _ = compiled(body)
    with pytest.raises(CompileError) as caught:
        assert compilation.quantized
    assert any(REFUSED[body] in diagnostic.message for diagnostic in caught.value.diagnostics), str(caught.value)
    assert all(d.code == "cannot-lower" and d.help and d.span for d in caught.value.diagnostics)


NOT_ON_CHIPS = {
    "y = x |> conv2d(4, 3) |> delta |> conv2d(4, 3, bias=false) |> sigma_delta": GIVEN_ANEW,
    "y = x |> lif(5ms) |> delta |> conv2d(4, 3, bias=false) |> sigma_delta": ONLY_INPUTS,
    "y = x |> conv2d(4, 3) |> sigma_delta": "its sum has a bias, which would come anew in every step",
    "y = x |> delta |> sigma_delta |> spike_count": "what is not 0 can only be counted of spikes",
    "y = (x |> delta |> sigma) + (x |> conv2d(2, 3, padding=1) |> leaky_integrator(5ms))": "read as they are as well",
    "y = (x |> delta |> sigma) + (x |> delta(0.5) |> sigma)": "read at another threshold as well",
}


@pytest.mark.parametrize("body", NOT_ON_CHIPS)
def test_what_a_chip_cannot_do_the_interpreter_and_the_gpu_can(body: str) -> None:
    pytest.importorskip("triton")
    compilation, inputs = compiled(body)
    with pytest.raises(CompileError) as caught:
        lower(compilation, parse_machine("loihi2"))
    assert NOT_ON_CHIPS[body] in str(caught.value)
    program = Interpreted(compilation.quantized, "i8", STEPS)
    try:
        assert_equal(program.run(inputs), interpret(compilation.quantized, inputs))
    finally:
        program.close()


@pytest.mark.parametrize(
    ("machine", "carries"),
    [
        ("loihi1", "-254..254 take 9 bits, and an event of Loihi 1"),
        ("teaching", "-254..254 take 9 bits, and an event of the teaching chip carries 8"),
    ],
)
def test_events_must_be_wide_enough_for_a_change(machine: str, carries: str) -> None:
    compilation, _ = compiled("y = x |> delta |> sigma_delta", seed=1)
    with pytest.raises(CompileError, match=carries):
        lower(compilation, parse_machine(machine))


def test_a_chip_whose_events_are_wide_enough_takes_them(tmp_path: Path) -> None:
    text = load_hardware("teaching").text
    wider = text.replace("payload_bits = { value = 8,", "payload_bits = { value = 24,")
    assert wider != text
    (tmp_path / "wide.toml").write_text(wider)
    for seed in range(6):
        compilation, inputs = random_network(seed)
        found = on(compilation, f'"{tmp_path / "wide.toml"}"(coding=native)', inputs)
        assert_equal(found, interpret(compilation.quantized, inputs))


def test_a_loop_must_be_slow_enough_for_what_it_passes() -> None:
    compilation, _ = compiled(NETWORKS["a loop"].replace("delay(3", "delay(1"))
    with pytest.raises(CompileError, match="passes 3 populations"):
        lower(compilation, parse_machine("loihi2"))


def test_health_tells_how_far_off_what_is_held_is() -> None:
    body = "a = x |> delta |> conv2d(4, 3, bias=false) |> sigma_delta(0.1, relu)\n y = a |> sigma"
    compilation, inputs = compiled(body)
    report = quantize_time(compilation.optimised.copy(), inputs)
    encoder, layer = report.health()
    held = interpret_all(report.quantized, inputs)["a"] * report.scales["a"]
    wanted = interpret_all(report.original, inputs)["a"].cumsum(axis=1)
    assert (encoder.name, layer.name) == ("a.delta", "a")
    assert layer.error is not None
    assert layer.saturated is not None
    assert layer.error == pytest.approx(np.abs(held - wanted).mean() / (255 * report.scales["a"]), rel=1e-3)
    assert 0 < layer.error < 0.05
    assert layer.rate == pytest.approx((np.diff(wanted, axis=1, prepend=0) != 0).mean())
    assert encoder.differing is None
    assert 0 < layer.saturated < 0.01, "the largest activation of the calibration data is the largest code"


UNSPLIT = ("one channel alone takes", "a window or of a group", "has none to spare")


def test_relays_pass_on_partial_sums_of_changes() -> None:
    split = 0
    for seed in range(16):
        compilation, inputs = random_network(seed)
        graph, chip = compilation.quantized, tiny("loihi2", fan_in=24)
        try:
            program = compile_for_neuromorphic(
                graph, coding="native", steps=STEPS, hardware=chip, machine="tiny", calibration=None
            )
        except CompileError as error:
            if not any(reason in str(error) for reason in UNSPLIT):
                raise
            continue
        split += any(".part" in population["name"] for population in program.body["populations"])
        with open_device(program) as device:
            assert_equal(device.run(inputs), interpret(graph, inputs))
    assert split >= 5
