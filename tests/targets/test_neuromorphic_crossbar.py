"""TrueNorth: what is compiled for it, expanded to cores of 256 x 256 bits and run there, is what the emulator says."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import truenorth_cores
from conftest import Striate
from truenorth_cores import Chip, Ran, simulate

from striate.diagnostics import CompileError
from striate.interpreter import interpret
from striate.language import parse_machine
from striate.pipeline import Compilation, lower, read
from striate.targets.neuromorphic.strengths import bits_of, strengths_of
from striate.tensor import Array
from striate_runtime import open_device
from striate_runtime.device import DeviceError
from striate_runtime.neuromorphic.chip import EmulatedChip
from striate_runtime.profile import Profile
from striate_runtime.program import Program, ProgramError
from striate_runtime.program.neuromorphic import NeuromorphicBody
from striate_runtime.trace import SPIKES

STEPS = 12


def few_valued(compilation: Compilation, levels: list[int], seed: int, step: float = 0.5) -> Compilation:
    """The network with weights that are such whole numbers of a step, and small biases."""
    rng = np.random.default_rng(seed)
    for name, parameter in list(compilation.graph.parameters.items()):
        shape = parameter.type.shape
        values = rng.choice(levels, shape) * step if len(shape) > 1 else rng.integers(-1, 3, shape) * 0.1
        compilation.graph.parameters[name] = replace(parameter, value=values.astype(np.float32))
    return compilation


def native(
    body: str, x: str = "f32[2, 6, 6]", levels: tuple[int, ...] = (-1, 0, 1), seed: int = 0, outputs: str = "y"
) -> tuple[Compilation, dict[str, Array]]:
    """A network with time with few-valued weights, and one sample of spikes for it."""
    text = f"network n(x: {x}, dt = 1ms) -> {outputs} {{\n weights init(0)\n {body}\n}}"
    first = read(text, stand_ins=True)
    rng = np.random.default_rng(seed)
    spikes = {
        name: (rng.random((1, STEPS, *type.shape)) < 0.4).astype(np.float32)
        for name, type in first.graph.inputs.items()
    }
    return few_valued(read(text, calibration=spikes), list(levels), seed), spikes


def on_truenorth(compilation: Compilation, options: str = "") -> Program:
    return lower(compilation, parse_machine(f"truenorth{options}"))


def body_of(program: Program) -> NeuromorphicBody:
    return msgspec.convert(program.body, NeuromorphicBody)


def given_spikes(program: Program, inputs: dict[str, Array]) -> dict[tuple[str, int], list[int]]:
    """In which ticks the host sends each number of the first sample, as the codings say."""
    body = body_of(program)
    sent: dict[tuple[str, int], list[int]] = {}
    for port, array in inputs.items():
        population = next(p for p in body.populations if p.name == body.inputs[port])
        numbers = np.rint(array[0] / np.float32(body.input_scale[port])).astype(int)
        if body.coding == "native":
            by_step = numbers.reshape(-1, *population.shape).transpose(0, 2, 3, 1).reshape(len(numbers), -1)
            for n in range(by_step.shape[1]):
                sent[population.name, n] = np.flatnonzero(by_step[:, n]).tolist()
            continue
        for n, number in enumerate(numbers.reshape(population.shape).transpose(1, 2, 0).reshape(-1).tolist()):
            held, ticks = 127, list[int]()
            for tick in range(body.steps):
                held += number
                if held >= 255:
                    held -= 255
                    ticks.append(tick)
            sent[population.name, n] = ticks
    return sent


def on_cores(program: Program, inputs: dict[str, Array]) -> tuple[Chip, Ran]:
    chip = truenorth_cores.build(program)
    return chip, simulate(chip, given_spikes(program, inputs), body_of(program).steps)


def emulated(program: Program, inputs: dict[str, Array]) -> tuple[dict[str, Array], dict[str, Array], Profile]:
    device = open_device(program)
    assert isinstance(device, EmulatedChip)
    outputs, took = device.profile(inputs)
    return outputs, device.trace(inputs), took


def assert_same(program: Program, inputs: dict[str, Array]) -> tuple[dict[str, Array], Profile]:
    """The emulator's spikes, counts and usage are those of the cores."""
    body = body_of(program)
    chip, ran = on_cores(program, inputs)
    outputs, trace, took = emulated(program, inputs)
    shown = next(iter(inputs.values())).shape[1] if body.coding == "native" else body.steps
    total = 0
    for population in body.populations:
        if not population.on_cores:
            continue
        spikes = trace[population.name + SPIKES][0].transpose(0, 2, 3, 1)
        first = population.fires_at if body.coding == "native" else 0
        expected = np.zeros((body.steps, int(np.prod(population.shape))), np.uint8)
        for n in range(expected.shape[1]):
            expected[ran.spikes.get((population.name, n), []), n] = 1
        window = expected[first : first + shown]
        assert np.array_equal(spikes.reshape(len(window), -1), window), population.name
        total += int(window.sum())
    assert total > 0, "something fires"
    counts = took.counts
    assert counts["synops"] == ran.bits
    assert counts["messages_out"] == ran.sent
    assert counts["messages_injected"] == ran.injected
    assert counts["messages_in"] == ran.received
    assert counts["neuron_updates"] == ran.updates
    assert counts["synapse_words"] == 4 * ran.received, "a row of 256 bits is four words"
    for core, crossbar in zip(body.cores, chip.cores, strict=True):
        used = {usage.resource: usage.used for usage in core.usage}
        assert used["neuron_slots"] == len(crossbar.slots)
        assert used["axons_in"] == len(crossbar.types)
        assert used["axons_out"] == sum(slot.to is not None for slot in crossbar.slots)
        assert used["synapse_bits"] == sum(map(len, crossbar.rows))
    assert took.energy_uj.total.value == pytest.approx(ran.bits * 26e-6), "hops are contained, not added"
    return outputs, took


NETWORKS = {
    "pools and groups": """
        a = x |> conv2d(4, 3, padding=1) |> integrate_and_fire(1.5)
        b = a |> avg_pool2d(2) |> integrate_and_fire(0.3, reset=zero)
        c = b |> conv2d(6, 3, padding=1, bias=false, groups=2) |> integrate_and_fire(1.2)
        y = c |> flatten |> linear(5) |> integrate_and_fire(1.0) |> spike_count""",
    "a maximum": """
        a = x |> conv2d(4, 3, padding=1) |> integrate_and_fire(1.5, reset=zero) |> max_pool2d(2)
        y = a |> conv2d(3, 2) |> integrate_and_fire(0.8)""",
    "strides, dilation and ragged padding": """
        a = x |> conv2d(6, 3, stride=2, padding=(0, 1, 2, 1)) |> integrate_and_fire(0.9)
        y = a |> conv2d(6, 3, padding=2, dilation=2, groups=6) |> integrate_and_fire(0.6, reset=zero)""",
    "a residual branch and a delay": """
        a = x |> conv2d(3, 1) |> integrate_and_fire(0.7)
        b = a |> conv2d(3, 3, padding=1) |> integrate_and_fire(1)
        y = (b |> conv2d(3, 3, padding=1)) + (a |> delay(3, size=(3, 6, 6)) |> conv2d(3, 1)) |> integrate_and_fire(1)""",
    "a loop, read in every step": """
        y = (x |> flatten |> linear(6)) + (y |> delay(2, size=(6,)) |> linear(6, bias=false)) |> integrate_and_fire(2)
        z = y |> linear(4) |> integrate_and_fire(1) |> spike_count""",
    "concatenation": """
        a = x |> conv2d(3, 3, padding=1) |> integrate_and_fire(1)
        b = x |> conv2d(2, 1) |> integrate_and_fire(0.5)
        y = concat(a, b, dim=1) |> conv2d(4, 3, padding=1) |> integrate_and_fire(1.1)""",
}


@pytest.mark.parametrize("levels", [(-1, 0, 1), (0, 1), (-4, -1, 0, 1, 4)], ids=["trinary", "binary", "five"])
@pytest.mark.parametrize("name", NETWORKS)
def test_cores_emulator_and_interpreter_agree_on_every_spike_and_count(name: str, levels: tuple[int, ...]) -> None:
    compilation, spikes = native(NETWORKS[name], levels=levels, outputs="y, z" if "z = " in NETWORKS[name] else "y")
    outputs, _ = assert_same(on_truenorth(compilation), spikes)
    for output, expected in interpret(compilation.quantized, spikes).items():
        assert np.array_equal(outputs[output], expected), output


@pytest.mark.parametrize("seed", range(12))
def test_random_networks_agree(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lines, sizes = list[str](), [6]
    for index in range(int(rng.integers(2, 5))):
        size, source = int(rng.integers(3, 30)), int(rng.integers(0, index + 1))
        terms = [f"({f's{source - 1}' if source else 'x'} |> linear({size}))"]
        if rng.random() < 0.5:
            other = int(rng.integers(0, index + 1))
            wait = f" |> delay({int(rng.integers(1, 4))}, size=({sizes[other]},))"
            terms.append(f"({f's{other - 1}' if other else 'x'}{wait} |> linear({size}, bias=false))")
        reset = rng.choice(["zero", "subtract"])
        lines.append(f"s{index} = {' + '.join(terms)} |> integrate_and_fire({rng.uniform(0.3, 2):.2f}, reset={reset})")
        sizes.append(size)
    last = len(lines) - 1
    compilation, spikes = native("\n ".join(lines), "f32[6]", (-1, 0, 0, 1), seed, f"s{last}")
    outputs, _ = assert_same(on_truenorth(compilation), spikes)
    assert np.array_equal(outputs[f"s{last}"], interpret(compilation.quantized, spikes)[f"s{last}"])


@pytest.mark.parametrize(("reset", "threshold"), [("subtract", 1.0), ("zero", 0.83)])
def test_weights_of_4_bits_stay_on_their_grid_and_every_spike_is_the_float_networks(
    reset: str, threshold: float
) -> None:
    body = f"y = x |> conv2d(5, 3, bias=false) |> integrate_and_fire({threshold}, reset={reset})"
    compilation, spikes = native(body, "f32[4, 5, 5]", tuple(range(-8, 8)))
    program = on_truenorth(compilation)
    outputs, _ = assert_same(program, spikes)
    assert program.arrays["y.strengths"].shape == (5, 4)
    assert np.array_equal(outputs["y"], interpret(compilation.graph, spikes)["y"])


def rated(body: str, x: str, seed: int = 0) -> tuple[Compilation, dict[str, Array]]:
    """A network without time, with random weights, and one input."""
    text = f"network n(x: {x}) -> y {{\n weights init({seed})\n {body}\n}}"
    shape = read(text).graph.inputs["x"].shape
    images = np.random.default_rng(seed).uniform(0, 1, (4, *shape)).astype(np.float32)
    return read(text, calibration={"x": images}), {"x": images[:1]}


RATED = {
    "convolutions": (
        """a = x |> conv2d(4, 3, padding=1) |> relu |> avg_pool2d(2)
        b = a |> conv2d(6, 3, padding=1, groups=2) |> relu
        y = b |> flatten |> linear(5)""",
        "f32[2, 6, 6]",
    ),
    "a residual addition, and a rate that is an output": (
        """a = x |> conv2d(3, 1) |> relu
        b = a |> conv2d(3, 3, padding=1) |> relu
        y = (b |> conv2d(3, 1)) + a |> relu""",
        "f32[2, 4, 4]",
    ),
    "an input that is an output": ("y = x |> flatten", "f32[2, 2, 2]"),
}


@pytest.mark.parametrize("types", [2, 3, 4])
@pytest.mark.parametrize("name", RATED)
def test_rates_on_cores_and_on_the_emulator_agree_and_the_host_counts_the_spikes(name: str, types: int) -> None:
    compilation, images = rated(*RATED[name])
    program = on_truenorth(compilation, f"(coding=rate, steps=24, types={types})")
    outputs, took = assert_same(program, images)
    body = body_of(program)
    readout = next(p for p in body.populations if p.counted_by_host)
    sender = next(p.source for p in body.projections if p.target == readout.name)
    ran = on_cores(program, images)[1]
    c, h, w = readout.shape
    spikes = np.array([len(ran.spikes.get((sender, n), [])) for n in range(c * h * w)]).reshape(h, w, c)
    ticks_for_the_host = body.steps - 1  # what is sent in the last step is still on its way
    late = np.array([ticks_for_the_host in ran.spikes.get((sender, n), []) for n in range(c * h * w)]).reshape(h, w, c)
    counted = (spikes - late).transpose(2, 0, 1).astype(np.float32)
    scale = program.arrays[readout.scale or ""].reshape(-1, 1, 1)
    assert np.array_equal(outputs["y"].reshape(c, h, w), counted * scale)
    assert all(program.arrays[p.strengths].shape[1] <= types for p in body.populations if p.strengths is not None)
    assert took.steps == 24 + readout.fires_at


def test_more_types_bring_outputs_nearer_to_the_float_networks_positive_part() -> None:
    compilation, images = rated(*RATED["convolutions"])
    wanted = np.maximum(interpret(compilation.graph, images)["y"], 0)

    def off(types: int) -> float:
        program = on_truenorth(compilation, f"(coding=rate, steps=512, types={types}, percentile=100)")
        with open_device(program) as device:
            return float(np.abs(device.run(images)["y"] - wanted).max() / wanted.max())

    assert off(4) < off(3) < off(2) < 0.25
    assert off(4) < 0.05


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
        "neuron_slots": 256, "axons_in": 256, "axons_out": 256, "synapse_words": 1024, "synapse_bits": core["synapse_bits"],
    }  # fmt: skip
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


def test_a_neuron_is_copied_for_every_axon_that_it_feeds() -> None:
    """8 neurons that 3 cores of 256 hear with both signs: 3 x 2 copies of each; and one more where the host reads them."""
    body = "a = x |> linear(8, bias=false) |> integrate_and_fire(1)\n y = a |> linear(768, bias=false) |> integrate_and_fire(1)"
    compilation, spikes = native(body, "f32[4]", (-1, 1))
    cores = used_of(on_truenorth(compilation))
    assert [core["neuron_slots"] for core in cores] == [48, 256, 256, 256]
    assert [core["axons_in"] for core in cores[1:]] == [16, 16, 16]
    read_too, _ = native(body, "f32[4]", (-1, 1), outputs="y, a")
    assert used_of(on_truenorth(read_too))[0]["neuron_slots"] == 56
    assert_same(on_truenorth(compilation), spikes)


def test_what_takes_more_copies_than_a_core_has_neurons_is_refused() -> None:
    body = "a = x |> linear(2, bias=false) |> integrate_and_fire(1)\n y = a |> linear(33000, bias=false) |> integrate_and_fire(1)"
    compilation, _ = native(body, "f32[2]", (-1, 1))
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
    with pytest.raises(
        CompileError, match="the calibration data of 'x' hold 3, and an axon of TrueNorth takes a spike"
    ):
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


DAMAGE: dict[str, tuple[Any, str]] = {
    "no bits": (lambda p: p.body["projections"][0].update(bits=None), "has no bits"),
    "bits of another shape": (lambda p: p.arrays.update({bits_in(p): np.zeros((1, 1), np.uint8)}), "have not the weights' shape"),
    "bits of a fifth type": (lambda p: p.arrays.update({bits_in(p): p.arrays[bits_in(p)] | 32}), "types that there are not"),
    "other bits": (lambda p: p.arrays.update({bits_in(p): p.arrays[bits_in(p)] ^ 1}), "do not add up to its weights"),
    "no strengths": (lambda p: p.body["populations"][1].update(strengths=None), "has no strengths"),
}  # fmt: skip


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
    assert "exceeded" in took.problems[0].message


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
