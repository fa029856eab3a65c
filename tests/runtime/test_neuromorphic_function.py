"""What the emulated chip computes, against dense integer matrices, plain loops and closed forms."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from neuromorphic_generator import networks
from neuromorphic_networks import Net, as_given, integrator, oracle

from striate_runtime.device import Device, DeviceError, SteppedDevice, open_device
from striate_runtime.program import ProgramError
from striate_runtime.program.neuromorphic import Population, Projection

Array = npt.NDArray[Any]


def open_net(net: Net) -> Device:
    return open_device(net.program())


def run(net: Net, values: Array) -> Array:
    return open_net(net).run({"x": values.astype(np.float32)})["y"]


def expected(net: Net, values: Array) -> Array:
    shape = net.populations[-1].shape
    truths = [oracle(net, {"x": sample}) for sample in values]
    return np.stack([as_given(shape, truth.outputs[net.populations[-1].name]) for truth in truths])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(case=networks("graded"))
def test_graded_networks_equal_dense_integer_matrices(case: tuple[Net, Array]):
    net, values = case
    assert np.array_equal(run(net, values), expected(net, values))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(case=networks("rate"))
def test_spiking_networks_equal_dense_integer_matrices(case: tuple[Net, Array]):
    net, values = case
    assert np.array_equal(run(net, values), expected(net, values))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(case=networks("graded"), cut=st.integers(2, 4))
def test_results_do_not_depend_on_how_populations_are_cut_into_cores(case: tuple[Net, Array], cut: int):
    net, values = case
    pieces = {population.name: cut for population in net.populations}
    assert np.array_equal(run(net, values), run(net.cut(**pieces), values))


@settings(max_examples=15, deadline=None, derandomize=True)
@given(case=networks("rate"))
def test_a_sample_does_not_depend_on_the_others_in_its_batch(case: tuple[Net, Array]):
    net, values = case
    device = open_net(net)
    together = device.run({"x": values.astype(np.float32)})["y"]
    alone = [device.run({"x": values[i : i + 1].astype(np.float32)})["y"] for i in (1, 0)]
    assert np.array_equal(together, np.concatenate(alone[::-1]))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(current=st.integers(0, 100), threshold=st.integers(100, 500), start=st.integers(0, 99), steps=st.integers(1, 60))
def test_a_constant_current_fires_floor_of_its_sum_over_the_threshold(
    current: int, threshold: int, start: int, steps: int
):
    net = integrator(current, threshold, start, steps)
    spikes = run(net, np.full((1, 1, 1, 1), current))
    assert spikes.item() == (steps * current + start) // threshold


def test_outputs_after_fewer_steps_are_those_of_a_shorter_run_scaled_up():
    device = open_net(integrator(30, 100, 50, 60))
    assert isinstance(device, SteppedDevice)
    assert device.answers_sharpen
    at = device.run_at_steps({"x": np.full((1, 1, 1, 1), 30, np.float32)}, [11, 21, 61])
    spikes = {steps: (steps * 30 + 50) // 100 for steps in (10, 20, 60)}
    assert {step: values["y"].item() for step, values in at.items()} == {
        11: spikes[10] * 60 // 10,
        21: spikes[20] * 60 // 20,
        61: spikes[60],
    }
    with pytest.raises(ValueError, match=r"steps must be among 1\.\.61"):
        device.run_at_steps({"x": np.zeros((1, 1, 1, 1), np.float32)}, [62])


def test_a_sum_that_could_exceed_32_bits_is_refused_before_it_runs():
    weights = {"w": np.full((600, 1), 32767, np.int16)}
    populations = (
        Population("x", "x", (600, 1, 1), "input"),
        Population("y", "big", (1, 1, 1), "readout", output="y", fires_at=1),
    )
    net = Net("graded", 2, populations, (Projection("p", "y", "x", "y", "dense", weights="w"),), weights)
    with pytest.raises(DeviceError, match=r"layer 'big': its sums can reach 5,013,351,000 in 1 steps"):
        open_net(net)


GOOD = integrator(1, 2, 0, 3)
DAMAGE: dict[str, tuple[dict[str, Any], str]] = {
    "a source that is not there": ({"projections": {"source": "z"}}, "names population 'z'"),
    "an array that is not there": ({"populations": {"threshold": "z"}}, "names array 'z'"),
    "a delay of 0": ({"projections": {"delay": 0}}, "has a delay of 0 steps"),
    "a window that does not fit": ({"projections": {"channel_offset": 1}}, "does not fit"),
    "neurons on no core": ({"cores": ()}, "1 of its neurons are on no core"),
    "neurons on two cores": ({"cores": (*GOOD.program().body["cores"],) * 2}, "overlaps another"),
    "no steps": ({"steps": 0}, "must be at least 1, not 0"),
    "steps without end": ({"steps": 1 << 17}, r"Expected `int` <= 131071 - at `\$.steps`"),
    "a delay without end": ({"projections": {"delay": 1 << 31}}, r"at `\$.projections\[0\].delay`"),
    "a kernel without end": ({"projections": {"kernel": (1, 1 << 31)}}, r"at `\$.projections\[0\].kernel\[1\]`"),
    "a core beyond any mesh": ({"cores": {"x": 1 << 12}}, r"Expected `int` <= 4095 - at `\$.cores\[0\].x`"),
    "a chip that cannot be": ({"cores": {"chip": -1}}, r"Expected `int` >= 0 - at `\$.cores\[0\].chip`"),
    "a scale that is not there": ({"populations": {"scale": "z"}}, r"its scale 'z' is no f32\[1\] that it holds"),
    "an input without a scale": ({"input_scale": {"x": 0.0}}, "input 'x': has a scale of 0.0"),
    "limits the wrong way round": ({"input_low": {"x": 9}, "input_high": {"x": 8}}, r"input 'x': 9..8 are no limits"),
    "an unknown field": ({"colour": "red"}, "unknown field `colour`"),
}
"""What is damaged -> (fields of the body, or of the first of its records, and their new values; the message)."""


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_body_is_named_as_such(damage: str):
    changes, message = DAMAGE[damage]
    program = GOOD.program()
    for field, value in changes.items():
        if isinstance(program.body.get(field), list | tuple) and isinstance(value, dict):
            program.body[field][0].update(value)
        else:
            program.body[field] = value
    with pytest.raises(ProgramError, match=message):
        open_device(program)
