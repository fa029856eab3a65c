"""The memory plan: nothing that lives at the same time overlaps, and reuse never costs."""

from __future__ import annotations

import numpy as np
from gpu_networks import residual
from hypothesis import given
from hypothesis import strategies as st

from striate.graph import Graph
from striate.operators import Conv2d
from striate.targets.gpu import lower
from striate.targets.gpu.memory_plan import ALIGNMENT_BYTES, Lifetime, plan_memory
from striate.tensor import TensorType

lifetimes = st.lists(
    st.tuples(st.integers(1, 5000), st.integers(0, 12), st.integers(0, 6)), min_size=1, max_size=24
).map(lambda rows: [Lifetime(f"b{i}", size, first, first + lasts) for i, (size, first, lasts) in enumerate(rows)])


@given(lifetimes)
def test_buffers_that_live_at_the_same_time_never_overlap(lives: list[Lifetime]) -> None:
    plan = plan_memory(lives)
    for index, one in enumerate(lives):
        for other in lives[:index]:
            if one.overlaps(other):
                a, b = plan.offsets[one.name], plan.offsets[other.name]
                assert a + plan.bytes[one.name] <= b or b + plan.bytes[other.name] <= a


@given(lifetimes)
def test_the_arena_holds_every_buffer_and_is_never_larger_than_without_reuse(lives: list[Lifetime]) -> None:
    plan = plan_memory(lives)
    assert plan.arena_bytes == max(plan.offsets[life.name] + plan.bytes[life.name] for life in lives)
    assert plan.arena_bytes <= plan.arena_bytes_without_reuse == sum(plan.bytes.values())
    assert plan.arena_bytes >= _most_alive(lives)


@given(lifetimes)
def test_every_place_is_aligned_and_large_enough(lives: list[Lifetime]) -> None:
    plan = plan_memory(lives)
    assert all(offset % ALIGNMENT_BYTES == 0 for offset in plan.offsets.values())
    assert all(plan.bytes[life.name] % ALIGNMENT_BYTES == 0 for life in lives)
    assert all(0 <= plan.bytes[life.name] - life.bytes < ALIGNMENT_BYTES for life in lives)


def test_a_deep_network_reuses_its_buffers() -> None:
    graph = Graph("deep")
    graph.add_input("x", TensorType("f32", (16, 8, 8)))
    previous = "x"
    for depth in range(10):
        previous = graph.add(f"c{depth}", Conv2d(16, 3, padding=1, bias=False), [previous]).name
        type = graph.parameters[f"c{depth}.weight"].type
        graph.set_parameter(f"c{depth}.weight", np.zeros(type.shape, np.float32), type)
    graph.outputs["y"] = previous
    body = lower(graph, "f16").body
    inner = 16 * 8 * 8 * 2
    assert body.arena_bytes == 2 * inner * 2 + 2 * inner  # input and output in f32, and two of the others at a time
    assert body.arena_bytes_without_reuse == 2 * inner * 2 + 10 * inner


def test_inputs_and_outputs_are_kept_from_end_to_end() -> None:
    body = lower(residual(), "f16").body
    ports = {*body.inputs.values(), *body.outputs.values()}
    places = {buffer.name: (buffer.offset, buffer.offset + buffer.bytes) for buffer in body.buffers}
    for port in ports:
        for other, (start, past) in places.items():
            assert other == port or past <= places[port][0] or start >= places[port][1]


def _most_alive(lives: list[Lifetime]) -> int:
    """The most bytes that live during one launch: no plan can take less."""
    moments = {life.first for life in lives}
    return max(sum(life.bytes for life in lives if life.first <= moment <= life.last) for moment in moments)
