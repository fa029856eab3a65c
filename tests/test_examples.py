"""What the README shows: the digits on every machine, every example file, and the README's own commands."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import DIGITS, ROOT, Striate

from striate.data import load_arrays, load_labels
from striate.interpreter import interpret
from striate.language import parse_machine
from striate.pipeline import Compilation, lower, read
from striate_runtime import open_device
from striate_runtime.compare import accuracy

EXAMPLES = sorted((ROOT / "examples").rglob("*.striate"))
README = (ROOT / "README.md").read_text()


@pytest.fixture(scope="module")
def lenet() -> Compilation:
    return read(DIGITS / "lenet5.striate")


@pytest.fixture(scope="module")
def images(lenet: Compilation) -> np.ndarray[Any, Any]:
    return load_arrays(DIGITS / "digits_test.npz", lenet.graph.inputs)["image"]


@pytest.fixture(scope="module")
def labels(images: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    labels = load_labels(DIGITS / "digits_test.npz", len(images))
    assert labels is not None
    return labels


def test_the_digits_are_recognised_in_floats(
    lenet: Compilation, images: np.ndarray[Any, Any], labels: np.ndarray[Any, Any]
) -> None:
    assert np.bincount(labels).tolist() == [100] * 10
    assert accuracy(interpret(lenet.graph, {"image": images})["logits"], labels) >= 0.98


def test_the_chip_computes_the_integer_network_bit_for_bit_and_loses_little(
    lenet: Compilation, images: np.ndarray[Any, Any], labels: np.ndarray[Any, Any]
) -> None:
    truth = interpret(lenet.quantized, {"image": images})["logits"]
    with open_device(lower(lenet, parse_machine("loihi2(coding=graded)"))) as device:
        logits = device.run({"image": images})["logits"]
    assert np.array_equal(logits, truth)
    floats = accuracy(interpret(lenet.graph, {"image": images})["logits"], labels)
    assert abs(accuracy(logits, labels) - floats) <= 0.005


def test_the_gpu_in_integers_equals_the_chip(lenet: Compilation, images: np.ndarray[Any, Any]) -> None:
    pytest.importorskip("triton", reason="Triton interprets the kernels")
    truth = interpret(lenet.quantized, {"image": images[:200]})["logits"]
    with open_device(lower(lenet, parse_machine("gpu(precision=i8)"))) as device:
        assert np.array_equal(device.run({"image": images[:200]})["logits"], truth)


def test_spikes_come_close_at_enough_steps(
    lenet: Compilation, images: np.ndarray[Any, Any], labels: np.ndarray[Any, Any]
) -> None:
    floats = interpret(lenet.graph, {"image": images[:300]})["logits"]
    errors: list[float] = []
    for steps in (16, 64, 256):
        with open_device(lower(lenet, parse_machine(f"loihi1(coding=rate, steps={steps})"))) as device:
            logits = device.run({"image": images[:300]})["logits"]
        errors.append(float(np.abs(logits - floats).mean()))
        if steps == 64:
            assert accuracy(logits, labels[:300]) >= accuracy(floats, labels[:300]) - 0.01
    assert errors[0] > errors[1] > errors[2]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_checks(striate: Striate, path: Path) -> None:
    compilation = read(path, stand_ins=True)
    report = json.loads(striate("check", path, "--json").out)
    assert report["network"] == compilation.graph.name
    assert report["parameters"] > 0


def readme_commands() -> list[str]:
    """The `striate` commands of the README's console blocks, but the one that CI runs by itself."""
    blocks = re.findall(r"```console\n(.*?)```", README, re.S)
    return [line.removeprefix("$ striate ") for block in blocks for line in block.splitlines() if line.startswith("$ ")]


@pytest.mark.parametrize("command", readme_commands())
def test_a_command_of_the_readme_prints_what_it_shows(
    striate: Striate, command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    arguments = shlex.split(command)
    if arguments[0] == "compare":
        arguments += ["--samples", "20"]
    outcome = striate(*arguments)
    expected = README.split(f"$ striate {command}\n")[1].split("```")[0].split("\n$ ")[0]
    assert outcome.code == int("error[" in expected), outcome.err
    if arguments[0] == "check":
        assert outcome.out.strip() == expected.strip()


def test_the_readmes_python_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    names: dict[str, Any] = {}
    run: Callable[..., None] = exec
    run(code, names)
    assert names["outputs"]["logits"].shape == (1000, 10)


def test_digits_on_cores_of_256_axons(images: np.ndarray[Any, Any], labels: np.ndarray[Any, Any]) -> None:
    compilation = read(DIGITS / "truenorth.striate")
    floats = accuracy(interpret(compilation.graph, {"image": images[:300]})["logits"], labels[:300])
    with open_device(lower(compilation, parse_machine("truenorth(coding=rate, steps=64)"))) as device:
        outputs, took = device.profile({"image": images[:300]})
    assert took.valid, took.problems
    assert len(took.cores) == 256
    assert (outputs["logits"] >= 0).all(), "the host counts spikes"
    assert accuracy(outputs["logits"], labels[:300]) >= floats - 0.01
