"""Small networks that TrueNorth can hold, and what its emulator and its cores say of them."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest
import truenorth_cores
from truenorth_cores import Chip, Ran, simulate

from striate.language import parse_machine
from striate.pipeline import Compilation, lower, read
from striate.tensor import Array
from striate_runtime import open_device
from striate_runtime.neuromorphic.chip import EmulatedChip
from striate_runtime.profile import Profile
from striate_runtime.program import Program
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


def rated(body: str, x: str, seed: int = 0) -> tuple[Compilation, dict[str, Array]]:
    """A network without time, with random weights, and one input."""
    text = f"network n(x: {x}) -> y {{\n weights init({seed})\n {body}\n}}"
    shape = read(text).graph.inputs["x"].shape
    images = np.random.default_rng(seed).uniform(0, 1, (4, *shape)).astype(np.float32)
    return read(text, calibration={"x": images}), {"x": images[:1]}
