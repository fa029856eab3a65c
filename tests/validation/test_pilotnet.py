"""PilotNet-LIF on the emulated chip is what the traces say and counts what a Loihi 2 counted, where the data are."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from pilotnet import DATA, Layer, pilotnet, read_layers
from pilotnet_evidence import Run, compare_traces, measured_step_us, run_silent, step_errors_us
from write_page import PAGE, page

pytestmark = [
    pytest.mark.skipif(not DATA.is_dir(), reason=f"the published data are not at {DATA}"),
    pytest.mark.skipif(importlib.util.find_spec("h5py") is None, reason="reading the network file needs h5py"),
]


@pytest.fixture(scope="module")
def layers() -> list[Layer]:
    return read_layers()


@pytest.fixture(scope="module")
def run(layers: list[Layer]) -> Run:
    return run_silent(layers, 2)


def test_every_spike_and_state_of_eight_layers_is_the_published_one(layers: list[Layer]):
    rows = compare_traces(layers)
    assert {row.layer for row in rows if row.mismatches} == {"fc-3"}, "fc-3's trace contradicts fc-2's: see the page"
    assert sum(row.values for row in rows if row.what == "spikes") > 2_850_000


def test_the_network_lies_on_the_74_published_cores(layers: list[Layer]):
    cores = pilotnet(layers, 1, period=16, first_reset=0, latency=1).body["cores"]
    assert len(cores) == 74
    assert [core["population"] for core in (cores[15], cores[35], cores[60], cores[73])] == [
        *("conv-4", "conv-1", "conv-0", "input"),
    ]


def test_synaptic_operations_are_within_1_percent_on_all_cores_but_the_last_ones_and_34(run: Run):
    assert {row.core for row in run.synops if abs(row.error) > 0.01} == {16, 19, 34, 35}
    assert all(abs(row.error) < 0.06 for row in run.synops)


def test_neuron_updates_are_within_what_could_be_read(run: Run):
    assert len(run.updates) == 57
    assert all(abs(row.emulated - row.measured) < 5.2e6 for row in run.updates)


def test_step_times_are_within_5_percent_with_two_steps_of_latency(run: Run):
    offset, errors = step_errors_us(run)
    assert offset == 1
    assert np.abs(errors).mean() < 0.05 * measured_step_us().mean()


def test_the_energy_of_a_step_is_within_its_band(run: Run):
    low, _, high = run.energy_uj
    assert low < 1_093.544 / 16 < high


def test_the_page_in_the_spec_is_what_the_data_say(layers: list[Layer]):
    assert PAGE.read_text("utf-8") == page(layers), "run: python tests/validation/write_page.py"
