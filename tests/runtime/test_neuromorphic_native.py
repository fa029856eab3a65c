"""Loihi's own neurons on the emulated chip: against plain integers, and against the outputs of lava and nengo-loihi."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
from native_networks import States, native_program, random_native, reference, states_on_the_chip
from neuromorphic_networks import Net

from striate_runtime.device import DeviceError, open_device
from striate_runtime.program import Program, ProgramError
from striate_runtime.program.neuromorphic import Population, Projection

Array = npt.NDArray[Any]

ORACLE = Path(__file__).parents[3] / "shared" / "peers" / "oracle"


def differing(got: dict[str, States], expected: dict[str, States]) -> list[str]:
    return [
        f"{name}.{field}"
        for name, states in expected.items()
        for field in ("u", "v", "spikes")
        if not np.array_equal(getattr(got[name], field), getattr(states, field))
    ]


@pytest.mark.parametrize("seed", range(50))
def test_a_random_network_has_the_states_that_the_spec_says(seed: int):
    net, x = random_native(seed)
    sum_bits, even = (21 if seed % 3 == 0 else None), seed % 2 == 0
    program = native_program(net, low=-2000, sum_bits=sum_bits, even_mixed_weights=even)
    assert differing(states_on_the_chip(program, x), reference(net, x, sum_bits, even)) == []


def test_the_random_networks_reach_every_edge():
    states = [state for seed in range(50) for state in reference(*random_native(seed)).values()]
    assert sum(int(state.spikes.sum()) for state in states) > 10_000
    assert any((abs(state.v) == 2**23 - 1).any() for state in states), "a potential saturates"
    assert any((abs(np.diff(state.u, axis=0)) > 2**23).any() for state in states), "a current wraps"
    populations = [p for seed in range(50) for p in random_native(seed)[0].populations if p.kind == "cuba_lif"]
    assert len({(p.reset, p.refractory > 0, p.fires) for p in populations}) == 5, "resets, rests and silence"


RULES = ("reset", "refractory", "reset_interval", "reset_offset", "fires")


def one_neuron(steps: int = 3, weight: int = 1, **own: Any) -> Net:
    """x -> a, one neuron each."""
    rules = {name: own.pop(name) for name in RULES if name in own}
    given = {"current_decay": 4095, "voltage_decay": 0, "threshold": 131071, "bias": 0} | own
    given = {name: value for name, value in given.items() if value is not None}
    arrays: dict[str, Array] = {name: np.array([value], np.int32) for name, value in given.items()}
    arrays["w"] = np.array([[weight]], np.int16)
    fields = {"name": "a", "layer": "a", "shape": (1, 1, 1), "kind": "cuba_lif", **{name: name for name in given}}
    a = msgspec.convert(fields | rules, Population)
    projection = Projection("xa", "a", "x", "a", "dense", weights="w")
    return Net("native", steps, (Population("x", "x", (1, 1, 1), "input"), a), (projection,), arrays, high=1 << 20)


def trace(net: Net, given: list[int], **body: Any) -> States:
    x = np.zeros((net.steps, 1, 1, 1), np.int64)
    x[: len(given), 0, 0, 0] = given
    return states_on_the_chip(native_program(net, low=-(1 << 20), **body), x)["a"]


SPEC = Path(__file__).parents[2] / "spec" / "neuromorphic.md"


def vectors() -> dict[str, list[str]]:
    """The conformance vectors of the spec: rule -> parameters, given, u, v, spikes."""
    text = SPEC.read_text("utf-8")
    rows = text[text.index("| rule | parameters |") :].split("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    return {rule: others for rule, *others in cells}


def integers(cell: str) -> list[int]:
    return [int(word) for word in cell.split()]


@pytest.mark.parametrize("rule", vectors())
def test_a_rule_of_the_spec_holds(rule: str):
    named, given, u, v, spikes = vectors()[rule]
    words = dict(word.split("=") for word in named.split())
    parameters: dict[str, Any] = {name: value if name == "reset" else int(value) for name, value in words.items()}
    body = {name: parameters.pop(name) for name in ("sum_bits",) if name in parameters}
    states = trace(one_neuron(len(integers(u)), **parameters), integers(given), **body)
    got = [values[:, 0].tolist() for values in (states.u, states.v, states.spikes)]
    assert got == [integers(u), integers(v), integers(spikes)]


def test_wrapping_and_saturating_make_a_result_invalid():
    net = one_neuron(2)
    with open_device(native_program(net)) as device:
        _, quiet = device.profile({"x": np.zeros((1, 2, 1, 1, 1), np.int32)})
        _, loud = device.profile({"x": np.full((1, 2, 1, 1, 1), 1 << 17, np.int32)})
    assert quiet.valid
    assert not loud.valid
    assert "24-bit membrane, first at step 1" in loud.problems[0].message


DAMAGE: dict[str, tuple[Program, str]] = {
    "a threshold of 0": (native_program(one_neuron(threshold=0)), r"threshold must be in 1\.\.131071"),
    "a threshold of 18 bits": (native_program(one_neuron(threshold=1 << 17)), "17 bits, and at least 1"),
    "a decay of 4096": (native_program(one_neuron(current_decay=4096)), r"current_decay must be in 0\.\.4095"),
    "a weight of 256": (native_program(one_neuron(weight=256)), r"a weight is outside -256\.\.255"),
    "a port of too many steps": (native_program(one_neuron(), steps=2), "has no first dimension of at most 2 steps"),
    "a read after the end": (native_program(one_neuron(), read_at={"a.current": 4}), "is read after step 4 of 3"),
    "a read before the start": (native_program(one_neuron(), read_at={"a.current": 0}), "is read after step 0 of 3"),
    "a series that is no output": (native_program(one_neuron(), series=["z"]), "name 'z', which is no output"),
    "a series before the start": (
        native_program(one_neuron(), times={"a.current": 3}, read_at={"a.current": 2}),
        "gives 3 steps up to step 2",
    ),
    "a negative rest": (native_program(one_neuron(refractory=-1)), "rests for -1 steps"),
    "a threshold of a silent neuron": (native_program(one_neuron(fires=False)), "never fires, and has a threshold"),
    "spikes of a silent neuron": (
        native_program(one_neuron(fires=False, threshold=None), reads={"a.potential": "spikes"}),
        "never fires, and output 'a.potential' reads its spikes",
    ),
    "a read that is no output": (native_program(one_neuron(), reads={"z": "current"}), "name 'z', which is no output"),
    "sums of few bits elsewhere": (native_program(one_neuron(), coding="rate"), "belong to the native coding"),
}
"""What is wrong -> (program, message)."""


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_the_neurons_cannot_hold_is_refused(damage: str):
    program, message = DAMAGE[damage]
    with pytest.raises(ProgramError, match=message):
        open_device(program)


def test_a_step_whose_sum_could_exceed_32_bits_is_refused():
    net = one_neuron(2, 255)
    with pytest.raises(DeviceError, match="its sums can reach 8,5"):
        open_device(native_program(net, input_high={"x": 1 << 25}, low=0))


# --- the published simulators ---------------------------------------------------------------------------------------


def published() -> Any:
    """The oracles' own definition of their networks and of what they mean."""
    if not ORACLE.is_dir():
        pytest.skip(f"the outputs of lava and nengo-loihi are not at {ORACLE}")
    spec = importlib.util.spec_from_file_location("oracle_spec", ORACLE / "spec.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def as_native(net: Any) -> Net:
    """A network of the oracles: conv 3x3, conv 3x3 with stride 2, dense, each onto neurons."""
    arrays: dict[str, Array] = {}
    populations = [Population("x", "x", tuple(net["in_shape"]), "input")]
    projections: list[Projection] = []
    for k, extents in enumerate(net["shapes"]):
        channels, height, width = (*extents, 1, 1)[:3]
        shape = int(channels), int(height), int(width)
        for name, values in (("du", net["du"]), ("dv", net["dv"]), ("vth", net["vth"]), ("bias", net["bias"])):
            arrays[f"{name}{k}"] = np.full(shape[0], values[k], np.int32)
        populations.append(
            Population(
                f"n{k}",
                f"n{k}",
                shape,
                "cuba_lif",
                bias=f"bias{k}",
                threshold=f"vth{k}",
                current_decay=f"du{k}",
                voltage_decay=f"dv{k}",
            )
        )
        fields: dict[str, Any] = {"name": f"p{k}", "layer": f"n{k}", "source": populations[-2].name, "target": f"n{k}"}
        weights = net["w"][k]
        if k < 2:
            arrays[f"w{k}"] = weights.transpose(2, 3, 1, 0)
            fields |= {"kind": "conv2d", "stride": (net["stride"][k],) * 2, "padding": (1, 1, 1, 1), "kernel": (3, 3)}
        else:
            arrays[f"w{k}"] = (
                weights.reshape(-1, *populations[-2].shape).transpose(2, 3, 1, 0).reshape(-1, len(weights))
            )
            fields |= {"kind": "dense"}
        projections.append(Projection(**fields, weights=f"w{k}"))
    return Net("native", net["T"], tuple(populations), tuple(projections), arrays, high=1)


def channels_last(values: Array) -> Array:
    """[..., C, H, W] or [..., C] -> [..., neurons]."""
    return values.transpose(0, 2, 3, 1).reshape(len(values), -1) if values.ndim == 4 else values


@pytest.mark.parametrize("simulator", ["lava", "nengo"])
def test_spikes_are_those_of_the_published_simulators(simulator: str):
    spec = published()
    outputs = np.load(ORACLE / f"{simulator}.npz")
    net = spec.net(int(outputs["seed"]))
    states = states_on_the_chip(native_program(as_native(net)), net["x"])
    for k in range(3):
        assert np.array_equal(states[f"n{k}"].spikes, channels_last(outputs[f"s{k + 1}"]) != 0)


@pytest.mark.parametrize("seed", range(50))
def test_spikes_and_final_states_are_those_of_the_reference_that_both_simulators_equal(seed: int):
    spec = published()
    net = spec.net(seed, T=30)
    states = states_on_the_chip(native_program(as_native(net)), net["x"])
    spikes, u, v = spec.reference(net)
    for k in range(3):
        own = states[f"n{k}"]
        assert np.array_equal(own.spikes, channels_last(spikes[k]) != 0)
        assert np.array_equal(own.u[-1], channels_last(u[k][None])[0])
        assert np.array_equal(own.v[-1], channels_last(v[k][None])[0])
