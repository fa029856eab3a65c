"""Tracing and comparing machines: what they hold on the way is what the reference holds; a wrong weight is found."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np
import pytest
from conftest import DIGITS, Striate

from striate.interpreter import interpret_all
from striate.language import parse_machine
from striate.pipeline import Compilation, lower, read
from striate.tensor import Array
from striate_runtime import open_device
from striate_runtime.diff import compare_traces
from striate_runtime.program import Program
from striate_runtime.trace import Trace, load_trace

TWO_LAYERS = """
network two_layers(image: f32[2, 7, 7]) -> y {
  weights init(3)
  conv1 = image |> conv2d(3, 3, padding=1) |> relu
  conv2 = conv1 |> conv2d(4, 3, stride=2) |> relu
  y = conv2 |> flatten |> linear(5)
}
"""
RATE = "loihi1(coding=rate, steps=16)"


def images(samples: int) -> dict[str, Array]:
    return {"image": np.random.default_rng(5).uniform(0, 1, (samples, 2, 7, 7)).astype(np.float32)}


@pytest.fixture(scope="module")
def two_layers() -> Compilation:
    return read(TWO_LAYERS, calibration=images(8))


def run(program: Program, inputs: Mapping[str, Array]) -> Trace:
    with open_device(program) as device:
        return Trace(program.machine, program.network, tuple(inputs), device.trace(inputs))


def reference(compilation: Compilation, inputs: Mapping[str, Array]) -> Trace:
    return Trace("interpreter", "two_layers", tuple(inputs), interpret_all(compilation.quantized, inputs))


@pytest.mark.parametrize("machine", ["loihi2(coding=graded)", "gpu(precision=i8)"])
def test_every_layer_of_an_integer_machine_is_the_quantized_graph_s(machine: str, two_layers: Compilation) -> None:
    if machine.startswith("gpu"):
        pytest.importorskip("triton", reason="Triton interprets the kernels")
    inputs = images(2)
    trace = run(lower(two_layers, parse_machine(machine), build=False), inputs)
    difference = compare_traces(reference(two_layers, inputs), trace)
    assert {"image.quantize", "conv1", "conv2"} <= {layer.layer for layer in difference.layers}
    assert all(layer.exact for layer in difference.layers)
    assert difference.layers[-1].layer == "y.dequantize"


@pytest.mark.parametrize("layer", ["conv1", "conv2"])
def test_one_wrong_weight_on_the_chip_is_traced_to_its_layer_and_channel(layer: str, two_layers: Compilation) -> None:
    program = lower(two_layers, parse_machine("loihi2"))
    (name,) = (p["weights"] for p in program.body["projections"] if p["target"] == layer)
    wrong = program.arrays[name].copy()
    inputs = images(1)
    truth = reference(two_layers, inputs)
    channel = int(truth.values[layer].sum((0, 2, 3)).argmax())
    wrong[1, 1, 0, channel] -= 40 if wrong[1, 1, 0, channel] > 0 else -40
    difference = compare_traces(
        truth,
        run(msgspec.structs.replace(program, arrays={**program.arrays, name: wrong}), inputs),
    )
    assert difference.first is not None
    assert difference.first.first is not None
    assert difference.first.layer == layer
    assert difference.first.first.neuron[0] == channel
    before = [one for one in difference.layers if one.layer == "conv1" and layer == "conv2"]
    assert all(one.exact for one in before)


def test_a_wrong_weight_under_rate_coding_is_traced_to_the_step(two_layers: Compilation) -> None:
    program = lower(two_layers, parse_machine(RATE))
    (name,) = (p["weights"] for p in program.body["projections"] if p["target"] == "conv2")
    wrong = program.arrays[name].copy()
    wrong[0, 0, 0, 1] += 3
    inputs = images(1)
    other = msgspec.structs.replace(program, arrays={**program.arrays, name: wrong})
    difference = compare_traces(run(program, inputs), run(other, inputs))
    assert difference.first is not None
    assert difference.first.layer == "conv2@potentials"
    assert difference.first.first is not None
    assert difference.first.first.neuron[0] == 1
    assert difference.first.first.step is not None
    source = {p["name"]: p for p in program.body["populations"]}["conv1"]
    assert difference.first.first.step > source["fires_at"]


def test_spikes_over_time_add_up_to_what_the_profile_counts(two_layers: Compilation) -> None:
    program, inputs = lower(two_layers, parse_machine(RATE)), images(2)
    with open_device(program) as device:
        outputs, profile = device.profile(inputs)
        values = device.trace(inputs)
    np.testing.assert_array_equal(values["y"], outputs["y"])
    for name in ("conv1", "conv2"):
        spikes = values[f"{name}@spikes"]
        np.testing.assert_array_equal(spikes.sum((2, 3, 4)), values[f"{name}@events"])
        held = [core.counts["events_out"] for core in profile.cores if core.layer == f"{name}.conv2d"]
        assert sum(held) == spikes.sum() / 2
    (population,) = (p for p in program.body["populations"] if p["name"] == "conv1")
    rates = values["conv1@spikes"].sum(1) / (profile.steps or 0 - population["fires_at"])
    assert np.corrcoef(rates.ravel(), values["conv1"].ravel())[0, 1] > 0.999


def test_rates_approach_the_float_values_with_more_steps(two_layers: Compilation) -> None:
    inputs = images(1)
    wanted = interpret_all(two_layers.optimised, inputs)["conv1"]
    errors = [
        float(
            abs(
                run(lower(two_layers, parse_machine(f"loihi1(coding=rate, steps={n})")), inputs).values["conv1"]
                - wanted
            ).max()
        )
        for n in (16, 256)
    ]
    assert errors[1] < errors[0] / 4


# -- the commands


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "net.striate").write_text(TWO_LAYERS)
    np.savez(tmp_path / "data.npz", image=images(3)["image"])
    return tmp_path / "net.striate"


def test_trace_writes_what_diff_reads(striate: Striate, model: Path, tmp_path: Path) -> None:
    data = ("--data", tmp_path / "data.npz", "--calibration", tmp_path / "data.npz")
    a, b = tmp_path / "a.npz", tmp_path / "b.npz"
    outcome = striate("trace", model, "--on", "interpreter(graph=quantized)", *data, "-o", a, "--samples", 2)
    assert (outcome.code, "2 samples" in outcome.out) == (0, True)
    report = json.loads(striate("trace", model, "--on", "loihi2", *data, "-o", b, "--samples", 2, "--json").out)
    assert report["values"]["conv1"] == ["int32", 2, 3, 7, 7]
    assert report["bytes"] == load_trace(b).bytes
    outcome = striate("diff", a, b)
    assert (outcome.code, "equal bit for bit" in outcome.out) == (0, True)


def test_trace_takes_one_sample_unless_told(striate: Striate, model: Path, tmp_path: Path) -> None:
    assert (
        striate("trace", model, "--on", "interpreter", "--data", tmp_path / "data.npz", "-o", tmp_path / "t.npz").code
        == 0
    )
    assert load_trace(tmp_path / "t.npz").samples == 1


def test_the_interpreter_s_trace_of_a_network_with_time_has_every_step(striate: Striate, tmp_path: Path) -> None:
    text = "network n(x: f32[4], dt=1ms) -> count { spikes = x |> integrate_and_fire\n count = spikes |> spike_count }"
    (tmp_path / "net.striate").write_text(text)
    np.savez(tmp_path / "data.npz", x=np.full((2, 5, 4), 0.5, np.float32))
    arguments = ("--on", "interpreter", "--data", tmp_path / "data.npz", "--samples", 2, "-o", tmp_path / "t.npz")
    assert striate("trace", tmp_path / "net.striate", *arguments).code == 0
    values = load_trace(tmp_path / "t.npz").values
    assert values["spikes"].shape == (2, 5, 4)
    assert values["count"].tolist() == [[2.0] * 4] * 2


def test_diff_ends_with_1_where_machines_part_and_with_0_within_the_tolerance(
    striate: Striate, model: Path, tmp_path: Path
) -> None:
    data = ("--data", tmp_path / "data.npz", "--calibration", tmp_path / "data.npz")
    machines = ("--on", "interpreter", "--on", RATE)
    outcome = striate("diff", model, *machines, *data)
    assert outcome.code == 1
    assert "first divergence: layer 'conv1'" in outcome.out
    assert striate("diff", model, *machines, *data, "--tolerance", 100).code == 0
    report = json.loads(striate("diff", model, *machines, *data, "--json").out)
    assert (report["equal"], report["first"]) == (False, "conv1")
    assert len(next(one for one in report["layers"] if one["layer"] == "conv1")["first"]["neuron"]) == 3


def test_a_program_on_disk_is_traced_like_the_network_it_came_from(
    striate: Striate, model: Path, tmp_path: Path
) -> None:
    data = ("--data", tmp_path / "data.npz")
    program = tmp_path / "net.zip"
    calibration = ("--calibration", tmp_path / "data.npz")
    assert striate("compile", model, "--on", "loihi2", *calibration, "-o", program).code == 0
    assert striate("trace", program, *data, "-o", tmp_path / "a.npz").code == 0
    assert striate("trace", model, "--on", "loihi2", *data, *calibration, "-o", tmp_path / "b.npz").code == 0
    assert striate("diff", tmp_path / "a.npz", tmp_path / "b.npz").code == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("diff", DIGITS / "lenet5.striate"), "bad-machine"),
        (("diff", DIGITS / "lenet5.striate", "--on", "loihi2"), "bad-machine"),
        (("diff", "no.npz", "nothing.npz"), "trace-error"),
        (("diff", DIGITS / "digits_test.npz", DIGITS / "digits_test.npz"), "trace-error"),
        (("trace", DIGITS / "lenet5.striate", "--on", "interpreter(graph=none)", "-o", "t.npz"), "bad-machine"),
        (("trace", DIGITS / "lenet5.striate", "--on", "interpreter", "-o", "no/folder/t.npz"), "cannot-write"),
        (("trace", "net.zip", "--on", "interpreter", "-o", "t.npz"), "bad-machine"),
    ],
    ids=str,
)
def test_a_wrong_request_is_explained(striate: Striate, arguments: tuple[object, ...], code: str) -> None:
    outcome = striate(*arguments)
    assert outcome.code == 1
    assert outcome.err.startswith(f"error[{code}]: ")


# -- the page


def test_every_command_of_the_page_on_seeing_runs(
    striate: Striate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (DIGITS.parent.parent / "spec" / "seeing.md").read_text("utf-8")
    commands = re.findall(r"^\$ striate (.+)$", page, re.MULTILINE)
    assert len(commands) >= 10
    (tmp_path / "examples").symlink_to(DIGITS.parent)
    monkeypatch.chdir(tmp_path)
    for command in commands:
        outcome = striate(*shlex.split(command))
        assert outcome.code == 0, f"{command}: {outcome.err}{outcome.out[-300:]}"
