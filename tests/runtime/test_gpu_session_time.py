"""A loop over time on a fake driver: which launch is started for which step, checked before it is chosen, captured."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from fake_cuda import FakeCuda, Started, device_array

from striate.graph import Graph
from striate.operators import Add, Delay
from striate.targets.gpu import compile_for_gpu
from striate.tensor import TensorType
from striate_runtime.device import DeviceError, open_device
from striate_runtime.gpu import driver, session
from striate_runtime.gpu.plan import read_plan
from striate_runtime.program import Program, ProgramError

pytest.importorskip("triton")

STEPS, WIDTH = 5, 300


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """y = x + (y |> delay(1)): a running sum, in one launch for each step."""
    graph = Graph("running")
    graph.dt_s = 1e-3
    graph.add_input("x", TensorType("i32", (WIDTH,)))
    graph.add("back", Delay(1, (WIDTH,), "i32"), ["y"])
    graph.add("y", Add(), ["x", "back"])
    graph.outputs["y"] = "y"
    cache = tmp_path_factory.mktemp("cubins")
    return compile_for_gpu(
        graph, precision="i8", hardware_text="", machine="gpu", default_batch=3, steps=STEPS, cache=cache, jobs=1
    )


@pytest.fixture
def fake(program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeCuda]:
    """A device whose kernel for the loop adds one step; `copy` moves the result to the output."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(session, "is_available", lambda: False)
    fake = FakeCuda({"pointwise": run_kernel}, {content: name for name, content in program.files.items()})
    monkeypatch.setattr(driver, "load_api", lambda: fake)
    yield fake
    held = (fake.allocated, fake.live_graphs, fake.live_events, fake.live_modules, fake.live_streams, fake.retained)
    assert held == ({}, 0, 0, 0, 0, 0), "the session left something on the device"


def run_kernel(started: Started) -> None:
    """The loop's kernel takes the step, the other does not."""
    if len(started.parameters) == 5:
        source, target, numbers, *_ = started.parameters
        device_array(target, (numbers,), np.int32)[...] = device_array(source, (numbers,), np.int32)
        return
    x, before, step, y, numbers, *scratch = started.parameters
    assert (before, scratch) == (y, [0, 0])
    shape = (numbers // WIDTH, STEPS, WIDTH)
    inputs, sums = device_array(x, shape, np.int32), device_array(y, shape, np.int32)
    sums[:, step] = inputs[:, step] + (sums[:, step - 1] if step else 0)


def steps_of(fake: FakeCuda) -> list[int]:
    return [started.parameters[2] for started in fake.launched if len(started.parameters) == 7]


def test_the_launches_of_a_loop_take_turns_and_the_buffers_they_meet_first_are_poisoned(program: Program) -> None:
    plan = read_plan(program)
    loop, copy = plan.body.launches
    assert (loop.loop, copy.loop, plan.starts_of(loop), plan.starts_of(copy)) == (1, 0, STEPS, 1)
    turns = [(turn.index, turn.step, turn.is_last, [region.name for region in turn.fresh]) for turn in plan.walk(1)]
    first, *others, last = turns
    assert first == (0, 0, False, ["y"])
    assert others == [(0, step, step == STEPS - 1, []) for step in range(1, STEPS)]
    assert last == (1, 0, True, ["y.output"])


def test_a_graph_runs_every_step_once_and_in_order(fake: FakeCuda, program: Program) -> None:
    x = np.random.default_rng(0).integers(-1000, 1000, (7, STEPS, WIDTH)).astype(np.int32)
    with open_device(program) as device:
        device.run({"x": x[:3]})
        fake.launched.clear()
        np.testing.assert_array_equal(device.run({"x": x})["y"], x.cumsum(axis=1))
        assert steps_of(fake) == list(range(STEPS)) * 3
        values = device.trace({"x": x[:2]})
        np.testing.assert_array_equal(values["y"], x[:2].cumsum(axis=1))


def test_candidates_are_compared_in_the_last_step_after_all_before(fake: FakeCuda, program: Program) -> None:
    """A candidate that is wrong in the last step only is found: what the others make of it is the majority's."""

    def broken(started: Started) -> None:
        run_kernel(started)
        if started.file == wrong and started.parameters[2] == STEPS - 1:
            device_array(started.parameters[3], (WIDTH * STEPS,), np.int32)[-1] += 1

    candidates = read_plan(program).body.launches[0].candidates
    wrong = candidates[1].cubins["sm_90a"].file
    fake.kernels["pointwise"] = broken
    x = np.ones((1, STEPS, WIDTH), np.int32)
    with open_device(program) as device:
        outputs, profile = device.profile({"x": x})
    np.testing.assert_array_equal(outputs["y"], x.cumsum(axis=1))
    assert any("wrong in 1 of 1500 integers" in note for note in profile.notes)
    assert (profile.steps, profile.counts["launches"]) == (STEPS, STEPS + 1)
    assert [layer.layer for layer in profile.layers] == ["y", "y"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": None}, "buffer 'x' of shape (5, 300) is to hold None steps"),
        ({"steps": 4}, "buffer 'x' of shape (5, 300) is to hold 4 steps"),
    ],
)
def test_a_body_whose_steps_do_not_fit_is_damaged(program: Program, change: dict[str, object], message: str) -> None:
    damaged = msgspec.structs.replace(program, body={**program.body, **change})
    with pytest.raises(ProgramError) as caught:
        read_plan(damaged)
    assert message in str(caught.value)


def test_another_number_of_steps_is_an_error_that_says_both(fake: FakeCuda, program: Program) -> None:
    with open_device(program) as device, pytest.raises((DeviceError, ValueError)) as caught:
        device.run({"x": np.zeros((1, STEPS + 1, WIDTH), np.int32)})
    assert str(caught.value) == "input 'x' must be i32[N, 5, 300]; the array given has shape [1, 6, 300]"
