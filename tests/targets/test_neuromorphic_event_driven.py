"""The codings of a chip without steps: what its registers get, what it computes of float networks, what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
from conftest import DIGITS, Striate
from mapped_networks import compiled

from striate.diagnostics import CompileError
from striate.interpreter import interpret
from striate.language import parse_machine
from striate.operators.neurons import IntegrateAndFire
from striate.pipeline import Compilation, lower, read
from striate.targets.neuromorphic import TARGET
from striate.targets.neuromorphic.codings.balance import balance_in_one
from striate.targets.neuromorphic.codings.synapses import Synapses
from striate.tensor import Array
from striate_runtime import open_device
from striate_runtime.device import InputError
from striate_runtime.hardware import Chip, load_hardware
from striate_runtime.program import Program
from striate_runtime.program.neuromorphic import NeuromorphicBody

RATE = """
    network small(x: f32[2, 8, 8]) -> y {
      weights init(3)
      a = x |> conv2d(5, 3, padding=1) |> relu |> avg_pool2d(2)
      b = a |> conv2d(6, 3, stride=2, padding=1) |> relu
      y = b |> flatten |> linear(7)
    }"""
TIMED = """
    network timed(x: f32[2, 8, 8], dt = 5ms) -> y {
      weights init(3)
      a = x |> conv2d(4, 3, padding=1) |> integrate_and_fire(threshold=1.5) |> avg_pool2d(2)
      b = a |> conv2d(6, 3) |> integrate_and_fire(threshold=0.8, reset=zero)
      y = b |> flatten |> linear(5) |> integrate_and_fire(threshold=0.5) |> spike_count
    }"""


def speck() -> Chip:
    found = load_hardware("speck")
    assert isinstance(found, Chip)
    return found


def on_speck(compilation: Compilation, options: str = "coding=rate") -> Program:
    return lower(compilation, parse_machine(f"speck({options})"))


def body_of(program: Program) -> NeuromorphicBody:
    return msgspec.convert(program.body, NeuromorphicBody)


def timed(layers: str, given: str = "x: f32[2, 6, 6]") -> Compilation:
    return read(f"network n({given}, dt = 1ms) -> y {{ weights init(0)\n y = x |> {layers} }}")


def spikes(shape: tuple[int, ...], part: float = 0.1, seed: int = 0) -> Array:
    return (np.random.default_rng(seed).random(shape) < part).astype(np.float32)


@pytest.mark.parametrize("coding", ["rate", "native"])
def test_a_layer_has_one_threshold_and_integers_of_8_bits_that_stand_for_its_floats(coding: str) -> None:
    compilation = compiled(RATE)[0] if coding == "rate" else read(TIMED)
    program = on_speck(compilation, f"coding={coding}, steps=32")
    body, graph = body_of(program), compilation.optimised
    layers = [population for population in body.populations if population.kind == "event_driven"]
    weighed = [node for node in graph if node.operator.name in ("conv2d", "linear")]
    worth = {body.inputs["x"]: body.input_scale["x"] * 255 if coding == "rate" else 1.0}
    assert len(layers) == len(weighed) == 3
    for layer, node, way in zip(layers, weighed, body.projections, strict=True):
        (threshold,) = set(program.arrays[layer.threshold or ""].tolist())
        bias, weights = program.arrays[layer.bias or ""], program.arrays[way.weights or ""]
        assert 1 <= threshold <= 1 << 12
        assert abs(bias).max() <= 127
        assert abs(weights.astype(int)).max() <= 127
        part = max(abs(bias).max() / 127, abs(weights.astype(int)).max() / 127, threshold / 4096)
        assert part > 0.99, "it is as fine as can be"
        real = layer.full_scale if coding == "rate" else _threshold(compilation, layer.name)
        assert real is not None
        unit, (values, biases) = real / threshold, (graph.value(node, role) for role in ("weight", "bias"))
        assert values is not None
        assert biases is not None
        assert abs(bias * unit - biases).max() <= unit / 2 * 1.001
        largest = abs(weights.astype(int)).max() * unit
        pooled = 4 if "avg_pool2d" in {one.operator.name for one in map(graph.producer, node.inputs) if one} else 1
        assert abs(largest - abs(values).max() * worth[way.source] / pooled) <= unit / 2 * 1.001
        worth[layer.name] = real if coding == "rate" else 1.0
        assert (way.delay, layer.fires_at, layer.low) == (0, 0, -32768)
    assert [layer.reset for layer in layers] == (
        ["subtract"] * 3 if coding == "rate" else ["subtract", "zero", "subtract"]
    )


def _threshold(compilation: Compilation, name: str) -> float:
    operator = compilation.optimised.node(name).operator
    assert isinstance(operator, IntegrateAndFire)
    return float(operator.threshold)


def test_what_is_above_0_is_approached_as_ticks_pass_and_what_is_below_is_0() -> None:
    compilation, inputs = compiled(RATE)
    wanted = np.maximum(interpret(compilation.optimised, inputs)["y"], 0)
    errors: list[float] = []
    for ticks in (16, 64, 256, 1024):
        with open_device(on_speck(compilation, f"coding=rate, steps={ticks}, percentile=100")) as chip:
            errors.append(float(abs(chip.run(inputs)["y"] - wanted).max() / wanted.max()))
    assert errors[0] > errors[1] > errors[2], errors
    assert errors[3] < 0.05, errors
    assert (wanted == 0).any(), "there is something below 0 in this test"


def test_a_sample_has_as_many_ticks_as_it_is_shown_however_deep_the_network_is() -> None:
    assert body_of(on_speck(compiled(RATE)[0], "coding=rate, steps=9")).steps == 9


def test_an_output_that_is_a_layers_activation_is_that_layer() -> None:
    text = (
        "network n(x: f32[1, 6, 6]) -> y, z { weights init(0)\n y = x |> conv2d(2, 3) |> relu\n z = y |> conv2d(3, 3) }"
    )
    compilation, inputs = compiled(text)
    program = on_speck(compilation, "coding=rate, steps=512, percentile=100")
    body = body_of(program)
    assert len(body.cores) == 2
    assert body.reads == {"y": "spike_count", "z": "spike_count"}
    wanted = interpret(compilation.optimised, inputs)
    with open_device(program) as chip:
        found = chip.run(inputs)
    for port in ("y", "z"):
        assert found[port].shape == wanted[port].shape
        assert abs(found[port] - np.maximum(wanted[port], 0)).max() < 0.05 * wanted[port].max()


def test_what_is_more_than_127_thresholds_is_cut() -> None:
    weights = np.array([[3.0, -5000.0]])
    synapses = Synapses("x", "dense", weights)
    found = balance_in_one((synapses,), np.array([0.0, 900.0]), np.array([1.0, 1.0]), speck(), 2)
    assert found.threshold.tolist() == [1, 1]
    (only,) = found.synapses
    assert only.weights is not None
    assert only.weights.tolist() == [[3, -127]]
    assert found.bias is not None
    assert found.bias.tolist() == [0, 127]


def test_thresholds_that_differ_by_channel_are_made_up_for_by_weights() -> None:
    """Channel 1 has four times the threshold, and so a quarter of the weight: both are as often at the layer's one."""
    synapses = Synapses("x", "dense", np.array([[0.5, 0.5], [-0.25, 1.0]]))
    found = balance_in_one((synapses,), None, np.array([1.0, 4.0]), speck(), 2)
    (only,) = found.synapses
    assert only.weights is not None
    assert found.threshold[0] == found.threshold[1]
    assert only.weights[0, 0] == pytest.approx(4 * only.weights[0, 1], abs=3)
    assert found.unit[1] == pytest.approx(4 * found.unit[0])


def test_the_digits_are_told_apart() -> None:
    compilation = read(DIGITS / "lenet5.striate")
    with np.load(DIGITS / "digits_test.npz") as data:
        images, labels = data["image"][:200], data["label"][:200]
    with open_device(on_speck(compilation)) as chip:
        found, took = chip.profile({"image": images})
    floats = interpret(compilation.optimised, {"image": images})["logits"]
    assert (found["logits"].argmax(1) == labels).mean() >= 0.98
    assert (found["logits"].argmax(1) == floats.argmax(1)).mean() >= 0.99
    assert took.valid
    assert took.latency_us.value is None
    assert "2.47" in took.latency_us.note
    assert took.memory_bytes == {"synapses": 256 + 3072 + 65536 + 15360 + 1344, "neurons": 2 * (6144 + 4096 + 214)}


def test_one_event_a_step_and_one_layer_are_the_float_network() -> None:
    """With no second event in a step there is nothing that a chip without steps does not add up in the same order."""
    compilation = timed("conv2d(1, 1, bias=false) |> integrate_and_fire(threshold=2) |> spike_count", "x: f32[1, 4, 4]")
    given = np.zeros((3, 40, 1, 4, 4), np.float32)
    random = np.random.default_rng(1)
    for sample in given:
        for step in sample:
            step[0, random.integers(4), random.integers(4)] = 1
    program = on_speck(compilation, "steps=40")
    with open_device(program) as chip:
        found = chip.run({"x": given})["y"]
    assert np.array_equal(found, interpret(compilation.optimised, {"x": given})["y"])
    assert found.dtype == np.float32


def test_a_networks_own_neurons_come_near_to_it() -> None:
    compilation = read(TIMED)
    given = {"x": spikes((8, 50, 2, 8, 8))}
    wanted = interpret(compilation.optimised, given)["y"]
    with open_device(on_speck(compilation, "steps=50")) as chip:
        found, took = chip.profile(given)
    assert abs(found["y"] - wanted).mean() < 0.25 * wanted.mean(), (found["y"], wanted)
    latency_us = 50 * 5000 + 1.58 + 2 * (3.36 - 1.58) / 8
    assert took.latency_us.value == pytest.approx(latency_us)
    assert took.energy_uj.total.value is None, "the power at rest alone is no total"
    static = took.energy_uj.stack["static"].value
    assert static == pytest.approx(0.42e-3 * latency_us), "0.42 mW for as long as the input takes"


def test_the_example_with_time_runs_on_it() -> None:
    compilation = read(DIGITS.parent / "spiking" / "counted.striate")
    program = on_speck(compilation, "steps=30")
    with open_device(program) as chip:
        found, took = chip.profile({"events": spikes((2, 30, 2, 32, 32))})
    assert found["counts"].sum() > 0
    assert (took.valid, len(took.cores)) == (True, 4)
    kernels = {core.population: core.usage[0].used for core in body_of(program).cores}
    assert kernels["hidden"] == 16 << (4 + 6), "its kernel is the 4 x 4 that the pool leaves"


def test_a_number_is_so_many_events_and_what_is_none_is_refused() -> None:
    compilation = timed(
        "conv2d(1, 1, bias=false) |> integrate_and_fire(threshold=1000) |> spike_count", "x: f32[1, 2, 2]"
    )
    program = on_speck(compilation, "steps=3")
    given = np.zeros((1, 3, 1, 2, 2), np.float32)
    given[0, 0, 0, 1, 1], given[0, 2, 0, 0, 0] = 5, 2
    with open_device(program) as chip:
        took = chip.profile({"x": given})[1]
        with pytest.raises(
            InputError, match="input 'x': so many events are sent for each number, from 0 to 255, and one"
        ):
            chip.run({"x": given / 2})
    assert took.counts["messages_injected"] == 7


@pytest.mark.parametrize(
    ("layers", "reason"),
    [
        ("conv2d(2, 3) |> lif(tau=20ms) |> spike_count", "its neurons leak a part of their potential"),
        ("conv2d(2, 3) |> cuba_lif(tau_current=5ms, tau_voltage=20ms) |> spike_count", "its neurons leak"),
        ("conv2d(2, 3) |> integrate_and_fire(refractory=2) |> spike_count", "rest for 2 steps after a spike"),
        ("conv2d(2, 3) |> leaky_integrator(tau=20ms) |> last", "what Speck sends are spikes"),
        ("delay(1) |> conv2d(2, 3) |> integrate_and_fire |> spike_count", "it is about steps, and Speck has none"),
        ("conv2d(2, 3) |> integrate_and_fire |> last", "it is about steps"),
        ("conv2d(2, 3) |> integrate_and_fire", "counted over a whole sample"),
        ("spike_count", "only a layer's are counted"),
        ("conv2d(2, 3) |> spike_count", "only a layer's are counted"),
        ("max_pool2d(2) |> conv2d(2, 3) |> integrate_and_fire |> spike_count", "whether any of a window fired"),
        ("avg_pool2d(2, stride=1) |> conv2d(2, 3) |> integrate_and_fire |> spike_count", "this is another pool"),
        ("conv2d(2, 3) |> sigma_delta(0.1) |> sum_over_time", "an event of Speck carries no number"),
        ("conv2d(2, 3) |> relu |> conv2d(2, 3) |> integrate_and_fire |> spike_count", "computes in floats"),
        ("conv2d(2, 3) |> flatten |> linear(2) |> integrate_and_fire |> spike_count", "a sum of weights is rearranged"),
        ("conv2d(2, 3, groups=2) |> integrate_and_fire |> spike_count", "neither a convolution without groups"),
    ],
)
def test_what_has_no_place_without_steps_is_refused_with_the_reason(layers: str, reason: str) -> None:
    with pytest.raises(CompileError) as caught:
        on_speck(timed(layers), "steps=4")
    assert {diagnostic.code for diagnostic in caught.value.diagnostics} == {"cannot-lower"}
    assert any(reason in diagnostic.message for diagnostic in caught.value.diagnostics), str(caught.value)


def test_a_sum_of_two_layers_is_refused() -> None:
    text = """network n(x: f32[1, 6, 6], dt = 1ms) -> y { weights init(0)
      y = (x |> conv2d(2, 3)) + (x |> conv2d(2, 3)) |> integrate_and_fire |> spike_count }"""
    with pytest.raises(CompileError, match="one kernel, so that a sum of two layers has no place"):
        on_speck(read(text), "steps=4")


def test_the_coding_is_the_one_that_there_is() -> None:
    assert body_of(on_speck(compiled(RATE)[0], "")).coding == "rate"
    assert body_of(on_speck(read(TIMED), "steps=4")).coding == "native"
    for text, options, help in (
        (RATE, "coding=graded", "use coding=rate"),
        (RATE, "coding=delta, steps=4", "use coding=rate"),
        (RATE, "coding=native", "use coding=rate"),
        (TIMED, "coding=rate, steps=4", "use coding=native, for networks of integrate_and_fire neurons"),
    ):
        with pytest.raises(CompileError) as caught:
            on_speck(compiled(text)[0] if text is RATE else read(text), options)
        assert [diagnostic.help for diagnostic in caught.value.diagnostics] == [help]


def test_it_is_never_said_to_be_exact(striate: Striate, tmp_path: Path) -> None:
    for coding in ("auto", "rate", "native", "graded"):
        options = {**TARGET.defaults, "coding": coding}
        assert not TARGET.computes_in_integers(options, speck())
        assert TARGET.computes_in_integers(options, load_hardware("loihi2")) == (coding != "rate")
    network, data = tmp_path / "timed.striate", tmp_path / "data.npz"
    network.write_text(TIMED)
    np.savez(data, x=spikes((4, 20, 2, 8, 8)))
    outcome = striate(
        "compare",
        str(network),
        "--data",
        str(data),
        "--calibration",
        str(data),
        "--on",
        "speck",
        "--on",
        "loihi2",
        "--json",
        "-",
    )
    assert outcome.code == 0, outcome.err
    results = {result["machine"]: result for result in json.loads(outcome.out)["results"]}
    assert results["speck"]["exact"] is None
    assert results["loihi2"]["exact"] is True


def test_every_command_knows_such_a_chip(striate: Striate, tmp_path: Path) -> None:
    lenet, on = str(DIGITS / "lenet5.striate"), ("--on", "speck(coding=rate, steps=8)")
    program, mesh = tmp_path / "lenet.zip", tmp_path / "mesh.svg"
    for command in (
        ("check", lenet, *on),
        ("compile", lenet, *on, "-o", str(program)),
        ("compile", lenet, *on, "--emit", "mapping"),
        ("compile", lenet, *on, "--emit", "health"),
        ("run", str(program), "--data", str(DIGITS / "digits_test.npz"), "--samples", "2"),
        ("profile", lenet, *on, "--samples", "2", "--cores", "--metrics", "--mesh", str(mesh)),
        ("trace", lenet, *on, "-o", str(tmp_path / "trace.npz")),
    ):
        outcome = striate(*command)
        assert outcome.code == 0, (command, outcome.err)
    assert "<svg" in mesh.read_text()
    outcome = striate("diff", lenet, *on, "--on", "interpreter")
    assert outcome.code == 1, "rates are not the float network's numbers"
    assert "first divergence: layer 'conv1.relu'" in outcome.out
    outcome = striate("profile", lenet, *on, "--samples", "1", "--timing", "detailed")
    assert outcome.code == 1
    assert "timing 'detailed' is about steps, and Speck has none" in outcome.err
