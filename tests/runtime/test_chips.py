"""The chips' figures are the published ones, and what belongs together in a description stands together."""

import re

import msgspec
import pytest

from striate_runtime.hardware import HARDWARE, Chip, HardwareError, Limit, Quantity, assumed, facts, figures
from striate_runtime.hardware import load_hardware as load
from striate_runtime.hardware import parse_hardware as parse

Figures = dict[str, Quantity | Limit]

LOIHI1_SHARED = """
time.barrier_between_chips[0].latency_us      14.3  measured
time.barrier_between_chips[1].latency_us      16.2  measured
topology.mesh_width                              8  vendor
topology.mesh_height                             4  vendor
topology.cores_per_router                        4  vendor
topology.tile_gspikes_per_s                   3.44  simulated
limits.neuron_slots                           1024  vendor
limits.synapse_words                         16384  vendor
limits.synapse_word_bits                        64  vendor
limits.axons_in                               4096  vendor
limits.axons_out                              4096  vendor
limits.neuron_configurations                    32  vendor
limits.threshold_configurations                 16  vendor
limits.synapse_formats                          16  vendor
packing.entry_header_bits                       10  vendor
packing.synapses_per_entry                      60  vendor
packing.words_per_axon                         256  vendor
packing.destinations_per_group                  16  vendor
numerics.weight_bits                             9  vendor
numerics.membrane_bits                          24  vendor
numerics.soft_reset_slots                        2  vendor
numerics.threshold_bits                         17  vendor
numerics.bias_bits                              13  vendor
numerics.decay_bits                             12  vendor
numerics.refractory_steps                       63  vendor
numerics.axon_delay_steps                       62  vendor
cost.plastic_update_energy_pj                120.0  simulated
cost.plastic_update_latency_ns                 6.1  simulated
static.chip_power_mw                         104.0  measured
static.used_core_power_mw                     0.38  measured  0.38  0.73
host.embedded_cpus                               3  vendor
host.clock_power_mw                           18.0  measured
host.active_power_mw                           6.0  measured
process.node_nm                               14.0  vendor
process.die_area_mm2                          60.0  vendor
process.transistors_millions                2070.0  vendor
process.memory_mb                             33.0  vendor
cost.barrier_energy_pj                     unknown
"""
PUBLISHED = {
    "loihi1_davies18": LOIHI1_SHARED
    + """
time.barrier[0].latency_ns                   113.0  simulated
time.barrier[1].latency_ns                   465.0  simulated
topology.hop_east_west_energy_pj               3.0  simulated
topology.hop_east_west_latency_ns              4.1  simulated
topology.hop_north_south_energy_pj             4.0  simulated
topology.hop_north_south_latency_ns            6.5  simulated
cost.synop_dense_energy_pj                    23.6  simulated
cost.synop_sparse_energy_pj                   23.6  simulated
cost.synop_conv_energy_pj                     23.6  simulated
cost.synop_dense_latency_ns                    3.5  simulated
cost.synop_sparse_latency_ns                   3.5  simulated
cost.synop_conv_latency_ns                     3.5  simulated
cost.neuron_access_energy_pj                  52.0  simulated
cost.neuron_access_latency_ns                  5.3  simulated
cost.neuron_update_energy_pj                  29.0  derived
cost.neuron_update_latency_ns                  3.1  derived
cost.axon_out_energy_pj                        1.7  simulated
cost.axon_out_latency_ns                       2.1  simulated
cost.spike_out_energy_pj                   unknown
cost.axon_in_energy_pj                     unknown
cost.synapse_read_energy_pj                unknown
""",
    "loihi1_sanafe25": LOIHI1_SHARED
    + """
time.barrier[0].latency_ns                   600.0  fitted
time.barrier[1].latency_ns                  1000.0  fitted
time.barrier[2].latency_ns                  1400.0  fitted
time.barrier[3].latency_ns                  1800.0  fitted
topology.hop_east_west_energy_pj               3.0  fitted
topology.hop_east_west_latency_ns              4.1  fitted
topology.hop_north_south_energy_pj             4.2  fitted
topology.hop_north_south_latency_ns            6.5  fitted
topology.link_buffer_messages                   16  fitted
cost.synop_dense_energy_pj                    35.5  fitted
cost.synop_dense_latency_ns                    3.8  fitted
cost.synop_sparse_energy_pj                   33.6  fitted
cost.synop_sparse_latency_ns                   4.7  fitted
cost.synop_conv_energy_pj                     24.0  fitted
cost.synop_conv_latency_ns                     3.1  fitted
cost.neuron_access_energy_pj                  51.2  fitted
cost.neuron_access_latency_ns                  6.0  fitted
cost.neuron_update_energy_pj                  21.6  fitted
cost.neuron_update_latency_ns                  3.7  fitted
cost.spike_out_energy_pj                      69.3  fitted
cost.spike_out_latency_ns                     30.0  fitted
cost.axon_out_energy_pj                      111.0  fitted
cost.axon_out_latency_ns                       5.1  fitted
cost.axon_in_energy_pj                         0.0  fitted
cost.axon_in_latency_ns                       16.0  fitted
""",
    "loihi2": """
time.barrier[0].latency_ns                   200.0  vendor
topology.mesh_width                              8  vendor
topology.mesh_height                             4  vendor
topology.cores_per_router                        4  vendor
limits.neuron_slots                           8192  vendor
limits.synapse_words                         12000  vendor
limits.slab_neurons                           4095  derived  3168  4095
numerics.payload_bits                           24  vendor
policy.neuron_passes                             2  derived
cost.synop_conv_energy_pj                     29.9  derived  24.1  29.9
cost.synop_conv_latency_ns                   1.017  derived
static.chip_power_mw                         232.0  measured  232.0  540.0
host.embedded_cpus                               6  vendor
reported[0].energy_uj                     1661.103  measured
reported[0].power_mw                       679.234  measured
reported[0].latency_us                      152.85  measured
reported[0].frames_per_s                    408.91  measured
reported[1].power_mw                         275.7  measured
reported[1].frames_per_s                     16.87  measured
cost.neuron_update_energy_pj               unknown
cost.spike_out_energy_pj                   unknown
cost.barrier_energy_pj                     unknown
""",
    "truenorth": """
time.tick_ms                                   1.0  vendor
topology.mesh_width                             64  vendor
topology.mesh_height                            64  vendor
topology.cores_per_router                        1  vendor
topology.hop_east_west_energy_pj               2.3  vendor
topology.hop_north_south_energy_pj             2.3  vendor
limits.neuron_slots                            256  vendor
limits.axons_in                                256  vendor
crossbar.axons                                 256  vendor
crossbar.neurons                               256  vendor
crossbar.synapse_bits                            1  vendor
crossbar.axon_types                              4  vendor
crossbar.strength_bits                           9  derived
time.layer_delay_steps                           1  vendor
numerics.axon_delay_steps                       15  vendor
numerics.membrane_bits                          19  derived
numerics.payload_bits                            0  derived
cost.synop_dense_energy_pj                    26.0  derived
cost.synop_sparse_energy_pj                   26.0  derived
cost.synop_conv_energy_pj                     26.0  derived
static.chip_power_mw                       unknown
process.node_nm                               28.0  vendor
process.die_area_mm2                         430.0  vendor
process.supply_v                             0.775  vendor
reported[0].power_mw                          72.0  measured
reported[0].hops_per_dimension                21.3  vendor
reported[1].power_mw                          69.8  derived
reported[2].energy_per_bit_fj                 47.0  vendor
reported[3].energy_per_bit_fj                 72.0  vendor
reported[4].energy_per_bit_fj               2000.0  vendor
reported[5].power_mw                          25.0  measured  25.0  275.0
reported[5].frames_per_s                    1200.0  measured  1200.0  2600.0
reported[5].frames_per_s_per_w              6000.0  measured
reported[6].accuracy_percent                  92.7  measured
reported[6].energy_uj                         0.27  measured
reported[6].latency_us                      1000.0  measured
reported[7].accuracy_percent                  99.4  measured
reported[7].energy_uj                        108.0  measured
reported[7].latency_us                      1000.0  measured
reported[8].accuracy_percent                  96.5  measured
reported[8].latency_us                    105000.0  measured
reported[8].power_mw                         200.0  measured
""",
    "speck": """
time.event_one_layer_latency_us               1.58  measured
time.event_all_layers_latency_us              3.36  measured
packing.destinations_per_group                   2  vendor
layer.input_size                               128  vendor
layer.output_size                               64  vendor
layer.channels                                1024  vendor
layer.kernel_size                               16  vendor
layer.padding                                    7  vendor
numerics.weight_bits                             8  vendor
numerics.membrane_bits                          16  vendor
numerics.threshold_bits                         16  vendor
numerics.bias_bits                               8  vendor
static.chip_power_mw                          0.42  measured
static.rail_io_uw                             61.7  measured
static.rail_memory_uw                         51.7  measured
static.rail_logic_uw                         367.0  measured
static.rail_pixel_digital_uw                  78.9  measured
static.rail_pixel_analog_uw                  610.9  measured
reported[0].accuracy_percent                  98.5  measured
reported[0].energy_uj                        180.0  measured
reported[1].energy_uj                        141.0  measured
reported[2].power_mw                          0.70  measured
reported[3].power_mw                           9.5  measured
reported[4].power_mw                           3.8  measured
cost.synop_conv_energy_pj                  unknown
cost.neuron_update_energy_pj               unknown
""",
}
"""chip -> lines of (field with its unit, value, grade, and the band where there is one), from the publications."""

FACTS = {
    "truenorth": {"time.model": "fixed_tick", "packing.kind": "crossbar", "numerics.reset_native": "zero, subtract"},
    "speck": {
        "time.model": "async_event",
        "packing.kind": "pow2_kernel",
        "numerics.reset_native": "zero, subtract",
        "layer.strides": "1, 2, 4, 8",
        "layer.pool_sizes": "1, 2, 4",
    },
}


def chip(name: str) -> Chip:
    found = load(name)
    assert isinstance(found, Chip)
    return found


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_published_figure_is_there_with_its_unit_and_grade(name: str):
    found: Figures = dict(figures(load(name)))
    for line in PUBLISHED[name].split("\n"):
        if not line:
            continue
        field, value, *rest = line.split()
        figure = found[field]
        if value == "unknown":
            assert figure.value is None, field
            continue
        assert figure.value == float(value), field
        assert figure.grade == rest[0], field
        assert (figure.low, figure.high) == (tuple(map(float, rest[1:])) or (None, None)), field


@pytest.mark.parametrize("name", FACTS)
def test_chips_unlike_the_others_say_what_they_are(name: str):
    said = dict(facts(load(name)))
    assert {field: said[field] for field in FACTS[name]} == FACTS[name]


def test_specks_nine_cores_have_the_published_memories():
    kernel, neuron = [16, 16, 16, 32, 32, 64, 64, 16, 16], [64, 64, 64, 32, 32, 16, 16, 16, 16]
    cores = [each for each in chip("speck").core_classes for _ in range(each.count.value or 0)]
    assert [each.kernel_words.value for each in cores] == [1024 * size for size in kernel]
    assert [each.neuron_words.value for each in cores] == [1024 * size for size in neuron]
    assert {(e.kernel_word_bits.value, e.neuron_word_bits.value, e.bias_words.value) for e in cores} == {(8, 16, 1024)}
    assert [each.first for each in chip("speck").core_classes] == [0, 3, 5, 7]


def test_truenorths_operating_point_follows_from_its_energy_per_event():
    per_event_pj = chip("truenorth").cost.synop_dense_energy_pj.value
    assert per_event_pj is not None
    assert 2**20 * 20 * 128 * per_event_pj * 1e-9 == pytest.approx(69.8, abs=0.05)


def test_the_two_presets_of_loihi_1_are_the_same_chip_but_for_costs_barrier_and_hops():
    davies, sanafe = chip("loihi1_davies18"), chip("loihi1_sanafe25")
    assert msgspec.structs.replace(davies.time, barrier=sanafe.time.barrier) == sanafe.time
    for section in ("packing", "limits", "static", "host", "process"):
        values = [{path: figure.value for path, figure in figures(getattr(each, section))} for each in (davies, sanafe)]
        assert values[0] == values[1]


def test_only_the_teaching_chip_has_assumed_figures_and_it_has_no_others():
    assert [name for name in HARDWARE if assumed(load(name))] == ["teaching"]
    assert len(assumed(load("teaching"))) == len(list(figures(load("teaching"))))


TICK = 'tick_ms = { value = 1.0, grade = "vendor", source = "merolla", scope = "chip" }\n'
PARTS = {
    "a tick without its length": ("truenorth", TICK, "", r"time\.tick_ms: is missing: a chip whose time\.model"),
    "a tick on a chip with barriers": (
        "loihi2",
        'model = "barrier_step"\n',
        'model = "barrier_step"\ntick_ms = { value = 1.0, grade = "vendor", source = "lava" }\n',
        r"time\.tick_ms: belongs to chips whose time\.model is 'fixed_tick', and this one's is 'barrier_step'",
    ),
    "no overlap on a chip with barriers": ("loihi2", 'overlap = "max"\n', "", r"time\.overlap: is missing"),
    "no policy for zeros on it": ("loihi2", "skip_zero_weights = true\n", "", r"policy\.skip_zero_weights: is missing"),
    "a crossbar without one": ("loihi2", '"dense_tap"', '"crossbar"', r"crossbar: is missing"),
    "a core class without its memory": (
        "speck",
        "kernel_words = ",
        "kernel_wordz = ",
        r"core_classes\[0\]\.kernel_wordz",
    ),
    "a layer's limit without its source": (
        "speck",
        'channels = { value = 1024, grade = "vendor", source = "sinabs"',
        'channels = { value = 1024, grade = "vendor", source = "sinab"',
        r"layer\.channels\.source: \[sources\] has no 'sinab'; did you mean 'sinabs'",
    ),
    "a stride of half a pixel": ("speck", "strides = [1, 2, 4, 8]", "strides = [0.5]", r"layer\.strides: "),
    "static power beside an all-in figure": (
        "truenorth",
        'chip_power_mw = { value = "unknown", source = "contained"',
        'chip_power_mw = { value = 72.0, grade = "measured", source = "merolla"',
        r"static\.chip_power_mw: must be unknown: cost\.scope",
    ),
    "a tick in another unit": ("truenorth", "tick_ms = ", "tick_us = ", r"its unit is wrong: this figure is in ms"),
    "a negative latency": ("speck", "value = 1.58", "value = -1.58", r"event_one_layer_latency_us: cannot be negative"),
}


@pytest.mark.parametrize("mistake", PARTS)
def test_what_belongs_together_is_checked_field_by_field(mistake: str):
    name, old, new, message = PARTS[mistake]
    text = load(name).text
    assert old in text, "the mistake can be made"
    with pytest.raises(HardwareError) as caught:
        parse(text.replace(old, new, 1), "my.toml")
    assert re.search(message, str(caught.value)), str(caught.value)
