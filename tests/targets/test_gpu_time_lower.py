"""Networks with time as launches: what is fused, what is repeated, what is kept, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from gpu_networks import filled, quantized
from gpu_time_networks import NETWORKS, entangled, feedforward, joined, recurrent, tuned, with_time

from striate.diagnostics import CompileError
from striate.graph import Graph
from striate.machine import Machine
from striate.operators import Add, Conv2d, Delay, FixedPointLif, IntegrateAndFire, Softmax
from striate.targets.gpu import TARGET, Lowered, lower
from striate.targets.schema import Request
from striate.tensor import TensorType
from striate_runtime.hardware import load_hardware

STEPS = 4


def nodes_of(lowered: Lowered) -> list[tuple[str, ...]]:
    return [launch.nodes for launch in lowered.body.launches if launch.nodes]


def test_a_layer_its_neuron_and_what_is_read_of_it_are_one_launch() -> None:
    assert nodes_of(lower(feedforward(), "i8", steps=STEPS)) == [
        ("codes",),
        ("conv1", "s1"),
        ("depth", "s2"),
        ("pool",),
        ("point", "s3"),
        ("flat", "fc", "v", "last", "potential"),
        ("count",),
        ("sum",),
    ]


def test_a_loop_is_what_depends_on_itself_and_nothing_else() -> None:
    launches = lower(recurrent(), "i8", steps=STEPS).body.launches
    loops = {launch.loop: launch.nodes for launch in launches if launch.loop}
    assert loops == {1: ("before", "back", "sum1", "s1"), 2: ("before2", "back2", "sum2", "s2")}
    assert ("in",) in [launch.nodes for launch in launches], "a layer that only leads there takes all steps at once"


def test_only_a_loop_keeps_state_in_memory_and_only_it_takes_the_step() -> None:
    for network in NETWORKS:
        for launch in lower(network(), "i8", steps=STEPS).body.launches:
            states = [a.ref for a in launch.arguments if a.ref.endswith((".u", ".v", ".resting", ".count"))]
            steps = [a for a in launch.arguments if a.kind == "step"]
            assert (len(states) >= 2) == (launch.loop > 0 and launch.keeps_state), launch.layer
            assert len(steps) == (launch.loop > 0), launch.layer


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.__name__)
def test_every_node_belongs_to_one_launch_and_its_work_is_counted_for_every_step(
    network: Callable[[], Graph],
) -> None:
    graph = network()
    lowered = lower(graph, "i8", steps=STEPS)
    assert sorted(name for nodes in nodes_of(lowered) for name in nodes) == sorted(node.name for node in graph)
    macs = sum(node.operator.work(*graph.input_types(node)).macs for node in graph)
    assert sum(launch.macs for launch in lowered.body.launches) == STEPS * macs > 0


def test_what_is_read_after_the_last_step_is_computed_and_stored_once() -> None:
    graph = joined()
    body = lower(graph, "i8", steps=STEPS).body
    shapes = {buffer.name: (buffer.over_time, buffer.shape) for buffer in body.buffers}
    assert shapes["s3"] == (True, (STEPS, 3, 3, 4))
    assert shapes["total"] == (False, (4, 6, 4))
    ends = next(launch for launch in body.launches if launch.nodes == ("end", "ends"))
    frame = 4 * 6 * 6
    assert (ends.operations, ends.bytes_read, ends.rows_per_sample) == (frame, 4 * frame, frame)


def test_the_weights_of_a_loop_are_read_and_its_state_moved_in_every_step() -> None:
    body = lower(recurrent(), "i8", steps=STEPS).body
    back = next(launch for launch in body.launches if launch.layer == "back")
    sizes = {buffer.name: buffer.bytes for buffer in body.buffers}
    used = {buffer.name: int(np.prod(buffer.shape)) * {"i8": 1, "i32": 4}[buffer.dtype] for buffer in body.buffers}
    states = [a.ref for a in back.arguments if a.ref.endswith((".u", ".v", ".resting"))]
    moved = STEPS * sum(used[name] for name in states)
    assert len(states) == 3
    assert back.bytes_written == used["s1"] + moved
    assert all(sizes[name] >= used[name] for name in states)
    assert back.weight_bytes % STEPS == 0


def test_lowering_a_loop_twice_gives_the_same() -> None:
    first, second = lower(entangled(), "i8", steps=STEPS), lower(entangled(), "i8", steps=STEPS)
    assert (first.body, first.sources) == (second.body, second.sources)


def test_what_takes_all_steps_at_once_is_refused_in_a_loop_only() -> None:
    graph = with_time("loop", x=TensorType("f32", (3, 4, 4)))
    graph.add("back", Delay(1, (3, 4, 4)), ["s"])
    graph.add("soft", Softmax(1), ["back"])
    graph.add("sum", Add(), ["x", "soft"])
    graph.add("s", IntegrateAndFire(), ["sum"])
    graph.add("apart", Softmax(1), ["s"])
    graph.outputs["y"] = "apart"
    with pytest.raises(CompileError, match=r"'soft' \(softmax\) depends on itself") as caught:
        lower(graph, "f32", steps=STEPS)
    assert [d.code for d in caught.value.diagnostics] == ["cannot-lower"]
    graph.replace("sum", inputs=["x", "back"])
    graph.remove("soft")
    assert nodes_of(lower(graph, "f32", steps=STEPS)) == [("back", "sum", "s"), ("apart",)]


@pytest.mark.parametrize(
    ("role", "value", "message"),
    [
        ("threshold", 0, "threshold of 's' is from 0 to 5; kernels compute with 1 to 131071"),
        ("current_decay", 4097, "current_decay of 's' is from 5 to 4097; kernels compute with 0 to 4096"),
        ("voltage_decay", -1, "voltage_decay of 's' is from -1 to 5; kernels compute with 0 to 4096"),
    ],
)
def test_a_neuron_beyond_the_chips_bits_is_refused_with_the_numbers(role: str, value: int, message: str) -> None:
    graph = with_time("bits", x=TensorType("i8", (3, 4, 4)))
    graph.add("conv", Conv2d(2, 1), ["x"])
    node = graph.add("s", FixedPointLif(), ["conv"])
    graph.outputs["s"] = "s"
    tuned(graph, 0)
    for name in node.parameters.values():
        graph.set_parameter(name, np.array([5, 5], np.int32), graph.parameters[name].type)
    graph.set_parameter(f"s.{role}", np.array([value, 5], np.int32), graph.parameters[f"s.{role}"].type)
    with pytest.raises(CompileError) as caught:
        lower(graph, "i8", steps=STEPS)
    assert [(d.code, d.message) for d in caught.value.diagnostics] == [("cannot-lower", message)]


def test_the_steps_count_among_the_numbers_that_kernels_can_find() -> None:
    graph = with_time("large", x=TensorType("i8", (64, 256, 256)))
    graph.add("conv", Conv2d(64, 1), ["x"])
    graph.add("s", FixedPointLif(), ["conv"])
    graph.outputs["s"] = "s"
    tuned(graph, 0)
    assert lower(graph, "i8", steps=511).body.launches
    with pytest.raises(CompileError, match="'x' has 2147483648 numbers in each of 1 samples"):
        lower(graph, "i8", steps=512)


def test_steps_are_refused_for_a_network_without_time() -> None:
    machine = Machine("gpu", {"precision": "i8", "steps": 5})
    hardware = load_hardware("h100")
    request = Request(filled(quantized(), 0), dict, hardware, machine, TARGET.check(machine), build=False)
    with pytest.raises(CompileError, match="'steps' of 'gpu' is for networks with time") as caught:
        TARGET.compile(request)
    assert [d.code for d in caught.value.diagnostics] == ["bad-machine"]
