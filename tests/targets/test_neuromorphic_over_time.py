"""The coding `native`: chips equal the integer graph bit for bit, whatever the network; and what they cannot hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
from tiny_chips import tiny

from striate.diagnostics import CompileError
from striate.interpreter import interpret
from striate.language import parse_machine
from striate.pipeline import Compilation, lower, read
from striate.targets.neuromorphic import compile_for_neuromorphic
from striate.targets.neuromorphic.codings.retime import Edge, LoopError, chip_delay, retime
from striate.tensor import NUMPY, Array
from striate_runtime import open_device
from striate_runtime.program.neuromorphic import NeuromorphicBody

CHIPS = ("loihi2", "loihi1")
STEPS = 14


def compiled(body: str, x: str = "f32[2, 9, 9]", outputs: str = "y", low: int = 0, high: int = 1) -> Compilation:
    """A network with dt and weights from a seed, calibrated on its own inputs."""
    text = f"network n(x: {x}, dt = 1ms) -> {outputs} {{\n weights init(5)\n {body}\n}}"
    compilation = read(text, stand_ins=True)
    return read(text, calibration=inputs_of(compilation, low=low, high=high))


def inputs_of(
    compilation: Compilation, steps: int = STEPS, low: int = 0, high: int = 1, seed: int = 0
) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    return {
        name: (rng.integers(low, high + 1, (2, steps, *t.shape)) * (rng.random((2, steps, *t.shape)) < 0.5)).astype(
            NUMPY[t.dtype]
        )
        for name, t in compilation.graph.inputs.items()
    }


def run(compilation: Compilation, machine: str, inputs: dict[str, Array]) -> dict[str, Array]:
    with open_device(lower(compilation, parse_machine(machine))) as device:
        return device.run(inputs)


def assert_exact(compilation: Compilation, machine: str, **of: int) -> dict[str, Array]:
    inputs = inputs_of(compilation, **of)
    truth, found = interpret(compilation.quantized, inputs), run(compilation, machine, inputs)
    for name, expected in truth.items():
        assert found[name].shape == expected.shape, name
        assert found[name].dtype == expected.dtype, name
        assert np.array_equal(found[name], expected), name
    return truth


def refusal(compilation: Compilation, machine: str = "loihi2") -> str:
    with pytest.raises(CompileError) as caught:
        lower(compilation, parse_machine(machine))
    return str(caught.value)


NETWORKS = {
    "images": "y = x |> conv2d(4, 3, stride=2) |> lif(5ms, 0.2) |> conv2d(3, 3, padding=1) |> lif(5ms, 0.1)",
    "groups, dilation": "y = x |> conv2d(4, 3, dilation=2, groups=2) |> integrate_and_fire(0.4)",
    "a vector": "y = x |> flatten |> linear(7) |> lif(20ms, 0.3, zero) |> linear(5) |> lif(20ms, 0.1, subtract, 2)",
    "currents": "y = x |> conv2d(4, 3) |> cuba_lif(5ms, 9ms, 0.5) |> flatten |> linear(5) |> cuba_lif(3ms, 9ms)",
    "potentials forgotten": "y = x |> conv2d(4, 3) |> cuba_lif(decay_current=1, decay_voltage=1, threshold=0.3)",
    "a pool before weights": "y = x |> avg_pool2d(2) |> conv2d(4, 3, padding=1) |> lif(5ms, 0.1)",
    "a pool by itself": "y = x |> avg_pool2d(3) |> lif(5ms, 0.4)",
    "a pool of maxima": "y = x |> conv2d(4, 3) |> lif(5ms, 0.3) |> max_pool2d(2) |> conv2d(4, 3) |> lif(5ms, 0.1)",
    "delays": "y = (x |> conv2d(3, 3)) + (x |> delay(3) |> conv2d(3, 3, bias=false) |> delay(2)) |> lif(5ms, 0.3)",
    "a residual": "a = x |> conv2d(2, 3, padding=1) |> lif(5ms, 0.2)\n y = a + (a |> conv2d(2, 1)) |> lif(5ms, 0.5)",
    "a difference": "a = x |> conv2d(2, 3, padding=1) |> lif(5ms, 0.2)\n y = (x |> conv2d(2, 1)) - a |> lif(5ms, 0.2)",
    "old and new": "a = x |> lif(5ms)\n y = concat(a, a |> delay(2)) |> conv2d(4, 3, groups=2) |> lif(5ms, 0.1)",
    "codes enlarged": "y = x |> lif(5ms) |> upsample(2) |> conv2d(3, 3, stride=2) |> lif(5ms, 0.1)",
    "codes rearranged": "y = x |> lif(5ms) |> permute((1, 3, 2)) |> conv2d(3, 3) |> lif(5ms, 0.1)",
    "a convolution backwards": "y = x |> lif(5ms) |> conv_transpose2d(2, 3, stride=2) |> lif(5ms, 0.1)",
    "a loop": "b = y |> delay(2, size=(6,)) |> linear(6)\n y = b + (x |> flatten |> linear(6)) |> lif(9ms)",
    "a loop over two layers": (
        "b = y |> delay(3, size=(6,)) |> linear(8, bias=false)\n a = (x |> flatten |> linear(8)) + b |> lif(9ms, 0.2)\n"
        " y = a |> linear(6) |> cuba_lif(3ms, 9ms, 0.3, refractory=1)"
    ),
    "a loop within a layer of images": (
        "b = y |> delay(1, size=(3, 7, 7)) |> conv2d(3, 3, padding=1, bias=false)\n"
        " y = (x |> conv2d(3, 3)) + b |> lif(9ms, 0.3)"
    ),
    "by channel": "y = x |> lif(per_channel, per_channel, zero) |> conv2d(3, 3) |> cuba_lif(per_channel, 9ms, 0.2)",
    "what nothing feeds": "y = x |> slice(1, 1) |> conv2d(3, 3) |> lif(5ms, 0.1)",
}


@pytest.mark.parametrize("machine", CHIPS)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_chip_equals_the_integer_graph_in_every_step(name: str, machine: str) -> None:
    truth = assert_exact(compiled(NETWORKS[name]), machine)["y"]
    assert 0 < truth.mean() < 1, "spikes, but not all"


READOUTS = {
    "spikes": "a",
    "spikes of before": "a |> delay(2)",
    "rearranged spikes": "a |> flatten",
    "counted": "a |> spike_count",
    "counted, some of them": "a |> slice(1, 0, 2) |> spike_count",
    "added": "a |> sum_over_time",
    "the last spikes": "a |> last",
    "sums": "a |> conv2d(2, 3)",
    "the last sum": "a |> flatten |> linear(5) |> last",
    "sums added up": "a |> flatten |> linear(5) |> sum_over_time",
    "potentials": "a |> conv2d(2, 3) |> leaky_integrator(9ms)",
    "the last potential": "a |> flatten |> linear(5) |> leaky_integrator(9ms) |> last",
    "the input added up": "x |> sum_over_time",
    "the input at last": "x |> last",
}


@pytest.mark.parametrize("readout", READOUTS)
def test_a_chip_gives_every_readout_as_the_integer_graph_does(readout: str) -> None:
    compilation = compiled(f"a = x |> conv2d(3, 3) |> lif(5ms, 0.3)\n y = {READOUTS[readout]}", high=3)
    assert np.any(assert_exact(compilation, "loihi2", high=3)["y"])


def test_several_outputs_are_each_read_when_they_are_ready() -> None:
    body = """
      a = x |> conv2d(3, 3) |> lif(5ms, 0.3)
      sums = a |> flatten |> linear(4)
      counts = sums |> integrate_and_fire(0.2) |> spike_count
      v = sums |> leaky_integrator(9ms)
      end = v |> last
    """
    assert_exact(compiled(body, outputs="a, counts, v, end"), "loihi2")


@pytest.mark.parametrize("seed", range(12))
def test_random_networks_are_exact(seed: int) -> None:
    compilation = read(random_text(np.random.default_rng(seed)), stand_ins=True)
    compilation = read(compilation.source.text, calibration=inputs_of(compilation, high=2))
    assert_exact(compilation, CHIPS[seed % 2], high=2, seed=seed)


def random_text(rng: np.random.Generator) -> str:
    """Layers of 3 to 8 neurons, each fed by one or two earlier ones, some by later ones, at random delays."""
    layers = int(rng.integers(2, 5))
    sizes = [int(n) for n in rng.integers(3, 9, layers)]
    lines: list[str] = []
    for index, size in enumerate(sizes):
        sources = {int(rng.integers(-1, index)), int(rng.integers(-1, index))}
        terms = [f"({'x' if s < 0 else f's{s}'}{_delay(rng)} |> linear({size}))" for s in sorted(sources)]
        if rng.random() < 0.6:
            later = int(rng.integers(index, layers))
            wait = int(rng.integers(layers, layers + 3))
            terms.append(f"(s{later} |> delay({wait}, size=({sizes[later]},)) |> linear({size}, bias=false))")
        neuron = str(
            rng.choice(
                [
                    "lif(5ms, 0.3)", "lif(9ms, 0.4, zero, 1)", "cuba_lif(3ms, 9ms, 0.6)", "integrate_and_fire(0.5)",
                    "integrate_and_fire(0.5, zero, 2)", "cuba_lif(decay_current=0.3, decay_voltage=0, threshold=1)",
                ]
            )
        )  # fmt: skip
        lines.append(f"s{index} = {' + '.join(terms)} |> {neuron}")
    lines.append(f"v = s{layers - 1} |> linear(3) |> leaky_integrator(7ms)")
    body = "\n  ".join(lines)
    return f"network n(x: f32[6], dt = 1ms) -> s{layers - 1}, v {{\n  weights init(2)\n  {body}\n}}"


def _delay(rng: np.random.Generator) -> str:
    return f" |> delay({int(rng.integers(1, 4))})" if rng.random() < 0.3 else ""


def test_a_program_says_when_each_population_starts_and_takes_so_many_steps_more() -> None:
    compilation = compiled("a = x |> conv2d(3, 3) |> lif(5ms)\n y = a |> conv2d(2, 3) |> lif(5ms) |> spike_count")
    body = body_of(compilation)
    assert body.coding == "native"
    assert {p.name: p.fires_at for p in body.populations} == {"x": 0, "a": 1, "y.lif": 2}
    assert (body.steps, body.read_at) == (STEPS + 2, {"y": STEPS + 2})


def body_of(compilation: Compilation, machine: str = "loihi2") -> NeuromorphicBody:
    import msgspec

    return msgspec.convert(lower(compilation, parse_machine(machine)).body, NeuromorphicBody)


def test_a_sample_is_as_long_as_the_steps_option_says_else_the_data_else_the_calibration() -> None:
    compilation = compiled("y = x |> conv2d(3, 3) |> lif(5ms) |> spike_count")
    assert body_of(compilation).read_at == {"y": STEPS + 1}
    compilation.steps = 20
    assert body_of(compilation).read_at == {"y": 21}
    assert body_of(compilation, "loihi2(steps=30)").read_at == {"y": 31}


def test_the_bias_of_a_kept_current_is_sent_by_a_clock() -> None:
    body = body_of(compiled("y = x |> flatten |> linear(3) |> cuba_lif(5ms, 9ms, 0.3)"))
    (clock,) = (p for p in body.populations if p.name.endswith(".bias"))
    (into,) = (p for p in body.projections if p.source == clock.name)
    assert (clock.kind, clock.fires_at, into.delay) == ("cuba_lif", 0, 1)


# -- what is refused


def test_a_loop_that_is_too_fast_for_a_chip_is_refused_with_its_numbers() -> None:
    body = (
        "b = y |> delay({}, size=(4,)) |> linear(5)\n a = (x |> flatten |> linear(5)) + b |> lif(9ms)\n"
        " y = a |> linear(4) |> lif(9ms)"
    )
    assert_exact(compiled(body.format(2)), "loihi2")
    said = refusal(compiled(body.format(1)))
    assert "the loop" in said
    assert "passes 2 populations" in said
    assert "add up to 1" in said
    assert "raise the delay of the feedback to 2" in said


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("y = x |> lif(9ms, refractory=64)", "its neurons rest for 64 steps"),
        ("y = x |> delay(62) |> linear(4) |> lif(9ms)", None),
        ("y = x |> delay(63) |> linear(4) |> lif(9ms)", "would wait 63 steps, and an axon of"),
        ("y = x |> cuba_lif(decay_current=0, decay_voltage=0.5)", "a current that loses nothing in a step"),
        ("y = x |> cuba_lif(9ms, decay_voltage=1)", "a potential that is forgotten at once"),
        ("y = x |> linear(4) |> reshape((2, 2)) |> lif(9ms)", "put the neurons before the reshape"),
        ("y = x |> linear(4) |> delay(1) |> lif(9ms)", "delay the spikes instead"),
        ("y = x |> leaky_integrator(9ms) |> sum_over_time", "give the potential out over time"),
        ("y = x |> linear(4) |> spike_count", "count the spikes of neurons"),
        ("y = x |> lif(9ms) |> spike_count |> softmax", "compares or normalises a whole layer"),
    ],
)
def test_what_a_chip_cannot_hold_is_refused_with_the_reason(body: str, says: str | None) -> None:
    compilation = compiled(body, "f32[4]")
    if says is None:
        assert_exact(compilation, "loihi1")
    else:
        assert says in refusal(compilation, "loihi1")


def test_the_largest_of_an_inputs_numbers_is_refused_and_that_of_spikes_is_not() -> None:
    assert "of spikes it is encoded" in refusal(compiled("y = x |> max_pool2d(2) |> conv2d(2, 1) |> lif(9ms)"))


@pytest.mark.parametrize(
    ("machine", "over_time", "says"),
    [
        ("loihi2(coding=graded)", True, "runs over time, and coding=graded"),
        ("loihi2(coding=rate)", True, "runs over time, and coding=rate"),
        ("loihi2(coding=native)", False, "has no time, and coding=native"),
        ("loihi2(coding=native, percentile=99)", True, "'percentile' means nothing to coding=native"),
        ("loihi2(coding=graded, steps=3)", False, "'steps' means nothing to coding=graded"),
    ],
)
def test_a_coding_that_does_not_fit_the_network_is_refused(machine: str, over_time: bool, says: str) -> None:
    if over_time:
        compilation = compiled("y = x |> conv2d(2, 3) |> lif(9ms)")
    else:
        text = "network n(x: f32[4]) -> y { weights init(0)\n y = x |> linear(3) |> relu }"
        compilation = read(text, calibration={"x": np.ones((1, 4), np.float32)})
    with pytest.raises(CompileError) as caught:
        lower(compilation, parse_machine(machine))
    assert [d.code for d in caught.value.diagnostics] == ["bad-machine"]
    assert says in str(caught.value)


def test_numbers_of_an_input_are_named_where_events_carry_none() -> None:
    compilation = compiled("y = x |> conv2d(2, 3) |> lif(9ms)", high=3)
    assert any("injected as one event" in remark for remark in body_of(compilation, "loihi1").uncounted)
    assert not any("injected as one event" in remark for remark in body_of(compilation, "loihi2").uncounted)


# -- retiming


def test_offsets_are_the_longest_ways_and_every_edge_takes_a_step() -> None:
    edges = [Edge("x", "a"), Edge("a", "b"), Edge("b", "a", 2), Edge("x", "b", 3), Edge("x", "c", 5), Edge("b", "c", 1)]
    offsets = retime("xabc", edges, ["x"])
    assert offsets == {"x": 0, "a": 1, "b": 2, "c": 2}
    assert [chip_delay(edge, offsets) for edge in edges] == [1, 1, 1, 5, 7, 1]


def test_a_loop_takes_no_fewer_steps_than_it_has_populations() -> None:
    loop = [Edge("x", "a"), Edge("a", "b"), Edge("b", "c"), Edge("c", "a", 3)]
    assert retime("xabc", loop, ["x"]) == {"x": 0, "a": 1, "b": 2, "c": 3}
    with pytest.raises(LoopError) as caught:
        retime("xabc", [*loop[:3], replace(loop[3], delay=2)], ["x"])
    assert (sorted(caught.value.populations), caught.value.delay) == (["a", "b", "c"], 2)


def brute_force(edges: list[Edge], populations: int, reach: int) -> list[int] | None:
    """The least offsets by trying: population 0 stays at 0."""
    found = [v for v in np.ndindex(*[reach] * (populations - 1)) if _legal([0, *v], edges)]
    return None if not found else [0, *min(found, key=sum)]


def _legal(offsets: list[Any], edges: list[Edge]) -> bool:
    return all(e.delay + offsets[int(e.target)] - offsets[int(e.source)] >= 1 for e in edges)


@pytest.mark.parametrize("seed", range(40))
def test_retiming_finds_what_trying_finds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pairs = [(str(a), str(b)) for a in range(4) for b in range(1, 4) if rng.random() < 0.4]
    edges = [Edge(a, b, int(rng.integers(0, 4))) for a, b in pairs]
    wanted = brute_force(edges, 4, 6)
    retimed: Callable[[], dict[str, int]] = lambda: retime("0123", edges, ["0"])  # noqa: E731
    if wanted is None:
        with pytest.raises(LoopError):
            retimed()
    else:
        assert list(retimed().values()) == wanted


@pytest.mark.parametrize("slots", [2, 8, 40])
@pytest.mark.parametrize("axons_out", [1, 4, 8, 20])
@pytest.mark.parametrize("name", [name for name in NETWORKS if "loop" in name])
def test_a_core_sends_no_further_than_it_can_backwards_too(name: str, axons_out: int, slots: int) -> None:
    chip = tiny("loihi1_sanafe25", axons_out=axons_out, neuron_slots=slots)
    graph = compiled(NETWORKS[name]).quantized
    try:
        program = compile_for_neuromorphic(
            graph, coding="native", steps=STEPS, hardware=chip, machine="m", calibration=None
        )
    except CompileError as error:
        assert {diagnostic.code for diagnostic in error.diagnostics} == {"does-not-fit"}  # noqa: PT017
        return
    for core in msgspec.convert(program.body, NeuromorphicBody).cores:
        used = {usage.resource: usage.used for usage in core.usage}
        assert 0 < used["neuron_slots"] <= slots
        assert used["axons_out"] <= axons_out
