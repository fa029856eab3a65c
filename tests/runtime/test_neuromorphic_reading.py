"""What the host reads of a chip with time: which state, after which step, in a row; and what it may leave ungiven."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
from native_networks import native_program, random_native, reference
from neuromorphic_networks import Net, as_given
from test_neuromorphic_native import one_neuron

from striate_runtime.device import DeviceError, open_device
from striate_runtime.hardware import load_hardware
from striate_runtime.neuromorphic.chip import EmulatedChip
from striate_runtime.program import Port, Program
from striate_runtime.trace import CURRENTS, POTENTIALS, SPIKES

Array = npt.NDArray[Any]


def opened(program: Program) -> EmulatedChip:
    device = open_device(program)
    assert isinstance(device, EmulatedChip)
    return device


def firing(seed: int) -> tuple[Net, Array]:
    net, x = random_native(seed)
    assert net.populations[1].fires
    return net, x.astype(np.int32)


@pytest.mark.parametrize("seed", [2, 3, 4])
def test_a_series_of_spikes_is_what_was_sent_in_each_step_up_to_that_of_the_reading(seed: int):
    net, x = firing(seed)
    last, times = net.steps - 2, net.steps - 4
    program = native_program(
        net,
        low=-2000,
        reads={"a.potential": "spikes", "a.current": "current", "a.spike_count": "spike_count"},
        times={"a.potential": times, "a.current": times},
        read_at={"a.potential": last, "a.current": last, "a.spike_count": last},
    )
    truth = reference(net, x)["a"]
    shape = net.populations[1].shape
    with opened(program) as chip:
        for got in (chip.run({"x": x[None]}), chip.profile({"x": x[None]})[0], chip.trace({"x": x[None]})):
            for row, step in enumerate(range(last - times, last)):
                assert np.array_equal(got["a.potential"][0, row], as_given(shape, truth.spikes[step]))
                assert np.array_equal(got["a.current"][0, row], as_given(shape, truth.u[step]))
            assert np.array_equal(got["a.spike_count"][0], as_given(shape, truth.spikes[:last].sum(0)))


def test_on_a_chip_that_stops_early_later_readings_are_the_last():
    net, x = firing(3)
    ports = {"a.potential": "spikes", "a.current": "current", "b.potential": "potential"}
    program = native_program(net, low=-2000, times={"a.potential": 3}, reads=ports, read_at={"b.potential": 2})
    with opened(program) as chip:
        at = chip.run_at_steps({"x": x[None]}, [1, 4, net.steps])
    truth, shape = reference(net, x), net.populations[1].shape
    for step, outputs in at.items():
        assert np.array_equal(outputs["a.current"][0], as_given(shape, truth["a"].u[step - 1]))
        read = min(step, 2) - 1
        assert np.array_equal(outputs["b.potential"][0], as_given(net.populations[2].shape, truth["b"].v[read]))
        for row, last in enumerate(min(step, net.steps - back) for back in (2, 1, 0)):
            assert np.array_equal(outputs["a.potential"][0, row], as_given(shape, truth["a"].spikes[last - 1]))


@pytest.mark.parametrize("seed", [0, 5])
def test_nothing_is_sent_after_the_last_step_that_is_given(seed: int):
    net, x = random_native(seed)
    given = net.steps // 2
    whole = native_program(net, low=-2000)
    short = msgspec.structs.replace(whole, inputs=(Port("x", "i32", (given, *x.shape[1:])),))
    padded = x.astype(np.int32)
    padded[given:] = 0
    with opened(whole) as chip, opened(short) as other:
        expected, got = chip.run({"x": np.stack([padded] * 2)}), other.run({"x": np.stack([padded[:given]] * 2)})
    for port, array in expected.items():
        assert np.array_equal(got[port], array)


def test_a_trace_holds_the_states_of_every_step():
    net, x = firing(4)
    with opened(native_program(net, low=-2000)) as chip:
        traced = chip.trace({"x": np.stack([x, x[::-1]])})
    for sample, given in enumerate((x, x[::-1])):
        for name, truth in reference(net, given).items():
            shape = next(p.shape for p in net.populations if p.name == name)
            for ending, rows in ((POTENTIALS, truth.v), (CURRENTS, truth.u), (SPIKES, truth.spikes)):
                expected = np.stack([as_given(shape, row) for row in rows])
                assert np.array_equal(traced[name + ending][sample], expected)


@pytest.mark.parametrize(("hardware", "slots"), [("loihi1_sanafe25", 2), ("teaching", 1)])
def test_a_soft_reset_takes_the_slots_that_the_chip_says(hardware: str, slots: int):
    updates: dict[str, float] = {}
    for reset in ("zero", "subtract"):
        program = native_program(one_neuron(4, reset=reset))
        changed = msgspec.structs.replace(program, hardware=load_hardware(hardware).text)
        with opened(changed) as chip:
            updates[reset] = chip.profile({"x": np.ones((1, 4, 1, 1, 1), np.int32)})[1].counts["neuron_updates"]
    assert updates["subtract"] == updates["zero"] * slots


def test_a_rest_longer_than_the_chip_has_is_refused():
    with pytest.raises(DeviceError, match="rest for 64 steps after a spike; those of 'loihi1_sanafe25' rest for at mo"):
        open_device(native_program(one_neuron(refractory=64)))
