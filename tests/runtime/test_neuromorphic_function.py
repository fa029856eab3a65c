"""What the emulated chip computes, against dense integer matrices, plain loops and closed forms."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from neuromorphic_networks import Net, as_given, oracle

from striate_runtime.device import Device, DeviceError, SteppedDevice, open_device
from striate_runtime.program import ProgramError
from striate_runtime.program.neuromorphic import Population, Projection

Array = npt.NDArray[Any]

SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(1, 6))
PAIRS = st.tuples(st.integers(1, 2), st.integers(1, 2))


@st.composite
def windows(draw: st.DrawFn, source: tuple[int, int, int]) -> dict[str, Any]:
    """Kernel, stride, dilation and padding that leave at least one position, and the positions left."""
    padding = draw(st.tuples(*[st.integers(0, 3)] * 4))
    stride, dilation = draw(PAIRS), draw(PAIRS)
    extents = source[1] + padding[2] + padding[3], source[2] + padding[0] + padding[1]
    kernel = tuple(draw(st.integers(1, min(4, (e - 1) // d + 1))) for e, d in zip(extents, dilation, strict=True))
    left_over = [(e - (k - 1) * d - 1) // s + 1 for e, k, d, s in zip(extents, kernel, dilation, stride, strict=True)]
    return {"padding": padding, "stride": stride, "dilation": dilation, "kernel": kernel, "positions": left_over}


@st.composite
def networks(draw: st.DrawFn, coding: str) -> tuple[Net, Array]:
    """An input, one to three layers of any kind of projection (some doubled), the last a readout; 2 samples."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(SHAPES)
    rate = coding == "rate"
    arrays: dict[str, Array] = {}

    def store(name: str, array: Array, dtype: Any = np.int32) -> str:
        arrays[name] = np.asarray(array).astype(dtype)
        return name

    def threshold_of(name: str, channels: int, top: int) -> dict[str, str]:
        return {
            "threshold": store(f"{name}.threshold", rng.integers(1, top, channels)),
            "initial": store(f"{name}.initial", rng.integers(-5, top, channels)),
        }

    populations = [Population("x", "x", shape, "input", **(threshold_of("x", shape[0], 200) if rate else {}))]
    projections: list[Projection] = []
    layers = draw(st.integers(1, 3))
    for layer in range(layers):
        source, name = populations[-1], f"h{layer}"
        last = layer == layers - 1
        kinds = ["conv2d", "conv2d", "window", "dense", "one_to_one", *([] if last or rate else ["maximum"] * 2)]
        kind = draw(st.sampled_from(kinds))
        maximum = kind == "maximum"
        kind = "window" if maximum else kind
        if kind == "conv2d":
            fields = draw(windows(source.shape))
            groups = draw(st.sampled_from([g for g in (1, 2, 4) if source.shape[0] % g == 0]))
            out = (groups * draw(st.integers(1, 4)), *fields.pop("positions"))
            weights = rng.integers(-127, 128, (*fields["kernel"], source.shape[0] // groups, out[0]))
            fields |= {
                "groups": groups,
                "weights": store(f"{name}.w", weights * (rng.random(weights.shape) < 0.8), np.int8),
            }
        elif kind == "window":
            fields = draw(windows(source.shape))
            offset = draw(st.integers(0, 2))
            out = (source.shape[0] + offset, *fields.pop("positions"))
            fields["channel_offset"] = offset
        elif kind == "dense":
            out = draw(SHAPES)
            size = int(np.prod(source.shape)), int(np.prod(out))
            fields = {"weights": store(f"{name}.w", rng.integers(-127, 128, size), np.int8)}
        else:
            out = source.shape
            fields = {"weights": store(f"{name}.w", rng.integers(-127, 128, source.shape[0]))}
        if draw(st.booleans()) and not rate:
            size = draw(st.sampled_from([1, source.shape[0]]))
            fields["multiplier"] = store(f"{name}.rescale", rng.integers(1, 90, size))
            fields["shift"] = store(f"{name}.places", rng.integers(1, 9, size))
        delay = draw(st.integers(1, 2))
        depth = source.fires_at + delay
        own: dict[str, Any] = {"fires_at": depth, "bias": store(f"{name}.bias", rng.integers(-300, 300, out[0]))}
        if last:
            own |= {"output": "y", "initial": store(f"{name}.initial", rng.integers(-9, 9, out[0]))}
        elif rate:
            own |= threshold_of(name, out[0], 900)
        else:
            low = draw(st.sampled_from([0, -127]))
            own |= {"low": low, "high": 255 + low, "reduce": "max" if maximum else "sum"}
            own |= {
                "multiplier": store(f"{name}.m", rng.integers(1, 999, out[0])),
                "shift": store(f"{name}.s", rng.integers(6, 16, out[0])),
            }
        layer_kind = "readout" if last else "integrate_and_fire" if rate else "graded"
        populations.append(Population(name, name, out, layer_kind, **own))
        projections.append(Projection(f"p{layer}", name, source.name, name, kind, delay=delay, **fields))
        if layer and source.shape == out and not maximum and draw(st.booleans()):
            first = populations[-2].name
            projections.append(Projection(f"again{layer}", name, first, name, "one_to_one", delay=delay))
    steps = populations[-1].fires_at + (draw(st.integers(1, 6)) if rate else 1)
    net = Net(coding, steps, tuple(populations), tuple(projections), arrays)
    values = rng.integers(0, 256, (2, *shape)) * (rng.random((2, *shape)) < 0.6)
    return net, values


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


def integrator(current: int, threshold: int, initial: int, steps: int) -> Net:
    arrays = {"threshold": np.array([threshold], np.int32), "initial": np.array([initial], np.int32)}
    neuron = Population("x", "x", (1, 1, 1), "input", threshold="threshold", initial="initial")
    counter = Population("y", "y", (1, 1, 1), "readout", output="y", fires_at=1)
    return Net("rate", steps + 1, (neuron, counter), (Projection("p", "y", "x", "y", "one_to_one"),), arrays, high=1000)


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
DAMAGE: dict[str, tuple[Any, str]] = {
    "a source that is not there": (lambda b: b["projections"][0].update(source="z"), "names population 'z'"),
    "an array that is not there": (lambda b: b["populations"][0].update(threshold="z"), "names array 'z'"),
    "a delay of 0": (lambda b: b["projections"][0].update(delay=0), "has a delay of 0 steps"),
    "neurons on no core": (lambda b: b.update(cores=()), "1 of its neurons are on no core"),
    "neurons on two cores": (lambda b: b.update(cores=b["cores"] * 2), "overlaps another"),
    "no steps": (lambda b: b.update(steps=0), "must be at least 1, not 0"),
    "an unknown field": (lambda b: b.update(colour="red"), "unknown field `colour`"),
    "a window that does not fit": (lambda b: b["populations"][1].update(shape=(2, 3, 3)), "does not fit"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_body_is_named_as_such(damage: str):
    change, message = DAMAGE[damage]
    program = GOOD.program()
    change(program.body)
    with pytest.raises(ProgramError, match=message):
        open_device(program)
