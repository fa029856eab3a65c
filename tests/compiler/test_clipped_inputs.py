"""Numbers that an integer input cannot hold are counted and named."""

from __future__ import annotations

import numpy as np

from striate.interpreter import interpret
from striate.passes.quantization.clipped import clipped_inputs
from striate.pipeline import read

COUNTS = """
network counts(x: f32[4], dt = 1ms) -> y {
  weights init(0)
  y = x |> linear(3) |> integrate_and_fire(1) |> spike_count
}"""


def test_counts_beyond_8_bits_are_named_and_those_at_the_limit_are_not() -> None:
    seen = np.ones((1, 5, 4), np.float32)
    graph = read(COUNTS, calibration={"x": seen}).quantized
    limit = np.full((2, 5, 4), 127, np.float32)
    assert clipped_inputs(graph, {"x": limit}) == ()
    beyond = limit.copy()
    beyond[0, 0, :3] = (128, 500, -128)
    (sentence,) = clipped_inputs(graph, {"x": beyond})
    assert sentence.startswith("in integers, 3 of 40 numbers of 'x' (-128 to 500) are clipped to -127 to 127")
    assert np.array_equal(interpret(graph, {"x": beyond})["y"], interpret(graph, {"x": beyond.clip(-127, 127)})["y"])


def test_activations_beyond_the_calibrated_range_are_named_with_it() -> None:
    text = "network n(x: f32[4]) -> y { weights init(0)\n y = x |> linear(3) }"
    graph = read(text, calibration={"x": np.linspace(-2, 2, 40, dtype=np.float32).reshape(10, 4)}).quantized
    given = np.array([[2.0, -2.0, 2.1, 0.0]], np.float32)
    (sentence,) = clipped_inputs(graph, {"x": given})
    assert sentence.startswith("in integers, 1 of 4 numbers of 'x' (-2 to 2.1) are clipped to -2 to 2")
