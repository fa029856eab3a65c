"""PilotNet-SDNN on the emulated chip: lava's traces bit for bit, and the neuron updates that a Loihi 2 counted."""

from __future__ import annotations

import importlib.util

import pytest
from pilotnet import DATA, read_layers
from pilotnet_sdnn import COUNTS_PER_READING, Compared, compare_traces, compare_updates

pytestmark = [
    pytest.mark.skipif(not DATA.is_dir(), reason=f"the published data are not at {DATA}"),
    pytest.mark.skipif(importlib.util.find_spec("h5py") is None, reason="reading the network file needs h5py"),
]


@pytest.fixture(scope="module")
def traces() -> list[Compared]:
    return compare_traces()


def test_with_lavas_rounding_every_sum_is_the_published_one(traces: list[Compared]):
    assert sum(row.values for row in traces) > 680_000
    assert [row.what for row in traces if row.as_lava] == []


def test_deltas_own_rounding_differs_in_the_fourth_layer_and_the_output_alone(traces: list[Compared]):
    assert [row.what.split(",")[0] for row in traces if row.as_delta] == [
        *("network.net: output", "square_network.net: sigma of layer 4"),
    ]


def test_neuron_updates_are_two_for_each_configured_neuron_within_what_could_be_read():
    rows = compare_updates(read_layers())
    assert sum(row.cores for row in rows) == 44
    assert all(abs(row.counted - value) < COUNTS_PER_READING for row in rows for value in row.measured)
