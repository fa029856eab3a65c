"""The coding `delta`: every frame of a stream gets what the integer graph makes of it, and only changes cost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mapped_networks import GRADED_ONLY, NETWORKS, compiled
from tiny_chips import tiny

from striate.diagnostics import CompileError
from striate.graph import Graph
from striate.interpreter import interpret
from striate.machine import Machine
from striate.pipeline import lower, read
from striate.targets.neuromorphic import compile_for_neuromorphic
from striate.tensor import Array
from striate_runtime.device import open_device
from striate_runtime.hardware import Hardware, load_hardware
from striate_runtime.profile import Profile
from striate_runtime.program import Program

LOIHI2 = load_hardware("loihi2")
ENCODED = {name: text for name, text in (NETWORKS | GRADED_ONLY).items() if "max_pool2d" not in text}


def delta(graph: Graph, frames: int, threshold: int = 0, hardware: Hardware = LOIHI2) -> Program:
    return compile_for_neuromorphic(
        graph,
        coding="delta",
        steps=frames,
        hardware=hardware,
        machine="delta",
        calibration=None,
        threshold=threshold,
    )


def graded(graph: Graph) -> Program:
    return compile_for_neuromorphic(
        graph, coding="graded", steps=1, hardware=LOIHI2, machine="graded", calibration=None
    )


def profiled(program: Program, inputs: dict[str, Array]) -> tuple[dict[str, Array], Profile]:
    with open_device(program) as chip:
        return chip.profile(inputs)


def slowly(still: Array, frames: int, seed: int = 0) -> Array:
    """Streams `[N, T, *shape]` that begin with a frame each `[N, *shape]`, and a few of whose numbers change."""
    rng = np.random.default_rng(seed)
    stream = [still]
    for _ in range(frames - 1):
        stream.append(np.where(rng.random(still.shape) < 0.05, rng.permutation(stream[-1]), stream[-1]))
    return np.stack(stream, axis=1)


@pytest.mark.parametrize("name", ENCODED)
def test_at_threshold_0_every_frame_is_the_integer_graphs(name: str) -> None:
    compilation, inputs = compiled(ENCODED[name], samples=8)
    wanted = interpret(compilation.quantized, inputs)
    outputs, profile = profiled(
        delta(compilation.quantized, 4), {port: x.reshape(2, 4, *x.shape[1:]) for port, x in inputs.items()}
    )
    assert profile.valid, profile.problems
    for output, array in wanted.items():
        assert np.ptp(array) > 0, "a constant output would prove nothing"
        assert np.array_equal(outputs[output].reshape(array.shape), array)


def test_slow_streams_cost_less_than_graded_and_fast_ones_more() -> None:
    compilation, inputs = compiled(NETWORKS["lenet"], samples=24)
    graph, (port,) = compilation.quantized, inputs
    noise = inputs[port].reshape(2, 12, *inputs[port].shape[1:])
    synops: dict[str, tuple[float, float]] = {}
    for name, stream in (("slow", slowly(noise[:, 0], 12)), ("fast", noise)):
        frames = {port: stream.reshape(24, *stream.shape[2:])}
        outputs, changes = profiled(delta(graph, 12), {port: stream})
        (output,) = outputs
        assert np.array_equal(outputs[output].reshape(24, -1), interpret(graph, frames)[output])
        whole = profiled(graded(graph), frames)[1]
        assert changes.samples == whole.samples == 24
        synops[name] = changes.counts["synops"], whole.counts["synops"]
    assert synops["slow"][0] < 0.6 * synops["slow"][1]
    assert synops["fast"][0] > synops["fast"][1]


def test_a_still_stream_sends_one_frame() -> None:
    compilation, inputs = compiled(NETWORKS["residual"], samples=2)
    (port,) = inputs
    for frames in (1, 7):
        still = np.repeat(inputs[port][:, None], frames, axis=1)
        with open_device(delta(compilation.quantized, frames)) as chip:
            events = {name: array for name, array in chip.trace({port: still}).items() if name.endswith("@events")}
        begun = {name: np.count_nonzero(array, axis=1) for name, array in events.items()}
        assert all((steps <= 1).all() for steps in begun.values()), begun
        assert sum(steps.sum() for steps in begun.values()) > 0


@pytest.mark.parametrize("threshold", [2, 8, 40])
def test_what_has_been_sent_is_less_than_a_threshold_off(threshold: int) -> None:
    compilation, inputs = compiled(NETWORKS["lenet"], samples=2)
    (port,) = inputs
    stream = slowly(inputs[port], 10)
    with open_device(delta(compilation.quantized, 10, threshold)) as chip:
        traced = chip.trace({port: stream})
    frames = {port: stream.reshape(20, *stream.shape[2:])}
    exact = compilation.quantized.copy()
    exact.outputs = {"sent": f"{port}.quantize"}
    wanted = interpret(exact, frames)["sent"].reshape(traced[f"{port}.quantize"].shape).astype(np.int64)
    off = abs(traced[f"{port}.quantize"] - wanted)
    assert 0 < off.max() < threshold
    assert off[:, 0].max() < threshold


def test_a_higher_threshold_sends_less() -> None:
    compilation, inputs = compiled(NETWORKS["lenet"], samples=2)
    (port,) = inputs
    stream = {port: slowly(inputs[port], 10)}
    events = [profiled(delta(compilation.quantized, 10, n), stream)[1].counts["messages_sent"] for n in (0, 1, 4, 16)]
    assert events[0] == events[1] > events[2] > events[3]


def test_a_trace_holds_what_the_reference_makes_of_each_frame() -> None:
    compilation, inputs = compiled(NETWORKS["residual"], samples=6)
    (port,) = inputs
    with open_device(delta(compilation.quantized, 3)) as chip:
        traced = chip.trace({port: inputs[port].reshape(2, 3, *inputs[port].shape[1:])})
    graph = compilation.quantized
    graph.outputs = {node.name: node.name for node in graph}
    known = interpret(graph, inputs)
    shared = sorted(known.keys() & traced.keys())
    assert len(shared) >= 6
    for name in shared:
        assert np.array_equal(traced[name].reshape(known[name].shape), known[name]), name


EXAMPLES = Path(__file__).parents[2] / "examples"
DIGITS = EXAMPLES / "digits"


def test_the_moving_digits_are_the_test_digits_moved_by_a_pixel() -> None:
    with np.load(DIGITS / "moving_digits.npz") as moving, np.load(DIGITS / "digits_test.npz") as digits:
        streams, labels = moving["image"], moving["label"]
        assert np.array_equal(np.roll(streams[:, 0], 2, axis=-1), digits["image"][:16])
        assert np.array_equal(labels, np.repeat(digits["label"][:16, None], 16, axis=1))
    moved = [not np.array_equal(streams[:, t], streams[:, t - 1]) for t in range(1, 16)]
    assert moved == [t % 4 == 0 for t in range(1, 16)]


def test_on_moving_digits_delta_is_exact_and_takes_a_quarter_of_the_operations() -> None:
    compilation = read(DIGITS / "lenet5.striate")
    with np.load(DIGITS / "moving_digits.npz") as moving:
        stream = moving["image"][:3]
    frames = {"image": stream.reshape(-1, 1, 28, 28)}
    outputs, changes = profiled(delta(compilation.quantized, 16), {"image": stream})
    whole = profiled(graded(compilation.quantized), frames)[1]
    assert np.array_equal(outputs["logits"].reshape(48, 10), interpret(compilation.quantized, frames)["logits"])
    assert changes.counts["synops"] < 0.25 * whole.counts["synops"]


def test_pilotnet_is_exact_on_frames_that_shift_by_a_pixel() -> None:
    compilation = read(EXAMPLES / "models" / "pilotnet.striate", stand_ins=True)
    (port,) = compilation.graph.inputs
    first = compilation.calibration[port][:1]
    stream = np.stack([first, np.roll(first, 1, axis=-1)], axis=1)
    outputs, _ = profiled(delta(compilation.quantized, 2), {port: stream})
    (output,) = outputs
    wanted = interpret(compilation.quantized, {port: stream[0]})[output]
    assert np.array_equal(outputs[output].reshape(wanted.shape), wanted)


# --- what is refused ------------------------------------------------------------------------------------------------


def messages(error: CompileError) -> str:
    return "\n".join(f"{d.code}: {d.message} {d.help}" for d in error.diagnostics)


MACHINES = {
    "no frames": ({"coding": "delta"}, "nothing says of how many frames"),
    "a percentile": ({"coding": "delta", "steps": 4, "percentile": 99.0}, "'percentile' means nothing to coding=delta"),
    "a threshold elsewhere": ({"coding": "graded", "threshold": 4}, "'threshold' means nothing to coding=graded"),
    "a threshold below 0": ({"coding": "delta", "steps": 4, "threshold": -1}, "from 0 to 255; -1 is not"),
}
"""What is wrong -> (options, message)."""


@pytest.mark.parametrize("mistake", MACHINES)
def test_a_machine_that_makes_no_sense_is_refused(mistake: str) -> None:
    options, message = MACHINES[mistake]
    compilation, _ = compiled(NETWORKS["lenet"])
    with pytest.raises(CompileError) as error:
        lower(compilation, Machine("loihi2", options))
    assert message in messages(error.value)


def test_a_maximum_is_refused_with_the_reason() -> None:
    compilation, _ = compiled(GRADED_ONLY["max_pool"])
    with pytest.raises(CompileError) as error:
        delta(compilation.quantized, 4)
    assert "only changes arrive there" in messages(error.value)


def test_changes_take_a_bit_more_than_activations() -> None:
    compilation, _ = compiled(NETWORKS["lenet"])
    delta(compilation.quantized, 2, hardware=tiny("loihi2", payload_bits=9))
    with pytest.raises(CompileError) as error:
        delta(compilation.quantized, 2, hardware=tiny("loihi2", payload_bits=8))
    assert "9 bits, and an event of" in messages(error.value)
