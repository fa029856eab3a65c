"""Networks with time on the command line: checked, compiled, run, compared, traced, and where two machines part."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT, Striate

from striate_runtime.trace import load_trace

EXAMPLE = ROOT / "examples" / "spiking" / "events_small.striate"
TEXT = """
network small(events: f32[2, 6, 6], dt = 1ms) -> counts, v {
  weights init(1)
  a      = events |> conv2d(4, 3) |> lif(tau=9ms, threshold=0.3)
  back   = b |> delay(1, size=(5,)) |> linear(5, bias=false)
  b      = (a |> flatten |> linear(5)) + back |> lif(tau=9ms, threshold=0.2, reset=zero)
  counts = b |> spike_count
  v      = b |> linear(3) |> leaky_integrator(tau=9ms)
}
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A small network, and data for it: 3 samples of 12 steps."""
    (tmp_path / "small.striate").write_text(TEXT)
    events = (np.random.default_rng(0).random((3, 12, 2, 6, 6)) < 0.3).astype(np.float32)
    for name, array in {"data": events, "short": events[:, :7], "none": events[:, :0], "frames": events[:, 0]}.items():
        np.savez(tmp_path / f"{name}.npz", events=array, label=np.array([0, 1, 2]))
    return tmp_path


def given(files: Path, data: str = "data") -> tuple[object, ...]:
    return files / "small.striate", "--data", files / f"{data}.npz", "--calibration", files / "data.npz"


@pytest.mark.parametrize("machine", ["loihi2", "loihi1", "loihi1(coding=native, steps=40)"])
def test_the_example_fits_both_chips(striate: Striate, machine: str) -> None:
    outcome = striate("check", EXAMPLE, "--on", machine)
    assert outcome.code == 0, outcome.out
    assert f"{4 + (40 if 'steps' in machine else 8)} steps" in outcome.out


def test_a_compiled_program_takes_samples_of_the_calibrations_length_and_gives_floats(
    striate: Striate, files: Path
) -> None:
    program = files / "small.zip"
    calibration = ("--calibration", files / "data.npz")
    assert striate("compile", files / "small.striate", "--on", "loihi2", *calibration, "-o", program).code == 0
    outcome = striate("run", program, "--data", files / "data.npz", "-o", files / "out.npz")
    assert outcome.code == 0, outcome.err
    with np.load(files / "out.npz") as outputs:
        assert (outputs["counts"].shape, outputs["v"].shape) == ((3, 5), (3, 12, 3))
        assert outputs["counts"].dtype == outputs["v"].dtype == np.float32
        assert outputs["counts"].sum() > 0


@pytest.mark.parametrize("machine", ["loihi2", "loihi1"])
def test_compare_shows_accuracy_agreement_and_that_the_chip_is_exact(
    striate: Striate, files: Path, machine: str
) -> None:
    outcome = striate("compare", *given(files), "--on", machine, "--json", "-")
    assert outcome.code == 0, outcome.err
    (row,) = json.loads(outcome.out)["results"]
    assert row["exact"] is True
    assert 0 <= row["agreement"] <= 1


def test_a_gpus_estimate_says_that_steps_within_a_kernel_are_taken_not_to_wait(striate: Striate, files: Path) -> None:
    outcome = striate("profile", *given(files), "--on", "gpu(precision=i8)", "--samples", "1", "--json")
    assert outcome.code == 0, outcome.err
    assert (
        "the steps within a kernel wait for each other is not counted" in json.loads(outcome.out)["latency_us"]["note"]
    )


@pytest.mark.parametrize("machine", ["loihi2", "loihi1"])
def test_profile_counts_the_steps_that_the_depth_adds(striate: Striate, files: Path, machine: str) -> None:
    outcome = striate("profile", *given(files), "--on", machine, "--json")
    assert outcome.code == 0, outcome.err
    profile = json.loads(outcome.out)
    assert (profile["steps"], profile["samples"]) == (12 + 3, 3)


def test_a_chip_and_the_integer_graph_agree_in_every_spike_at_the_same_step(striate: Striate, files: Path) -> None:
    outcome = striate("diff", *given(files), "--on", "interpreter(graph=quantized)", "--on", "loihi2", "--json")
    assert outcome.code == 0, outcome.out
    layers = {layer["layer"]: layer for layer in json.loads(outcome.out)["layers"]}
    assert {"a@spikes", "b@spikes", "a@events", "v@potentials", "counts", "v"} <= set(layers)
    assert all(layer["exact"] for layer in layers.values())


def test_where_integers_and_floats_part_is_the_first_layer_with_its_step_and_neuron(
    striate: Striate, files: Path
) -> None:
    outcome = striate("diff", *given(files), "--on", "interpreter", "--on", "loihi1", "--samples", 3, "--json")
    assert outcome.code == 1
    found = json.loads(outcome.out)
    for name in ("float.npz", "chip.npz"):
        machine = "interpreter" if name == "float.npz" else "loihi1"
        assert striate("trace", *given(files), "--on", machine, "--samples", 3, "-o", files / name).code == 0
    a, b = load_trace(files / "float.npz").values, load_trace(files / "chip.npz").values
    apart = [
        name for name in ("a@spikes", "a@events", "b@spikes") if not np.array_equal(a[name].ravel(), b[name].ravel())
    ]
    assert found["first"] == apart[0]
    first = next(layer["first"] for layer in found["layers"] if layer["layer"] == apart[0])
    differ = a[apart[0]].reshape(3, 12, -1) != b[apart[0]].reshape(3, 12, -1)
    assert first["step"] == int(np.argmax(differ.any(axis=(0, 2))))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("none", "holds no time steps"),
        ("frames", "must be f32[N, T, 2, 6, 6]"),
    ],
)
def test_data_without_steps_are_refused(striate: Striate, files: Path, data: str, says: str) -> None:
    for command in ("run", "profile", "compare"):
        outcome = striate(command, *given(files, data), "--on", "loihi2")
        assert outcome.code == 1
        assert says in outcome.err
        assert "Traceback" not in outcome.err


def test_data_of_another_length_than_a_program_was_compiled_for_are_refused(striate: Striate, files: Path) -> None:
    program = files / "small.zip"
    striate("compile", *given(files)[:1], "--on", "loihi2(steps=12)", *given(files)[3:], "-o", program)
    outcome = striate("run", program, "--data", files / "short.npz")
    assert outcome.code == 1
    assert "must be f32[N, 12, 2, 6, 6]; its shape is [3, 7, 2, 6, 6]" in outcome.err
    assert striate("run", *given(files, "short"), "--on", "loihi2").code == 0
    outcome = striate("run", *given(files, "short"), "--on", "loihi2(steps=12)")
    assert "must be f32[N, 12, 2, 6, 6]" in outcome.err


def test_without_calibration_the_error_says_how_to_give_it(striate: Striate, files: Path) -> None:
    outcome = striate("run", *given(files)[:3], "--on", "loihi2")
    assert outcome.code == 1
    assert "error[needs-calibration]" in outcome.err


def test_the_metrics_of_a_graph_over_time_are_those_of_the_chip_that_computes_it(striate: Striate, files: Path) -> None:
    text = "weights init(1)\n a = events |> conv2d(4, 3, bias=false) |> lif(9ms, 0.3)\n"
    text += " y = a |> flatten |> linear(5, bias=false) |> lif(9ms, 0.2) |> spike_count"
    (files / "small.striate").write_text(f"network small(events: f32[2, 6, 6], dt = 1ms) -> y {{\n {text}\n}}\n")
    found: list[dict[str, Any]] = []
    for machine in ("gpu(precision=i8)", "loihi2"):
        outcome = striate("profile", *given(files), "--on", machine, "--metrics", "--json")
        assert outcome.code == 0, outcome.err
        found.append(json.loads(outcome.out)["metrics"])
    graph, chip = found
    first, second = (metrics["neurobench"]["ActivationSparsityByLayer"] for metrics in found)
    assert first["a"] == second["a"]
    assert 0 < first["a"] < 1
    assert graph["strict"]["acs"] == chip["strict"]["acs"] > 0
    assert graph["neurobench"]["SynapticOperations"]["Effective_MACs"] == 0


def test_outputs_have_their_names_in_every_trace(striate: Striate, files: Path) -> None:
    for machine in ("interpreter(graph=quantized)", "loihi2", "gpu(precision=i8)"):
        assert striate("trace", *given(files), "--on", machine, "-o", files / "t.npz").code == 0
        with np.load(files / "t.npz") as values:
            assert values["counts"].shape == (1, 5), machine
            assert values["v"].shape == (1, 12, 3), machine
