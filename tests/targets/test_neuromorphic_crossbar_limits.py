"""Crossbars: the fewest strengths, limits in closed form, and what is refused with which words."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import msgspec
import numpy as np
import pytest
from conftest import Striate
from crossbar_networks import assert_same, body_of, few_valued, native, on_truenorth, rated

from striate.diagnostics import CompileError
from striate.language import parse_machine
from striate.pipeline import Compilation, lower, read
from striate.targets.neuromorphic.mapping.strengths import bits_of, strengths_of
from striate_runtime import open_device
from striate_runtime.device import DeviceError
from striate_runtime.program import Program, ProgramError

# -- strengths


@pytest.mark.parametrize(
    ("weights", "strengths"),
    [
        ((), ()),
        ((5,), (5,)),
        ((-127, 127), (127, -127)),
        ((1, 2, 3), (2, 1)),
        ((-8, -7, -6, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 6, 7), (4, 2, 1, -8)),
        ((-7, -5, -3, -1, 1, 3, 5, 7), None),
        ((3, 5, 6, 8, 9, 11, 14), (6, 5, 3)),
        ((1, 2, 4, 8, 16), (12, 11, -3, -7)),
        ((1, 10, 30, 77, 100, 200), None),
        ((256,), None),
        (tuple(range(1, 17)), None),
    ],
)
def test_the_fewest_strengths(weights: tuple[int, ...], strengths: tuple[int, ...] | None) -> None:
    if weights == (-7, -5, -3, -1, 1, 3, 5, 7):
        found = strengths_of(weights, 4, 255)
        assert found is not None
        assert set(weights) <= sums_of(found)
        return
    assert strengths_of(weights, 4, 255) == strengths


def sums_of(strengths: tuple[int, ...]) -> set[int]:
    return {sum(some) for number in range(len(strengths) + 1) for some in combinations(strengths, number)}


@pytest.mark.parametrize("seed", range(40))
def test_strengths_are_found_whenever_there_are_any_and_are_never_more_than_those(seed: int) -> None:
    rng = np.random.default_rng(seed)
    strengths = tuple(int(s) for s in rng.integers(-40, 41, int(rng.integers(1, 5))))
    sums = sorted(sums_of(strengths) - {0})
    weights = (
        tuple(sorted(rng.choice(sums, int(rng.integers(1, len(sums) + 1)), replace=False).tolist())) if sums else ()
    )
    found = strengths_of(weights, 4, 255)
    assert found is not None
    assert len(found) <= len(strengths)
    assert set(weights) <= sums_of(found)
    for weight, code in zip(weights, bits_of(np.array(weights, np.int64), found).tolist(), strict=True):
        assert sum(s for at, s in enumerate(found) if code >> at & 1) == weight
        assert all(sum(some) != weight for number in range(code.bit_count()) for some in combinations(found, number)), (
            "the fewest bits"
        )


def test_no_fewer_strengths_would_do_by_trying_all_of_a_small_width() -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        weights = tuple(sorted({int(w) for w in rng.integers(-6, 7, 5)} - {0}))
        found = strengths_of(weights, 3, 12)
        tried = [
            number
            for number in range(4)
            if any(set(weights) <= sums_of(some) for some in combinations(range(-12, 13), number))
        ]
        assert (None if found is None else len(found)) == (tried[0] if tried else None), weights


# -- limits, in closed form


def dense(inputs: int, outputs: int, levels: tuple[int, ...]) -> Compilation:
    return native(f"y = x |> linear({outputs}, bias=false) |> integrate_and_fire(1)", f"f32[{inputs}]", levels)[0]


def used_of(program: Program) -> list[dict[str, int]]:
    return [{usage.resource: usage.used for usage in core.usage} for core in body_of(program).cores]


def test_128_trinary_and_256_binary_inputs_and_256_neurons_fill_a_core() -> None:
    assert used_of(on_truenorth(dense(128, 256, (-1, 1))))[0]["axons_in"] == 256
    (core,) = used_of(on_truenorth(dense(256, 256, (0, 1))))
    assert core == {
        "neuron_slots": 256,
        "axons_in": 256,
        "axons_out": 256,
        "synapse_words": 1024,
        "synapse_bits": core["synapse_bits"],
    }
    assert len(used_of(on_truenorth(dense(10, 257, (0, 1))))) == 2


@pytest.mark.parametrize(
    ("inputs", "levels", "help"),
    [
        (
            150,
            (-8, -3, -1, 1, 2, 4, 5, 7),
            "64 with weights of 4 types and 128 with trinary ones and 256 with weights of one value",
        ),
        (
            300,
            (-1, 1),
            "300 neurons come in, on 1 axons each; 128 with trinary ones and 256 with weights of one value always fit",
        ),
        (300, (1,), "300 neurons come in, on 1 axons each; 256 with weights of one value always fit"),
    ],
)
def test_a_fan_in_beyond_256_axons_is_refused_with_its_numbers(inputs: int, levels: tuple[int, ...], help: str) -> None:
    compilation = dense(inputs, 3, levels)
    with pytest.raises(CompileError) as caught:
        on_truenorth(compilation)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "does-not-fit"
    assert diagnostic.span is not None
    found = re.search(r"takes ([\d,]+) axons coming in, and a core has 256", diagnostic.message)
    assert found is not None, diagnostic.message
    assert int(found[1]) == 300 or (len(levels) == 8 and 256 < int(found[1]) <= 600)
    assert help in (diagnostic.help or "")


def two_layers(first: int, second: int) -> str:
    neurons = "integrate_and_fire(1)"
    return f"a = x |> linear({first}, bias=false) |> {neurons}\n y = a |> linear({second}, bias=false) |> {neurons}"


def test_a_neuron_is_copied_for_every_axon_that_it_feeds() -> None:
    """8 neurons that 3 cores of 256 hear with both signs: 3 x 2 copies of each; one more where the host reads them."""
    body = two_layers(8, 768)
    compilation, spikes = native(body, "f32[4]", (-1, 1))
    cores = used_of(on_truenorth(compilation))
    assert [core["neuron_slots"] for core in cores] == [48, 256, 256, 256]
    assert [core["axons_in"] for core in cores[1:]] == [16, 16, 16]
    read_too, _ = native(body, "f32[4]", (-1, 1), outputs="y, a")
    assert used_of(on_truenorth(read_too))[0]["neuron_slots"] == 56
    assert_same(on_truenorth(compilation), spikes)


def test_what_takes_more_copies_than_a_core_has_neurons_is_refused() -> None:
    compilation, _ = native(two_layers(2, 33000), "f32[2]", (-1, 1))
    with pytest.raises(CompileError) as caught:
        on_truenorth(compilation)
    (diagnostic,) = caught.value.diagnostics
    assert "one of its neurons alone takes 258 neuron slots, and a core has 256" in diagnostic.message
    assert "must take fewer cores" in (diagnostic.help or "")


# -- refusals


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("y = x |> linear(3) |> lif(tau=5ms)", "lose a part of their potential in each step"),
        ("y = x |> linear(3) |> cuba_lif(3ms, 9ms, 0.6)", "keep a current"),
        ("y = x |> linear(3) |> integrate_and_fire(1, refractory=2)", "rest for 2 steps"),
        ("y = x |> linear(3) |> leaky_integrator(5ms) |> last", "read the potential of its neurons"),
        ("y = x |> linear(3) |> sum_over_time", "read the sum of its neurons"),
        ("y = x |> linear(3)", "read the current of its neurons"),
        ("y = x |> delay(20, size=(6,)) |> linear(3) |> integrate_and_fire(1)", "delays them by 15 at most"),
    ],
)
def test_what_its_neurons_do_not_do_is_refused_with_the_reason(body: str, says: str) -> None:
    with pytest.raises(CompileError) as caught:
        on_truenorth(native(body, "f32[6]")[0])
    assert {diagnostic.code for diagnostic in caught.value.diagnostics} == {"cannot-lower"}
    assert any(says in diagnostic.message for diagnostic in caught.value.diagnostics), str(caught.value)


def test_weights_of_8_bits_are_refused_with_layer_channel_number_and_an_example() -> None:
    compilation, _ = native("y = x |> linear(3, bias=false) |> integrate_and_fire(1)", "f32[40]", tuple(range(-60, 61)))
    with pytest.raises(CompileError) as caught:
        on_truenorth(compilation)
    (diagnostic,) = caught.value.diagnostics
    weights = compilation.quantized.parameters["y.weight"].value
    assert weights is not None
    values = sorted(set(weights[0].tolist()) - {0})
    assert diagnostic.code == "cannot-lower"
    assert "the layer 'y'" in diagnostic.message
    assert f"channel 0 have {len(values)} different values ({values[0]}, {values[1]}, " in diagnostic.message
    assert "15 values at most" in diagnostic.message
    assert "trinary" in (diagnostic.help or "")


def test_an_axon_takes_a_spike_or_none() -> None:
    body = "y = x |> linear(3, bias=false) |> integrate_and_fire(1)"
    compilation, spikes = native(body, "f32[6]")
    with (
        open_device(on_truenorth(compilation)) as device,
        pytest.raises(DeviceError, match="sample 0 holds 2, and an axon"),
    ):
        device.run({"x": spikes["x"] * 2})
    text = f"network n(x: f32[6], dt = 1ms) -> y {{\n weights init(0)\n {body}\n}}"
    counted = few_valued(read(text, calibration={"x": spikes["x"] * 3}), [-1, 0, 1], 0)
    with pytest.raises(CompileError, match="data of 'x' hold 3, and an axon of TrueNorth takes a spike"):
        on_truenorth(counted)


@pytest.mark.parametrize(
    ("machine", "says"),
    [
        ("truenorth(coding=graded)", "an event of TrueNorth carries 0 bits"),
        ("truenorth(coding=rate, slabs=power_of_two)", "has none to spare"),
        ("loihi1(coding=rate, types=2)", "'types' is of axons, and those of Loihi 1"),
    ],
)
def test_options_that_mean_nothing_there_are_refused(machine: str, says: str) -> None:
    with pytest.raises(CompileError, match=says.replace("(", r"\(")):
        lower(rated("y = x |> linear(3)", "f32[4]")[0], parse_machine(machine))


Damage = Callable[[Program], object]


def set_bits(change: Callable[[np.ndarray], np.ndarray]) -> Damage:
    return lambda program: program.arrays.update({bits_in(program): change(program.arrays[bits_in(program)])})  # type: ignore[attr-defined]


DAMAGE: dict[str, tuple[Damage, str]] = {
    "no bits": (lambda p: p.body["projections"][0].update(bits=None), "has no bits"),
    "bits of another shape": (set_bits(lambda bits: bits[:1]), "have not the weights' shape"),
    "bits of a fifth type": (set_bits(lambda bits: bits | 32), "types that there are not"),
    "other bits": (set_bits(lambda bits: bits ^ 1), "do not add up to its weights"),
    "no strengths": (lambda p: p.body["populations"][1].update(strengths=None), "has no strengths"),
}


def bits_in(program: Program) -> str:
    return program.body["projections"][0]["bits"]


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_program_is_refused(what: str) -> None:
    program = on_truenorth(native("y = x |> linear(3, bias=false) |> integrate_and_fire(1)", "f32[6]")[0])
    damage, says = DAMAGE[what]
    open_device(program)
    program = msgspec.structs.replace(program, arrays=dict(program.arrays))
    damage(program)
    with pytest.raises((ProgramError, DeviceError), match=says):
        open_device(program)


def test_a_potential_beyond_the_membrane_makes_a_result_invalid() -> None:
    compilation, spikes = native("y = x |> linear(1, bias=false) |> integrate_and_fire(1)", "f32[64]", (-1,))
    short = open_device(on_truenorth(compilation))
    assert short.profile(spikes)[1].valid
    many = np.ones((1, 40, 64), np.float32)
    text = compilation.source.text
    longer = few_valued(read(text, calibration={"x": many}), [-1], 0)
    took = open_device(on_truenorth(longer)).profile({"x": many})[1]
    assert not took.valid, "64 x 40 weights of -127"
    assert "exceeded the 18-bit membrane" in took.problems[0].message


def test_the_mapping_is_printed_with_what_binds(striate: Striate, tmp_path: Path) -> None:
    path = tmp_path / "n.striate"
    path.write_text(
        "network n(x: f32[1, 6, 6]) -> y {\n weights init(0)\n y = x |> conv2d(4, 3) |> relu |> flatten |> linear(3)\n}"
    )
    np.savez(tmp_path / "c.npz", x=np.random.default_rng(0).uniform(0, 1, (4, 1, 6, 6)).astype(np.float32))
    arguments = ("--on", "truenorth(coding=rate)", "--calibration", tmp_path / "c.npz", "--emit", "mapping")
    outcome = striate("compile", path, *arguments)
    assert outcome.code == 0, outcome.err
    assert re.search(r"axons_in \d+/256 \d+%", outcome.out)
    assert re.search(r"neuron_slots \d+/256 \d+%", outcome.out)
    assert "synapse_bits" in outcome.out
    assert "binding: " in outcome.out
