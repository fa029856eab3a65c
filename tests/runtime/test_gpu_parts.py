"""The GPU runtime's parts, each by itself: cubins, architectures, plans, layouts, agreement, power."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from gpu_samples import build_cubins, edit_body, make_program

from striate_runtime.gpu import nvml
from striate_runtime.gpu.cubin import CubinError, Parameter, read_parameters
from striate_runtime.gpu.kernels import choose_architecture
from striate_runtime.gpu.measure import energy_of, measure_power
from striate_runtime.gpu.plan import count_programs, from_buffer, place_arrays, read_plan, to_buffer
from striate_runtime.gpu.verify import TIES, find_agreement, find_difference, slack_of, ties_of
from striate_runtime.program import Port, ProgramError
from striate_runtime.program.gpu import Buffer

F16, I8 = np.float16, np.int8


@pytest.fixture(scope="module")
def cubin(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    pytest.importorskip("triton", reason="Triton builds the cubin")
    return build_cubins(tmp_path_factory.mktemp("cubins"), "f16")["mix.16.sm_90a.cubin"][0]


def test_a_cubin_s_parameters_are_read_with_their_places(cubin: bytes) -> None:
    """Four pointers, the rows, and Triton's two scratch pointers, aligned by their sizes."""
    pointers = [Parameter(offset, 8) for offset in (0, 8, 16, 24)]
    assert read_parameters(cubin, "mix") == (*pointers, Parameter(32, 4), Parameter(40, 8), Parameter(48, 8))


def test_a_cubin_without_the_kernel_says_so(cubin: bytes) -> None:
    with pytest.raises(CubinError, match=r"no section \.nv\.info\.add"):
        read_parameters(cubin, "add")


@pytest.mark.parametrize("length", [0, 4, 63, 64, 200, 1000, 2000])
def test_a_cubin_cut_off_is_refused(cubin: bytes, length: int) -> None:
    with pytest.raises(CubinError):
        read_parameters(cubin[:length], "mix")


@pytest.mark.parametrize(
    ("capability", "built", "wanted"),
    [
        ((9, 0), ["sm_90a", "sm_80"], "sm_90a"),
        ((9, 0), ["sm_80"], None),
        ((8, 0), ["sm_90a", "sm_80"], "sm_80"),
        ((8, 9), ["sm_80", "sm_86"], "sm_86"),
        ((8, 0), ["sm_86"], None),
        ((10, 0), ["sm_90a", "sm_80"], None),
        ((12, 0), ["sm_120a"], "sm_120a"),
        ((12, 1), ["sm_120a"], None),
        ((9, 0), ["sm_90", "sm_90a"], "sm_90a"),
        ((9, 0), ["nonsense"], None),
    ],
)
def test_the_architecture_that_runs_here_is_chosen(
    capability: tuple[int, int], built: list[str], wanted: str | None
) -> None:
    assert choose_architecture(built, capability) == wanted


def test_buffers_scale_with_the_batch_and_only_new_ones_are_fresh() -> None:
    plan = read_plan(make_program("f16"))
    size = plan.buffers["a"].bytes
    assert plan.region("c", 5).start == size * 5
    assert plan.region("d", 5).start == 2 * size * 5
    assert plan.region("c", 5).used == size * 5
    fresh = [[region.name for region in turn.fresh] for turn in plan.walk(5)]
    assert fresh == [["b"], ["c"], ["d"]]


def test_weights_lie_apart_at_multiples_of_256() -> None:
    program = make_program("f16")
    assert place_arrays(program, read_plan(program)) == ({"bias": 0, "w": 256}, 256 + 512)


def test_the_grid_covers_every_row_once() -> None:
    candidate = read_plan(make_program("f16")).body.launches[0].candidates[1]
    assert [count_programs(candidate, rows) for rows in (1, 64, 65, 6400)] == [1, 1, 2, 100]


DAMAGE: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "an unknown field": (lambda b: b.update(x=1), "launch list is damaged"),
    "an unknown precision": (lambda b: b.update(precision="f64"), "launch list is damaged"),
    "no batch": (lambda b: b.update(default_batch=0), "default batch is 0"),
    "two buffers of one name": (lambda b: b["buffers"].append(b["buffers"][0]), "the same name"),
    "a crooked buffer": (lambda b: b["buffers"][1].update(offset=8), "'b' is not at a multiple of 256"),
    "a buffer outside": (lambda b: b.update(arena_bytes=256), "ends outside the arena of 256"),
    "a buffer before": (lambda b: b["buffers"][1].update(offset=-256), "ends outside the arena"),
    "a small buffer": (lambda b: b["buffers"][0].update(shape=[5, 4, 16]), r"has 512 bytes, its shape .* needs 640"),
    "an empty buffer": (lambda b: b["buffers"][0].update(shape=[0, 4, 16]), "has the shape"),
    "an odd type": (lambda b: b["buffers"][0].update(dtype="f8"), "unknown type 'f8'"),
    "a lost input": (lambda b: b.update(inputs={}), "its inputs are"),
    "an input nowhere": (lambda b: b.update(inputs={"image": "z"}), "in buffer 'z', which does not exist"),
    "a narrow output": (lambda b: b["buffers"][3].update(shape=[4, 4, 8]), "does not fit its buffer"),
    "a lost buffer": (lambda b: b["launches"][0]["arguments"][0].update(ref="z"), "takes buffer 'z'"),
    "a lost array": (lambda b: b["launches"][1]["arguments"][1].update(ref="z"), "takes array 'z'"),
    "no candidates": (lambda b: b["launches"][0].update(candidates=[]), "0 candidates"),
    "an empty tile": (lambda b: b["launches"][0]["candidates"][0].update(block_rows=0), "an empty tile"),
    "a lost kernel": (lambda b: b["launches"][0]["candidates"][0].update(source="z.py"), "needs the file 'z.py'"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_body_is_refused_for(what: str) -> None:
    edit, message = DAMAGE[what]
    with pytest.raises(ProgramError, match=message) as caught:
        read_plan(edit_body(make_program("f16"), edit))
    assert "program 'sample' for gpu" in str(caught.value)


@pytest.mark.parametrize("shape", [(3, 2, 4), (3,), (3, 5), ()])
def test_images_go_channels_last_and_come_back(shape: tuple[int, ...]) -> None:
    port = Port("x", "f32", shape)
    inner = (*shape[1:], 8) if shape else ()
    buffer = Buffer("x", "f16", inner, 0, 256)
    array = np.arange(2 * int(np.prod(shape)), dtype=np.float32).reshape(2, *shape)
    laid_out = to_buffer(array, port, buffer)
    assert (laid_out.shape, laid_out.dtype) == ((2, *inner), F16)
    if shape:
        assert not laid_out[..., 3:].any()
        np.testing.assert_array_equal(laid_out[1, ..., 2].ravel(), array[1, 2].ravel())
    np.testing.assert_array_equal(from_buffer(laid_out, port, buffer), array)


def test_floats_may_differ_by_two_thousandths_of_the_largest_and_integers_by_nothing() -> None:
    wanted = {"y": np.array([100.0, 1.0], F16)}
    assert find_difference({"y": np.array([100.125, 1.0], F16)}, wanted) is None
    assert find_difference({"y": np.array([100.0, 1.3], F16)}, wanted) == (
        "'y' is off by up to 0.3 where the largest value is 100, in 1 of 2 values"
    )
    integers = {"y": np.array([5, -128], I8)}
    assert find_difference({"y": np.array([6, -128], I8)}, integers) == "'y' is wrong in 1 of 2 integers"
    assert find_difference({"y": np.array([6, -128], I8)}, integers, slack=1) is None
    assert find_difference({"y": np.array([5, 127], I8)}, integers, slack=1) is not None


def test_a_value_that_was_never_written_is_a_difference() -> None:
    wanted = {"y": np.array([1.0, 2.0], F16)}
    assert find_difference({"y": np.array([1.0, np.nan], F16)}, wanted) is not None
    assert find_difference(wanted, {"y": np.array([1.0, np.inf], F16)}) is not None
    assert find_difference({"y": np.array([np.nan], F16)}, {"y": np.array([np.nan], F16)}) is None


def test_the_largest_agreement_wins_and_the_first_on_a_tie() -> None:
    one, two = {"y": np.array([1], I8)}, {"y": np.array([2], I8)}
    assert find_agreement([one, two, two]) == [1, 2]
    assert find_agreement([one, two]) == [0]
    assert find_agreement([two, two, two]) == [0, 1, 2]


def test_integers_have_slack_only_where_a_launch_reads_floats() -> None:
    for dtype, slack in (("i8", 0), ("f16", 1)):
        program = make_program(dtype)
        plan = read_plan(program)
        assert slack_of(plan, plan.body.launches[1], program.arrays) == slack


def test_one_float_in_a_thousand_may_be_a_tie_where_neurons_fire_in_floats_and_nowhere_else() -> None:
    wanted = {"y": np.zeros(3000, F16)}
    wanted["y"][::3] = 1
    one_more, too_many = (wanted["y"].copy() for _ in range(2))
    one_more[:3], too_many[:6] = [0, 1, 1], [0, 1, 1, 0, 0, 0]
    assert find_difference({"y": one_more}, wanted, ties=TIES) is None
    assert find_difference({"y": one_more}, wanted) is not None
    assert find_difference({"y": too_many}, wanted, ties=TIES) is not None
    for dtype, keeps_state, ties in (("f16", True, TIES), ("f16", False, 0.0), ("i8", True, 0.0)):
        program = edit_body(
            make_program(dtype), lambda body, now=keeps_state: body["launches"][1].update(keeps_state=now)
        )
        plan = read_plan(program)
        assert ties_of(plan, plan.body.launches[1]) == ties


class Meter:
    """A board that takes 50 W idle and 350 W while replaying, on a clock that only work and sleep move."""

    def __init__(self) -> None:
        self.now_s, self.energy_j = 0.0, 1000.0

    def energy_mj(self) -> int:
        return round(self.energy_j * 1e3)

    def clock(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self._pass(seconds, 50.0)

    def replay_many(self) -> int:
        self._pass(0.1, 350.0)
        return 200

    def _pass(self, seconds: float, watts: float) -> None:
        self.now_s += seconds
        self.energy_j += seconds * watts


def test_power_is_read_idle_and_busy_and_energy_is_power_over_rate() -> None:
    meter = Meter()
    power = measure_power(meter, meter.replay_many, clock=meter.clock, sleep=meter.sleep)  # pyright: ignore[reportArgumentType]
    assert (power.idle_w, power.busy_w, power.replays_per_s) == pytest.approx((50.0, 350.0, 2000.0))
    assert power.window_s >= 2.0
    energy = energy_of(power, batch=4)
    values = {part: figure.value for part, figure in energy.stack.items()}
    assert energy.total.value == pytest.approx(350 / 8000 * 1e6)
    assert values["static"] == pytest.approx(50 / 8000 * 1e6)
    assert values["compute"] == pytest.approx(300 / 8000 * 1e6)
    assert [part for part, value in values.items() if value is None] == ["memory", "host", "io"]
    assert energy.uncounted == ("host", "io")
    assert {figure.basis for figure in [energy.total, *energy.stack.values()]} == {"measured"}


class NvmlError(Exception):
    """pynvml's own."""


def fake_nvml(has_counter: bool) -> tuple[Any, list[str]]:
    closed: list[str] = []

    def counter(handle: str) -> int:
        if not has_counter:
            raise NvmlError
        return 7

    def clock(handle: str, kind: int) -> int:
        return 1000 + kind

    def find(bus_id: str) -> str:
        return bus_id

    api = SimpleNamespace(
        NVMLError=NvmlError,
        NVML_CLOCK_SM=1,
        NVML_CLOCK_MEM=2,
        nvmlInit=lambda: None,
        nvmlShutdown=lambda: closed.append("closed"),
        nvmlDeviceGetHandleByPciBusId=find,
        nvmlDeviceGetTotalEnergyConsumption=counter,
        nvmlDeviceGetClockInfo=clock,
    )
    return api, closed


def test_a_board_without_a_counter_is_no_board(monkeypatch: pytest.MonkeyPatch) -> None:
    api, closed = fake_nvml(has_counter=False)
    monkeypatch.setitem(sys.modules, "pynvml", api)
    assert nvml.open_board("0000:00:00.0") is None
    assert closed == ["closed"]


def test_a_board_gives_energy_and_clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    api, _ = fake_nvml(has_counter=True)
    monkeypatch.setitem(sys.modules, "pynvml", api)
    board = nvml.open_board("0000:00:00.0")
    assert board is not None
    assert board.energy_mj() == 7
    assert board.clocks() == {"sm_clock_mhz": "1001", "memory_clock_mhz": "1002"}


def test_without_nvml_s_package_there_is_no_board(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert nvml.open_board("0000:00:00.0") is None
