"""The chip's neurons are the operators in integers, bit for bit, whatever they are given."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pytest

from striate.operators.fixed_point import FixedPointIntegrator, FixedPointLif, FixedPointNeuron
from striate.operators.quantized import Requantize
from striate.operators.sigma_delta import FixedPointSigmaDelta
from striate.operators.stateful import State
from striate.tensor import TensorType
from striate_runtime.device import open_device
from striate_runtime.hardware import load_hardware
from striate_runtime.program import Port, Program
from striate_runtime.program.neuromorphic import Core, NeuromorphicBody, Population, Projection

Array = npt.NDArray[Any]

STEPS = 40
SHAPE = (5, 3, 7)

NEURONS: dict[str, FixedPointNeuron] = {
    "resets to zero": FixedPointLif(),
    "resets softly": FixedPointLif("subtract"),
    "rests": FixedPointLif("zero", 3),
    "resets softly and rests": FixedPointLif("subtract", 1),
    "never fires": FixedPointIntegrator(),
}


def drawn(seed: int) -> tuple[Array, dict[str, Array]]:
    """Sums over time `[T, C, H, W]`, and decays and thresholds that have a register on the chip."""
    rng = np.random.default_rng(seed)
    largest = int(rng.choice([3, 200, 5000, 150_000]))
    x = rng.integers(-largest // 2, largest, (STEPS, *SHAPE)) * (rng.random((STEPS, *SHAPE)) < 0.5)
    channels = SHAPE[0]
    return x.astype(np.int32), {
        "current_decay": rng.choice([1, 400, 4000, 4096], channels).astype(np.int32),
        "voltage_decay": rng.choice([0, 1, 300, 4095], channels).astype(np.int32),
        "threshold": rng.integers(1, max(2, largest * 3), channels).clip(1, (1 << 17) - 1).astype(np.int32),
    }


def by_the_operator(neuron: FixedPointNeuron, x: Array, parameters: dict[str, Array]) -> Array:
    """What it gives in each step."""
    kept = {role: parameters[role] for role in neuron.parameters(TensorType("i32", SHAPE))}
    state: State = {name: np.zeros((1, *SHAPE), np.int32) for name in neuron.state(TensorType("i32", SHAPE))}
    given: list[Array] = []
    for row in x:
        y, state = neuron.step((row[None],), state, 0.001, **kept)
        given.append(y[0])
    return np.stack(given)


def program(neuron: FixedPointNeuron, parameters: dict[str, Array]) -> Program:
    """x -> y, one to one, on three cores; y gives its spikes, or its potential, in every step."""
    fires = isinstance(neuron, FixedPointLif)
    arrays = parameters | {"current_decay": parameters["current_decay"] - 1}
    y = Population(
        "y",
        "y",
        SHAPE,
        "cuba_lif",
        fires_at=1,
        threshold="threshold" if fires else None,
        current_decay="current_decay",
        voltage_decay="voltage_decay",
        reset="subtract" if isinstance(neuron, FixedPointLif) and neuron.reset == "subtract" else "zero",
        refractory=neuron.refractory if isinstance(neuron, FixedPointLif) else 0,
        fires=fires,
    )
    body = NeuromorphicBody(
        coding="native",
        steps=STEPS + 1,
        populations=(Population("x", "x", SHAPE, "input"), y),
        projections=(Projection("xy", "y", "x", "y", "one_to_one"),),
        cores=tuple(Core(i, "y", (0, 5), (i, i + 1), (0, 7), 0, i, 0, ()) for i in range(3)),
        inputs={"x": "x"},
        outputs={"y": "y"},
        input_scale={"x": 1.0},
        input_low={"x": -200_000},
        input_high={"x": 200_000},
        reads={"y": "spikes" if fires else "potential"},
        series=("y",),
    )
    ports = (Port("x", "i32", (STEPS, *SHAPE)),), (Port("y", "i8" if fires else "i32", (STEPS, *SHAPE)),)
    text = load_hardware("loihi1_sanafe25").text
    return Program("neuromorphic", "by hand", "net", *ports, text, msgspec.to_builtins(body), arrays, {})


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("kind", NEURONS)
def test_a_population_computes_what_the_operator_means(kind: str, seed: int):
    neuron = NEURONS[kind]
    x, parameters = drawn(seed)
    expected = by_the_operator(neuron, x, parameters)
    with open_device(program(neuron, parameters)) as chip:
        assert np.array_equal(chip.run({"x": x[None]})["y"][0], expected)


def test_what_is_drawn_fires_and_saturates():
    cases = [by_the_operator(NEURONS["resets softly and rests"], *drawn(seed)) for seed in range(8)]
    assert all(spikes.any() and not spikes.all() for spikes in cases)
    held = [by_the_operator(NEURONS["never fires"], *drawn(seed)) for seed in range(8)]
    assert max(int(abs(v).max()) for v in held) == (1 << 23) - 1


# --- sigma-delta ----------------------------------------------------------------------------------------------------


def changing(seed: int) -> tuple[FixedPointSigmaDelta, Array, dict[str, Array]]:
    """A neuron, sums of changes over time, and its parameters."""
    rng = np.random.default_rng(seed)
    largest = int(rng.choice([2, 60, 4000]))
    x = rng.integers(-largest, largest + 1, (STEPS, *SHAPE)) * (rng.random((STEPS, *SHAPE)) < 0.4)
    low, high = ((-127, 127), (0, 255), (-5000, 9000))[seed % 3]
    neuron = FixedPointSigmaDelta("i32", low, high, int(rng.choice([0, 1, 2, 9])), adds=True)
    channels = SHAPE[0]
    return (
        neuron,
        x.astype(np.int32),
        {
            "bias": rng.integers(-50, 50, channels).astype(np.int32),
            "multiplier": rng.integers(1 << 28, 1 << 31, channels).astype(np.int32),
            "shift": rng.integers(30, 34, channels).astype(np.int32),
        },
    )


def held_by(neuron: FixedPointSigmaDelta, x: Array, parameters: dict[str, Array]) -> Array:
    """What neurons hold after each step, `[T, C, H, W]`."""
    state, held = neuron.at_rest((x[:1],), (TensorType("i32", SHAPE),)), list[Array]()
    for row in x:
        after, state = neuron.step((row[None],), state, 0.001, **parameters)
        held.append(after[0])
    return np.stack(held)


def sigma_delta_program(neuron: FixedPointSigmaDelta, parameters: dict[str, Array], payload_shift: int = 0) -> Program:
    """x -> y -> z, one to one: z adds up what y sends."""
    roles: dict[str, Any] = {role: role for role in parameters}
    low, high = neuron.limits
    fields: dict[str, Any] = {"payload_shift": payload_shift, "low": low, "high": high, **roles}
    arrays = parameters | {"threshold": np.full(SHAPE[0], max(1, neuron.threshold), np.int32)}
    populations = (
        Population("x", "x", SHAPE, "input"),
        Population("y", "y", SHAPE, "sigma_delta", fires_at=1, threshold="threshold", **fields),
        Population("z", "z", SHAPE, "readout", fires_at=2),
    )
    body = NeuromorphicBody(
        coding="native",
        steps=STEPS + 2,
        populations=populations,
        projections=(
            Projection("xy", "y", "x", "y", "one_to_one"),
            Projection("yz", "z", "y", "z", "one_to_one"),
        ),
        cores=tuple(
            Core(2 * i + j, name, (0, 5), (i, i + 1), (0, 7), 0, i, j, ())
            for i in range(3)
            for j, name in enumerate("yz")
        ),
        inputs={"x": "x"},
        outputs={"y": "y", "z": "z"},
        input_scale={"x": 1.0},
        input_low={"x": -4000},
        input_high={"x": 4000},
        read_at={"y": STEPS + 1},
        series=("y", "z"),
    )
    outputs = tuple(Port(name, "i32", (STEPS, *SHAPE)) for name in "yz")
    text = load_hardware("loihi2").text
    inputs = (Port("x", "i32", (STEPS, *SHAPE)),)
    return Program("neuromorphic", "by hand", "net", inputs, outputs, text, msgspec.to_builtins(body), arrays, {})


@pytest.mark.parametrize("seed", range(12))
def test_a_sigma_delta_population_computes_what_the_operator_means(seed: int):
    neuron, x, parameters = changing(seed)
    levels = held_by(neuron, x, parameters)
    sent = np.diff(levels, axis=0, prepend=0)
    with open_device(sigma_delta_program(neuron, parameters)) as chip:
        outputs, profile = chip.profile({"x": x[None]})
    assert np.array_equal(outputs["y"][0], levels)
    assert np.array_equal(outputs["z"][0], levels), "what arrives adds up to what was sent"
    assert profile.counts["events_out"] == np.count_nonzero(sent)


@pytest.mark.parametrize("seed", range(3))
def test_at_threshold_0_what_a_sigma_delta_has_sent_is_the_requantized_sum(seed: int):
    neuron, x, parameters = changing(seed)
    held = held_by(replace(neuron, threshold=0), x, parameters)
    bias = parameters.pop("bias").reshape(-1, 1, 1)
    totals = (x.cumsum(0) + bias).astype(np.int32)
    assert np.array_equal(held, Requantize("i32", *neuron.limits).reference(totals, **parameters))


@pytest.mark.parametrize("seed", range(6))
def test_given_sums_instead_of_changes_a_sigma_delta_holds_the_same(seed: int):
    neuron, x, parameters = changing(seed)
    sums = x.cumsum(0).astype(np.int32)
    assert np.array_equal(held_by(replace(neuron, adds=False), sums, parameters), held_by(neuron, x, parameters))


@pytest.mark.parametrize("seed", range(4))
def test_what_a_payload_shift_cuts_off_is_lost_as_in_lava(seed: int):
    """lava: delta = act - before + residue; sends delta >> state_exp where |delta| >= vth; residue = delta - sent."""
    neuron, x, parameters = changing(seed)
    kept = {"bias": parameters["bias"]}
    activation = np.maximum(np.cumsum(x.astype(np.int64), axis=0) + kept["bias"].reshape(-1, 1, 1), 0)
    before, residue = np.zeros(SHAPE, np.int64), np.zeros(SHAPE, np.int64)
    sent: list[Array] = []
    for act in activation:
        delta = act - before + residue
        whole = np.where(abs(delta) >= neuron.threshold, delta, 0)
        before, residue = act, delta - whole
        sent.append(whole >> 3)
    program = sigma_delta_program(replace(neuron, low=0, high=1 << 20), kept, payload_shift=3)
    with open_device(program) as chip:
        outputs, profile = chip.profile({"x": x[None]})
    assert np.array_equal(outputs["z"][0], np.cumsum(sent, axis=0))
    assert profile.counts["events_out"] == np.count_nonzero(sent)
