"""One network on the chips that are described: where they differ, and which are refused instead of pretended."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from conftest import DIGITS, Striate
from tiny_chips import tiny

from striate.data import load_arrays
from striate.diagnostics import CompileError
from striate.interpreter import interpret
from striate.language import parse_machine
from striate.pipeline import Compilation, lower, read
from striate.targets.neuromorphic import compile_for_neuromorphic
from striate.targets.neuromorphic.refuse import REASONS, refuses
from striate.tensor import Array
from striate_runtime import open_device
from striate_runtime.hardware import HARDWARE, Chip, load_hardware
from striate_runtime.profile import Profile

LENET = DIGITS / "lenet5.striate"


@pytest.fixture(scope="module")
def lenet() -> Compilation:
    return read(LENET)


@pytest.fixture(scope="module")
def images(lenet: Compilation) -> Array:
    return load_arrays(DIGITS / "digits_test.npz", lenet.graph.inputs)["image"][:40]


def run(lenet: Compilation, images: Array, machine: str) -> tuple[Array, Profile]:
    with open_device(lower(lenet, parse_machine(machine))) as device:
        outputs, took = device.profile({"image": images})
    return outputs["logits"], took


def described(name: str) -> str:
    return files("striate_runtime.hardware").joinpath(f"{name}.toml").read_text(encoding="utf-8")


def energy(took: Profile, part: str) -> float:
    value = took.energy_uj.stack[part].value
    assert value is not None
    return value


def test_both_presets_of_loihi_1_count_the_same_digits_and_differ_by_what_their_costs_imply(
    lenet: Compilation, images: Array
) -> None:
    davies_logits, davies = run(lenet, images, "loihi1_davies18(coding=rate, steps=16)")
    sanafe_logits, sanafe = run(lenet, images, "loihi1_sanafe25(coding=rate, steps=16)")
    assert np.array_equal(davies_logits, sanafe_logits)
    n, active = sanafe.counts, davies.counts["active_neurons"]
    assert davies.counts == {**n, "active_neurons": active}
    assert active < n["active_neurons"], "what changes is not at rest, and more is not at rest"
    by_format = 35.5 * n["synops_dense"] + 33.6 * n["synops_sparse"] + 24.0 * n["synops_conv"]
    neurons = [
        52.0 * n["neuron_updates"] + 29.0 * active,
        51.2 * n["neuron_updates"] + 21.6 * n["active_neurons"] + 69.3 * n["events_out"],
    ]
    assert energy(davies, "synapse") / energy(sanafe, "synapse") == pytest.approx(23.6 * n["synops"] / by_format)
    assert energy(davies, "neuron") / energy(sanafe, "neuron") == pytest.approx(neurons[0] / neurons[1])
    assert energy(davies, "synapse") != pytest.approx(energy(sanafe, "synapse"), rel=0.02)
    assert "neuron: cost.spike_out_energy_pj is unpublished" in davies.energy_uj.uncounted
    assert not any("spike_out" in line for line in sanafe.energy_uj.uncounted)


@pytest.mark.parametrize("coding", ["graded", "delta"])
def test_weights_that_do_not_fit_a_synapse_are_refused_with_their_range(
    lenet: Compilation, coding: Literal["graded", "delta"]
) -> None:
    with pytest.raises(CompileError) as error:
        compile_for_neuromorphic(
            lenet.quantized,
            coding=coding,
            steps=2,
            hardware=tiny("loihi2", weight_bits=4),
            machine="m",
            calibration=None,
        )
    layers = [diagnostic.message for diagnostic in error.value.diagnostics]
    assert len(layers) == 5, "each layer is named once"
    assert all("the 4 bits of a synapse of Loihi 2 hold -8 to 7" in message for message in layers)
    assert error.value.diagnostics[0].help == "use coding=rate, which makes weights as coarse as a chip's bits"


@pytest.mark.parametrize(("chip", "bits"), [("loihi2", 4), ("loihi2", 2), ("speck", 3)])
def test_rates_take_weights_as_coarse_as_a_synapse(lenet: Compilation, chip: str, bits: int) -> None:
    program = compile_for_neuromorphic(
        lenet.optimised,
        coding="rate",
        steps=8,
        hardware=tiny(chip, weight_bits=bits),
        machine="m",
        calibration=lenet.calibration,
    )
    weights = [program.arrays[p["weights"]] for p in program.body["projections"] if p.get("weights")]
    assert max(int(np.abs(array).max()) for array in weights) == 2 ** (bits - 1) - 1


@pytest.mark.parametrize("chip", ["loihi2", "speck"])
def test_a_synapse_without_a_bit_for_the_sign_is_refused(lenet: Compilation, chip: str) -> None:
    with pytest.raises(CompileError, match="has 1 bit, and a weight takes 2"):
        compile_for_neuromorphic(
            lenet.optimised,
            coding="rate",
            steps=8,
            hardware=tiny(chip, weight_bits=1),
            machine="m",
            calibration=lenet.calibration,
        )


def test_the_teaching_chip_computes_the_integer_network_bit_for_bit(lenet: Compilation, images: Array) -> None:
    logits, took = run(lenet, images, "teaching(coding=graded)")
    assert np.array_equal(logits, interpret(lenet.quantized, {"image": images})["logits"])
    assert took.valid
    assert "assumed" in took.energy_uj.total.note


@pytest.mark.parametrize("machine", ["loihi2(coding=graded)", "loihi2(coding=rate, steps=8)"])
def test_slower_events_make_a_sample_longer_by_the_networks_depth_and_change_no_number(
    lenet: Compilation, images: Array, machine: str, tmp_path: Path
) -> None:
    slow = tmp_path / "slow.toml"
    slow.write_text(described("loihi2").replace("layer_delay_steps = { value = 1", "layer_delay_steps = { value = 3"))
    logits, took = run(lenet, images[:4], machine)
    late, longer = run(lenet, images[:4], machine.replace("loihi2", str(slow)))
    assert np.array_equal(logits, late)
    assert took.steps is not None
    depth = took.steps - (8 if "rate" in machine else 1)
    assert longer.steps == took.steps + 2 * depth


def test_a_chip_with_ticks_computes_the_same_and_says_what_was_late(
    lenet: Compilation, images: Array, tmp_path: Path
) -> None:
    text = described("teaching")
    barrier = text[text.index("[[time.barrier]]") : text.index("[topology]")]
    ticking = tmp_path / "ticking.toml"
    for tick_ms, valid in (("1.0", True), ("0.001", False)):
        tick = f'model = "fixed_tick"\ntick_ms = {{ value = {tick_ms}, grade = "assumed", source = "ours" }}'
        ticking.write_text(text.replace(barrier, "").replace('model = "barrier_step"', tick))
        logits, took = run(lenet, images[:4], f"{ticking}(coding=graded)")
        assert np.array_equal(logits, interpret(lenet.quantized, {"image": images[:4]})["logits"])
        assert took.latency_us.value == pytest.approx(float(tick_ms) * 1000 * (took.steps or 0))
        assert took.valid == valid


def test_the_comparison_prints_that_figures_are_assumed(striate: Striate) -> None:
    outcome = striate("compare", LENET, "--on", "teaching", "--on", "loihi2", "--samples", "4")
    assert outcome.code == 0, outcome.err
    remarks = [line for line in outcome.out.splitlines() if "assumed" in line]
    assert len(remarks) == 1
    assert remarks[0].startswith("teaching: energy: ")


@pytest.mark.parametrize("coding", ["graded", "rate"])
def test_a_chip_that_is_only_described_is_refused_with_every_reason(
    lenet: Compilation, coding: str, tmp_path: Path
) -> None:
    described_only = tmp_path / "direct.toml"
    described_only.write_text(described("loihi2").replace('routing = "xy"', 'routing = "direct"'))
    with pytest.raises(CompileError) as caught:
        lower(lenet, parse_machine(f"{described_only}(coding={coding})"))
    messages = [diagnostic.message for diagnostic in caught.value.diagnostics]
    assert {diagnostic.code for diagnostic in caught.value.diagnostics} == {"cannot-lower"}
    assert any("connected directly" in message for message in messages)
    assert len(messages) == len(refuses(load_hardware(described_only)))


def test_targets_says_that_nothing_is_compiled_for_a_chip_that_is_only_described(
    striate: Striate, tmp_path: Path
) -> None:
    described_only = tmp_path / "direct.toml"
    described_only.write_text(described("loihi2").replace('routing = "xy"', 'routing = "direct"'))
    outcome = striate("targets", described_only)
    assert outcome.code == 0, outcome.err
    assert "No network is compiled for it yet" in outcome.out
    assert "options: coding=" not in outcome.out


def test_no_chip_that_comes_with_striate_is_refused() -> None:
    chips = [chip for chip in map(load_hardware, HARDWARE) if isinstance(chip, Chip)]
    assert [chip.name for chip in chips if refuses(chip)] == []


@pytest.mark.parametrize("place", REASONS)
def test_every_reason_is_in_the_specification(place: tuple[str, str, str]) -> None:
    page = (Path(__file__).parents[2] / "spec" / "hardware.md").read_text("utf-8")
    section, field, value = place
    assert f'`{section}.{field} = "{value}"`' in page


@pytest.mark.parametrize(("name", "figure"), [("truenorth", "26"), ("speck", "610.9"), ("teaching", "unpublished")])
def test_targets_prints_a_described_chip(striate: Striate, name: str, figure: str) -> None:
    outcome = striate("targets", name)
    assert outcome.code == 0, outcome.err
    assert figure in outcome.out
    assert "No network is compiled for it yet" not in outcome.out
    assert "options: coding=" in outcome.out
    assert ("are assumed" in outcome.out) == (name == "teaching")
    assert ("event by event" in " ".join(outcome.out.split())) == (name == "speck")
    assert re.search(r"time\.model +│ +\w+", outcome.out)
