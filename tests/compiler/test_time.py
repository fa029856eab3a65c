"""Networks with time: the spec's vectors, closed forms, and what passes, printer and targets make of state."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest

from striate.diagnostics import CompileError
from striate.interpreter import interpret
from striate.language import parse_machine, read
from striate.operators.units import to_si, write_quantity
from striate.passes import run_passes
from striate.pipeline import Compilation, lower
from striate.pipeline import read as read_file
from striate.printer import print_graph
from striate.tensor import Array
from striate.verify import verify

ROOT = Path(__file__).parents[2]
SPEC = (ROOT / "spec" / "neuromorphic.md").read_text("utf-8")
NUMBERS = r"-?[0-9.]+(?: -?[0-9.]+)*"
VECTORS = re.findall(rf"^\| `([^`]+)` \| ({NUMBERS}) \| ({NUMBERS}) \|$", SPEC, re.MULTILINE)
EXAMPLE = ROOT / "examples" / "spiking" / "events_small.striate"


def run(stages: str, x: Array, dt: str = "1ms") -> Array:
    """One neuron, `[T]` -> `[T]`, or `[]` behind a readout."""
    graph = read(f"network n(x: f32[1], dt = {dt}) -> y {{ y = x |> {stages} }}").graph
    return interpret(graph, {"x": np.asarray(x, np.float32)[None, :, None]})["y"][0, ..., 0]


def codes(text: str) -> list[str]:
    with pytest.raises(CompileError) as caught:
        read(text)
    return [diagnostic.code for diagnostic in caught.value.diagnostics]


def events(steps: int = 12, samples: int = 2) -> Array:
    return (np.random.default_rng(0).random((samples, steps, 2, 34, 34)) < 0.2).astype(np.float32)


@pytest.fixture(scope="module")
def example() -> Compilation:
    return read_file(EXAMPLE)


def test_the_spec_has_vectors_for_every_operator_without_an_irrational_leak() -> None:
    named = {application.split("(")[0] for application, _, _ in VECTORS}
    assert named == {
        "integrate_and_fire", "cuba_lif", "sigma_delta", "delta", "sigma",
        "delay", "spike_count", "sum_over_time", "last",
    }  # fmt: skip


@pytest.mark.parametrize(("application", "x", "y"), VECTORS)
def test_a_vector_of_the_spec_holds(application: str, x: str, y: str) -> None:
    given, wanted = (np.array([float(number) for number in text.split()]) for text in (x, y))
    assert np.array_equal(np.atleast_1d(run(application, given)), wanted)


@pytest.mark.parametrize(("current", "threshold", "steps"), [(0.25, 1.0, 17), (0.75, 1.0, 16), (0.5, 0.5, 9)])
def test_constant_input_fires_floor_times(current: float, threshold: float, steps: int) -> None:
    spikes = run(f"integrate_and_fire({threshold})", np.full(steps, current))
    assert spikes.sum() == math.floor(steps * current / threshold)


def test_a_leaky_potential_decays_by_exp_of_dt_over_tau() -> None:
    v = run("leaky_integrator(tau=20ms)", np.array([1.0] + [0.0] * 9), dt="2ms")
    assert v == pytest.approx(np.exp(-np.arange(10) * 2 / 20), rel=1e-6)


def test_lif_fires_when_its_leaky_sum_first_reaches_the_threshold() -> None:
    keep, current = math.exp(-1 / 5), 0.3
    sums = current * (1 - keep ** np.arange(1, 20)) / (1 - keep)
    spikes = run("lif(tau=5ms)", np.full(19, current))
    assert np.argmax(spikes) == np.argmax(sums >= 1)


def test_a_time_constant_in_cuba_lif_is_the_decay_that_it_stands_for() -> None:
    x = np.random.default_rng(1).random(40)
    decays = [repr(1 - math.exp(-1 / tau)) for tau in (5, 20)]
    by_decay = run(f"cuba_lif(decay_current={decays[0]}, decay_voltage={decays[1]})", x)
    assert np.array_equal(run("cuba_lif(5ms, 20ms)", x), by_decay)
    assert 0 < by_decay.sum() < 40


def test_at_threshold_0_sigma_delta_sends_what_adds_up_to_the_activation() -> None:
    x = np.random.default_rng(2).integers(-8, 9, 50)
    assert run("sigma_delta(activation=relu) |> sum_over_time", x) == max(x.sum(), 0)


def test_sigma_delta_adds_its_bias_to_the_sum_and_not_to_every_change() -> None:
    x = np.random.default_rng(4).integers(-8, 9, (3, 20, 2, 5)).astype(np.float32)
    body = "y = x |> sigma_delta(activation=relu, bias=true) |> sum_over_time"
    graph = read_file(f"network n(x: f32[2, 5], dt = 1ms) -> y {{ {body} }}", weights="init(0)").graph
    bias = np.array([3, -5], np.float32)
    (parameter,) = graph.parameters.values()
    assert parameter.value is not None
    parameter.value[:] = bias
    wanted = np.maximum(x.sum(1) + bias[:, None], 0)
    assert np.array_equal(interpret(graph, {"x": x})["y"], wanted)


def test_a_recurrent_connection_is_read_one_step_later() -> None:
    graph = read("network n(x: f32[1], dt = 1ms) -> y { y = x + (y |> delay(2, size=(1,))) }").graph
    verify(graph)
    y = interpret(graph, {"x": np.arange(1, 7, dtype=np.float32)[None, :, None]})["y"].ravel()
    assert y.tolist() == [1, 2, 4, 6, 9, 12]
    assert read(print_graph(graph)).graph == graph


def test_a_recurrent_block_reads_its_own_value() -> None:
    text = """
    block layer(x, tau) -> s { s = x + (s |> delay(1, size=(4,))) |> lif(tau) }
    network n(x: f32[4], dt = 1ms) -> b {
      let tau = 20ms
      a = x |> layer(tau)
      b = a |> layer(tau)
    }
    """
    graph = read(text).graph
    assert [graph.node(f"{name}.s.delay").inputs for name in "ab"] == [("a.s",), ("b.s",)]
    assert read(print_graph(graph)).graph == graph


def test_a_loop_that_no_output_needs_is_removed() -> None:
    text = "network n(x: f32[4], dt = 1ms) -> y { dead = x + (dead |> delay(1, size=(4,)))\n y = x |> lif(20ms) }"
    graph = read(text).graph
    run_passes(graph)
    assert [node.name for node in graph] == ["y"]


def test_a_neuron_with_constant_input_is_not_folded() -> None:
    text = "network n(x: f32[4], dt = 1ms) -> y { c = constant((4,)) |> integrate_and_fire\n y = x + c }"
    graph = read(text).graph
    name = graph.node("c.constant").parameters["value"]
    graph.set_parameter(name, np.full(4, 0.5, np.float32), graph.parameters[name].type)
    run_passes(graph)
    assert np.array_equal(interpret(graph, {"x": np.zeros((1, 4, 4))})["y"][0, :, 0], [0, 1, 0, 1])


def test_two_equal_neurons_become_one() -> None:
    text = "network n(x: f32[4], dt = 1ms) -> y { y = (x |> lif(20ms)) + (x |> lif(20ms)) }"
    graph = read(text).graph
    run_passes(graph)
    assert [node.operator.name for node in graph] == ["lif", "add"]


def test_the_example_runs_and_the_passes_keep_its_values(example: Compilation) -> None:
    outputs = interpret(example.graph, {"events": events()}, float64=True)
    assert {name: value.shape for name, value in outputs.items()} == {"counts": (2, 10), "potential": (2, 10)}
    assert outputs["counts"].sum() > 0
    optimised = interpret(example.optimised, {"events": events()}, float64=True)
    assert np.array_equal(outputs["counts"], optimised["counts"])
    assert np.abs(outputs["potential"] - optimised["potential"]).max() < 1e-9


def test_a_sample_does_not_see_its_neighbours(example: Compilation) -> None:
    both = interpret(example.graph, {"events": events()}, float64=True)["potential"]
    one = interpret(example.graph, {"events": events()[1:]}, float64=True)["potential"]
    assert np.abs(both[1] - one[0]).max() < 1e-9


def test_a_gpu_program_has_the_steps_that_are_asked_for_else_those_of_the_data_else_none_and_says_so() -> None:
    compilation = read_file(EXAMPLE)
    with pytest.raises(CompileError, match=r"nothing says for how many time steps 'events_small' is to be compiled"):
        lower(compilation, parse_machine("gpu"), build=False)
    compilation.steps = 7
    for machine, steps in (("gpu", 7), ("gpu(precision=f32, steps=5)", 5)):
        program = lower(compilation, parse_machine(machine), build=False)
        assert [port.shape for port in program.inputs] == [(steps, 2, 34, 34)]
        assert {port.name: port.shape for port in program.outputs} == {"counts": (10,), "potential": (10,)}


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("y = x |> lif(tau=20)", "missing-unit"),
        ("y = x |> lif(tau=20mV)", "wrong-unit"),
        ("y = x |> lif(tau=20parsecs)", "wrong-unit"),
        ("y = x |> integrate_and_fire(2ms)", "wrong-unit"),
        ("y = x |> lif(tau=per_chanel)", "bad-attribute"),
        ("y = x |> lif(20ms, refractory=per_channel)", "unknown-name"),
        ("y = x |> lif(tau=20us)", "tau-below-dt"),
        ("y = x |> cuba_lif(20ms, 20us)", "tau-below-dt"),
        ("y = x |> integrate_and_fire(0)", "bad-attribute"),
        ("y = x |> lif(20ms, threshold=-1)", "bad-attribute"),
        ("y = x |> cuba_lif(20ms)", "bad-attribute"),
        ("y = x |> cuba_lif(20ms, 20ms, decay_voltage=0.5)", "bad-attribute"),
        ("y = x |> delay(0)", "bad-attribute"),
        ("y = x |> delay(10001)", "bad-attribute"),
        ("y = x + y", "loop-without-delay"),
        ("a = x + y\n y = a |> relu", "loop-without-delay"),
        ("y = x + (y |> delay(1))", "missing-attribute"),
        ("a = (y |> delay(1, size=(5,))) |> relu\n y = x |> relu", "shape-mismatch"),
        ("y = x + (z |> delay(1, size=(4,)))", "unknown-name"),
        ("let a = 2 * 3ms\n y = x |> lif(a)", "type-mismatch"),
    ],
)
def test_a_mistake_about_time_has_its_code(statement: str, code: str) -> None:
    assert codes(f"network n(x: f32[4], dt = 1ms) -> y {{\n {statement}\n}}") == [code]


def test_a_time_step_without_a_unit_is_told_so() -> None:
    with pytest.raises(CompileError, match=r"dt is a time with its unit \(s, ms, us, ns\), not 5"):
        read("network n(x: f32[4], dt = 5) -> y { y = x |> relu }")
    assert codes("network n(x: f32[4], dt = 0.5) -> y { y = x |> relu }") == ["missing-unit"]


BY_CHANNEL = {
    "integrate_and_fire(threshold=per_channel)": ("integrate_and_fire({threshold})", ("threshold",)),
    "lif(tau=per_channel, threshold=per_channel)": ("lif({tau}s, {threshold})", ("tau", "threshold")),
    "cuba_lif(per_channel, per_channel, 0.5, zero)": (
        "cuba_lif({tau_current}s, {tau_voltage}s, 0.5, zero)", ("tau_current", "tau_voltage"),
    ),
    "cuba_lif(decay_current=per_channel, decay_voltage=per_channel)": (
        "cuba_lif(decay_current={decay_current}, decay_voltage={decay_voltage})", ("decay_current", "decay_voltage"),
    ),
    "leaky_integrator(per_channel)": ("leaky_integrator({tau}s)", ("tau",)),
}  # fmt: skip
VALUES = {"threshold": (0.5, 0.75, 2.0), "tau": (0.002, 0.01, 0.02), "decay": (0.0, 0.25, 1.0)}


@pytest.mark.parametrize("stage", BY_CHANNEL)
def test_a_neuron_given_by_channel_is_in_each_channel_the_one_with_that_number(stage: str) -> None:
    single, roles = BY_CHANNEL[stage]
    graph = read(f"network n(x: f32[3, 2], dt = 1ms) -> y {{ y = x |> {stage} }}").graph
    assert set(graph.parameters) == {f"y.{role}" for role in roles}
    assert read(print_graph(graph)).graph == graph
    for role in roles:
        numbers = np.array(VALUES[role.partition("_")[0]], np.float32)
        graph.set_parameter(f"y.{role}", numbers, graph.parameters[f"y.{role}"].type)
    x = np.random.default_rng(0).random((1, 30, 3, 2)).astype(np.float32)
    found = interpret(graph, {"x": x})["y"]
    assert found.dtype == np.float32
    for channel in range(3):
        given = {role: repr(float(VALUES[role.partition("_")[0]][channel])) for role in roles}
        for place in range(2):
            wanted = run(single.format(**given), x[0, :, channel, place])
            assert found[0, :, channel, place] == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize(
    ("role", "value", "says"),
    [
        ("threshold", 0.0, "'y.threshold': threshold must be more than 0, and is 0"),
        ("tau", 0.0005, "'y.tau': tau is 0.5 ms, shorter than the time step of 1 ms"),
        ("tau", -1.0, "'y.tau': tau must be more than 0, and is -1"),
        ("decay_current", 1.5, "'y.decay_current': decay_current must be from 0 to 1, and one is 1.5"),
        ("decay_current", -0.5, "'y.decay_current': decay_current must be from 0 to 1, and one is -0.5"),
    ],
)
def test_a_weight_that_no_neuron_can_have_is_an_error_at_the_neuron(
    tmp_path: Path, role: str, value: float, says: str
) -> None:
    from safetensors.numpy import save_file  # pyright: ignore[reportUnknownVariableType]

    stages = {
        "threshold": "integrate_and_fire(per_channel)", "tau": "lif(per_channel)",
        "decay_current": "cuba_lif(decay_current=per_channel, decay_voltage=0.5)",
    }  # fmt: skip
    (tmp_path / "n.striate").write_text(
        f'network n(x: f32[4], dt = 1ms) -> y {{ weights "w.safetensors"\n y = x |> {stages[role]} }}'
    )
    save_file({f"y.{role}": np.array([0.5, value, 0.5, 0.5], np.float32)}, tmp_path / "w.safetensors")
    with pytest.raises(CompileError) as caught:
        read_file(tmp_path / "n.striate")
    (mistake,) = caught.value.diagnostics
    assert (mistake.code, mistake.message) == ("bad-weights", says)
    assert mistake.span is not None


def test_neurons_given_by_channel_start_at_ten_steps_a_half_and_one() -> None:
    text = "y = x |> lif(per_channel, per_channel) |> cuba_lif(per_channel, decay_voltage=per_channel)"
    graph = read_file(f"network n(x: f32[4], dt = 2ms) -> y {{ weights init(0)\n {text} }}").graph
    start = {name.rpartition(".")[2]: set(p.value.tolist()) for name, p in graph.parameters.items()}  # type: ignore[union-attr]
    tau = float(np.float32(0.02))
    assert start == {"tau": {tau}, "threshold": {1.0}, "tau_current": {tau}, "decay_voltage": {0.5}}


@pytest.mark.parametrize("stage", ["lif(20ms)", "integrate_and_fire", "delay(1)", "spike_count"])
def test_state_without_dt_is_an_error(stage: str) -> None:
    assert codes(f"network n(x: f32[4]) -> y {{ y = x |> {stage} }}") == ["missing-dt"]


@pytest.mark.parametrize("dt", ["1mV", "0ms"])
def test_dt_is_a_time_above_0(dt: str) -> None:
    assert codes(f"network n(x: f32[4], dt = {dt}) -> y {{ y = x |> relu }}") == ["wrong-unit"]


@pytest.mark.parametrize("text", ["20ms", "5us", "1s", "1.5ms", "250ns", "0.1ns"])
def test_a_time_is_written_as_it_was_read(text: str) -> None:
    number, unit = re.fullmatch(r"([0-9.]+)([a-z]+)", text).groups()  # type: ignore[union-attr]
    assert write_quantity(to_si(number, unit), "time") == text
