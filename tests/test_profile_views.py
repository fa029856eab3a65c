"""What `profile` shows beyond its table: cores, the mesh picture, NeuroBench's metrics."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from conftest import Striate

from striate_runtime.profile import CoreProfile, Energy, Figure, LinkProfile, Profile
from striate_runtime.report.mesh import COLOURS, mesh_svg

NET = """
network net(image: f32[2, 8, 8]) -> y {
  weights init(3)
  conv1 = image |> conv2d(6, 3, padding=1) |> relu
  conv2 = conv1 |> conv2d(8, 3, stride=2) |> relu |> avg_pool2d(3)
  y = conv2 |> flatten |> linear(5)
}
"""
RATE = "loihi1(coding=rate, steps=16)"


@pytest.fixture
def arguments(tmp_path: Path) -> tuple[object, ...]:
    (tmp_path / "net.striate").write_text(NET)
    image = np.random.default_rng(5).uniform(0, 1, (3, 2, 8, 8)).astype(np.float32)
    np.savez(tmp_path / "data.npz", image=image)
    data = tmp_path / "data.npz"
    return "profile", tmp_path / "net.striate", "--data", data, "--calibration", data


def a_profile(**fields: object) -> Profile:
    unknown = Figure(None, "emulated")
    every: dict[str, object] = {
        "machine": "a <chip>",
        "device": "",
        "network": "n",
        "batch": 1,
        "samples": 1,
        "latency_us": unknown,
        "energy_uj": Energy(unknown, {}),
        "memory_bytes": {},
    }
    return Profile(**(every | fields))  # pyright: ignore[reportArgumentType]


def core(index: int, x: int, y: int, energy: float | None = 1.0, chip: int = 0) -> CoreProfile:
    return CoreProfile(index, f"layer{index}", x, y, {"synapse": energy}, {"synops": 10.0 * index}, chip)


# -- links


def test_the_links_carry_what_the_cores_count_as_hops(striate: Striate, arguments: tuple[object, ...]) -> None:
    report = json.loads(striate(*arguments, "--on", RATE, "--json").out)
    across = sum(link["messages"] for link in report["links"] if link["x"] != link["to_x"])
    along = sum(link["messages"] for link in report["links"] if link["y"] != link["to_y"])
    assert across == pytest.approx(report["counts"]["hops_east_west"])  # pyright: ignore[reportUnknownMemberType]
    assert along == pytest.approx(report["counts"]["hops_north_south"])  # pyright: ignore[reportUnknownMemberType]
    assert all(abs(one["x"] - one["to_x"]) + abs(one["y"] - one["to_y"]) == 1 for one in report["links"])


# -- the picture


@pytest.mark.parametrize("colour", COLOURS)
def test_the_picture_is_svg_with_a_tip_for_every_core_and_link(colour: str) -> None:
    links = (LinkProfile(0, 0, 0, 1, 0, 4.0), LinkProfile(0, 1, 0, 1, 1, 2.0))
    text = mesh_svg(a_profile(cores=(core(0, 0, 0), core(1, 1, 0), core(2, 1, 0), core(3, 1, 1)), links=links), colour)
    root = ElementTree.fromstring(text)
    tips = [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}title")]
    assert sum(tip.startswith("core ") for tip in tips) == 4
    assert sum(tip.endswith("messages") for tip in tips) == 2
    assert "n on a <chip>" in [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]


def test_a_link_is_as_wide_as_its_traffic() -> None:
    links = (LinkProfile(0, 0, 0, 1, 0, 4.0), LinkProfile(0, 1, 0, 0, 0, 1.0))
    text = mesh_svg(a_profile(cores=(core(0, 0, 0), core(1, 1, 0)), links=links))
    drawn = [float(width) for width in re.findall(r'stroke-width="([\d.]+)"><title>', text)]
    assert drawn == [6.0, 1.5]


def test_the_most_loaded_core_is_the_darkest_and_an_unknown_energy_is_grey() -> None:
    profile = a_profile(cores=(core(0, 0, 0, None), core(1, 1, 0), core(2, 2, 0)))
    load, energy = mesh_svg(profile, "load"), mesh_svg(profile, "energy")
    fills = re.findall(r'fill="([^"]+)" stroke="white"', load)
    assert (fills[0], fills[2]) == ("rgb(255, 255, 255)", "rgb(8, 48, 107)")
    assert re.findall(r'fill="([^"]+)" stroke="white"', energy)[0] == "#d0d0d0"
    assert ">unknown<" in energy
    assert ">unknown<" not in load


def test_two_chips_stand_side_by_side() -> None:
    text = mesh_svg(a_profile(cores=(core(0, 0, 0), core(1, 0, 0, chip=1))))
    assert ">chip 0<" in text
    assert ">chip 1<" in text
    lefts = re.findall(r'<rect x="([\d.]+)" y="[\d.]+" width="[\d.]+" height="[\d.]+" fill="#', text)
    assert float(lefts[1]) > float(lefts[0])


def test_the_same_run_gives_the_same_picture(striate: Striate, arguments: tuple[object, ...], tmp_path: Path) -> None:
    texts: list[str] = []
    for name in ("a.svg", "b.svg"):
        assert striate(*arguments, "--on", RATE, "--mesh", tmp_path / name, "--colour", "load").code == 0
        texts.append((tmp_path / name).read_text())
    assert texts[0] == texts[1]
    assert "synaptic operations / sample" in texts[0]


# -- cores and metrics


def test_cores_go_to_the_table_and_to_the_csv(striate: Striate, arguments: tuple[object, ...], tmp_path: Path) -> None:
    outcome = striate(*arguments, "--on", RATE, "--cores", "--csv", tmp_path / "cores.csv")
    assert "by core, per sample" in outcome.out
    report = json.loads(striate(*arguments, "--on", RATE, "--json").out)
    with (tmp_path / "cores.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [(int(row["core"]), row["layer"]) for row in rows] == [(c["core"], c["layer"]) for c in report["cores"]]
    assert sum(float(row["synops"]) for row in rows) == pytest.approx(report["counts"]["synops"])  # pyright: ignore[reportUnknownMemberType]


def test_the_metrics_of_a_spiking_chip_are_accumulates_of_its_own_spikes(
    striate: Striate, arguments: tuple[object, ...]
) -> None:
    report = json.loads(striate(*arguments, "--on", RATE, "--metrics", "--json").out)
    neurobench, strict = report["metrics"]["neurobench"], report["metrics"]["strict"]
    operations = neurobench["SynapticOperations"]
    assert operations["Effective_MACs"] == 0
    assert 0 < operations["Effective_ACs"] == strict["acs"] < operations["Dense"]
    assert neurobench["MembraneUpdates"] > 0
    assert list(neurobench["ActivationSparsityByLayer"]) == ["conv1", "conv2.relu", "conv2"]
    assert list(strict["uncounted_operations"]) == ["conv2.relu->conv2"]


def test_the_metrics_of_an_integer_chip_are_multiply_accumulates(
    striate: Striate, arguments: tuple[object, ...]
) -> None:
    report = json.loads(striate(*arguments, "--on", "loihi2", "--metrics", "--json").out)
    operations = report["metrics"]["neurobench"]["SynapticOperations"]
    assert operations["Effective_ACs"] == 0
    kernel, next_kernel = (8 + 7 + 7) ** 2 * 2 * 6, 3 * 3 * 9 * 6 * 8
    assert operations["Dense"] == kernel + next_kernel + 8 * 5
    assert "conv2" in report["metrics"]["strict"]["uncounted_operations"]
    assert report["metrics"]["neurobench"]["MembraneUpdates"] is None


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--on", RATE, "--mesh", "m.svg", "--colour", "lod"), "unknown-colour"),
        (("--on", RATE, "--colour", "load"), "unknown-colour"),
        (("--on", RATE, "--mesh", "no/folder/m.svg"), "cannot-write"),
    ],
    ids=str,
)
def test_a_wrong_view_is_explained(
    striate: Striate, arguments: tuple[object, ...], options: tuple[object, ...], code: str
) -> None:
    outcome = striate(*arguments, *options)
    assert (outcome.code, outcome.err.startswith(f"error[{code}]: ")) == (1, True)
