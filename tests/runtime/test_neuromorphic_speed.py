"""What makes the emulator fast changes nothing: threads, the quick way of plain neurons, rows added in one pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
from native_networks import States, native_program, random_native, reference, states_on_the_chip
from neuromorphic_networks import Net, matrix

from striate_runtime.device import DeviceError, open_device
from striate_runtime.hardware import load_hardware
from striate_runtime.neuromorphic.chip import EmulatedChip
from striate_runtime.neuromorphic.costs.counts import ACTIVE
from striate_runtime.neuromorphic.tables import layout
from striate_runtime.neuromorphic.tables.arrays import PIECE
from striate_runtime.neuromorphic.threads import default_threads
from striate_runtime.profile import Profile
from striate_runtime.program import Program
from striate_runtime.program.neuromorphic import Population, Projection

Array = npt.NDArray[Any]

SEEDS = range(24)


def random_plain(seed: int) -> tuple[Net, Array]:
    """A random network of which most neurons only sum spikes; every third has all of its inputs active."""
    net, x = random_native(seed)
    rng = np.random.default_rng(seed)
    arrays = dict(net.arrays)
    for p in net.populations:
        if p.kind == "cuba_lif":
            arrays[f"{p.name}.du"] = np.full(p.shape[0], 4095, np.int32)
            arrays[f"{p.name}.dv"] = np.zeros(p.shape[0], np.int32)
            arrays[f"{p.name}.vth"] = rng.integers(1, 900, p.shape[0]).astype(np.int32)
            bias = rng.integers(-2000, 6000, p.shape[0]) * (seed % 2)
            arrays[f"{p.name}.bias"] = bias.astype(np.int32)
    fields = {"reset": "zero", "refractory": 0, "fires": True}
    populations = tuple(
        msgspec.structs.replace(p, threshold=f"{p.name}.vth", **fields) if p.kind == "cuba_lif" else p
        for p in net.populations
    )
    spikes = (rng.random(x.shape) < (1.0 if seed % 3 == 0 else 0.3)).astype(np.int64)
    return replace(net, populations=populations, arrays=arrays, high=1), spikes


def wide(neurons: int = 1300) -> tuple[Net, Array]:
    """More events in a step than are sorted at a time, many from each place: through a strided convolution."""
    rng = np.random.default_rng(5)
    arrays: dict[str, Array] = {"w": rng.integers(-60, 60, (3, 3, 13, 12)).astype(np.int16)}
    own = {"threshold": 900, "current_decay": 4095, "voltage_decay": 0}
    arrays |= {f"a.{name}": np.full(12, value, np.int32) for name, value in own.items()}
    names: dict[str, Any] = {name: f"a.{name}" for name in own}
    populations = (
        Population("x", "x", (13, 10, neurons // 130), "input"),
        Population("a", "a", (12, 5, 5), "cuba_lif", **names),
    )
    reach: dict[str, Any] = {"stride": (2, 2), "padding": (1, 1, 1, 1), "kernel": (3, 3)}
    projections = (Projection("xa", "a", "x", "a", "conv2d", "w", **reach),)
    net = Net("native", 5, populations, projections, arrays, high=1)
    return net, (rng.random((5, 13, 10, neurons // 130)) < 0.9).astype(np.int64)


def differing(got: dict[str, States], expected: dict[str, States]) -> list[str]:
    return [
        f"{name}.{field}"
        for name, states in expected.items()
        for field in ("u", "v", "spikes")
        if not np.array_equal(getattr(got[name], field), getattr(states, field))
    ]


def plain_populations(program: Program) -> int:
    device = open_device(program)
    assert isinstance(device, EmulatedChip)
    return int(device._built.tables.populations.plain.sum())  # pyright: ignore[reportPrivateUsage]


def never(*_: object) -> bool:
    return False


def results(program: Program, x: Array, threads: int | None = 1) -> tuple[dict[str, bytes], Profile]:
    with open_device(program, threads=threads) as device:
        outputs, profile = device.profile({"x": x})
    return {name: array.tobytes() for name, array in outputs.items()}, profile


@pytest.mark.parametrize("seed", SEEDS)
def test_plain_neurons_have_the_states_that_the_spec_says(seed: int):
    net, x = random_plain(seed)
    assert differing(states_on_the_chip(native_program(net), x), reference(net, x)) == []


def test_the_random_networks_have_plain_populations_and_others_that_fire_in_all_their_ways():
    programs = [native_program(random_plain(seed)[0]) for seed in SEEDS]
    plain = [plain_populations(program) for program in programs]
    assert set(plain) >= {1, 2}
    states = [state for seed in SEEDS for state in reference(*random_plain(seed)).values()]
    assert sum(int(state.spikes.sum()) for state in states) > 2000
    assert any((abs(state.v) == 2**23 - 1).any() for state in states) or any((state.v < 0).any() for state in states)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_quick_way_counts_and_computes_what_the_general_way_does(seed: int, monkeypatch: pytest.MonkeyPatch):
    net, x = random_plain(seed)
    net = net.cut(**{p.name: 1 + seed % 3 for p in net.populations})
    program, given = native_program(net), np.stack([x, 1 - x, x * 0]).astype(np.int32)
    quick = results(program, given)
    monkeypatch.setattr(layout, "is_plain", never)
    assert plain_populations(program) == 0
    assert results(program, given) == quick


@pytest.mark.parametrize("active", ["changed", "not_at_rest"])
@pytest.mark.parametrize("drawn", [random_native, random_plain])
@pytest.mark.parametrize("seed", range(12))
def test_active_neurons_are_those_that_a_chip_says_are(
    seed: int, drawn: Callable[[int], tuple[Net, Array]], active: str
):
    net, x = drawn(seed)
    text = load_hardware(net.hardware).text.replace('active_neurons = "not_at_rest"', f'active_neurons = "{active}"')
    device = open_device(msgspec.structs.replace(native_program(net, low=-net.high * (net.high > 1)), hardware=text))
    assert isinstance(device, EmulatedChip)
    counted = device.step_counts({"x": x[None].astype(np.int32)})[0][0, ..., ACTIVE]
    states = reference(net, x)
    sent = {name: state.spikes.astype(np.int64) for name, state in states.items()}
    sent["x"] = x.transpose(0, 2, 3, 1).reshape(net.steps, -1)
    for core, p in enumerate(p for p in net.populations if p.kind == "cuba_lif"):
        bias, initial = (np.tile(net.arrays[f"{p.name}.{of}"], p.shape[1] * p.shape[2]) for of in ("bias", "v"))
        u, v = states[p.name].u, states[p.name].v
        u_before, v_before = np.concatenate([0 * u[:1], u[:-1]]), np.concatenate([initial[None], v[:-1]])
        arriving = np.zeros_like(v)
        for wire in net.projections:
            if wire.target == p.name:
                arriving[wire.delay :] += sent[wire.source][: net.steps - wire.delay] @ matrix(net, wire)[0]
        not_at_rest = (v_before != 0) | (arriving != 0) | (bias != 0)
        if p.reset_interval:
            u_before[p.reset_offset :: p.reset_interval] = v_before[p.reset_offset :: p.reset_interval] = 0
        expected = not_at_rest if active == "not_at_rest" else (u != u_before) | (v != v_before)
        assert counted[:, core].tolist() == expected.sum(1).tolist()


def test_a_layer_with_more_events_than_are_sorted_at_a_time_gets_all_of_them():
    net, x = wide()
    assert int(x[0].sum()) > 2 * PIECE
    program = native_program(net)
    assert plain_populations(program) == 1
    assert differing(states_on_the_chip(program, x), reference(net, x)) == []


def test_payloads_from_one_place_are_each_multiplied_by_their_own():
    net, x = wide()
    x = x * np.random.default_rng(1).integers(-99, 100, x.shape)
    program = native_program(replace(net, high=99), low=-99)
    assert plain_populations(program) == 0
    assert differing(states_on_the_chip(program, x), reference(net, x)) == []


def test_synaptic_operations_of_a_strided_layer_on_many_cores_are_those_of_its_matrix():
    net, x = wide()
    net = net.cut(x=2, a=3)
    synapses = (matrix(net, net.projections[0])[0] != 0).sum(1)
    sent = x[:-1].transpose(0, 2, 3, 1).reshape(len(x) - 1, -1)
    _, profile = results(native_program(net), x[None].astype(np.int32))
    assert profile.counts["synops"] == int((sent @ synapses).sum())


@pytest.mark.parametrize("threads", [2, 3, 7, None])
@pytest.mark.parametrize("seed", [0, 1, 4])
def test_results_do_not_depend_on_the_number_of_threads(seed: int, threads: int | None):
    net, x = random_plain(seed)
    rng = np.random.default_rng(seed)
    given = np.stack([x * (rng.random(x.shape) < share) for share in np.linspace(0, 1, 15)]).astype(np.int32)
    assert results(native_program(net), given, threads) == results(native_program(net), given, 1)


@pytest.mark.parametrize("threads", [2, 5])
def test_where_a_sum_was_too_large_first_does_not_depend_on_the_number_of_threads(threads: int):
    own = {"threshold": 131071, "current_decay": 0, "voltage_decay": 0}
    arrays: dict[str, Array] = {f"a.{name}": np.array([value], np.int32) for name, value in own.items()}
    arrays["w"] = np.ones((1, 1), np.int16)
    names: dict[str, Any] = {name: f"a.{name}" for name in own}
    populations = (Population("x", "x", (1, 1, 1), "input"), Population("a", "a", (1, 1, 1), "cuba_lif", **names))
    net = Net("native", 16, populations, (Projection("xa", "a", "x", "a", "dense", "w"),), arrays, high=200_000)
    given = np.zeros((12, 16, 1, 1, 1), np.int32)
    for sample, step in enumerate((9, 14, 7, 8, 11, 3, 12, 10, 13, 6, 5, 14)):
        given[sample, step] = 131_073
    one = results(native_program(net), given, 1)
    assert "first at step 4" in one[1].problems[0].message
    assert results(native_program(net), given, threads) == one


def test_no_thread_is_a_mistake_and_all_cores_are_the_default():
    net, _ = random_plain(0)
    assert default_threads() >= 1
    with pytest.raises(DeviceError, match="threads must be at least 1, not 0"):
        open_device(native_program(net), threads=0)
