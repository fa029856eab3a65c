"""The comparison: its rows, its JSON, and the sentences of its verdict."""

from __future__ import annotations

import json

import numpy as np
import pytest

from striate_runtime.compare import Comparison, Result, accuracy, agreement, to_json, verdict
from striate_runtime.profile import Energy, Figure, Problem, Profile
from striate_runtime.report import quantity


def result(
    machine: str,
    device: str,
    energy_uj: float | None,
    *,
    accuracy: float | None = 0.99,
    band: tuple[float, float] | None = None,
    latency_us: float | None = 10.0,
    problem: Problem | None = None,
) -> Result:
    basis = "estimated" if device == "gpu" else "emulated"
    low, high = band or (None, None)
    total = Figure(energy_uj, basis, low=low, high=high)
    stack = {"static": Figure(None if energy_uj is None else energy_uj * 0.75, basis), "io": Figure(None, basis)}
    profile = Profile(
        machine=machine,
        device=device,
        network="net",
        batch=1,
        samples=10,
        latency_us=Figure(latency_us, basis),
        energy_uj=Energy(total, stack, ("io: not published",)),
        memory_bytes={"weights": 1024},
        valid=problem is None,
        problems=() if problem is None else (problem,),
    )
    return Result(profile, accuracy, 1.0, None)


def compared(*results: Result) -> Comparison:
    return Comparison("net", "data.npz", 10, 0.99, results)


def test_accuracy_is_the_share_of_largest_outputs_at_the_label() -> None:
    outputs = np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]])
    assert accuracy(outputs, np.array([1, 0, 0, 1])) == 0.5


def test_agreement_counts_samples_that_agree_in_every_output() -> None:
    ours = {"a": np.array([[0, 1], [1, 0]]), "b": np.array([[0, 1], [0, 1]])}
    reference = {"a": np.array([[0, 1], [1, 0]]), "b": np.array([[0, 1], [1, 0]])}
    assert agreement(ours, reference) == 0.5


def test_the_int8_gpu_is_the_baseline_where_there_is_one() -> None:
    rows = [result("gpu", "gpu", 1.0), result("gpu(precision=i8)", "gpu", 2.0), result("chip", "neuromorphic", 4.0)]
    sentence = verdict(compared(*rows))[0]
    assert "Against gpu(precision=i8), chip takes 2 times the energy and 1 times the time at batch 1;" in sentence


def test_losing_and_winning_are_said_in_the_same_words() -> None:
    for energy, times in ((20.0, "10"), (0.2, "0.1")):
        sentence = verdict(compared(result("gpu", "gpu", 2.0), result("chip", "neuromorphic", energy)))[0]
        assert f"takes {times} times the energy" in sentence


def test_energies_are_not_compared_at_unequal_accuracy() -> None:
    worse = result("chip", "neuromorphic", 0.1, accuracy=0.95)
    assert verdict(compared(result("gpu", "gpu", 1.0), worse))[0] == (
        "chip is 4.0 points below gpu: at unequal accuracy their energies are not compared."
    )


def test_overlapping_bands_have_no_winner() -> None:
    rows = result("gpu", "gpu", 2.0, band=(1.0, 4.0)), result("chip", "neuromorphic", 3.0, band=(2.5, 5.0))
    assert "no winner" in verdict(compared(*rows))[0]


def test_an_unknown_energy_is_not_compared() -> None:
    sentences = verdict(compared(result("gpu", "gpu", 2.0), result("chip", "neuromorphic", None)))
    assert sentences[0] == "The energy of chip is not known, so it is not compared."


def test_no_ratio_is_made_to_an_energy_of_0() -> None:
    (sentence, *_) = verdict(compared(result("gpu", "gpu", 0.0), result("chip", "neuromorphic", 2.0)))
    assert sentence == "The energy of gpu is 0 by its description, so there is no ratio to it."


def test_an_invalid_result_is_left_out_with_its_reason() -> None:
    bad = result("chip", "neuromorphic", 1.0, problem=Problem("core 3 drops events at step 7", "use more cores"))
    assert "chip is left out" in verdict(compared(result("gpu", "gpu", 2.0), bad))[0]


def test_the_json_has_the_promised_fields_and_keeps_unknowns_null() -> None:
    document = json.loads(json.dumps(to_json(compared(result("chip", "neuromorphic", 4.0)))))
    assert document["format"] == 1
    row = document["results"][0]
    assert (row["machine"], row["accuracy"], row["samples"], row["valid"]) == ("chip", 0.99, 10, True)
    assert (row["latency_us"]["value"], row["latency_us"]["basis"]) == (10.0, "emulated")
    assert (row["energy_uj"]["total"], row["energy_uj"]["basis"]) == (4.0, "emulated")
    assert row["energy_uj"]["stack"] == {"static": 3.0, "io": None}
    assert row["energy_uj"]["uncounted"] == ["io: not published"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (quantity.energy(None), "–"),
        (quantity.energy(0.0), "0 pJ"),
        (quantity.energy(0.00123), "1.23 nJ"),
        (quantity.energy(1500.0), "1.5 mJ"),
        (quantity.duration(999.6), "1 ms"),
        (quantity.duration(999.4), "999 µs"),
        (quantity.duration(2_500_000), "2.5 s"),
        (quantity.size(1536), "1.5 KiB"),
        (quantity.count(1234), "1,234"),
        (quantity.count(5_670_000), "5.67 M"),
        (quantity.share(0.987), "98.70 %"),
    ],
)
def test_quantities_read_as_people_write_them(text: str, expected: str) -> None:
    assert text == expected
