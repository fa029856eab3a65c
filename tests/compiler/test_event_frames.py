"""Checking, cropping and binning events, and the command that does it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Striate
from event_files import Events, evt3_words, random_events, raw_header, structured, words_16
from hypothesis import given
from hypothesis import strategies as st

from striate.diagnostics import CompileError
from striate.events import FORMATS, Recording, Sensor, Window, bin_events, crop, sort
from striate.events.aedat_header import CAMERAS
from striate.events.options import parse_sensor, parse_time, parse_window
from striate.tensor import Array

SENSOR = Sensor(7, 5)


def recording(events: Events, sensor: Sensor | None = SENSOR) -> Recording:
    x, y = events.x.astype(np.uint16), events.y.astype(np.uint16)
    return Recording(Path("e.raw"), "evt2", events.t.astype(np.int64), x, y, events.p.astype(np.uint8), sensor)


def event(*rows: tuple[int, int, int, int]) -> Recording:
    return recording(Events(*np.array(rows).reshape(-1, 4).T))


def counted_one_by_one(events: Recording, dt_us: int, start_us: int, steps: int) -> Array:
    """The binning rule of spec/events.md, event by event."""
    frames = np.zeros((steps, 2, SENSOR.height, SENSOR.width), np.int32)
    for t, x, y, p in zip(*(getattr(events, field).tolist() for field in "txyp"), strict=True):
        if start_us <= t < start_us + steps * dt_us:
            frames[(t - start_us) // dt_us, p, y, x] += 1
    return frames


@given(st.integers(0, 200), st.integers(1, 500), st.integers(0, 3000), st.integers(1, 40), st.integers(0, 1000))
def test_frames_are_the_events_counted_one_by_one(count: int, dt: int, start: int, steps: int, seed: int) -> None:
    events = recording(random_events(count, 7, 5, seed=seed))
    expected = counted_one_by_one(events, dt, start, steps)
    frames = bin_events(events, dt, start_us=start, duration_us=steps * dt)
    assert frames.dtype == np.int32
    np.testing.assert_array_equal(frames, expected)
    binary = bin_events(events, dt, start_us=start, duration_us=steps * dt, binary=True)
    assert binary.dtype == np.uint8
    np.testing.assert_array_equal(binary, expected > 0)


def test_without_start_and_duration_no_event_is_left_out_and_no_step_is_too_many() -> None:
    events = recording(random_events(1000, 7, 5, start=123_456))
    for dt in (1, 999, 1000, 10**6):
        frames = bin_events(events, dt)
        assert frames.sum() == 1000
        assert frames[0].any()
        assert frames[-1].any()


def test_a_step_begins_with_its_first_microsecond_and_ends_before_the_next_ones() -> None:
    frames = bin_events(event((10, 1, 2, 1), (19, 2, 2, 0), (20, 3, 4, 1), (20, 3, 4, 1)), 10)
    assert frames.shape == (2, 2, 5, 7)
    assert [tuple(index) for index in np.argwhere(frames).tolist()] == [(0, 0, 2, 2), (0, 1, 2, 1), (1, 1, 4, 3)]
    assert frames[1, 1, 4, 3] == 2


def test_a_duration_longer_than_the_recording_gives_empty_steps() -> None:
    assert bin_events(event((0, 0, 0, 0)), 10, duration_us=50).sum(axis=(1, 2, 3)).tolist() == [1, 0, 0, 0, 0]
    assert bin_events(event(), 10, duration_us=50).shape == (5, 2, 5, 7)


@pytest.mark.parametrize(
    ("events", "options", "says"),
    [
        (event((5, 6, 4, 0), (6, 7, 4, 1), (7, 9, 0, 1)), {}, r"event 1 is at x = 7, y = 4, outside the sensor of 7x5 "
         r"\(x must be in 0..6\); 2 of 3 events are so"),
        (event((5, 6, 5, 0)), {}, r"y must be in 0..4\); 1 of 1 events is so"),
        (event((5, 0, 0, 0), (9, 0, 0, 0), (8, 0, 0, 0)), {}, "event 2 is at t = 8 µs, before event 1 at t = 9 µs"),
        (event(), {}, r"it holds no events, so that there is no step to fill \(T = 0\)"),
        (event((5, 0, 0, 0)), {"start_us": 6}, r"no event from 6 µs on, .*\(T = 0\)"),
        (event((5, 0, 0, 0)), {"dt_us": 0}, "a step of 0 µs is no time"),
        (event((5, 0, 0, 0)), {"duration_us": 0}, "0 µs are 0 steps of 10 µs"),
        (event((5, 0, 0, 0)), {"duration_us": 25}, "25 µs are 2.5 steps of 10 µs"),
        (event((0, 0, 0, 0), (10**12, 0, 0, 0)), {}, r"100,000,000,001 steps of 2x5x7 take \d+\.\d GiB, more than 4"),
        (recording(random_events(3), None), {}, "does not say how large its sensor is"),
    ],
)  # fmt: skip
def test_events_that_cannot_be_binned_are_refused_with_the_numbers(
    events: Recording, options: dict[str, int], says: str
) -> None:
    chosen: dict[str, Any] = {"dt_us": 10, **options}
    with pytest.raises(CompileError, match=says) as caught:
        bin_events(events, **chosen)
    assert {diagnostic.code for diagnostic in caught.value.diagnostics} == {"bad-events"}
    assert "e.raw: " in str(caught.value)


def test_sorting_puts_events_in_order_and_keeps_that_of_one_time() -> None:
    events = sort(event((9, 1, 0, 0), (5, 2, 0, 1), (9, 3, 1, 0), (5, 4, 1, 1)))
    assert events.t.tolist() == [5, 5, 9, 9]
    assert events.x.tolist() == [2, 4, 1, 3]
    assert events.p.tolist() == [1, 1, 0, 0]


def test_a_crop_is_the_same_window_of_the_frames() -> None:
    events = recording(random_events(500, 7, 5))
    start = int(events.t[0])
    whole = bin_events(events, 1000, start_us=start, duration_us=30_000)
    part = crop(events, Window(left=2, top=1, width=4, height=3), SENSOR)
    assert part.sensor == Sensor(4, 3)
    cut = bin_events(part, 1000, start_us=start, duration_us=30_000)
    np.testing.assert_array_equal(cut, whole[:, :, 1:4, 2:6])
    with pytest.raises(CompileError, match=r"the window 4x3\+4\+1 is not within the sensor of 7x5"):
        crop(events, Window(left=4, top=1, width=4, height=3), SENSOR)


@pytest.mark.parametrize(
    ("text", "microseconds"), [("1ms", 1000), ("500us", 500), ("2.5 ms", 2500), ("0.000001s", 1), ("7µs", 7)]
)
def test_a_time_is_read_in_its_unit(text: str, microseconds: int) -> None:
    assert parse_time("--dt", text) == microseconds


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("20", "has no unit"), ("1min", "'min' is no unit"), ("-1ms", "must be a time"),
        ("0.5us", "whole number of us"), ("", "must be a time"), ("ms", "must be a time"),
    ],
)  # fmt: skip
def test_a_time_that_is_none_is_refused(text: str, says: str) -> None:
    with pytest.raises(CompileError, match=f"--dt '{text}' must be|{says}") as caught:
        parse_time("--dt", text)
    assert says in str(caught.value)


def test_sensors_and_windows_are_read_and_refused() -> None:
    assert parse_sensor("346x260") == Sensor(346, 260)
    assert parse_window("4x3+2+1") == Window(left=2, top=1, width=4, height=3)
    for text in ("34", "0x5", "34x34x2", "x"):
        with pytest.raises(CompileError, match="346x260"):
            parse_sensor(text)
    for text in ("4x3", "0x3+2+1", "4x3-2-1"):
        with pytest.raises(CompileError, match=r"32x32\+1\+1"):
            parse_window(text)


# -- the command


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "e.npy"
    np.save(path, structured(random_events(1000, start=10)))
    return path


def test_the_command_shows_what_is_in_a_file(striate: Striate, file: Path) -> None:
    events = random_events(1000, start=10)
    shown = json.loads(striate("events", file, "--json").out)
    assert shown["format"] == 1
    assert (shown["kind"], shown["events"], shown["on"]) == ("structured", 1000, int(events.p.sum()))
    assert (shown["first_us"], shown["last_us"]) == (events.t[0], events.t[-1])
    assert shown["events_per_second"] == pytest.approx(1000 / shown["duration_us"] * 1e6)
    assert shown["frames"] is None
    text = striate("events", file).out
    assert "1,000" in text
    assert "0 to 33" in text


def test_the_command_writes_frames_as_one_sample(striate: Striate, file: Path, tmp_path: Path) -> None:
    output = tmp_path / "frames.npz"
    outcome = striate("events", file, "--sensor", "34x34", "--dt", "1ms", "-o", output, "--name", "image", "--json")
    assert outcome.code == 0, outcome.err
    frames = json.loads(outcome.out)["frames"]
    with np.load(output) as held:
        assert held["image"].shape == (1, *frames["shape"])
        assert held["image"].sum() == frames["events"] == 1000
        assert (held["dt_us"], held["start_us"]) == (1000, frames["start_us"])
    assert [path.name for path in tmp_path.iterdir() if "part" in path.name] == []
    assert "channel 0 = off, 1 = on" in striate("events", file, "--sensor", "34x34", "--dt", "1ms", "--binary").out


def test_the_command_refuses_with_a_diagnostic_and_writes_nothing(striate: Striate, file: Path, tmp_path: Path) -> None:
    output = tmp_path / "frames.npz"
    for options, says in (
        (["--sensor", "30x34", "--dt", "1ms"], "outside the sensor of 30x34"),
        (["--dt", "1ms"], "say it: --sensor"),
        (["--sensor", "34x34", "--dt", "20"], "has no unit"),
        (["--sensor", "34x34", "--dt", "0ms"], "is no time"),
        (["--sensor", "34x34", "--dt", "1ms", "--format", "evt3"], ""),
    ):
        outcome = striate("events", file, *options, "-o", output)
        assert outcome.code == 1
        assert "error[bad-events]" in outcome.err
        assert says in outcome.err
        assert not output.exists()
    assert striate("events", file, "-o", output).code == 2
    assert "error[cannot-write]" in striate("events", file, "--dt", "1ms", "-o", tmp_path / "no" / "f.npz").err


def test_the_command_shows_an_empty_recording_and_does_not_bin_it(striate: Striate, tmp_path: Path) -> None:
    path = tmp_path / "empty.raw"
    path.write_bytes(raw_header("3.0") + words_16([]))
    shown = json.loads(striate("events", path, "--json").out)
    assert (shown["events"], shown["first_us"], shown["events_per_second"]) == (0, None, None)
    assert "T = 0" in striate("events", path, "--dt", "1ms").err


def test_sort_and_crop_come_before_binning(striate: Striate, tmp_path: Path) -> None:
    events = random_events(300)
    order = np.random.default_rng(0).permutation(300)
    path = tmp_path / "e.npy"
    np.save(path, structured(Events(*(array[order] for array in (events.t, events.x, events.y, events.p)))))
    options = ("events", path, "--sensor", "34x34", "--dt", "1ms", "--crop", "8x4+2+3")
    assert "--sort puts them in order" in striate(*options).err
    frames = json.loads(striate(*options, "--sort", "--json").out)["frames"]
    inside = (events.x >= 2) & (events.x < 10) & (events.y >= 3) & (events.y < 7)
    assert frames["shape"][1:] == [2, 4, 8]
    assert frames["events"] == int(inside.sum())


# -- spec/events.md

PAGE = (Path(__file__).parents[2] / "spec" / "events.md").read_text("utf-8")


def test_the_example_of_the_spec_gives_the_frames_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("recording.raw").write_bytes(raw_header("3.0") + words_16(evt3_words(random_events(100))))
    example = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert example
    names: dict[str, Any] = {}
    exec(example[1], names)
    assert names["frames"].shape[1:] == (2, 34, 34)
    assert names["frames"].sum() == 100


def test_the_spec_lists_every_format_and_every_camera() -> None:
    listed = re.findall(r"^\| `([a-z0-9.]+)` \|", PAGE, re.MULTILINE)
    assert sorted(listed) == sorted(format.name for format in FORMATS if not format.name.startswith("aedat2-"))
    assert ", ".join(camera.name for camera in CAMERAS) in PAGE
