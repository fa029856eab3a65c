"""TrueNorth: what is compiled for it, expanded to cores of 256 x 256 bits and run there, is what the emulator says."""

from __future__ import annotations

import numpy as np
import pytest
from crossbar_networks import assert_same, body_of, native, on_cores, on_truenorth, rated

from striate.interpreter import interpret
from striate_runtime import open_device

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
        late = a |> delay(3, size=(3, 6, 6)) |> conv2d(3, 1)
        y = (b |> conv2d(3, 3, padding=1)) + late |> integrate_and_fire(1)""",
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
