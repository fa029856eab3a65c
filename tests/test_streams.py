"""The command line on streams of frames, `[N, T, *shape]`: coding=delta, and everything else frame by frame."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, Striate

NETWORK = """
network tiny(image: f32[1, 6, 6]) -> y {
  weights init(0)
  y = image |> conv2d(2, 3) |> relu |> flatten |> linear(3)
}
"""
DELTA = "loihi2(coding=delta)"
STREAMS, FRAMES = 3, 5


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.striate"
    path.write_text(NETWORK)
    rng = np.random.default_rng(0)
    still = rng.uniform(0, 1, (STREAMS, 1, 1, 6, 6))
    stream = np.where(rng.random((STREAMS, FRAMES, 1, 6, 6)) < 0.1, 0.5, still).astype(np.float32)
    label = rng.integers(0, 3, (STREAMS, FRAMES))
    np.savez(tmp_path / "streams.npz", image=stream, label=label)
    np.savez(tmp_path / "frames.npz", image=stream.reshape(-1, 1, 6, 6), label=label.reshape(-1))
    np.savez(tmp_path / "badly.npz", image=stream, label=label[:, 0])
    return path


def options(tiny: Path, data: str = "streams.npz") -> tuple[str, ...]:
    return "--data", str(tiny.with_name(data)), "--calibration", str(tiny.with_name("frames.npz"))


def test_run_gives_an_output_for_every_frame(striate: Striate, tiny: Path) -> None:
    whole, apart = tiny.with_name("y.npz"), tiny.with_name("frames_y.npz")
    told = striate("run", tiny, "--on", DELTA, *options(tiny), "-o", whole, "--json")
    striate("run", tiny, "--on", "loihi2(coding=graded)", *options(tiny, "frames.npz"), "-o", apart)
    with np.load(whole) as streams, np.load(apart) as frames:
        assert streams["y"].shape == (STREAMS, FRAMES, 3)
        assert np.array_equal(streams["y"].reshape(-1, 3), frames["y"])
        right = (frames["y"].argmax(1) == np.load(tiny.with_name("frames.npz"))["label"]).mean()
    assert json.loads(told.out)["accuracy"] == pytest.approx(right)


CHANGES = ROOT / "examples" / "digits" / "lenet5_changes.striate"


def test_the_example_of_changes_does_what_delta_makes_of_the_network_without_time(striate: Striate) -> None:
    told = striate("profile", CHANGES, "--on", "loihi2", "--metrics", "--json")
    changes = json.loads(told.out)
    streams = ("--data", CHANGES.with_name("moving_digits.npz"))
    told = striate("profile", CHANGES.with_name("lenet5.striate"), "--on", DELTA, *streams, "--metrics", "--json")
    delta = json.loads(told.out)
    frames = 16
    for count in ("synops", "messages_sent", "messages_injected", "synapse_words"):
        assert changes["counts"][count] / frames == pytest.approx(delta["counts"][count], rel=1e-12), count
    assert changes["latency_us"]["value"] / frames == pytest.approx(delta["latency_us"]["value"], rel=1e-3)
    for metrics in (changes["metrics"], delta["metrics"]):
        operations = metrics["neurobench"]["SynapticOperations"]
        assert operations["Effective_MACs"] > 0 == operations["Effective_ACs"], "a change is multiplied"


def test_labels_of_every_step_are_compared_with_answers_of_every_step(striate: Striate) -> None:
    report = json.loads(striate("compare", CHANGES, "--on", "loihi2", "--json", "-").out)
    (chip,) = report["results"]
    assert chip["exact"] is True
    assert (report["reference_accuracy"], chip["accuracy"], chip["agreement"]) == (252 / 256, 252 / 256, 1)
    assert json.loads(striate("run", CHANGES, "--on", "loihi2", "--json").out)["accuracy"] == 252 / 256


def test_labels_of_every_step_are_refused_where_there_is_one_answer(striate: Striate, tmp_path: Path) -> None:
    path = tmp_path / "once.striate"
    path.write_text(CHANGES.read_text().replace("|> sigma\n", "|> sum_over_time\n"))
    given = ("--weights", CHANGES.with_name("lenet5.safetensors"))
    for name in ("data", "calibration"):
        given += (f"--{name}", CHANGES.with_name("moving_digits.npz"))
    outcome = striate("compare", path, "--on", "loihi2", *given)
    assert outcome.code == 1
    assert "'label' must be integers [16], one for each sample; it is int64[16, 16]" in outcome.err


def test_compare_runs_other_machines_frame_by_frame(striate: Striate, tiny: Path) -> None:
    on = ("--on", "loihi2(coding=graded)", "--on", DELTA, "--on", "loihi2(coding=delta, threshold=64)")
    report = json.loads(striate("compare", tiny, *on, *options(tiny), "--json", "-").out)
    assert report["samples"] == STREAMS * FRAMES
    graded, exact, coarse = report["results"]
    assert (graded["exact"], exact["exact"], coarse["exact"]) == (True, True, False)
    assert graded["accuracy"] == exact["accuracy"]
    synops = [result["counts"]["synops"] for result in (graded, exact, coarse)]
    assert synops[0] > synops[1] > synops[2]
    assert "one of 5 frames" in exact["latency_us"]["note"]


def test_frames_are_compared_as_streams_of_one_only_where_they_are_streams(striate: Striate, tiny: Path) -> None:
    outcome = striate("compare", tiny, "--on", DELTA, *options(tiny, "frames.npz"))
    assert outcome.code == 1
    assert "must be f32[N, T, 1, 6, 6]; its shape is [15, 1, 6, 6]" in outcome.err


def test_labels_of_streams_are_by_frame(striate: Striate, tiny: Path) -> None:
    outcome = striate("compare", tiny, "--on", DELTA, *options(tiny, "badly.npz"))
    assert outcome.code == 1
    assert "'label' must be integers [3, 5], one for each frame" in outcome.err


def test_diff_finds_no_difference_from_the_integer_graph(striate: Striate, tiny: Path) -> None:
    on = ("--on", "interpreter(graph=quantized)", "--on", DELTA)
    outcome = striate("diff", tiny, *on, *options(tiny), "--samples", 2)
    assert outcome.code == 0, outcome.err
    assert "no layer diverges" in outcome.out


def test_a_program_of_streams_takes_streams_of_its_own_length(striate: Striate, tiny: Path) -> None:
    program = tiny.with_name("tiny.zip")
    made = striate("compile", tiny, "--on", "loihi2(coding=delta, steps=4)", *options(tiny)[2:], "-o", program)
    assert made.code == 0, made.err
    outcome = striate("run", program, *options(tiny)[:2])
    assert outcome.code == 1
    assert "must be f32[N, 4, 1, 6, 6]; its shape is [3, 5, 1, 6, 6]" in outcome.err


def test_changes_are_multiplied_and_spikes_are_not(striate: Striate, tiny: Path) -> None:
    told = striate("profile", tiny, "--on", DELTA, *options(tiny), "--metrics", "--json")
    metrics = json.loads(told.out)["metrics"]
    assert metrics["neurobench"]["SynapticOperations"]["Effective_MACs"] > 0
    assert metrics["neurobench"]["SynapticOperations"]["Effective_ACs"] == 0
    assert metrics["strict"]["macs"] > 0
