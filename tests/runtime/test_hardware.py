"""The machines that are described, and what is said about a description that is wrong."""

import re
from pathlib import Path

import pytest

from striate_runtime.hardware import (
    ALIASES,
    HARDWARE,
    Chip,
    Gpu,
    HardwareError,
    figures,
    load_hardware,
    parse_hardware,
)

LOIHI1 = load_hardware("loihi1").text


@pytest.mark.parametrize("name", HARDWARE)
def test_every_machine_is_known_by_its_own_name(name: str):
    hardware = load_hardware(name)
    assert hardware.name == name
    assert isinstance(hardware, Chip if hardware.kind == "neuromorphic" else Gpu)


def test_an_alias_is_another_name_of_a_machine():
    assert load_hardware("loihi1") == load_hardware("loihi1_sanafe25")
    assert load_hardware("gpu") == load_hardware("h100")
    assert set(ALIASES.values()) <= set(HARDWARE)


@pytest.mark.parametrize("name", HARDWARE)
def test_every_figure_has_a_source_and_an_unknown_one_says_where_it_was_looked_for(name: str):
    for path, figure in figures(load_hardware(name)):
        assert len(figure.source) > 10, path
        assert (figure.value is None) == (figure.grade is None), path
        assert figure.value is not None or figure.source.startswith("none found"), path


def test_loihi1_has_the_costs_that_sanafe_publishes():
    chip = load_hardware("loihi1")
    assert isinstance(chip, Chip)
    cost, topology = chip.cost, chip.topology
    energies = [cost.synop_dense_energy_pj, cost.synop_sparse_energy_pj, cost.synop_conv_energy_pj]
    assert [figure.value for figure in energies] == [35.5, 33.6, 24.0]
    assert (cost.neuron_access_energy_pj.value, cost.neuron_update_energy_pj.value) == (51.2, 21.6)
    assert (cost.spike_out_energy_pj.value, cost.axon_out_energy_pj.value) == (69.3, 111.0)
    assert (topology.hop_east_west_energy_pj.value, topology.hop_north_south_energy_pj.value) == (3.0, 4.2)


def test_loihi2_charges_one_derived_figure_with_a_band_and_nothing_twice():
    chip = load_hardware("loihi2")
    assert isinstance(chip, Chip)
    synop = chip.cost.synop_conv_energy_pj
    assert (synop.grade, synop.low, synop.value, synop.high) == ("derived", 24.1, 29.9, 29.9)
    assert chip.cost.scope == synop.scope == "all-in dynamic"
    assert chip.cost.neuron_access_energy_pj.value is None


def test_the_text_of_a_description_describes_the_same_machine():
    for name in HARDWARE:
        hardware = load_hardware(name)
        assert parse_hardware(hardware.text, "copy") == hardware


def test_a_users_own_file_is_loaded_by_its_path(tmp_path: Path):
    path = tmp_path / "mychip.toml"
    path.write_text(LOIHI1.replace('name = "loihi1_sanafe25"', 'name = "mychip"'))
    assert load_hardware(path).name == "mychip"
    assert load_hardware(str(path)).name == "mychip"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path):
    with pytest.raises(HardwareError, match=r"nowhere\.toml: cannot be read"):
        load_hardware(tmp_path / "nowhere.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(HardwareError, match=r"binary\.toml: not a text file"):
        load_hardware(tmp_path / "binary.toml")


def test_a_misspelt_machine_gets_the_nearest_name():
    with pytest.raises(HardwareError, match="did you mean 'loihi2'"):
        load_hardware("liohi2")


DENSE = '{ value = 35.5, grade = "fitted", source = "sanafe" }'
MISTAKES = {
    "an unknown field gets the nearest name": (
        "synop_dense_energy_pj",
        "synop_dens_energy_pj",
        r"cost\.synop_dens_energy_pj: is not a field here; did you mean 'synop_dense_energy_pj'",
    ),
    "a missing field": (f"synop_dense_energy_pj = {DENSE}\n", "", r"cost\.synop_dense_energy_pj: is missing"),
    "a missing section": ("[static]", "[sources.x]", r"sources\.x: must be a text"),
    "a wrong unit": ("synop_dense_energy_pj", "synop_dense_energy_nj", "its unit is wrong: this figure is in pj"),
    "no unit": ("synop_dense_energy_pj", "synop_dense_energy", "lacks its unit: 'synop_dense_energy_pj'"),
    "a negative cost": ("value = 35.5", "value = -35.5", r"cost\.synop_dense_energy_pj: cannot be negative: -35.5"),
    "a cost that is no number": ("value = 35.5", "value = true", 'must be a number or "unknown", not True'),
    "an infinite cost": ("value = 35.5", "value = inf", "must be finite"),
    "a bare number": (DENSE, "35.5", "lacks its grade and source"),
    "no source": (', source = "sanafe" }\nsynop_dense_lat', " }\nsynop_dense_lat", "lacks its source"),
    "an unknown source": (
        'value = 35.5, grade = "fitted", source = "sanafe"',
        'value = 35.5, grade = "fitted", source = "sanaf"',
        "did you mean 'sanafe'",
    ),
    "an unknown grade": (
        'value = 35.5, grade = "fitted"',
        'value = 35.5, grade = "guessed"',
        "must be one of measured",
    ),
    "a grade of nothing": ("value = 35.5", 'value = "unknown"', "an unknown figure has no grade"),
    "a derivation that is not told": (
        'value = 35.5, grade = "fitted"',
        'value = 35.5, grade = "derived"',
        "needs a note",
    ),
    "a band beside its value": ("value = 35.5,", "value = 35.5, low = 40.0,", "does not hold its value"),
    "half a memory word": ("value = 16384,", "value = 16384.5,", "must be a whole number"),
    "an unknown model of time": ('"barrier_step"', '"wall_clock"', r"time\.model: must be 'barrier_step'"),
    "an unknown reset": ('["zero"]', '["none"]', r"numerics\.reset_native: "),
    "a barrier of no tiles": ("tiles = 28", "tiles = 0", r"time\.barrier\[2\]\.tiles: "),
    "an unknown kind": ('kind = "neuromorphic"', 'kind = "abacus"', "kind: must be 'neuromorphic' or 'gpu'"),
    "an unknown section": ("[io]", "[ioo]", "ioo: is not a field here; did you mean 'io'"),
    "no TOML": ("[static]", "[static", "not valid TOML"),
    "an all-in cost beside its parts": (
        'scope = "per-op"\nsynop',
        'scope = "all-in dynamic"\nsynop',
        "must be unknown",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_description_names_file_and_field(mistake: str):
    old, new, message = MISTAKES[mistake]
    assert old in LOIHI1, "the mistake can be made"
    with pytest.raises(HardwareError) as caught:
        parse_hardware(LOIHI1.replace(old, new, 1), "my.toml")
    assert str(caught.value).startswith("my.toml: ")
    assert re.search(message, str(caught.value)), str(caught.value)


def test_the_specification_names_every_field_of_a_description():
    page = (Path(__file__).parents[2] / "spec" / "hardware.md").read_text("utf-8")
    named = set(re.findall(r"[a-z][a-z0-9_]+", page))
    stems = {match.removesuffix("_*") for match in re.findall(r"[a-z_]+_\*", page)}
    for name in HARDWARE:
        for path, _ in figures(load_hardware(name)):
            field = path.rsplit(".", 1)[-1]
            starred = any(field.startswith(stem) for stem in stems)
            assert field in named or starred, f"spec/hardware.md does not name {path}"
