"""Chips without steps: what is computed and counted event by event, against an oracle, by hand, and at the limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from event_networks import LARGEST, Layer, Network, Oracle, dense_array, draw

from striate_runtime import open_device
from striate_runtime.device import DeviceError, InputError, SteppedDevice
from striate_runtime.hardware import load_hardware
from striate_runtime.program import Program, ProgramError
from striate_runtime.program.neuromorphic import NeuromorphicBody, Population, Projection


def one_neuron(weight: int, **fields: Any) -> Network:
    return Network("native", 1, (1, 1, 1), (Layer(-1, np.full((1, 1, 1, 1), weight), **fields),))


def events(*numbers: int) -> dict[str, np.ndarray[Any, Any]]:
    """One sample for a network of one pixel: how many events in each tick."""
    return {"x": np.array(numbers, np.int32).reshape(1, len(numbers), 1, 1, 1)}


def given_to(net: Network, random: np.random.Generator, samples: int) -> np.ndarray[Any, Any]:
    if net.coding == "rate":
        return random.integers(0, 256, (samples, *net.shape)).astype(np.int32)
    sparse = random.random((samples, net.ticks, *net.shape)) < 0.3
    return (random.integers(1, 4, sparse.shape) * sparse).astype(np.int32)


@pytest.mark.parametrize("coding", ["rate", "native"])
@pytest.mark.parametrize("seed", range(30))
def test_every_spike_potential_and_count_is_the_oracles(seed: int, coding: Any) -> None:
    random = np.random.default_rng(seed)
    net = draw(random, coding)
    given = given_to(net, random, 2)
    oracles = [Oracle(net) for _ in given]
    for oracle, values in zip(oracles, given, strict=True):
        oracle.run(values)
    with open_device(net.program(), threads=1) as device:
        traced, (outputs, took) = device.trace({"x": given}), device.profile({"x": given})
    shapes = net.shapes()
    for index, (name, shape) in enumerate(zip(["x", *(f"l{n}" for n in range(len(net.layers)))], shapes, strict=True)):
        spikes = np.array([[dense_array(tick[index], shape) for tick in oracle.spikes] for oracle in oracles])
        assert np.array_equal(traced[f"{name}@spikes"], spikes), name
        assert np.array_equal(traced[f"{name}@events"], spikes.sum((2, 3, 4))), name
        if index:
            held = [[dense_array(tick[index - 1], shape) for tick in oracle.potentials] for oracle in oracles]
            assert np.array_equal(traced[f"{name}@potentials"], np.array(held)), name
    assert np.array_equal(outputs["y"], traced[f"l{len(net.layers) - 1}@spikes"].sum(axis=1))
    for n, core in enumerate(took.cores):
        counted = {
            "messages_in": sum(oracle.received[n] for oracle in oracles) / 2,
            "synops": sum(oracle.operations[n] for oracle in oracles) / 2,
            "neuron_updates": sum(oracle.updates[n] for oracle in oracles) / 2,
            "events_out": traced[f"l{n}@events"].sum() / 2,
        }
        assert {name: core.counts[name] for name in counted} == counted
    late = [sum(len(oracle.late[n]) for oracle in oracles) for n in range(len(net.layers))]
    assert took.valid == (not any(late))


def test_random_networks_reach_every_rule() -> None:
    """Otherwise the test above could not fail: forks, pools, strides, both resets, biases that fire, floors."""
    nets = [draw(np.random.default_rng(seed), "native") for seed in range(30)]
    layers = [layer for net in nets for layer in net.layers]
    assert {layer.reset for layer in layers} == {"zero", "subtract"}
    assert {layer.pool for layer in layers} == {1, 2, 4}
    assert {layer.stride for layer in layers} == {1, 2, 4}
    assert {layer.dense for layer in layers} == {False, True}
    assert any(len({layer.source for layer in net.layers}) < len(net.layers) for net in nets)
    assert any(layer.bias is not None and (layer.bias > layer.threshold).any() for layer in layers)
    assert {layer.low for layer in layers} == {-LARGEST - 1, -100, 0}
    assert any((layer.weights > 2 * layer.threshold).any() for layer in layers)


@pytest.mark.parametrize("reset", ["subtract", "zero"])
def test_a_neuron_with_constant_input_has_fired_as_often_as_the_closed_form_says(reset: Any) -> None:
    weight, threshold, number = 7, 30, 1000
    net = one_neuron(weight, threshold=threshold, reset=reset)
    net = replace(net, ticks=4)
    with open_device(net.program()) as device:
        counts = device.run(events(*[number // 4] * 4))["y"]
    each = -(-threshold // weight)
    assert counts.item() == (number * weight // threshold if reset == "subtract" else number // each)


def test_a_neuron_fires_at_its_threshold_and_once_for_an_event() -> None:
    with open_device(one_neuron(10, threshold=10).program()) as device:
        assert device.run(events(3))["y"].item() == 3
    net = one_neuron(25, threshold=10)
    with open_device(net.program()) as device:
        traced = device.trace(events(4))
    assert traced["y"].item() == 4, "one spike for each event, although two thresholds fit in one"
    assert traced["l0@potentials"].item() == 4 * (25 - 10)


def vectors() -> dict[str, list[str]]:
    """The conformance vectors of the spec: what -> neuron, events, potentials, spikes."""
    text = (Path(__file__).parents[2] / "spec" / "neuromorphic.md").read_text("utf-8")
    rows = text[text.index("| what | neuron | events") :].split("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    return {what: others for what, *others in cells}


@pytest.mark.parametrize("what", vectors())
def test_a_rule_of_the_spec_holds(what: str) -> None:
    named, *cells = vectors()[what]
    given, potentials, spikes = ([int(word) for word in cell.split()] for cell in cells)
    words = dict(word.split("=") for word in named.split())
    fields: dict[str, Any] = {name: value if name == "reset" else int(value) for name, value in words.items()}
    bias = fields.pop("bias", None)
    weight, biases = int(fields.pop("weight", 1)), None if bias is None else np.array([bias])
    net = replace(one_neuron(weight, **{"threshold": 10, "bias": biases, **fields}), ticks=len(given))
    with open_device(net.program()) as device:
        traced = device.trace(events(*given))
    assert traced["l0@potentials"].reshape(-1).tolist() == potentials
    assert traced["l0@spikes"].reshape(-1).tolist() == spikes
    oracle = Oracle(net)
    oracle.run(events(*given)["x"][0])
    assert [tick[0][0, 0, 0] for tick in oracle.potentials] == potentials


def test_a_weight_of_0_is_no_event_for_its_neuron() -> None:
    """Above its threshold it stays silent until something that is not 0 meets it."""
    weights = np.array([[[[30]], [[0]]]])  # one neuron, two source channels
    net = Network("native", 2, (2, 1, 1), (Layer(-1, weights, threshold=10),))
    given = np.zeros((1, 2, 2, 1, 1), np.int32)
    given[0, 0, 0], given[0, 1, 1] = 1, 5
    with open_device(net.program()) as device:
        traced, (_, took) = device.trace({"x": given}), device.profile({"x": given})
    assert traced["l0@spikes"].reshape(-1).tolist() == [1, 0]
    assert traced["l0@potentials"].reshape(-1).tolist() == [20, 20]
    assert (took.cores[0].counts["messages_in"], took.cores[0].counts["synops"]) == (6, 1)


def test_biases_are_added_once_a_tick_after_its_events() -> None:
    """+3 a tick on 10: it fires in the fourth, seventh and tenth tick; a negative one is a leak down to the floor."""
    net = replace(one_neuron(1, threshold=10, bias=np.array([3])), ticks=10)
    with open_device(net.program()) as device:
        traced = device.trace(events(*[0] * 10))
    assert traced["l0@spikes"].reshape(-1).tolist() == [0, 0, 0, 1, 0, 0, 1, 0, 0, 1]
    net = replace(one_neuron(4, threshold=100, bias=np.array([-3]), low=-5), ticks=4)
    with open_device(net.program()) as device:
        traced = device.trace(events(1, 0, 0, 1))
    assert traced["l0@potentials"].reshape(-1).tolist() == [1, -2, -5, -4]


def test_a_spike_of_a_bias_reaches_the_next_layer_before_that_ones_bias() -> None:
    """The second layer is at 5 of 10: +5 from the spike fires it before its own -5 could hold it down."""
    first = Layer(-1, np.ones((1, 1, 1, 1), np.int64), threshold=1, bias=np.array([1]))
    second = Layer(0, np.full((1, 1, 1, 1), 5), threshold=10, bias=np.array([-5]), initial=5)
    net = Network("native", 1, (1, 1, 1), (first, second))
    with open_device(net.program()) as device:
        traced = device.trace(events(0))
    assert (traced["y"].item(), traced["l1@potentials"].item()) == (1, -5)


def test_a_potential_beyond_16_bits_stays_at_the_largest_and_says_at_which_event() -> None:
    """v before the n-th reset is 127 + 126 (n - 1), which first exceeds 32767 at n = 261."""
    with open_device(one_neuron(127, threshold=1).program()) as device:
        traced = device.trace(events(255))
        assert device.profile(events(255))[1].valid
    assert traced["l0@potentials"].item() == 255 * 126
    net = replace(one_neuron(127, threshold=1), ticks=2)
    with open_device(net.program()) as device:
        traced, (outputs, took) = device.trace(events(255, 45)), device.profile(events(255, 45))
    assert traced["l0@potentials"].reshape(-1).tolist() == [255 * 126, LARGEST - 1]
    assert outputs["y"].item() == 300
    (problem,) = took.problems
    assert problem.message == "core 0 (layer 'l0'): 40 sums exceeded the 16-bit membrane, first at its event 261"
    assert not took.valid


def test_the_floor_is_the_chips_and_no_fault() -> None:
    net = replace(one_neuron(-128, threshold=1), ticks=2)
    with open_device(net.program()) as device:
        traced, (_, took) = device.trace(events(255, 255)), device.profile(events(255, 255))
    assert traced["l0@potentials"].reshape(-1).tolist() == [255 * -128, -LARGEST - 1]
    assert took.valid


@pytest.mark.parametrize("seed", range(5))
def test_what_is_sent_is_received_and_layers_add_up_to_the_whole(seed: int) -> None:
    random = np.random.default_rng(100 + seed)
    net = draw(random, "rate")
    with open_device(net.program()) as device:
        took = device.profile({"x": given_to(net, random, 3)})[1]
    counts = took.counts
    assert counts["messages_sent"] == counts["messages_received"]
    assert counts["messages_dropped"] == counts["messages_in_flight"] == counts["hops_east_west"] == 0
    for name in ("synops", "messages_in", "messages_out", "neuron_updates", "events_out"):
        assert sum(layer.counts[name] for layer in took.layers) == pytest.approx(counts[name])
        assert sum(core.counts[name] for core in took.cores) == pytest.approx(counts[name])
    assert took.links == ()
    assert took.energy_uj.total.value is None


def test_threads_and_shorter_runs_do_not_change_a_result() -> None:
    random = np.random.default_rng(7)
    net = replace(draw(random, "rate"), ticks=12)
    given = {"x": given_to(net, random, 9)}
    with open_device(net.program(), threads=1) as one, open_device(net.program(), threads=3) as three:
        assert np.array_equal(one.run(given)["y"], three.run(given)["y"])
        assert one.profile(given)[1].counts == three.profile(given)[1].counts
        spikes = one.trace(given)[f"l{len(net.layers) - 1}@spikes"]
        assert isinstance(one, SteppedDevice)
        at = one.run_at_steps(given, [3, 12])
    assert np.array_equal(at[12]["y"], spikes.sum(axis=1))
    assert np.array_equal(at[3]["y"], spikes[:, :3].sum(axis=1)), "counts without a scale are as they are"


def test_a_queue_that_is_too_short_grows() -> None:
    """300 events in a tick, each of which makes 50 neurons fire, are many times a layer's neurons."""
    first = Layer(-1, np.ones((50, 1, 1, 1), np.int64), threshold=1)
    second = Layer(0, np.ones((1, 50, 1, 1), np.int64), threshold=1)
    net = Network("native", 1, (1, 1, 2), (first, second))
    with open_device(net.program(), threads=1) as device:
        for number in (1, 150, 2):
            given = {"x": np.full((1, 1, 1, 1, 2), number, np.int32)}
            outputs, took = device.profile(given)
            assert outputs["y"].reshape(-1).tolist() == [50 * number, 50 * number]
            assert took.counts["synops"] == 2 * number * 50 + 2 * number * 50


def unread(body: NeuromorphicBody) -> NeuromorphicBody:
    delayed = (msgspec.structs.replace(one, delay=1) for one in body.projections)
    stepped = body.populations[1].kind == "readout"
    return msgspec.structs.replace(body, reads={}, projections=tuple(delayed) if stepped else body.projections)


def changed(net: Network, change: Callable[[NeuromorphicBody], NeuromorphicBody]) -> Program:
    program = net.program()
    body = change(msgspec.convert(program.body, NeuromorphicBody))
    return msgspec.structs.replace(program, body=msgspec.to_builtins(body))


def layer_of(body: NeuromorphicBody, **fields: Any) -> NeuromorphicBody:
    first, *rest = body.populations[1:]
    made: Population = msgspec.structs.replace(first, **fields)
    return msgspec.structs.replace(body, populations=(body.populations[0], made, *rest))


def way_of(body: NeuromorphicBody, **fields: Any) -> NeuromorphicBody:
    first, *rest = body.projections
    made: Projection = msgspec.structs.replace(first, **fields)
    return msgspec.structs.replace(body, projections=(made, *rest))


Change = Callable[[NeuromorphicBody], NeuromorphicBody]

WRONG: tuple[tuple[Change, type[Exception], str], ...] = (
    (
        lambda body: unread(layer_of(body, kind="readout", threshold=None, reset="zero", low=0)),
        DeviceError,
        "has no steps, and layer 'l0' is 'readout', which needs them",
    ),
    (lambda body: layer_of(body, low=-40000), ProgramError, "a floor of -40000"),
    (lambda body: layer_of(body, low=5), ProgramError, "a floor of 5"),
    (lambda body: layer_of(body, fires_at=1), ProgramError, "fires from a step on"),
    (lambda body: layer_of(body, refractory=1), ProgramError, "a rest"),
    (lambda body: way_of(body, dilation=(2, 2)), DeviceError, "without groups, dilation"),
    (lambda body: way_of(body, delay=1), DeviceError, "delay"),
    (lambda body: way_of(body, source="l0"), ProgramError, "through a loop"),
    (lambda body: msgspec.structs.replace(body, projections=body.projections * 2), DeviceError, "2 projections lead"),
    (lambda body: msgspec.structs.replace(body, cores=()), ProgramError, "is on 0 cores"),
    (lambda body: unread(body), ProgramError, "no count of neurons' spikes"),
    (lambda body: msgspec.structs.replace(body, tick_us=-1.0), ProgramError, "-1.0 is no time"),
)
"""What is done to a program's body, and how it is refused."""


@pytest.mark.parametrize(("change", "error", "message"), WRONG)
def test_what_such_a_chip_cannot_be_is_refused(change: Change, error: type[Exception], message: str) -> None:
    net = one_neuron(1, threshold=2)
    with pytest.raises(error, match=message):
        open_device(changed(net, change))


@pytest.mark.parametrize(
    ("array", "values", "message"),
    [
        ("l0.threshold", [3, 4], "several thresholds"),
        ("l0.threshold", [40000, 40000], "a threshold that 16 bits do not hold"),
        ("l0.bias", [128, 0], "a bias that the chip's bits do not hold"),
        ("l0.initial", [40000, 0], "starts at a potential outside"),
        ("l0.weights", [[[[200, 1]]]], "a weight that the chip's bits do not hold"),
    ],
)
def test_a_number_that_no_register_holds_is_refused(array: str, values: list[Any], message: str) -> None:
    layer = Layer(-1, np.ones((2, 1, 1, 1), np.int64), threshold=2, bias=np.array([1, 2]))
    program = Network("native", 1, (1, 1, 1), (layer,)).program()
    arrays = {**program.arrays, array: np.array(values, np.int16 if array == "l0.weights" else np.int32)}
    with pytest.raises(ProgramError, match=message):
        open_device(msgspec.structs.replace(program, arrays=arrays))


def test_a_chip_with_wider_numbers_has_them() -> None:
    text = load_hardware("speck").text.replace("weight_bits = { value = 8", "weight_bits = { value = 12")
    net = one_neuron(1500, threshold=3000)
    program = net.program(text)
    weights = {**program.arrays, "l0.weights": np.full((1, 1, 1, 1), 1500, np.int16)}
    with open_device(msgspec.structs.replace(program, arrays=weights)) as device:
        assert device.run(events(5))["y"].item() == 2
    wide = text.replace("membrane_bits = { value = 16", "membrane_bits = { value = 32")
    with pytest.raises(DeviceError, match="32-bit potentials, and only up to 24 bits are emulated"):
        open_device(net.program(wide))


def test_neurons_of_such_a_chip_do_not_run_in_steps() -> None:
    with pytest.raises(DeviceError, match="works in steps"):
        open_device(one_neuron(1).program(load_hardware("loihi2").text))


@pytest.mark.parametrize("timing", ["detailed", "events"])
def test_finer_timing_is_refused(timing: str) -> None:
    with pytest.raises(DeviceError, match="timing 'simple' does without"):
        open_device(one_neuron(1).program(), timing=timing)


@pytest.mark.parametrize("number", [-3, 256])
def test_what_is_given_must_be_numbers_of_events(number: int) -> None:
    with (
        open_device(one_neuron(1).program()) as device,
        pytest.raises(InputError, match=f"0 to 255, and one is {number}"),
    ):
        device.run(events(number))
