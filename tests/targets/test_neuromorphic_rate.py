"""The coding `rate`: rates approach the float network, by the arithmetic that spec/mapping.md states."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import numpy as np
import pytest
from dense_chip import run_densely
from hypothesis import given, settings
from hypothesis import strategies as st
from mapped_networks import GRADED_ONLY, NETWORKS, compiled

from striate.diagnostics import CompileError
from striate.interpreter import interpret
from striate.pipeline import Compilation, read
from striate.targets.neuromorphic import compile_for_neuromorphic
from striate.targets.neuromorphic.codings.balance import shared_thresholds
from striate.targets.neuromorphic.codings.rate import FULL_SCALE_PERCENTILE
from striate.tensor import Array
from striate_runtime.device import open_device
from striate_runtime.hardware import load_hardware
from striate_runtime.program import Program
from striate_runtime.program.neuromorphic import NeuromorphicBody

DIGITS = Path(__file__).parents[2] / "examples" / "digits"


def rate(compilation: Compilation, steps: int, percentile: float = 100.0, chip: str = "loihi2") -> Program:
    return compile_for_neuromorphic(
        compilation.optimised,
        coding="rate",
        steps=steps,
        hardware=load_hardware(chip),
        machine=f"{chip}(coding=rate)",
        calibration=compilation.calibration,
        percentile=percentile,
    )


def body_of(program: Program) -> NeuromorphicBody:
    return msgspec.convert(program.body, NeuromorphicBody)


def worst(outputs: dict[str, Array], wanted: dict[str, Array]) -> float:
    return max(float(np.abs(outputs[name] - wanted[name]).max() / np.abs(wanted[name]).max()) for name in wanted)


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_the_error_falls_as_the_steps_grow(name: str) -> None:
    compilation, inputs = compiled(NETWORKS[name])
    wanted = interpret(compilation.optimised, inputs)
    errors: list[float] = []
    for steps in (16, 64, 256, 1024):
        with open_device(rate(compilation, steps)) as chip:
            errors.append(worst(chip.run(inputs), wanted))
    assert errors[0] > errors[1] > errors[2], errors
    assert errors[3] < 0.05, errors


@pytest.mark.parametrize("name", ["lenet", "residual"])
def test_a_program_means_the_same_to_a_plain_reading_of_its_words(name: str) -> None:
    compilation, inputs = compiled(NETWORKS[name], samples=1)
    program = rate(compilation, 12)
    with open_device(program) as chip:
        outputs = chip.run(inputs)
    for output, array in run_densely(program, inputs).items():
        np.testing.assert_array_equal(outputs[output], array)


def test_one_neuron_follows_the_closed_form() -> None:
    """A pixel p and a weight w: the readout hears floor((127 + T p) / 255) spikes, each worth w times full scale."""
    text = "network one(x: f32[1]) -> y { weights init(3)\n y = x |> linear(1, bias=false) }"
    compilation = read(text, calibration={"x": np.ones((1, 1), np.float32)})
    steps, x = 50, np.array([[0.3]], np.float32)
    trained = compilation.optimised.parameters["y.weight"].value
    assert trained is not None
    weight = trained.item()
    spikes = math.floor((127 + steps * round(0.3 * 255)) / 255)
    with open_device(rate(compilation, steps)) as chip:
        assert chip.run({"x": x})["y"][0, 0] == pytest.approx(spikes / steps * weight, rel=1e-6)


@pytest.mark.parametrize("layers", [0, 1, 6])
def test_an_output_hears_as_much_of_its_input_whatever_else_is_deeper(layers: int) -> None:
    """The readout of the closed form above, beside another that listens behind so many layers."""
    deeper = "x |> linear(1) |> relu" + " |> linear(1) |> relu" * layers
    text = f"network two(x: f32[1]) -> y, z {{ weights init(3)\n y = x |> linear(1, bias=false)\n z = {deeper} }}"
    compilation = read(text, calibration={"x": np.ones((1, 1), np.float32)})
    steps, x = 10, np.array([[0.3]], np.float32)
    trained = compilation.optimised.parameters["y.weight"].value
    assert trained is not None
    spikes = math.floor((127 + steps * round(0.3 * 255)) / 255)
    with open_device(rate(compilation, steps)) as chip:
        assert chip.run({"x": x})["y"][0, 0] == pytest.approx(spikes / steps * trained.item(), rel=1e-6)


def test_every_way_to_a_neuron_takes_equally_long() -> None:
    body = body_of(rate(compiled(NETWORKS["residual"])[0], 16))
    starts = {population.name: population.fires_at for population in body.populations}
    assert any(projection.delay > 1 for projection in body.projections), "a shortcut waits for the long way"
    for projection in body.projections:
        assert starts[projection.source] + projection.delay == starts[projection.target]
    assert body.steps == 16 + max(starts.values())


def test_thresholds_start_half_full_and_weights_fit_the_chip() -> None:
    program = rate(compiled(NETWORKS["lenet"])[0], 16, chip="loihi1")
    for population in body_of(program).populations:
        if population.kind == "integrate_and_fire":
            threshold = program.arrays[population.threshold or ""]
            np.testing.assert_array_equal(program.arrays[population.initial or ""], threshold // 2)
    for projection in body_of(program).projections:
        assert np.abs(program.arrays[projection.weights or ""].astype(int)).max() == 127


def test_thresholds_and_biases_fit_what_loihi_holds() -> None:
    """A weight arrives shifted by 6: thresholds are 17 bits so shifted, biases 12 and a sign, shifted by at most 7."""
    program = rate(read(DIGITS / "lenet5.striate"), 64, FULL_SCALE_PERCENTILE, "loihi1")
    for population in body_of(program).populations:
        if population.kind == "integrate_and_fire":
            assert program.arrays[population.threshold or ""].max() < 1 << 17
            assert population.bias is None or np.abs(program.arrays[population.bias]).max() < 1 << 12


def test_a_layer_has_no_more_thresholds_than_a_core_of_loihi_1_has_room_for() -> None:
    compilation = read(DIGITS / "lenet5.striate")
    free, bound = (rate(compilation, 64, FULL_SCALE_PERCENTILE, chip) for chip in ("loihi2", "loihi1"))
    different = {
        chip: {p.name: len(np.unique(program.arrays[p.threshold or ""])) for p in body_of(program).populations[1:-1]}
        for chip, program in (("loihi2", free), ("loihi1", bound))
    }
    assert different["loihi2"]["fc1"] > 16
    assert max(different["loihi1"].values()) == 16
    layers = [core.population for core in body_of(bound).cores]
    assert layers.count("fc1") == layers.count("fc2") == 1, "so that a dense layer is not cut for them"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(1, 1e5), min_size=1, max_size=40), st.integers(1, 12))
def test_shared_thresholds_are_few_and_lowered_by_no_more_than_an_even_ladder_would(
    thresholds: list[float], most: int
) -> None:
    given_ = np.array(thresholds)
    shared = shared_thresholds(given_, most)
    assert len(np.unique(shared)) <= most
    assert (shared <= given_).all()
    ladder = (given_.max() / given_.min()) ** (1 / most)
    assert (given_ <= shared * ladder * (1 + 1e-9)).all()


def test_soft_reset_takes_the_slots_it_costs() -> None:
    compilation, _ = compiled(NETWORKS["lenet"])
    for chip, slots in (("loihi1", 2), ("loihi2", 1)):
        for core in body_of(rate(compilation, 4, chip=chip)).cores:
            neurons = math.prod(end - first for first, end in (core.channels, core.rows, core.columns))
            used = {usage.resource: usage.used for usage in core.usage}["neuron_slots"]
            assert used == neurons * (1 if core.population == "y" else slots)


def test_a_lower_percentile_lowers_full_scales_and_so_thresholds() -> None:
    compilation, _ = compiled(NETWORKS["lenet"], samples=32)
    low, high = (rate(compilation, 4, percentile) for percentile in (90.0, 100.0))
    name = next(p.threshold for p in body_of(low).populations if p.kind == "integrate_and_fire")
    assert (low.arrays[name or ""] < high.arrays[name or ""]).all()


def test_a_silent_input_costs_no_synapse_any_energy() -> None:
    text = """
        network silent(x: f32[1, 6, 6]) -> y {
          weights init(0)
          y = x |> conv2d(3, 3, bias=false) |> relu |> flatten |> linear(2, bias=false)
        }"""
    compilation, inputs = compiled(text)
    with open_device(rate(compilation, 32, chip="loihi1")) as chip:
        outputs, profile = chip.profile({"x": np.zeros_like(inputs["x"])})
        _, busy = chip.profile(inputs)
    assert not outputs["y"].any()
    assert profile.energy_uj.stack["synapse"].value == 0
    assert (busy.energy_uj.stack["synapse"].value or 0) > 0


@pytest.mark.parametrize("name", sorted(GRADED_ONLY))
def test_a_network_with_negative_numbers_or_a_maximum_is_refused_with_the_reason(name: str) -> None:
    with pytest.raises(CompileError) as error:
        rate(compiled(GRADED_ONLY[name])[0], 16)
    assert all(d.code == "cannot-lower" for d in error.value.diagnostics)
    reasons = str(error.value)
    assert "negative" in reasons or "avg_pool2d" in reasons


def test_inputs_below_zero_are_refused_with_their_minimum() -> None:
    compilation = read(NETWORKS["lenet"], calibration={"x": np.full((1, 1, 12, 12), -0.5, np.float32)})
    with pytest.raises(CompileError, match=r"-0\.5.*no negative rate"):
        rate(compilation, 16)


def test_the_digits_lose_no_accuracy_worth_mention_at_the_default_percentile() -> None:
    """On 100 test digits, 64 steps, as spec/mapping.md has it for all 1,000: within one image of the float network."""
    with np.load(DIGITS / "digits_test.npz") as data:
        image, label = data["image"][::10], data["label"][::10]
    compilation = read(DIGITS / "lenet5.striate")
    wanted = interpret(compilation.optimised, {"image": image})["logits"]
    logits: dict[float, Array] = {}
    for percentile in (95.0, FULL_SCALE_PERCENTILE):
        with open_device(rate(compilation, 64, percentile, "loihi1")) as chip:
            logits[percentile] = chip.run({"image": image})["logits"]
    default = logits[FULL_SCALE_PERCENTILE]
    assert (default.argmax(1) == label).sum() >= (wanted.argmax(1) == label).sum() - 1
    assert np.abs(default - wanted).mean() < 0.5 * np.abs(logits[95.0] - wanted).mean()
