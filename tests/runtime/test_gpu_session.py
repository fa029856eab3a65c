"""A GPU program on a fake driver: packing, checking before timing, choosing, capturing, running, measuring."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_cuda import CUresult, FakeCuda, Started, device_array
from gpu_samples import SIDE, WIDTH, build_cubins, edit_body, expected, make_program, sample_images

from striate_runtime.device import DeviceError, InputError, open_device
from striate_runtime.gpu import driver, interpreter_process, measure, session
from striate_runtime.gpu.loaded import Loaded
from striate_runtime.gpu.plan import read_plan, to_buffer
from striate_runtime.gpu.tune import tune
from striate_runtime.program import Program

pytest.importorskip("triton", reason="Triton builds the sample program's cubins")

Cubins = dict[str, tuple[bytes, int]]
Wrong = Callable[[Started], float]


@pytest.fixture(scope="module", params=["f16", "i8"])
def dtype(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def cubins(dtype: str, tmp_path_factory: pytest.TempPathFactory) -> Cubins:
    return build_cubins(tmp_path_factory.mktemp("cubins"), dtype)


@pytest.fixture
def program(dtype: str, cubins: Cubins) -> Program:
    return make_program(dtype, cubins)


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "striate" / "choices"


@pytest.fixture(autouse=True)
def _no_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most tests look at the agreement between candidates; `with_interpreter` turns the other check on."""
    monkeypatch.setattr(session, "is_available", lambda: False)


@pytest.fixture
def with_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "is_available", interpreter_process.is_available)


@pytest.fixture
def fake(dtype: str, cubins: Cubins, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCuda]:
    """A device that computes what the kernels mean; when the test ends it must hold nothing."""
    fake = make_fake(dtype, cubins)
    monkeypatch.setattr(driver, "load_api", lambda: fake)
    yield fake
    held = (fake.allocated, fake.live_graphs, fake.live_events, fake.live_modules, fake.live_streams, fake.retained)
    assert held == ({}, 0, 0, 0, 0, 0), "the session left something on the device"


def make_fake(
    dtype: str,
    cubins: Cubins,
    wrong: Wrong = lambda started: 0.0,
    idle: Callable[[Started], bool] = lambda started: False,
) -> FakeCuda:
    """`wrong` is what a launch adds to the first number of its output; one that is `idle` does nothing."""
    element = {"f16": np.float16, "i8": np.int8}[dtype]
    accumulator = {"f16": np.float32, "i8": np.int32}[dtype]

    def view(address: int, rows: int) -> Any:
        return device_array(address, (rows, WIDTH), element)

    def add(started: Started) -> None:
        x, y, out, rows, *scratch = started.parameters
        assert scratch == [0, 0]
        check_grid(started, rows)
        view(out, rows)[...] = view(x, rows) + view(y, rows)
        view(out, rows)[0, 0] += element(wrong(started))

    def mix(started: Started) -> None:
        x, w, bias, out, rows, *scratch = started.parameters
        assert scratch == [0, 0]
        check_grid(started, rows)
        total = view(x, rows).astype(accumulator) @ view(w, WIDTH).astype(accumulator)
        total += device_array(bias, (WIDTH,), accumulator)
        view(out, rows)[...] = np.clip(total, 0, 100).astype(element)
        view(out, rows)[0, 0] += element(wrong(started))

    def check_grid(started: Started, rows: int) -> None:
        assert rows % (SIDE * SIDE) == 0
        assert started.grid == -(-rows // block_of(started))
        assert started.threads == 128

    files = {content: name for name, (content, _) in cubins.items()}

    def unless_idle(kernel: Callable[[Started], None]) -> Callable[[Started], None]:
        return lambda started: None if idle(started) else kernel(started)

    return FakeCuda(
        {"add": unless_idle(add), "mix": unless_idle(mix)}, files, cost_us=lambda started: 20.0 - block_of(started) / 8
    )


def silent(what: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def block_of(started: Started) -> int:
    return int(started.file.split(".")[1])


def assert_right(program: Program, images: Any, result: Any) -> None:
    wanted = expected(program, images)
    if images.dtype.kind == "f":
        np.testing.assert_allclose(result, wanted, atol=2e-3 * np.abs(wanted).max())
    else:
        np.testing.assert_array_equal(result, wanted)


@pytest.mark.parametrize("samples", [1, 3, 4, 5, 11])
def test_any_number_of_samples_gives_each_its_own_result(
    fake: FakeCuda, program: Program, dtype: str, samples: int
) -> None:
    images = sample_images(dtype, samples)
    with open_device(program) as device:
        result = device.run({"image": images})["result"]
    assert result.shape == (samples, 10, SIDE, SIDE)
    assert_right(program, images, result)


def test_a_trace_holds_what_every_kernel_left(fake: FakeCuda, program: Program, dtype: str) -> None:
    def name_nodes_after_their_buffers(body: dict[str, Any]) -> None:
        for launch, buffer in zip(body["launches"], "bcd", strict=True):
            launch["nodes"] = [buffer]

    program, images = edit_body(program, name_nodes_after_their_buffers), sample_images(dtype, 3)
    with open_device(program) as device:
        values = device.trace({"image": images})
    assert list(values) == ["image", "b", "c", "d"]
    assert values["b"].shape == (3, WIDTH, SIDE, SIDE)
    np.testing.assert_array_equal(values["b"][:, :3], (images.astype(values["b"].dtype)) * 2)
    assert_right(program, images, values["d"][:, :10])


def test_each_batch_size_is_captured_once_and_then_only_replayed(fake: FakeCuda, program: Program, dtype: str) -> None:
    with open_device(program) as device:
        for samples in (4, 2, 9, 4, 2):
            device.run({"image": sample_images(dtype, samples)})
        whole = [graph for graph in fake.graphs if len(graph) == 3]
        assert len(whole) == 2, "one graph of three launches for a batch of 4, one for a batch of 2"
        before, graphs = len(fake.launched), len(fake.graphs)
        device.run({"image": sample_images(dtype, 4)})
        assert len(fake.graphs) == graphs
        assert [started.entry for started in fake.launched[before:]] == ["add", "mix", "add"]


def test_buffers_lie_where_the_plan_says_and_weights_are_aligned(fake: FakeCuda, program: Program, dtype: str) -> None:
    size = program.body["buffers"][0]["bytes"]
    with open_device(program) as device:
        device.run({"image": sample_images(dtype, 3)})
        double, mix, join = fake.launched[-3:]
        arena = double.parameters[2]
        assert arena in fake.allocated
        assert double.parameters[:4] == (arena + 2 * size * 3, arena + 2 * size * 3, arena, 3 * SIDE * SIDE)
        assert mix.parameters[0] == arena
        assert mix.parameters[3] == arena + size * 3
        assert join.parameters[:3] == (arena, arena + size * 3, arena + 2 * size * 3)
        assert all(address % 256 == 0 for address in mix.parameters[:4])


def test_the_fastest_of_the_right_candidates_is_taken(fake: FakeCuda, program: Program, dtype: str) -> None:
    with open_device(program) as device:
        device.run({"image": sample_images(dtype, 4)})
        assert {block_of(started) for started in fake.launched[-3:]} == {64}
        fake.cost_us = lambda started: float(block_of(started))
        device.run({"image": sample_images(dtype, 3)})
        assert {block_of(started) for started in fake.launched[-3:]} == {16}


def test_a_candidate_that_computes_wrongly_is_rejected_before_it_is_timed(
    with_interpreter: None, dtype: str, cubins: Cubins, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fast one is wrong; the interpreter knows which of the two it is."""
    fake = make_fake(dtype, cubins, wrong=lambda started: 9.0 if started.file.startswith("mix.64") else 0.0)
    monkeypatch.setattr(driver, "load_api", lambda: fake)
    images = sample_images(dtype, 4)
    with open_device(program) as device:
        outputs, profile = device.profile({"image": images})
    assert_right(program, images, outputs["result"])
    times_started = sum(started.file.startswith("mix.64") for started in fake.launched)
    assert times_started == 1, "it was tried once, against the interpreter, and never timed"
    assert profile.notes[0] == "kernels checked by Triton's interpreter and agreement between candidates"
    assert len(profile.notes) == 2
    assert profile.notes[1].startswith("mix: candidate 1 was rejected: 'c' is ")
    assert profile.notes[1].endswith("against Triton's interpreter")


def test_without_an_interpreter_the_majority_decides(
    dtype: str, cubins: Cubins, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three candidates, of which the first is wrong."""

    def with_a_third(body: dict[str, Any]) -> None:
        body["launches"][1]["candidates"].append(body["launches"][1]["candidates"][1])

    fake = make_fake(dtype, cubins, wrong=lambda started: 9.0 if started.file.startswith("mix.16") else 0.0)
    monkeypatch.setattr(driver, "load_api", lambda: fake)
    images = sample_images(dtype, 4)
    with open_device(edit_body(program, with_a_third)) as device:
        outputs, profile = device.profile({"image": images})
    assert_right(program, images, outputs["result"])
    assert profile.notes[0] == ("kernels checked by agreement between candidates only (Triton is not installed here)")
    assert "mix: candidate 0 was rejected" in profile.notes[1]
    assert profile.notes[1].endswith("against 2 of 3 candidates")


def test_a_wrong_number_anywhere_in_a_small_batch_is_seen(
    dtype: str, cubins: Cubins, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = make_fake(dtype, cubins, wrong=lambda started: 1.0 if started.file.startswith("add.64") else 0.0)
    monkeypatch.setattr(driver, "load_api", lambda: fake)
    with open_device(program) as device:
        _, profile = device.profile({"image": sample_images(dtype, 4)})
    assert [note.split(":")[0] for note in profile.notes[1:]] == ["double", "join"]


def test_a_candidate_that_writes_nothing_cannot_pass_for_the_one_before(
    dtype: str, cubins: Cubins, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = make_fake(dtype, cubins, idle=lambda started: started.file.startswith("mix.64"))
    monkeypatch.setattr(driver, "load_api", lambda: fake)
    images = sample_images(dtype, 4)
    with open_device(program) as device:
        outputs, profile = device.profile({"image": images})
    assert_right(program, images, outputs["result"])
    assert profile.notes[1].startswith("mix: candidate 1 was rejected")


def test_candidates_that_work_in_place_each_start_from_the_same(fake: FakeCuda, program: Program, dtype: str) -> None:
    """c = b + c, in the place of c."""

    def in_place(body: dict[str, Any]) -> None:
        join = body["launches"][2]
        join["arguments"][2]["ref"] = "c"
        body["outputs"]["result"] = "c"

    images = sample_images(dtype, 4)
    with open_device(edit_body(program, in_place)) as device:
        outputs, profile = device.profile({"image": images})
    assert_right(program, images, outputs["result"])
    assert len(profile.notes) == 1, "no candidate was found to differ"


def test_some_samples_are_read_from_their_own_places(fake: FakeCuda, program: Program, dtype: str) -> None:
    plan = read_plan(program)
    device = driver.open_driver()
    loaded = Loaded(program, plan, device)
    region = plan.region("c", 4)
    values = np.arange(4 * SIDE * SIDE * WIDTH).reshape(region.shape).astype(region.dtype)
    loaded.write(region, values)
    np.testing.assert_array_equal(loaded.read(region, [0, 2, 3]), values[[0, 2, 3]])
    np.testing.assert_array_equal(loaded.read(region), values)
    loaded.close()
    device.close()


class Counter:
    """A board that counts 5 mJ at each reading."""

    def __init__(self) -> None:
        self.readings, self.is_open = 0, True

    def energy_mj(self) -> int:
        self.readings += 1
        return 5 * self.readings

    def clocks(self) -> dict[str, str]:
        return {"sm_clock_mhz": "1980"}

    def close(self) -> None:
        self.is_open = False


def test_energy_is_read_from_the_board_while_the_same_inputs_are_replayed(
    fake: FakeCuda, program: Program, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The output lies where the input was: replayed without its input, the network runs on its own output, which in
    f16 soon overflows, and numpy's warning of that is an error here.
    """
    board = Counter()

    def open_counter(bus_id: str) -> Counter:
        return board

    monkeypatch.setattr(session, "open_board", open_counter)
    monkeypatch.setattr(measure, "IDLE_WINDOW_S", 0.001)
    monkeypatch.setattr(measure, "BUSY_WINDOW_S", 0.001)
    with open_device(program) as device:
        _, profile = device.profile({"image": sample_images(dtype, 4)})
    assert (board.readings, board.is_open) == (4, False)
    assert profile.energy_uj.total.basis == "measured"
    assert (profile.energy_uj.total.value or 0) > 0
    assert profile.versions["sm_clock_mhz"] == "1980"


def test_where_every_candidate_is_wrong_the_program_does_not_run(
    with_interpreter: None, dtype: str, cubins: Cubins, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = make_fake(dtype, cubins, wrong=lambda started: 9.0 if started.entry == "mix" else 0.0)
    monkeypatch.setattr(driver, "load_api", lambda: fake)
    with (
        open_device(program) as device,
        pytest.raises(DeviceError, match="layer 'mix' has no kernel that this GPU runs correctly: candidate 0 'c' is"),
    ):
        device.run({"image": sample_images(dtype, 4)})
    assert fake.capturing is None


def test_what_was_chosen_is_remembered(fake: FakeCuda, program: Program, dtype: str, cache: Path) -> None:
    images = sample_images(dtype, 4)
    with open_device(program) as device:
        device.run({"image": images})
    [place] = cache.iterdir()
    kept = json.loads(place.read_text())
    assert [launch["candidate"] for launch in kept["launches"]] == [1, 1, 1]
    graphs = len(fake.graphs)
    with open_device(program) as device:
        assert_right(program, images, device.run({"image": images})["result"])
    assert len(fake.graphs) == graphs + 1, "nothing was timed again"


@pytest.mark.parametrize("damage", [b"", b"{}", b'{"batch": 4, "checked_by": "", "launches": []}'])
def test_a_damaged_memory_is_done_without(
    fake: FakeCuda, program: Program, dtype: str, cache: Path, damage: bytes
) -> None:
    images = sample_images(dtype, 4)
    with open_device(program) as device:
        device.run({"image": images})
    [place] = cache.iterdir()
    good = place.read_bytes()
    place.write_bytes(damage)
    with open_device(program) as device:
        assert_right(program, images, device.run({"image": images})["result"])
    assert place.read_bytes() == good


def test_a_gpu_of_another_architecture_is_refused_by_name(fake: FakeCuda, program: Program, dtype: str) -> None:
    fake.capability = (10, 0)
    with (
        open_device(program) as device,
        pytest.raises(DeviceError, match=r"built for sm_80, sm_90a; this GPU is sm_100"),
    ):
        device.run({"image": sample_images(dtype, 1)})


def test_an_older_gpu_of_the_same_major_version_takes_its_own_cubin(
    fake: FakeCuda, program: Program, dtype: str
) -> None:
    fake.capability = (8, 6)
    images = sample_images(dtype, 2)
    with open_device(program) as device:
        assert_right(program, images, device.run({"image": images})["result"])
    assert {started.file.split(".")[2] for started in fake.launched} == {"sm_80"}


def test_a_candidate_that_was_not_built_for_this_gpu_is_passed_over_in_silence(
    fake: FakeCuda, program: Program, dtype: str
) -> None:
    def one_for_ampere(body: dict[str, Any]) -> None:
        del body["launches"][1]["candidates"][1]["cubins"]["sm_80"]

    fake.capability = (8, 0)
    with open_device(edit_body(program, one_for_ampere)) as device:
        _, profile = device.profile({"image": sample_images(dtype, 2)})
    assert block_of(fake.launched[-2]) == 16
    assert len(profile.notes) == 1


def test_a_candidate_that_needs_too_much_shared_memory_is_passed_over(
    fake: FakeCuda, program: Program, dtype: str
) -> None:
    def greedy(body: dict[str, Any]) -> None:
        body["launches"][1]["candidates"][1]["cubins"]["sm_90a"]["shared_bytes"] = 300 << 10
        body["launches"][1]["candidates"][0]["cubins"]["sm_90a"]["shared_bytes"] = 100 << 10

    images = sample_images(dtype, 4)
    with open_device(edit_body(program, greedy)) as device:
        outputs, profile = device.profile({"image": images})
    assert_right(program, images, outputs["result"])
    assert "needs 307200 bytes of shared memory; this GPU has 232448" in profile.notes[1]
    assert fake.launched[-2].shared_bytes == 100 << 10


def test_parameters_that_the_cubin_does_not_take_are_refused_before_any_launch(
    fake: FakeCuda, program: Program, dtype: str
) -> None:
    def one_too_few(body: dict[str, Any]) -> None:
        body["launches"][1]["arguments"].pop(0)

    with (
        open_device(edit_body(program, one_too_few)) as device,
        pytest.raises(
            DeviceError, match=r"takes parameters of \[8, 8, 8, 8, 4, 8, 8\] bytes; the launch gives \[8, 8, 8, 4"
        ),
    ):
        device.run({"image": sample_images(dtype, 1)})
    assert fake.launched == []


def test_a_program_without_cubins_says_so(fake: FakeCuda, dtype: str) -> None:
    with open_device(make_program(dtype)) as device, pytest.raises(DeviceError, match="built for no architecture"):
        device.run({"image": sample_images(dtype, 1)})


def test_out_of_memory_names_the_size_and_the_knob(fake: FakeCuda, program: Program) -> None:
    fake.memory_bytes = 1 << 11
    with pytest.raises(
        DeviceError, match=r"allocating \d+ bytes for 4 samples failed: CUDA_ERROR_OUT_OF_MEMORY; .*batch"
    ):
        open_device(program)


def test_the_profile_is_measured_and_says_on_what(fake: FakeCuda, program: Program, dtype: str) -> None:
    with open_device(program) as device:
        _, profile = device.profile({"image": sample_images(dtype, 10)})
    assert (profile.batch, profile.samples, profile.fallback) == (4, 10, None)
    assert profile.latency_us.basis == "measured"
    assert profile.latency_us.value == pytest.approx(3 * 12.0 / 4)
    assert profile.latency_us.low == profile.latency_us.high == pytest.approx(9.0)
    assert profile.counts["batch_latency_us"] == pytest.approx(36.0)
    assert [layer.latency_us for layer in profile.layers] == pytest.approx([3.0, 3.0, 3.0])
    assert profile.versions["gpu"] == "Fake GPU"
    assert profile.versions["driver"] == "12.8"
    assert profile.energy_uj.total.value is None, "no board has a counter here"
    assert set(profile.energy_uj.uncounted) == {"compute", "memory", "static", "host", "io"}
    assert profile.memory_bytes["arena"] == program.body["arena_bytes"] * 4


def test_an_input_too_large_for_the_program_s_numbers_is_refused(fake: FakeCuda, program: Program, dtype: str) -> None:
    images = sample_images(dtype, 1).astype({"f16": np.float32, "i8": np.int32}[dtype]) * 100_000
    with open_device(program) as device, pytest.raises(InputError, match=r"'image' .*too large|outside -128..127"):
        device.run({"image": images})


def test_a_kernel_that_breaks_the_context_is_what_the_error_speaks_of(
    dtype: str, cubins: Cubins, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing can be freed afterwards; that must not hide why."""
    fake = make_fake(dtype, cubins)
    fake.broken_entry = "mix"
    monkeypatch.setattr(driver, "load_api", lambda: fake)
    with (
        pytest.raises(
            DeviceError, match=r"running a kernel failed: CUDA_ERROR_ILLEGAL_ADDRESS; a kernel read or wrote"
        ),
        open_device(program) as device,
    ):
        device.run({"image": sample_images(dtype, 2)})


@pytest.mark.parametrize("dtype", ["f16"], indirect=True)
def test_values_that_overflow_make_the_profile_invalid(fake: FakeCuda, program: Program) -> None:
    images = np.full((2, 3, SIDE, SIDE), 60_000, np.float32)
    with np.errstate(over="ignore", invalid="ignore"), open_device(program) as device:
        _, profile = device.profile({"image": images})
    assert not profile.valid
    assert "values of 'result' are NaN or infinite in f16" in profile.problems[0].message
    assert profile.problems[0].knob == "precision=f32"


def test_the_interpreter_is_asked_once_however_many_batch_sizes_there_are(
    with_interpreter: None, fake: FakeCuda, program: Program, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    trace = interpreter_process.InterpreterProcess.trace

    def counted(self: Any, *arguments: Any) -> Any:
        asked.append("once")
        return trace(self, *arguments)

    monkeypatch.setattr(interpreter_process.InterpreterProcess, "trace", counted)
    with open_device(program) as device:
        for samples in (1, 2, 4):
            device.run({"image": sample_images(dtype, samples)})
    assert asked == ["once"]


def test_an_interpreter_that_takes_too_long_is_done_without_and_the_profile_says_so(
    with_interpreter: None, fake: FakeCuda, program: Program, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "INTERPRETER_LIMIT_S", 0.0)
    with open_device(program) as device:
        _, profile = device.profile({"image": sample_images(dtype, 2)})
    assert profile.notes == (
        "kernels checked by agreement between candidates only (the interpreter took longer than 0 s)",
    )


@pytest.mark.parametrize("flush_l2", [False, True])
def test_a_launch_s_time_is_its_own_whether_or_not_the_cache_is_flushed(
    fake: FakeCuda, program: Program, dtype: str, flush_l2: bool
) -> None:
    plan = read_plan(program)
    images = {"image": to_buffer(sample_images(dtype, 4), program.inputs[0], plan.buffers["a"])}
    device = driver.open_driver()
    loaded = Loaded(program, plan, device)
    found = tune(loaded, images, None, "not asked for", silent, flush_l2=flush_l2)
    assert [choice.latency_us for choice in found.launches] == pytest.approx([12.0, 12.0, 12.0])
    loaded.close()
    device.close()


def test_closing_twice_does_nothing_more(fake: FakeCuda, program: Program) -> None:
    device = open_device(program)
    device.close()
    device.close()


@pytest.mark.parametrize(
    ("change", "message"),
    [({"devices": 0}, "sees no device"), ({"broken_init": 1}, "cannot start: CUDA_ERROR_INVALID_VALUE")],
)
def test_without_fallback_a_missing_gpu_is_an_error_that_says_what_is_missing(
    fake: FakeCuda, program: Program, change: dict[str, int], message: str
) -> None:
    for name, value in change.items():
        setattr(fake, name, value)
    with pytest.raises(DeviceError, match=f"{message}.*--no-fallback"):
        open_device(program, fallback=False)


def test_the_fake_driver_has_the_real_one_s_names_and_numbers() -> None:
    real = pytest.importorskip("cuda.bindings.driver", reason="cuda-bindings is not installed")
    functions = [name for name in dir(FakeCuda) if name.startswith("cu")]
    assert [name for name in functions if not hasattr(real, name)] == []
    for enum in (CUresult, FakeCuda.CUdevice_attribute, FakeCuda.CUfunction_attribute, FakeCuda.CUstreamCaptureMode):
        for member in enum:
            assert int(getattr(getattr(real, enum.__name__), member.name)) == member.value
