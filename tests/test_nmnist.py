"""The spiking network that is trained on events of a camera: its frames, its weights, and how often it is right."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT, Striate

from striate.data import load_arrays, load_labels
from striate.graph import Graph
from striate.interpreter import interpret, interpret_all
from striate.language import parse_machine
from striate.pipeline import lower, read
from striate_runtime import open_device

NMNIST = ROOT / "examples" / "nmnist"
RECORDINGS = ROOT.parent / "shared" / "data" / "events" / "nmnist_train1000.npz"
needs_recordings = pytest.mark.skipif(not RECORDINGS.exists(), reason=f"the recordings are not shipped: {RECORDINGS}")

STEPS, DT_US = 31, 10_000
RIGHT, SPIKES = 192, 1_750
"""Of 200 recordings held out, and in each. README.md states 193 and 1,735; sums in another order may move a spike."""


def frames_py(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, NMNIST / "frames.py", *arguments]
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)


def packed(rng: np.random.Generator) -> dict[str, np.ndarray[Any, Any]]:
    """1,000 recordings of three events each, as the file of recordings has them."""
    t = np.sort(rng.integers(0, STEPS * DT_US + 2 * DT_US, (1000, 3)), axis=1).reshape(-1).astype(np.uint32)
    x, y = rng.integers(0, 34, (2, 3000)).astype(np.uint8)
    p = np.packbits(rng.integers(0, 2, 3000).astype(bool))
    offsets, labels = np.arange(0, 3001, 3).astype(np.int32), rng.integers(0, 10, 1000).astype(np.uint8)
    return {"t": t, "x": x, "y": y, "p": p, "offsets": offsets, "labels": labels}


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("frames")
    outcome = frames_py(RECORDINGS, "--output", folder)
    assert outcome.returncode == 0, outcome.stderr
    return folder


def test_every_event_of_a_packed_recording_is_a_one_in_its_frame_and_nothing_else_is(tmp_path: Path) -> None:
    arrays = packed(np.random.default_rng(0))
    np.savez(tmp_path / "set.npz", allow_pickle=False, **arrays)
    outcome = frames_py(tmp_path / "set.npz", "--output", tmp_path)
    assert outcome.returncode == 0, outcome.stderr
    polarity = np.unpackbits(arrays["p"])
    for name, first, count in (("train", 0, 800), ("calibration", 0, 64), ("test", 800, 200)):
        with np.load(tmp_path / f"nmnist_{name}.npz") as written:
            expected = np.zeros((count, STEPS, 2, 34, 34), np.uint8)
            for event in range(3 * first, 3 * (first + count)):
                step = int(arrays["t"][event]) // DT_US
                if step < STEPS:
                    expected[event // 3 - first, step, polarity[event], arrays["y"][event], arrays["x"][event]] = 1
            assert np.array_equal(written["events"], expected)
            assert written["label"].tolist() == arrays["labels"][first : first + count].tolist()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"offsets": None}, "it has no array offsets; it holds t, x, y, p, labels"),
        ({"labels": np.zeros(999, np.uint8)}, "labels has 999 numbers; 3,000 events need 1,000"),
        ({"p": np.zeros(3000, np.uint8)}, "p has 3,000 numbers; 3,000 events need 375"),
        ({"offsets": np.arange(1001)}, "offsets must rise from 0 to 3,000"),
        ({"t": np.zeros(3000)}, "t: each must be whole numbers in one dimension"),
        ({"x": np.full(3000, 34, np.uint8)}, "outside the sensor of 34x34"),
    ],
)
def test_a_set_that_is_another_is_refused_with_what_is_wrong(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    arrays = {name: array for name, array in (packed(np.random.default_rng(0)) | change).items() if array is not None}
    np.savez(tmp_path / "set.npz", allow_pickle=False, **arrays)
    outcome = frames_py(tmp_path / "set.npz", "--output", tmp_path)
    assert (outcome.returncode, "Traceback" in outcome.stderr) == (1, False)
    assert says in outcome.stderr


def test_a_user_without_the_data_is_told_which_file_is_missing_and_where_it_says_how_to_make_it(
    striate: Striate, tmp_path: Path
) -> None:
    for name in ("nmnist.striate", "nmnist.safetensors", "README.md"):
        (tmp_path / name).symlink_to(NMNIST / name)
    outcome = striate("trace", tmp_path / "nmnist.striate", "--on", "interpreter", "-o", tmp_path / "t.npz")
    assert outcome.code == 1
    assert "nmnist_test.npz: there is no such file" in outcome.err
    assert "README.md says how 'nmnist_test.npz' is made" in outcome.err


def test_the_weights_are_those_of_the_text() -> None:
    graph = read(NMNIST / "nmnist.striate").graph
    shapes = {name: parameter.type.shape for name, parameter in graph.parameters.items()}
    assert shapes == {"conv1.weight": (12, 2, 5, 5), "conv2.weight": (32, 12, 5, 5), "scores.weight": (10, 1152)}


@needs_recordings
@pytest.mark.parametrize("stage", ["graph", "quantized"])
def test_held_out_recordings_are_told_apart_with_few_spikes(frames: Path, stage: str) -> None:
    compilation = read(NMNIST / "nmnist.striate", calibration=frames / "nmnist_calibration.npz")
    inputs = compilation.graph.inputs
    arrays = load_arrays(frames / "nmnist_test.npz", inputs, compilation.graph.dt_s)
    labels = load_labels(frames / "nmnist_test.npz", 200)
    assert labels is not None
    graph: Graph = getattr(compilation, stage)
    (scores,) = graph.outputs.values()
    values = interpret_all(graph, arrays, keep={"conv1", "conv2", scores})
    assert np.count_nonzero(values[scores].argmax(1) == labels) >= RIGHT
    assert sum(int(np.count_nonzero(values[layer])) for layer in ("conv1", "conv2")) / 200 <= SPIKES


@needs_recordings
@pytest.mark.parametrize("machine", ["loihi2(coding=native)", "loihi1(coding=native)"])
def test_the_chip_answers_as_the_integer_network_bit_for_bit(frames: Path, machine: str) -> None:
    compilation = read(NMNIST / "nmnist.striate", calibration=frames / "nmnist_calibration.npz")
    arrays = load_arrays(frames / "nmnist_test.npz", compilation.graph.inputs, compilation.graph.dt_s)
    few = {name: array[:10] for name, array in arrays.items()}
    truth = interpret(compilation.quantized, few)["scores"]
    with open_device(lower(compilation, parse_machine(machine))) as device:
        assert np.array_equal(device.run(few)["scores"], truth)


def test_weights_of_4_bits_run_on_crossbars_as_they_are() -> None:
    rng = np.random.default_rng(0)
    events = {"events": (rng.random((2, STEPS, 2, 34, 34)) < 0.03).astype(np.float32)}
    compilation = read(NMNIST / "truenorth.striate", calibration=events)
    program = lower(compilation, parse_machine("truenorth"))
    with open_device(program) as device:
        outputs, took = device.profile(events)
    assert took.valid, took.problems
    assert np.array_equal(outputs["counts"], interpret(compilation.quantized, events)["counts"])
    assert outputs["counts"].any()
    assert all(program.arrays[f"{layer}.strengths"].shape[1] == 4 for layer in ("conv1", "conv2", "conv3", "conv4"))


@needs_recordings
def test_held_out_recordings_are_told_apart_on_crossbars_bit_for_bit(frames: Path) -> None:
    compilation = read(NMNIST / "truenorth.striate", calibration=frames / "nmnist_calibration.npz")
    arrays = load_arrays(frames / "nmnist_test.npz", compilation.graph.inputs, compilation.graph.dt_s)
    labels = load_labels(frames / "nmnist_test.npz", 200)
    assert labels is not None
    with open_device(lower(compilation, parse_machine("truenorth"))) as device:
        counts = device.run(arrays)["counts"]
    assert np.count_nonzero(counts.argmax(1) == labels) >= 186, "README.md states 187"
    few = {name: array[:10] for name, array in arrays.items()}
    assert np.array_equal(counts[:10], interpret(compilation.quantized, few)["counts"])
