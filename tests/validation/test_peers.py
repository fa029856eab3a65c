"""What the spec says of other simulators is what their scripts wrote, and what is written there of ours is still so."""

from __future__ import annotations

import json

import pytest
from compare_neurobench import cases
from compare_sanafe import ours
from compare_truenorth import drawn, truenorth_cores
from peer_networks import convolutional
from peer_sections import RESULTS, sections
from write_page import PAGE


@pytest.mark.parametrize("name", ["sanafe", "truenorth", "neurobench", "simulators"])
def test_the_spec_has_the_section_that_the_results_give(name: str):
    assert sections()[name] in PAGE.read_text("utf-8"), "run: python tests/validation/write_page.py"


def test_what_was_compared_with_sanafe_is_what_is_counted_now():
    kept = json.loads((RESULTS / "sanafe.json").read_text("utf-8"))["convolutional"]["ours"]
    now = ours(convolutional())
    for part in ("cores", "spikes", "counts"):
        assert now[part] == kept[part]
    for part in ("energy_uj", "us"):
        assert now[part] == pytest.approx(kept[part], rel=1e-12)


def test_what_was_compared_with_neurobench_is_what_is_measured_now():
    kept = json.loads((RESULTS / "neurobench.json").read_text("utf-8"))
    for name, (own, _) in cases().items():
        assert json.loads(json.dumps(own)) == kept[name]["ours"]


def test_every_spike_of_truenorths_cores_is_sanafes():
    found = json.loads((RESULTS / "truenorth.json").read_text("utf-8"))
    assert found["differ"] == 0
    assert found["spikes"] > 10_000
    chips = [truenorth_cores.build(drawn(seed)[0]) for seed in range(found["networks"])]
    assert sum(len(chip.cores) for chip in chips) == found["cores"]
    assert sum(len(core.slots) for chip in chips for core in chip.cores) == found["neurons"]


def test_energies_and_times_are_sanafes():
    for result in json.loads((RESULTS / "sanafe.json").read_text("utf-8")).values():
        own, theirs = result["ours"], result["sanafe"]
        assert own["energy_uj"]["total"] == pytest.approx(theirs["energy_uj"]["total"], rel=2e-4)
        assert own["energy_uj"]["synapse"] == pytest.approx(theirs["energy_uj"]["synapse"], rel=1e-9)
        assert own["energy_uj"]["routing"] == pytest.approx(theirs["energy_uj"]["network"], rel=1e-9)
        assert own["us"]["simple, as SANA-FE splits steps"] == pytest.approx(theirs["simple_us"], rel=1e-9)
        assert own["counts"]["synaptic operations"] == theirs["rest"]["spikes"]
