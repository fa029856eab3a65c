"""The spec's table of times by level, and how the command line takes a level."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import striate
import striate_runtime
from striate.cli.app import app

ROOT = Path(__file__).parent.parent
DIGITS = ROOT / "examples" / "digits"


def rows() -> dict[str, list[str]]:
    """machine -> the cells of the spec's table."""
    text = (ROOT / "spec" / "neuromorphic.md").read_text("utf-8")
    table = text[text.index("| machine | simple |") :].split("\n\n")[0].splitlines()[2:]
    return {row.split("`")[1]: re.findall(r"[\d,]+\.\d", row.split("`")[2]) for row in table}


@pytest.mark.parametrize("machine", rows())
def test_the_table_of_levels_is_what_profiles_say(machine: str):
    program = striate.compile(DIGITS / "lenet5.striate", on=machine)
    images = np.load(DIGITS / "digits_test.npz")["image"][:3]
    with striate_runtime.open_device(program, timing="events") as device:
        _, profile = device.profile({"image": images})
    assert [f"{figure.value:,.1f}" for figure in profile.levels.values()] == rows()[machine]


def profiled(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["profile", str(DIGITS / "lenet5.striate"), "--samples", "1", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_profile_prints_a_line_for_each_level_up_to_its_own():
    found = json.loads(profiled("--on", "teaching", "--timing", "detailed", "--json"))
    assert list(found["levels"]) == ["simple", "detailed"]
    assert found["latency_us"] == found["levels"]["detailed"]
    text = profiled("--on", "teaching", "--timing", "events")
    assert [line.split()[1] for line in text.splitlines() if line.startswith("   timing")] == [
        *("simple", "detailed", "events"),
    ]
    assert "timing simple" not in profiled("--on", "teaching")


@pytest.mark.parametrize(
    ("machine", "level", "message"),
    [
        ("teaching", "exact", "there is no timing 'exact'; there is simple, detailed, events"),
        ("gpu", "events", "a GPU has none"),
    ],
)
def test_a_level_that_a_machine_has_not_is_an_error(machine: str, level: str, message: str):
    arguments = ["profile", str(DIGITS / "lenet5.striate"), "--samples", "1", "--on", machine, "--timing", level]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code != 0
    assert message in (result.output + str(result.exception or ""))
