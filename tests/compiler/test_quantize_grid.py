"""Weights that were trained on a grid of few levels: which are, and that their integers are equally far apart."""

from __future__ import annotations

import numpy as np
import pytest
from test_quantize_time import network, spikes

from striate.interpreter import interpret
from striate.passes import quantize_time
from striate.passes.quantization.grids import grid_steps, on_grid


@pytest.mark.parametrize(
    ("row", "step"),
    [
        ((0.5, -1.0, 0.0, 4.0), 0.5),
        ((0.3, -0.2), 0.1),
        ((0.7, 0.3, -0.8), 0.1),
        ((0.25, -0.25), 0.0),
        ((0.1, 0.9), 0.0),
        ((0.1, 0.25, 0.33), 0.0),
        ((0.0, 0.0), 0.0),
    ],
)
def test_the_step_of_a_grid(row: tuple[float, ...], step: float) -> None:
    assert grid_steps(np.array([row], np.float32).astype(np.float64))[0] == pytest.approx(step, rel=1e-6)


def test_random_weights_lie_on_no_grid() -> None:
    rows = np.random.default_rng(0).normal(size=(1000, 3)).astype(np.float32)
    assert not grid_steps(rows).any()


def test_units_become_whole_parts_of_a_step_and_no_finer() -> None:
    unit = np.array([0.03, 0.03, 0.2])
    found = on_grid(unit, np.array([0.1, 0.0, 0.1]))
    assert found == pytest.approx([0.1 / 3, 0.03, 0.2])


@pytest.mark.parametrize("neuron", ["integrate_and_fire(1.5)", "integrate_and_fire(1.37, reset=zero)"])
def test_weights_on_a_grid_are_whole_multiples_of_an_integer_and_every_spike_is_the_float_networks(neuron: str) -> None:
    levels = np.random.default_rng(1).integers(-8, 8, (4, 6))
    weight = levels * np.array([[0.5], [0.25], [0.125], [0.5]])
    graph = network(f"y = x |> linear(4, bias=false) |> {neuron}", y__weight=weight)
    data = spikes(graph)
    before = interpret(graph, data)["y"]
    quantize_time(graph, data)
    integers = graph.parameters["y.weight"].value
    assert integers is not None
    for row, whole in zip(integers.tolist(), levels.tolist(), strict=True):
        (factor,) = {weight // level for weight, level in zip(row, whole, strict=True) if level}
        assert factor > 1
        assert row == [factor * level for level in whole]
    assert np.array_equal(interpret(graph, data)["y"], before)


def test_a_threshold_that_is_no_whole_number_of_steps_and_is_subtracted_keeps_its_own_unit() -> None:
    weight = np.arange(-4, 2)[None] * 0.25
    graph = network("y = x |> linear(1, bias=false) |> integrate_and_fire(1.1)", y__weight=weight)
    data = spikes(graph)
    units = quantize_time(graph, data).units["y"]
    assert 1.1 / units[0] == pytest.approx(round(1.1 / units[0]))
