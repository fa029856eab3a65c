"""Without a GPU: the kernels' own values, and time and energy that are only ever called estimates."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
from gpu_samples import edit_body, expected, make_program, sample_images

from striate_runtime.device import DeviceError, InputError, open_device
from striate_runtime.gpu import driver, interpreter_process, stand_in
from striate_runtime.gpu.estimate import estimate
from striate_runtime.gpu.plan import Plan, read_plan
from striate_runtime.hardware import Gpu, load_hardware, parse_hardware
from striate_runtime.program import Program, ProgramError


@pytest.fixture(autouse=True)
def _no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def load_nothing() -> Any:
        raise driver.NoGpuError("there is no CUDA driver (libcuda) on this machine")

    monkeypatch.setattr(driver, "load_api", load_nothing)


def h100() -> Gpu:
    hardware = load_hardware("h100")
    assert isinstance(hardware, Gpu)
    return hardware


def program_for(dtype: str) -> Program:
    return msgspec.structs.replace(make_program(dtype), hardware=h100().text)


@pytest.mark.parametrize("dtype", ["f16", "i8"])
def test_values_come_from_the_kernels_and_figures_from_the_roofline(dtype: str) -> None:
    pytest.importorskip("triton", reason="Triton interprets the kernels")
    program, images = program_for(dtype), sample_images(dtype, 6)
    seen: list[tuple[str, int, int]] = []

    def watch(what: str, done: int, total: int) -> None:
        seen.append((what, done, total))

    with open_device(program, progress=watch) as device:
        outputs, profile = device.profile({"image": images})
        again = device.run({"image": images})
    wanted = expected(program, images)
    atol = 0 if dtype == "i8" else 2e-3 * np.abs(wanted).max()
    np.testing.assert_allclose(outputs["result"], wanted, rtol=0, atol=atol)
    np.testing.assert_array_equal(again["result"], outputs["result"])
    assert profile.fallback == (
        "no GPU here: values from the same kernels in Triton's interpreter, time and energy estimated by roofline"
    )
    assert (profile.batch, profile.samples) == (4, 6)
    figures = [profile.latency_us, profile.energy_uj.total, *profile.energy_uj.stack.values()]
    assert {figure.basis for figure in figures} == {"estimated"}
    assert profile.energy_uj.uncounted == ("host", "io")
    assert profile.versions["hardware"] == "h100"
    assert "roofline plus launch latency" in profile.latency_us.note
    assert seen[-1] == ("interpreting GPU kernels", 18, 18)
    first_run = [done for _, done, _ in seen[: len(seen) // 2]]
    assert first_run == sorted(first_run)


def test_many_samples_are_interpreted_in_batches_that_fit_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("triton", reason="Triton interprets the kernels")
    monkeypatch.setattr(stand_in, "_LARGEST_BATCH", 3)
    program, images = program_for("i8"), sample_images("i8", 8)
    with open_device(program) as device:
        np.testing.assert_array_equal(device.run({"image": images})["result"], expected(program, images))


def test_without_fallback_the_missing_driver_is_an_error_that_names_the_knob() -> None:
    with pytest.raises(DeviceError, match=r"no CUDA driver \(libcuda\).*without --no-fallback"):
        open_device(program_for("f16"), fallback=False)


def test_without_triton_too_the_error_names_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreter_process, "is_available", lambda: False)
    with pytest.raises(DeviceError, match=r"no CUDA driver.*; and Triton is not installed.*striate\[gpu\]"):
        open_device(program_for("f16"))


def test_inputs_are_checked_before_anything_runs() -> None:
    pytest.importorskip("triton", reason="Triton interprets the kernels")
    with open_device(program_for("f16")) as device, pytest.raises(InputError, match=r"must be f32\[N, 3, 4, 4\]"):
        device.run({"image": np.zeros((1, 4, 4, 3), np.float32)})


def test_the_hardware_of_another_kind_of_machine_is_refused() -> None:
    program = msgspec.structs.replace(make_program("f16"), hardware=load_hardware("loihi1").text)
    with pytest.raises(ProgramError, match="is not a GPU"):
        open_device(program)


def with_launch(plan: Plan, **changes: Any) -> Plan:
    """The plan with one launch, changed."""
    launch = msgspec.structs.replace(plan.body.launches[1], **changes)
    return replace(plan, body=msgspec.structs.replace(plan.body, launches=(launch,)))


ROOFLINES: dict[str, tuple[dict[str, int], int, Callable[[Gpu], float]]] = {
    "bytes decide": (
        {"bytes_read": 3000, "bytes_written": 350, "weight_bytes": 0, "operations": 1, "macs": 0},
        1,
        lambda gpu: 3350 / (gpu.memory.bandwidth_gb_per_s.value or 0) / 1e3,
    ),
    "multiplications decide": (
        {"bytes_read": 1, "bytes_written": 1, "weight_bytes": 0, "operations": 1, "macs": 494_500_000},
        1,
        lambda gpu: 989 / (gpu.compute.peak_f16_tflops.value or 0),
    ),
    "other operations decide": (
        {"bytes_read": 1, "bytes_written": 1, "weight_bytes": 0, "operations": 67_000_000, "macs": 1},
        1,
        lambda gpu: 67 / (gpu.compute.peak_f32_tflops.value or 0),
    ),
    "weights are shared by a batch": (
        {"bytes_read": 0, "bytes_written": 0, "weight_bytes": 33_500, "operations": 1, "macs": 0},
        10,
        lambda gpu: 3350 / (gpu.memory.bandwidth_gb_per_s.value or 0) / 1e3,
    ),
}


@pytest.mark.parametrize("case", ROOFLINES)
def test_the_roofline_is_the_larger_of_moving_and_computing(case: str) -> None:
    changes, batch, wanted_us = ROOFLINES[case]
    plan, gpu = with_launch(read_plan(make_program("f16")), **changes), h100()
    figures = estimate(plan, gpu, batch)
    start_us = (gpu.memory.launch_latency_us.value or 0) / batch
    assert figures.latency_us.value == pytest.approx(start_us + wanted_us(gpu))
    assert [layer.latency_us for layer in figures.layers] == [figures.latency_us.value]


def test_energy_is_bytes_macs_and_constant_power_by_their_costs() -> None:
    plan, gpu = read_plan(make_program("f16")), h100()
    figures = estimate(plan, gpu, batch=2)
    launches = plan.body.launches
    moved = sum(launch.bytes_read + launch.bytes_written + launch.weight_bytes / 2 for launch in launches)
    macs = sum(launch.macs for launch in launches)
    power, per_bit, per_mac = gpu.energy.constant_power_w, gpu.energy.memory_pj_per_bit, gpu.energy.mac_f16_pj
    wanted = {
        "compute": macs * (per_mac.value or 0) * 1e-6,
        "memory": moved * 8 * (per_bit.value or 0) * 1e-6,
        "static": (power.value or 0) * (figures.latency_us.value or 0),
    }
    stack = figures.energy_uj.stack
    for part, value in wanted.items():
        assert stack[part].value == pytest.approx(value), part
        assert stack[part].source, part
        assert sum(layer.energy_uj[part] or 0 for layer in figures.layers) == pytest.approx(value), part
    assert figures.energy_uj.total.value == pytest.approx(sum(wanted.values()))
    assert figures.energy_uj.total.low is not None
    assert figures.energy_uj.total.low < sum(wanted.values())


def test_a_launch_of_a_loop_starts_once_for_each_step() -> None:
    program = edit_body(program_for("i8"), lambda body: (body.update(steps=5), body["launches"][1].update(loop=1)))
    plain, looped = (estimate(read_plan(one), h100(), 1) for one in (program_for("i8"), program))
    start = h100().memory.launch_latency_us.value
    assert start is not None
    times = [[layer.latency_us or 0 for layer in figures.layers] for figures in (plain, looped)]
    assert [b - a for a, b in zip(*times, strict=True)] == pytest.approx([0, 4 * start, 0])


def test_what_nobody_published_stays_unknown_and_is_listed() -> None:
    plan = read_plan(make_program("f16"))
    plan = replace(plan, body=msgspec.structs.replace(plan.body, precision="f32"))
    gpu = h100()
    assert gpu.energy.mac_f32_pj.value is None
    energy = estimate(plan, gpu, 1).energy_uj
    assert energy.stack["compute"].value is None
    assert energy.uncounted == ("compute", "host", "io")


def test_an_estimate_from_assumed_figures_says_so() -> None:
    plan, text = read_plan(make_program("f16")), h100().text
    guessed = parse_hardware(re.sub(r'(mac_f16_pj = .*grade = )"\w+"', r'\1"assumed"', text), "guessed.toml")
    assert isinstance(guessed, Gpu)
    assert f"1 of the figures of {guessed.title} are assumed" in estimate(plan, guessed, 1).energy_uj.total.note
    assert "assumed" not in estimate(plan, h100(), 1).energy_uj.total.note


def test_the_start_of_the_graph_is_the_high_end_of_time_and_of_static_energy() -> None:
    plan, gpu = read_plan(make_program("f16")), h100()
    start, power = gpu.memory.graph_start_us, gpu.energy.constant_power_w.value
    assert start is not None
    assert start.value is not None
    assert power is not None
    for batch in (1, 8):
        figures = estimate(plan, gpu, batch)
        time, static = figures.latency_us, figures.energy_uj.stack["static"]
        assert time.value is not None
        assert time.high == pytest.approx(time.value + start.value / batch)
        assert time.low == time.value
        assert static.high == pytest.approx(power * (time.high or 0))
        assert figures.energy_uj.total.high is not None
        assert figures.energy_uj.total.high > (static.high or 0)
