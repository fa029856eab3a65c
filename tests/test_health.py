"""The health check of an encoding: closed forms on spikes made by hand, and what the command line says of networks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT, Striate

from striate.targets.neuromorphic.health import examine_changes, examine_rates, examine_spikes
from striate_runtime.program.neuromorphic import Population


def test_rates_are_compared_in_parts_of_the_full_scale() -> None:
    layer = Population("a", "a", (2, 1, 2), "integrate_and_fire", fires_at=1, full_scale=4.0)
    spikes = np.zeros((2, 5, 2, 1, 2), np.uint8)
    spikes[:, 1:, 0, 0, 0] = 1  # at every one of its four steps
    spikes[0, 2, 0, 0, 1] = 1
    floats = np.zeros((2, 2, 1, 2), np.float32)
    floats[:, 0, 0, 0] = 4.0, 6.0
    floats[0, 0, 0, 1] = 1.0
    floats[1, 1, 0, 0] = 0.5  # never fires
    (found,) = examine_rates([layer], 5, {"a": spikes}, {"a": floats})
    assert (found.neurons, found.dead, found.silenced) == (4, 2, 1)
    assert (found.dead_channels, found.channels) == (1, 2)
    assert found.saturated == 2 / 8
    assert found.rate == 9 / 32
    assert found.clipped == 1 / 8
    assert found.drift == pytest.approx((-2 / 4 - 0.5 / 4) / 8)
    assert found.error == pytest.approx((2 / 4 + 0.5 / 4) / 8)


def test_spikes_are_compared_step_by_step() -> None:
    layer = Population("a", "a", (1, 1, 2), "cuba_lif", refractory=1)
    silent = Population("b", "b", (1, 1, 2), "cuba_lif", fires=False)
    spikes, floats = np.zeros((1, 4, 1, 1, 2), np.uint8), np.zeros((1, 4, 1, 1, 2), np.float32)
    spikes[0, [0, 2], 0, 0, 0] = 1  # as often as a neuron can that rests for a step
    floats[0, [0, 1], 0, 0, 0] = 1
    floats[0, 3, 0, 0, 1] = 1
    (found,) = examine_spikes([layer, silent], {"a": spikes, "b": spikes}, {"a": floats, "b": floats})
    assert (found.dead, found.silenced, found.saturated, found.rate) == (1, 1, 1 / 2, 2 / 8)
    assert (found.drift, found.error, found.clipped) == (-1 / 8, 3 / 8, None)


NETWORK = """
network tiny(image: f32[1, 6, 6]) -> y {
  weights init(0)
  a = image |> conv2d(4, 3) |> relu
  y = a |> flatten |> linear(3)
}
"""
OVER_TIME = """
network timed(image: f32[1, 6, 6], dt = 1ms) -> y {
  weights init(0)
  a = image |> conv2d(4, 3) |> lif(20ms, threshold=0.3)
  y = a |> flatten |> linear(3) |> leaky_integrator(20ms) |> last
}
"""


@pytest.fixture
def networks(tmp_path: Path) -> Path:
    (tmp_path / "tiny.striate").write_text(NETWORK)
    (tmp_path / "timed.striate").write_text(OVER_TIME)
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "tiny.npz", image=rng.uniform(0, 1, (20, 1, 6, 6)).astype(np.float32))
    np.savez(tmp_path / "timed.npz", image=(rng.random((5, 12, 1, 6, 6)) < 0.3).astype(np.float32))
    return tmp_path


def health(striate: Striate, networks: Path, name: str, on: str) -> dict[str, Any]:
    data = networks / f"{name}.npz"
    told = striate(
        "compile", networks / f"{name}.striate", "--on", on, "--calibration", data, "--emit", "health", "--json"
    )
    assert told.code == 0, told.err
    return json.loads(told.out)


def test_a_low_percentile_clips_and_saturates_and_errs_low(striate: Striate, networks: Path) -> None:
    (whole,), (cut,) = (
        health(striate, networks, "tiny", f"loihi1(coding=rate, steps=64, percentile={percentile})")["layers"]
        for percentile in ("100.0", "70.0")
    )
    assert whole["name"] == cut["name"] == "a"
    assert whole["clipped"] == 0
    assert abs(whole["drift"]) < 0.01
    assert cut["clipped"] > 0.1
    assert cut["saturated"] > 0.1 > whole["saturated"]
    assert cut["drift"] < -0.05


def test_what_is_held_is_compared_with_all_that_the_float_neurons_have_sent() -> None:
    layer = Population("a", "a", (2, 1, 1), "sigma_delta", low=0, high=10)
    held = np.array([0, 4, 10, 10, 0, 0, 0, 0]).reshape(2, 4).T.reshape(1, 4, 2, 1, 1)
    floats = np.array([0.0, 2.5, 2.5, 1.0, 0.0, 0.0, 0.5, 0.0]).reshape(2, 4).T.reshape(1, 4, 2, 1, 1)
    sent = (np.diff(held, axis=1, prepend=0) != 0).astype(np.uint8)
    (found,) = examine_changes([layer], {"a": sent}, {"a": held}, {"a": floats}, {"a": 0.5})
    assert (found.neurons, found.dead, found.silenced, found.dead_channels) == (2, 1, 1, 1)
    assert found.rate == 2 / 8
    assert found.saturated == 2 / 8
    assert found.drift == pytest.approx((0 - 0.5 + 0 - 1.0 + 0 + 0 - 0.5 - 0.5) / 8 / 5)
    assert found.error == pytest.approx((0.5 + 1.0 + 0.5 + 0.5) / 8 / 5)


def test_the_example_of_changes_is_healthy_on_the_chip(striate: Striate) -> None:
    example = ROOT / "examples" / "digits" / "lenet5_changes.striate"
    found = json.loads(striate("compile", example, "--on", "loihi2", "--emit", "health", "--json").out)
    names = [layer["name"] for layer in found["layers"]]
    assert names == ["conv1", "pool1", "conv2", "pool2", "fc1", "fc2", "logits.sigma_delta"]
    assert all(0 < layer["error"] < 0.005 and abs(layer["drift"]) < 0.002 for layer in found["layers"])
    assert all(layer["saturated"] < 0.001 and 0.3 < layer["rate"] < 1 for layer in found["layers"])
    assert found["problems"] == []


def test_more_steps_bring_rates_nearer(striate: Striate, networks: Path) -> None:
    (few,), (many,) = (
        health(striate, networks, "tiny", f"loihi1(coding=rate, steps={steps})")["layers"] for steps in (4, 256)
    )
    assert many["error"] < few["error"] / 8


def test_native_neurons_are_held_against_the_float_networks(striate: Striate, networks: Path) -> None:
    found = health(striate, networks, "timed", "loihi1")
    (layer,) = found["layers"]
    assert (found["kind"], found["samples"], layer["name"]) == ("native", 5, "a")
    assert 0 < layer["rate"] < 1
    assert layer["error"] < 0.02
    assert found["problems"] == []


@pytest.mark.parametrize("on", ["loihi2", "loihi2(coding=delta, steps=2)", "gpu(precision=i8)"])
def test_integers_are_examined_as_quantize_does(striate: Striate, networks: Path, on: str) -> None:
    found = health(striate, networks, "tiny", on)
    assert found["kind"] == "integers"
    assert [row["dtype"] for row in found["layers"]] == ["u8", "u8"]
    assert all(row["snr_db"] > 30 for row in found["layers"])


def test_a_machine_of_floats_has_no_health_to_tell(striate: Striate, networks: Path) -> None:
    outcome = striate("compile", networks / "tiny.striate", "--on", "gpu(precision=f16)", "--emit", "health")
    assert outcome.code == 1
    assert "'gpu(precision=f16)' computes in floats" in outcome.err


def test_the_table_names_what_its_figures_are_parts_of(striate: Striate, networks: Path) -> None:
    on = ("--on", "loihi1(coding=rate, steps=8)", "--calibration", networks / "tiny.npz")
    told = striate("compile", networks / "tiny.striate", *on, "--emit", "health").out
    assert "in parts of each layer's full scale, 16 calibration samples" in told
    assert "silenced" in told
    assert "no sum exceeded the membrane" in told
