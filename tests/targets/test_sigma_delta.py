"""Networks of sigma-delta neurons: integers, chips and the GPU agree bit for bit, with each other and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from gpu_interpreted import Interpreted
from sigma_networks import STEPS, by_changes, random_network

from striate.interpreter import interpret, interpret_all
from striate.language import parse_machine
from striate.pipeline import Compilation, lower
from striate.tensor import Array
from striate_runtime import open_device


def assert_equal(found: dict[str, Array], expected: dict[str, Array]) -> None:
    for name, wanted in expected.items():
        assert found[name].shape == wanted.shape, name
        assert found[name].dtype == wanted.dtype, name
        assert np.array_equal(found[name], wanted), name


def on(compilation: Compilation, machine: str, inputs: dict[str, Array]) -> dict[str, Array]:
    with open_device(lower(compilation, parse_machine(machine))) as device:
        return device.run(inputs)


@pytest.mark.parametrize("seed", range(30))
def test_what_is_held_is_what_changes_add_up_to_one_by_one(seed: int) -> None:
    compilation, inputs = random_network(seed)
    held = by_changes(compilation.quantized, inputs)
    values = interpret_all(compilation.quantized, inputs, keep=set(held))
    assert any(array.any() for array in held.values())
    for name, wanted in held.items():
        assert np.array_equal(values[name], wanted), name


@pytest.mark.parametrize("seed", range(30))
def test_a_chip_equals_the_integer_graph(seed: int) -> None:
    compilation, inputs = random_network(seed)
    assert_equal(on(compilation, "loihi2", inputs), interpret(compilation.quantized, inputs))


@pytest.mark.parametrize("seed", range(30))
def test_the_gpus_kernels_equal_the_integer_graph(seed: int) -> None:
    pytest.importorskip("triton")
    compilation, inputs = random_network(seed)
    program = Interpreted(compilation.quantized, "i8", STEPS)
    try:
        assert_equal(program.run(inputs), interpret(compilation.quantized, inputs))
    finally:
        program.close()
