"""The command line: what each command prints, and what a user's mistake gets."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import DIGITS, Striate
from safetensors.numpy import load_file, save_file  # pyright: ignore[reportUnknownVariableType]

from striate_runtime.hardware import figures, load_hardware

LENET = DIGITS / "lenet5.striate"
TEST_SET = DIGITS / "digits_test.npz"

TINY = """
network tiny(image: f32[1, 6, 6]) -> y {
  weights init(0)
  y = image |> conv2d(2, 3) |> relu |> flatten |> linear(3)
}
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.striate"
    path.write_text(TINY)
    rng = np.random.default_rng(0)
    image, label = rng.uniform(0, 1, (4, 1, 6, 6)).astype(np.float32), np.arange(4) % 3
    np.savez(tmp_path / "tiny.npz", image=image, label=label)
    return path


# -- what the commands do


def test_help_has_an_example_for_every_command(striate: Striate) -> None:
    commands = ("check", "compile", "run", "profile", "compare", "events", "trace", "diff", "targets", "fmt", "explain")
    overview = striate("--help").out
    for command in commands:
        assert command in overview
        outcome = striate(command, "--help")
        assert outcome.code == 0
        assert f"striate {command}" in re.sub(r"\s+", " ", outcome.out.split("Example:")[1])


def test_wrong_usage_ends_with_2(striate: Striate) -> None:
    assert striate("compile").code == 2
    assert striate("no-such-command").code == 2
    assert striate("check", LENET, "--no-such-option").code == 2


def test_check_counts_parameters_and_work(striate: Striate) -> None:
    report = json.loads(striate("check", LENET, "--json").out)
    assert report["format"] == 1
    assert report["parameters"] == 61_706
    assert report["macs"] == 28 * 28 * 6 * 25 + 10 * 10 * 16 * 150 + 400 * 120 + 120 * 84 + 84 * 10
    assert [machine["ok"] for machine in report["machines"]] == [True] * 5


def test_check_ends_with_1_where_a_machine_cannot(striate: Striate, tmp_path: Path) -> None:
    path = tmp_path / "soft.striate"
    path.write_text("network n(x: f32[4]) -> y {\n  weights init(0)\n  h = x |> softmax(1)\n  y = h |> linear(2)\n}\n")
    outcome = striate("check", path, "--on", "loihi1(coding=rate)")
    assert outcome.code == 1
    assert "error[cannot-lower]" in outcome.out
    assert "softmax" in outcome.out


def test_a_compiled_program_runs_and_is_reproducible(striate: Striate, tiny: Path, tmp_path: Path) -> None:
    first, second, logits = tmp_path / "a.zip", tmp_path / "b.zip", tmp_path / "y.npz"
    data = tmp_path / "tiny.npz"
    on = "loihi2(coding=graded)"
    for path in (first, second):
        assert striate("compile", tiny, "--on", on, "--calibration", data, "-o", path).code == 0
    assert first.read_bytes() == second.read_bytes()
    outcome = striate("run", first, "--data", data, "-o", logits)
    assert outcome.code == 0, outcome.err
    with np.load(logits) as outputs:
        assert outputs["y"].shape == (4, 3)
    assert "accuracy" in outcome.out


def test_emit_shows_each_stage_as_text(striate: Striate, tiny: Path, tmp_path: Path) -> None:
    data = tmp_path / "tiny.npz"
    assert "conv2d(2, 3" in striate("compile", tiny, "--emit", "graph").out
    assert "requantize" in striate("compile", tiny, "--calibration", data, "--emit", "quantized").out
    mapping = striate("compile", tiny, "--on", "loihi2", "--calibration", data, "--emit", "mapping").out
    assert "cores:" in mapping
    assert "binding: " in mapping
    assert "note: placement: by the events of" in mapping
    found = striate("compile", tiny, "--on", "loihi2", "--calibration", data, "--emit", "mapping", "--json")
    for core in json.loads(found.out)["cores"]:
        shares = {name: use["share"] for name, use in core["uses"].items() if use["share"] is not None}
        assert core["binding"] == max(shares, key=lambda name: shares[name])
        assert shares["neuron_slots"] == core["uses"]["neuron_slots"]["used"] / core["uses"]["neuron_slots"]["limit"]
    assert "@triton.jit" in striate("compile", tiny, "--on", "gpu", "--emit", "kernels").out
    assert "arena" in striate("compile", tiny, "--on", "gpu", "--emit", "plan").out
    for stage in ("kernels", "plan"):
        none = striate("compile", tiny, "--on", "loihi2", "--calibration", data, "--emit", stage).out
        assert none.startswith("loihi2 has no ")


def test_print_after_prints_the_graph_after_a_pass(striate: Striate, tiny: Path) -> None:
    outcome = striate("compile", tiny, "--emit", "optimised", "--print-after", "all", "--time-passes")
    assert "# after remove_dead_nodes" in outcome.out
    assert "rewrites" in outcome.out


def test_profile_gives_every_figure_a_basis(striate: Striate, tiny: Path, tmp_path: Path) -> None:
    data, table = tmp_path / "tiny.npz", tmp_path / "layers.csv"
    outcome = striate(
        "profile",
        tiny,
        "--on",
        "loihi2(coding=graded)",
        "--calibration",
        data,
        "--data",
        data,
        "--json",
        "--csv",
        table,
    )
    assert outcome.code == 0, outcome.err
    profile = json.loads(outcome.out)
    assert profile["format"] == 1
    assert profile["latency_us"]["basis"] == "emulated"
    assert {figure["basis"] for figure in profile["energy_uj"]["stack"].values()} == {"emulated"}
    assert table.read_text().startswith("layer,operator,latency_us")


def test_targets_lists_machines_and_prints_one_with_sources(striate: Striate) -> None:
    listing = striate("targets")
    assert "loihi2" in listing.out
    assert "coding=" in listing.out
    one = json.loads(striate("targets", "loihi1", "--json").out)
    assert one["name"] == "loihi1_sanafe25"
    assert all(figure["source"] for figure in one["figures"].values())


def test_fmt_is_idempotent_and_check_only_looks(striate: Striate, tmp_path: Path) -> None:
    path = tmp_path / "n.striate"
    path.write_text("network n(x:f32[4])->y{ # kept\n y=x|>relu\n}\n")
    before = path.read_text()
    report = striate("fmt", path, "--check", "--json")
    assert json.loads(report.out) == {"format": 1, "changed": [str(path)], "written": False}
    assert striate("fmt", path, "--check").code == 1
    assert path.read_text() == before
    assert striate("fmt", path).code == 0
    assert "# kept" in path.read_text()
    assert striate("fmt", path, "--check").code == 0


def test_explain_knows_its_codes_and_the_nearest_one(striate: Striate) -> None:
    assert "For example" in striate("explain", "shape-mismatch").out
    outcome = striate("explain", "shape-mismach")
    assert outcome.code == 1
    assert "did you mean 'shape-mismatch'" in outcome.err


# -- what mistakes get


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty-file"),
        ("network n(x: f32[4]) -> y { y = x |> relo }", "unknown-operator"),
        ("network n(x: f32[1, 8, 8]) -> y { y = x |> conv2d(4, 3, strid=2) }", "unknown-attribute"),
        ("network n(x: f32[4]) -> y { y = add(x) }", "wrong-arity"),
        ("network n(x: f32[1, 8, 8]) -> y { y = x |> max_pool2d(9) }", "shape-mismatch"),
        ("network n(x: f32[4]) -> y { y = z |> relu }", "unknown-name"),
        ("network n(x: f32[4]) -> y { y = x |> relu\n y = x |> tanh }", "name-used-twice"),
        ("block b(x) -> y { y = x |> b }\nnetwork n(x: f32[4]) -> y { y = x |> b }", "recursive-block"),
        ("network n(x: f32[4]) -> y { y = " + "(" * 10_000 + "x" + ")" * 10_000 + " }", "nesting-too-deep"),
        ("network n(x: f32[4]) -> y {\n  weights \"no-such.safetensors\"\n  y = x |> linear(2)\n}", "bad-weights"),
        ("network n(x: f32[4]) -> y { y = x |> linear(2) }", "missing-weights"),
    ],
)  # fmt: skip
def test_a_wrong_network_gets_a_diagnostic(striate: Striate, tmp_path: Path, text: str, code: str) -> None:
    path = tmp_path / "n.striate"
    path.write_text(text)
    outcome = striate("compile", path, "-o", tmp_path / "out.zip")
    refused(outcome, code)
    assert [p.name for p in tmp_path.iterdir()] == ["n.striate"]


def test_every_mistake_in_a_file_is_reported_at_once(striate: Striate, tmp_path: Path) -> None:
    path = tmp_path / "n.striate"
    path.write_text("network n(x: f32[4]) -> y {\n  a = x |> relo\n  b = x |> sigmoyd\n  y = a + c\n}\n")
    outcome = striate("check", path)
    assert outcome.err.count("error[") == 3
    assert "did you mean 'relu'" in outcome.err
    assert "did you mean 'sigmoid'" in outcome.err


def test_a_binary_file_is_not_text(striate: Striate, tmp_path: Path) -> None:
    path = tmp_path / "n.striate"
    path.write_bytes(bytes(range(256)))
    refused(striate("check", path), "not-text")


def test_a_missing_file_is_named(striate: Striate, tmp_path: Path) -> None:
    refused(striate("check", tmp_path / "none.striate"), "unreadable-file")


@pytest.mark.parametrize("damage", ["missing", "shape", "nan", "not-safetensors", "hash"])
def test_wrong_weights_are_named_with_tensor_and_shape(striate: Striate, tmp_path: Path, damage: str) -> None:
    tensors = load_file(DIGITS / "lenet5.safetensors")
    text = LENET.read_text()
    if damage == "missing":
        tensors["conv1.wieght"] = tensors.pop("conv1.weight")
    elif damage == "shape":
        tensors["conv1.weight"] = tensors["conv1.weight"][:, :, :3].copy()
    elif damage == "nan":
        tensors["fc1.bias"][3] = np.nan
    elif damage == "hash":
        text = text.replace('"lenet5.safetensors"', '"lenet5.safetensors" sha256 "' + "0" * 64 + '"')
    save_file(tensors, tmp_path / "lenet5.safetensors")
    if damage == "not-safetensors":
        (tmp_path / "lenet5.safetensors").write_bytes(b"nothing of the kind")
    (tmp_path / "n.striate").write_text(text)
    outcome = striate("compile", tmp_path / "n.striate", "--emit", "graph")
    refused(outcome, "missing-weights" if damage == "missing" else "bad-weights")
    word = {"missing": "conv1.wieght", "shape": "[6, 1, 3, 5]", "nan": "fc1.bias"}.get(damage, "lenet5.safetensors")
    assert word in outcome.err


@pytest.mark.parametrize(
    ("spec", "code", "words"),
    [
        ("loihi3", "unknown-machine", "did you mean 'loihi2'"),
        ("GPU", "unknown-machine", "did you mean 'gpu'"),
        ("gpu(batch=1, batch=2)", "bad-machine", "twice"),
        ("\u6a5f", "unknown-machine", "path of a .toml"),
        ("gpu(precison=i8)", "bad-machine", "did you mean 'precision'"),
        ("gpu(precision=i4)", "bad-machine", "f16"),
        ("gpu(batch=0)", "bad-machine", "1"),
        ("loihi2(coding=", "bad-machine", ""),
        ("no-such.toml", "bad-hardware", "no-such.toml"),
    ],
)
def test_a_wrong_machine_is_refused_with_what_is_legal(striate: Striate, spec: str, code: str, words: str) -> None:
    outcome = striate("compare", LENET, "--on", spec)
    refused(outcome, code)
    assert words in outcome.err


def test_a_hardware_file_is_checked_field_by_field(striate: Striate, tmp_path: Path) -> None:
    from striate_runtime.hardware import load_hardware

    text = load_hardware("loihi2").text
    for changed, words in (
        (text.replace("neuron_slots", "neuron_slotz"), "neuron_slot"),
        (text.replace("[policy]", "[policies]"), "polic"),
        (re.sub(r"neuron_slots = \{ value = \d+", "neuron_slots = { value = -5", text), "negative"),
        (re.sub(r"mesh_width = \{ value = \d+", "mesh_width = { value = 0", text), "at least 1"),
        (re.sub(r"mesh_width = \{ value = \d+", "mesh_width = { value = 99999999999", text), "over 4096"),
        ("a = " + "[" * 100_000, "nested too deeply"),
    ):
        assert changed != text
        (tmp_path / "my.toml").write_text(changed)
        outcome = striate("check", LENET, "--on", tmp_path / "my.toml")
        assert outcome.code == 1
        assert words in outcome.out + outcome.err
        assert "Traceback" not in outcome.out + outcome.err


def test_an_energy_of_which_nothing_is_known_is_not_0(striate: Striate, tiny: Path, tmp_path: Path) -> None:
    from striate_runtime.hardware import load_hardware

    text = re.sub(r"\{ value = [\d_.]+[^}]*source", '{ value = "unknown", source', load_hardware("h100").text)
    (tmp_path / "dark.toml").write_text(text)
    data = tmp_path / "tiny.npz"
    on = ("--on", tmp_path / "dark.toml", "--on", "loihi2", "--data", data, "--calibration", data, "--json", "-")
    report = json.loads(striate("compare", tiny, *on).out)
    assert report["results"][0]["energy_uj"]["total"] is None
    assert "is not known" in report["verdict"][0]


def test_a_chip_too_small_names_layer_limit_used_and_allowed(striate: Striate, tmp_path: Path) -> None:
    from striate_runtime.hardware import load_hardware

    text = load_hardware("loihi2").text
    small = re.sub(r"mesh_(width|height) = \{ value = \d+", r"mesh_\1 = { value = 1", text)
    small = re.sub(r"\nchips = \{ value = \d+", r"\nchips = { value = 1", small)
    small = re.sub(r"neuron_slots = \{ value = \d+", "neuron_slots = { value = 64", small)
    (tmp_path / "small.toml").write_text(small)
    outcome = striate("compile", LENET, "--on", tmp_path / "small.toml", "-o", tmp_path / "out.zip")
    refused(outcome, "does-not-fit")
    assert not (tmp_path / "out.zip").exists()


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"image": np.ones((2, 1, 28, 27), np.float32)}, "[2, 1, 28, 27]"),
        ({"image": np.array(["a", "b"])}, "its shape is [2]"),
        ({"picture": np.ones((2, 1, 28, 28), np.float32)}, "'image'"),
        ({"image": np.full((2, 1, 28, 28), np.nan, np.float32)}, "NaN"),
        ({"image": np.ones((2, 1, 28, 28), np.float32), "label": np.arange(3)}, "'label'"),
    ],
)
def test_wrong_inputs_are_refused(
    striate: Striate,
    tmp_path: Path,
    arrays: dict[str, np.ndarray],
    words: str,  # type: ignore[type-arg]
) -> None:
    np.savez(tmp_path / "d.npz", allow_pickle=False, **arrays)
    outcome = striate("compare", LENET, "--on", "loihi2(coding=graded)", "--data", tmp_path / "d.npz")
    refused(outcome, "bad-data")
    assert words in outcome.err


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("words.npz", "not an array", "no array for the input 'image'"),
        ("words.npy", b"hello", "something else altogether"),
        ("huge.npy", (10**12, 1, 6, 6), "memory"),
        ("wide.npz", {"image": np.full((1, 1, 6, 6), 1e300)}, "larger than 3.4e+38"),
        ("negative.npz", {"image": np.ones((1, 1, 6, 6), np.float32), "label": np.array([-1])}, "a label is -1"),
    ],
)
def test_odd_data_files_are_refused_with_the_reason(
    striate: Striate, tiny: Path, tmp_path: Path, name: str, content: Any, words: str
) -> None:
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, tuple):
        with path.open("wb") as stream:
            np.lib.format.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": content})
    elif isinstance(content, str):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("image.npy", content)
    else:
        np.savez(path, allow_pickle=False, **content)
    on = ("--on", "loihi2", "--calibration", tmp_path / "tiny.npz")
    outcome = striate("run", tiny, *on, "--data", path)
    refused(outcome, "bad-data")
    assert words in outcome.err


@pytest.mark.parametrize("command", ["run", "compile", "profile"])
@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/dev/null", "device"),
        ("/dev/full", "device"),
        ("a" * 300, "name too long"),
        ("", "folder"),
        ("no/x", "no folder"),
        ("/proc/x", ""),
    ],
)
def test_what_cannot_be_written_is_refused_and_leaves_nothing(
    striate: Striate, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, path: str, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    on, data = ("--on", "loihi2", "--calibration", "tiny.npz"), ("--data", "tiny.npz") if command != "compile" else ()
    outcome = striate(command, tiny, *on, *data, "--csv" if command == "profile" else "--output", path)
    refused(outcome, "cannot-write")
    assert words in outcome.err
    assert sorted(tmp_path.iterdir()) == before


def test_a_disk_that_fills_up_leaves_the_old_file(
    striate: Striate, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "out.npz"
    old.write_text("old")
    before = sorted(tmp_path.iterdir())

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np.lib.format, "write_array", full)
    data = tmp_path / "tiny.npz"
    refused(striate("run", tiny, "--on", "loihi2", "--calibration", data, "--data", data, "-o", old), "cannot-write")
    assert old.read_text() == "old"
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    "text",
    [
        "network n(x: f32[100000, 100000, 100000]) -> y { y = x |> relu }",
        "network n(x: f32[2, 8, 8]) -> y { y = x |> conv2d(1000000000000, 3) }",
        "network n(x: f32[2, 8, 8]) -> y { y = x |> adaptive_avg_pool2d(1000000000000) }",
        "network n(x: f32[65536]) -> y { y = x |> linear(65536) }",
    ],
)
def test_enormous_tensors_are_refused_before_they_are_made(striate: Striate, tmp_path: Path, text: str) -> None:
    path = tmp_path / "n.striate"
    path.write_text(text)
    refused(striate("check", path), "tensor-too-large")


def test_memory_that_runs_out_is_no_traceback(striate: Striate, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("striate.weights.load_weights", exhausted)
    refused(striate("check", tiny), "out-of-memory")


def test_a_seed_that_is_none_is_told_from_a_path(striate: Striate, tiny: Path) -> None:
    for seed in ("init(-1)", "init(1.5)", "init()", "init(99999999999999999999)"):
        outcome = striate("check", tiny, "--weights", seed)
        refused(outcome, "bad-weights")
        assert "whole number" in outcome.err


def test_names_cannot_steer_the_terminal(striate: Striate, tmp_path: Path) -> None:
    outcome = striate("compare", LENET, "--on", "gpu\x1b[2J")
    refused(outcome, "unknown-machine")
    assert "\\x1b[2J" in outcome.err
    assert "\x1b" not in outcome.err


@pytest.mark.parametrize("command", [("check",), ("compare", "--on", "loihi2(coding=graded)", "--samples", "2")])
@pytest.mark.parametrize(
    ("encoding", "stdout", "code"), [("ascii", "out.txt", 0), ("utf-8", "/dev/full", 1), ("utf-8", "broken", 1)]
)
def test_a_poor_stdout_gets_no_traceback(
    tmp_path: Path, command: tuple[str, ...], encoding: str, stdout: str, code: int
) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONPATH": os.pathsep.join(sys.path)}
    arguments = [sys.executable, "-m", "striate", command[0], str(LENET), *command[1:]]
    if stdout == "broken":
        end, start = os.pipe()
        os.close(end)
    else:
        start = os.open(tmp_path / stdout, os.O_WRONLY | os.O_CREAT)
    done = subprocess.run(arguments, stdout=start, stderr=subprocess.PIPE, env=environment, text=True, check=False)
    os.close(start)
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert done.returncode == code
    if stdout == "/dev/full":
        assert "No space left" in done.stderr


@pytest.mark.parametrize("arguments", [f"check '{LENET}'", "targets loihi2"])
def test_without_a_stdout_a_command_still_ends_well(arguments: str) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = f"exec '{sys.executable}' -m striate {arguments} >&-"
    done = subprocess.run(["sh", "-c", command], stderr=subprocess.PIPE, env=environment, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_names_are_data_and_never_paths_or_arguments(
    striate: Striate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    monkeypatch.chdir(inside)
    Path("n.striate").write_text(
        'network "../evil"(x: f32[4]) -> file, "a/../b" {\n  file = x |> relu\n  "a/../b" = x |> clip(0, 1)\n}\n'
    )
    x = np.ones((2, 4), np.float32)
    np.savez("x.npz", x=x)
    on = ("--on", "loihi2", "--calibration", "x.npz")
    outcome = striate("compile", "n.striate", *on)
    assert outcome.code == 0, outcome.err
    outcome = striate("run", "n.striate", *on, "--data", "x.npz", "-o", "y.npz")
    assert outcome.code == 0, outcome.err
    with np.load("y.npz") as outputs:
        assert set(outputs.files) == {"file", "a/../b"}
    assert [path.name for path in tmp_path.iterdir()] == ["inside"]
    assert sorted(path.name for path in inside.iterdir()) == ["_evil.loihi2.striate.zip", "n.striate", "x.npz", "y.npz"]


def test_emit_takes_no_output(striate: Striate, tiny: Path, tmp_path: Path) -> None:
    assert striate("compile", tiny, "--emit", "graph", "-o", tmp_path / "x.zip").code == 2
    assert striate("compile", tiny, "--emit", "graph", "--json").code == 2


def test_a_program_is_known_by_its_content(striate: Striate, tiny: Path, tmp_path: Path) -> None:
    data, program = tmp_path / "tiny.npz", tmp_path / "program"
    assert striate("compile", tiny, "--on", "loihi2", "--calibration", data, "-o", program).code == 0
    assert striate("run", program, "--data", data).code == 0
    outcome = striate("check", program)
    refused(outcome, "not-text")
    assert "striate run" in outcome.err


def test_a_truncated_program_is_refused(striate: Striate, tiny: Path, tmp_path: Path) -> None:
    data, whole, cut = tmp_path / "tiny.npz", tmp_path / "whole.zip", tmp_path / "cut.zip"
    assert striate("compile", tiny, "--on", "loihi2", "--calibration", data, "-o", whole).code == 0
    cut.write_bytes(whole.read_bytes()[:-200])
    outcome = striate("run", cut, "--data", data)
    refused(outcome, "program-error")
    assert "cut.zip" in outcome.err


def test_integers_without_calibration_say_what_is_missing(striate: Striate, tiny: Path) -> None:
    refused(striate("compile", tiny, "--on", "gpu(precision=i8)"), "needs-calibration")


def test_errors_are_json_on_request(striate: Striate, tmp_path: Path) -> None:
    path = tmp_path / "n.striate"
    path.write_text("network n(x: f32[4]) -> y { y = x |> relo }")
    report = json.loads(striate("check", path, "--json").out)
    assert report["errors"][0]["code"] == "unknown-operator"
    assert report["errors"][0]["line"] == 1


def refused(outcome: object, code: str) -> None:
    from conftest import Outcome

    assert isinstance(outcome, Outcome)
    assert outcome.code == 1, outcome
    assert f"error[{code}]" in outcome.err, outcome.err
    assert "Traceback" not in outcome.err


def test_two_presets_of_one_chip_are_shown_where_they_differ(striate: Striate) -> None:
    outcome = striate("targets", "loihi1_davies18", "loihi1_sanafe25", "--json")
    differences = json.loads(outcome.out)["differences"]
    davies, sanafe = (load_hardware(name) for name in ("loihi1_davies18", "loihi1_sanafe25"))
    values = [{field: figure.value for field, figure in figures(machine)} for machine in (davies, sanafe)]
    differ = {field for field in values[0].keys() | values[1] if values[0].get(field) != values[1].get(field)}
    assert differ <= differences.keys()
    assert differences["cost.spike_out_energy_pj"]["loihi1_davies18"]["value"] is None
    assert differences["cost.spike_out_energy_pj"]["loihi1_sanafe25"]["value"] == 69.3
    assert "limits.neuron_slots" not in differences
    text = striate("targets", "loihi1_davies18", "loihi1_sanafe25").out
    assert "figures are alike" in text
    assert "69.3 fitted" in text
    assert striate("targets", "loihi1", "loihi1_sanafe25", "--json").out.count("cost.") == 0, "one by two names"


def test_machines_of_two_kinds_cannot_be_compared_figure_by_figure(striate: Striate) -> None:
    outcome = striate("targets", "gpu", "loihi2")
    assert outcome.code == 1
    assert "no figures in common: 'gpu' is gpu, 'loihi2' is neuromorphic" in outcome.err
