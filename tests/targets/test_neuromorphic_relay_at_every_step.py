"""Where every step sends something, partial sums are sent at every step: nothing that is computed changes by it."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
import numpy as np
import pytest
from mapped_networks import NETWORKS, compiled
from test_neuromorphic_over_time import NETWORKS as OVER_TIME
from test_neuromorphic_over_time import STEPS, inputs_of
from test_neuromorphic_over_time import compiled as compiled_over_time
from tiny_chips import tiny

from striate.cli.metrics import metrics_of_spikes
from striate.diagnostics import CompileError
from striate.interpreter import interpret
from striate.targets.neuromorphic import compile_for_neuromorphic
from striate.tensor import Array
from striate_runtime import open_device
from striate_runtime.hardware import Chip
from striate_runtime.neuromorphic.chip import EmulatedChip
from striate_runtime.program import Program
from striate_runtime.program.neuromorphic import NeuromorphicBody

FIGURES = ({"fan_in": 100}, {"fan_in": 20}, {"fan_in": 12, "axons_in": 30}, {"synapse_words": 30})
FRAMES = 5
UNSPLIT = ("one channel alone takes", "a window or of a group", "has none to spare")


def relays_of(program: Program) -> int:
    return sum(".part" in p.name for p in msgspec.convert(program.body, NeuromorphicBody).populations)


def native(name: str, chip: Chip) -> Program:
    graph = compiled_over_time(OVER_TIME[name]).quantized
    return compile_for_neuromorphic(graph, coding="native", steps=STEPS, hardware=chip, machine="m", calibration=None)


def rate(name: str, chip: Chip) -> Program:
    compilation, values = compiled(NETWORKS[name])
    return compile_for_neuromorphic(
        compilation.optimised, coding="rate", steps=16, hardware=chip, machine="m", calibration=values
    )


def delta(name: str, chip: Chip) -> Program:
    graph = compiled(NETWORKS[name])[0].quantized
    return compile_for_neuromorphic(graph, coding="delta", steps=FRAMES, hardware=chip, machine="m", calibration=None)


MAKERS = {"native": native, "rate": rate, "delta": delta}


@cache
def made(coding: str, name: str, figures: tuple[tuple[str, int], ...] = ()) -> Program | None:
    """The program, or None where one of the reasons says why it cannot be split."""
    try:
        return MAKERS[coding](name, tiny("loihi2", **dict(figures)))
    except CompileError as error:
        if not any(reason in str(error) for reason in UNSPLIT):
            raise
        return None


def outputs(program: Program, values: dict[str, Array]) -> dict[str, Array]:
    for core in msgspec.convert(program.body, NeuromorphicBody).cores:
        for usage in core.usage:
            assert usage.limit is None or usage.used <= usage.limit, (core, usage)
    with open_device(program) as device:
        return device.run(values)


def streams(values: dict[str, Array]) -> dict[str, Array]:
    """Two streams of frames, `[2, FRAMES, *shape]`, from as many samples."""
    return {name: np.stack([array[:FRAMES], array[-FRAMES:]]) for name, array in values.items()}


@pytest.mark.parametrize("figures", [tuple(each.items()) for each in FIGURES], ids=str)
@pytest.mark.parametrize("name", OVER_TIME)
def test_spikes_over_time_split_are_those_of_the_integer_graph(name: str, figures: tuple[tuple[str, int], ...]) -> None:
    program = made("native", name, figures)
    if program is None:
        return
    compilation = compiled_over_time(OVER_TIME[name])
    values = inputs_of(compilation, seed=3)
    found = outputs(program, values)
    for port, expected in interpret(compilation.quantized, values).items():
        assert np.array_equal(found[port], expected)


@pytest.mark.parametrize("figures", [tuple(each.items()) for each in FIGURES], ids=str)
@pytest.mark.parametrize("name", NETWORKS)
def test_rates_split_are_those_of_the_whole(name: str, figures: tuple[tuple[str, int], ...]) -> None:
    program, whole = made("rate", name, figures), made("rate", name)
    if program is None or whole is None:
        return
    values = compiled(NETWORKS[name])[1]
    found, expected = outputs(program, values), outputs(whole, values)
    for port in expected:
        assert np.array_equal(found[port], expected[port])


@pytest.mark.parametrize("figures", [tuple(each.items()) for each in FIGURES], ids=str)
@pytest.mark.parametrize("name", NETWORKS)
def test_changes_split_give_the_integer_graphs_numbers_frame_by_frame(
    name: str, figures: tuple[tuple[str, int], ...]
) -> None:
    program = made("delta", name, figures)
    if program is None:
        return
    compilation, values = compiled(NETWORKS[name])
    given = streams(values)
    found = outputs(program, given)
    for stream in range(2):
        expected = interpret(compilation.quantized, {port: array[stream] for port, array in given.items()})
        for port, numbers in expected.items():
            assert np.array_equal(found[port][stream], numbers)


@pytest.mark.parametrize(("coding", "names"), [("native", OVER_TIME), ("rate", NETWORKS), ("delta", NETWORKS)])
def test_many_of_these_are_split_indeed(coding: str, names: dict[str, str]) -> None:
    split = [
        program is not None and relays_of(program) > 0
        for name in names
        for program in (made(coding, name, tuple(figures.items())) for figures in FIGURES)
    ]
    assert sum(split) >= len(names)


@pytest.mark.parametrize("figures", [tuple(each.items()) for each in FIGURES], ids=str)
@pytest.mark.parametrize(("coding", "name"), [("native", name) for name in OVER_TIME] + [("delta", "lenet")])
def test_the_metrics_of_a_split_network_are_those_of_the_whole(
    coding: str, name: str, figures: tuple[tuple[str, int], ...]
) -> None:
    """Relays are no neurons of the network, and weights are split among them without one more or less."""
    whole, split = made(coding, name), made(coding, name, figures)
    if whole is None or split is None:
        return
    values = (
        inputs_of(compiled_over_time(OVER_TIME[name])) if coding == "native" else streams(compiled(NETWORKS[name])[1])
    )
    found: list[dict[str, Any]] = []
    for program in (whole, split):
        with open_device(program) as device:
            assert isinstance(device, EmulatedChip)
            found.append(metrics_of_spikes(program, device.trace(values))["neurobench"])
    for metric in found[0].keys() - {"Footprint"}:
        assert found[0][metric] == found[1][metric], metric


def test_a_loop_without_a_step_to_spare_is_not_split_and_the_error_says_so() -> None:
    with pytest.raises(CompileError) as error:
        native("a loop within a layer of images", tiny("loihi2", fan_in=20))
    assert "the loop 'y' -> 'y' has none to spare: raise its delay" in error.value.diagnostics[0].message


def test_a_loop_with_time_is_split() -> None:
    program = made("native", "a loop", (("fan_in", 100),))
    assert program is not None
    assert relays_of(program) > 1
