"""What the emulated chip counts and charges: conservation, sums, and closed forms."""

import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from neuromorphic_generator import networks
from neuromorphic_networks import Net, integrator, oracle

from striate_runtime.device import open_device
from striate_runtime.hardware import load_hardware
from striate_runtime.profile import Profile
from striate_runtime.program.neuromorphic import Population, Projection

Array = npt.NDArray[Any]

LOIHI1 = load_hardware("loihi1").text


def profile(net: Net, values: Array, text: str | None = None) -> Profile:
    with open_device(net.program(text)) as device:
        return device.profile({"x": values.astype(np.float32)})[1]


def pieces(net: Net, cut: int) -> Net:
    return net.cut(**{population.name: cut for population in net.populations})


def check_conservation(net: Net, values: Array) -> None:
    counts = profile(net, values).counts
    truths = [oracle(net, {"x": sample}) for sample in values]
    assert counts["synops"] * len(values) == sum(truth.synops for truth in truths)
    assert counts["messages_sent"] * len(values) == sum(truth.messages_sent for truth in truths)
    assert counts["messages_received"] * len(values) == sum(truth.messages_received for truth in truths)
    on_cores = {core.population for core in net.cores()}
    spikes = sum(int(truth.spikes[name].sum()) for truth in truths for name in on_cores)
    assert counts["events_out"] * len(values) == spikes
    everywhere = counts["messages_received"] + counts["messages_dropped"] + counts["messages_in_flight"]
    assert counts["messages_sent"] == everywhere
    assert counts["messages_sent"] == counts["messages_out"] + counts["messages_injected"]
    assert counts["messages_received"] == counts["messages_in"]


@settings(max_examples=30, deadline=None, derandomize=True)
@given(case=networks("graded"), cut=st.integers(1, 3))
def test_synaptic_operations_and_messages_are_those_of_a_brute_force_count_in_graded_networks(
    case: tuple[Net, Array], cut: int
):
    check_conservation(pieces(case[0], cut), case[1])


@settings(max_examples=30, deadline=None, derandomize=True)
@given(case=networks("rate"), cut=st.integers(1, 3))
def test_synaptic_operations_and_messages_are_those_of_a_brute_force_count_in_spiking_networks(
    case: tuple[Net, Array], cut: int
):
    check_conservation(pieces(case[0], cut), case[1])


@settings(max_examples=15, deadline=None, derandomize=True)
@given(case=networks("rate"), cut=st.integers(1, 3))
def test_layers_and_cores_each_add_up_to_the_whole(case: tuple[Net, Array], cut: int):
    took = profile(pieces(case[0], cut), case[1])
    stack = {part: figure.value for part, figure in took.energy_uj.stack.items()}
    for rows in (took.layers, took.cores):
        for part, value in stack.items():
            shares = [row.energy_uj[part] for row in rows]
            if value is None:
                assert all(share is None for share in shares)
            else:
                assert sum(share or 0.0 for share in shares) == pytest.approx(value, rel=1e-12)
        for name in ("synops", "messages_in", "messages_out", "hops_east_west", "hops_north_south", "neuron_updates"):
            assert sum(row.counts[name] for row in rows) == pytest.approx(took.counts[name], rel=1e-12)
    total = took.energy_uj.total.value
    assert total == pytest.approx(sum(value for value in stack.values() if value is not None), rel=1e-12)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(case=networks("rate"), cut=st.integers(1, 3))
def test_energy_is_the_sum_of_counts_times_costs(case: tuple[Net, Array], cut: int):
    took = profile(pieces(case[0], cut), case[1])
    counts, stack = took.counts, took.energy_uj.stack
    synapse_pj = 35.5 * counts["synops_dense"] + 33.6 * counts["synops_sparse"] + 24.0 * counts["synops_conv"]
    neuron_pj = 51.2 * counts["neuron_updates"] + 21.6 * counts["active_neurons"] + 69.3 * counts["events_out"]
    hops_pj = 3.0 * counts["hops_east_west"] + 4.2 * counts["hops_north_south"]
    assert stack["synapse"].value == pytest.approx(synapse_pj * 1e-6, rel=1e-12)
    assert stack["neuron"].value == pytest.approx(neuron_pj * 1e-6, rel=1e-12)
    assert stack["routing"].value == pytest.approx((111.0 * counts["messages_out"] + hops_pj) * 1e-6, rel=1e-12)
    latency_us = took.latency_us.value
    assert latency_us is not None
    assert stack["static"].value == pytest.approx(104.0 * latency_us * 1e-3, rel=1e-12)
    assert stack["host"].value == pytest.approx(3 * 18.0 * latency_us * 1e-3, rel=1e-12)
    assert stack["host"].high == pytest.approx(3 * 24.0 * latency_us * 1e-3, rel=1e-12)


def chain() -> tuple[Net, Array]:
    """8 pixels, each of 3 channels, to 16 neurons and 4 readouts; all weights 1 but one row of zeros."""
    weights = np.ones((24, 16), np.int8)
    weights[:, 5] = 0
    arrays = {"w": weights, "v": np.ones((16, 4), np.int8)}
    populations = (
        Population("x", "x", (3, 2, 4), "input"),
        Population("h", "hidden", (16, 1, 1), "graded", fires_at=1, low=0, high=100),
        Population("y", "out", (4, 1, 1), "readout", fires_at=2, output="y"),
    )
    projections = (
        Projection("p", "hidden", "x", "h", "dense", weights="w"),
        Projection("q", "out", "h", "y", "dense", weights="v"),
    )
    return Net("graded", 3, populations, projections, arrays), np.ones((1, 3, 2, 4))


def test_a_step_lasts_as_long_as_its_busiest_core_and_the_barrier():
    net, values = chain()
    took = profile(net, values)
    first = 16 * 6.0  # both cores only look at their neurons, the larger has 16
    arriving = 24 * 16.0 + 24 * 15 * 3.8
    firing = 16 * 6.0 + 15 * (3.7 + 30.0 + 5.1)
    last = 15 * 16.0 + 15 * 4 * 3.8
    barrier = 600.0
    expected_ns = first + max(arriving, firing) + max(last, 16 * 6.0) + 3 * barrier
    assert took.latency_us.value == pytest.approx(expected_ns / 1000, rel=1e-12)


@pytest.mark.parametrize(("chip", "updates"), [("loihi1", 3 * 2 + 1), ("loihi2", 2 * (3 + 1))])
def test_a_neuron_is_updated_in_every_slot_that_its_soft_reset_takes(chip: str, updates: int):
    arrays = {name: np.array([5], np.int32) for name in ("threshold", "initial")}
    arrays |= {
        "thresholds": np.array([5, 5, 5], np.int32),
        "w": np.ones((1, 3), np.int8),
        "v": np.ones((3, 1), np.int8),
    }
    populations = (
        Population("x", "x", (1, 1, 1), "input", threshold="threshold", initial="initial"),
        Population("h", "h", (3, 1, 1), "integrate_and_fire", fires_at=1, threshold="thresholds"),
        Population("y", "y", (1, 1, 1), "readout", fires_at=2, output="y"),
    )
    projections = (
        Projection("p", "h", "x", "h", "dense", weights="w"),
        Projection("q", "y", "h", "y", "dense", weights="v"),
    )
    net = Net("rate", 4, populations, projections, arrays)
    took = profile(net, np.ones((1, 1, 1, 1)), load_hardware(chip).text)
    assert took.counts["neuron_updates"] == 4 * updates


def test_work_in_turn_takes_longer_than_work_at_once():
    net, values = chain()
    at_once, in_turn = profile(net, values), profile(net, values, LOIHI1.replace('"max"', '"sum"'))
    assert at_once.latency_us.value is not None
    assert in_turn.latency_us.value is not None
    assert in_turn.latency_us.value > at_once.latency_us.value


@pytest.mark.parametrize("name", ["loihi1_davies18", "loihi1_sanafe25", "loihi2", "teaching"])
def test_doubled_costs_double_the_energy(name: str):
    net, values = chain()
    text = load_hardware(name).text
    costs = re.compile(r"^\w+_(?:energy_pj|power_mw) = .*$", re.MULTILINE)
    numbers = re.compile(r"\b((?:value|low|high) = )([\d.]+)")
    doubled = costs.sub(lambda line: numbers.sub(lambda m: f"{m[1]}{2 * float(m[2])}", line[0]), text)
    once, twice = profile(net, values, text), profile(net, values, doubled)
    assert twice.latency_us.value == once.latency_us.value
    assert once.energy_uj.total.value
    assert twice.energy_uj.total.value == pytest.approx(2 * once.energy_uj.total.value, rel=1e-12)
    for part, figure in once.energy_uj.stack.items():
        if figure.value is not None:
            assert twice.energy_uj.stack[part].value == pytest.approx(2 * figure.value, rel=1e-12)


def test_an_all_in_figure_contains_static_power_too_where_it_says_so():
    net, values = chain()
    text = load_hardware("loihi2").text.replace('scope = "all-in dynamic"\nsynop', 'scope = "all-in"\nsynop')
    unknown = 'chip_power_mw = { value = "unknown", source = "searched" }'
    took = profile(net, values, re.sub(r"^chip_power_mw = .*$", unknown, text, flags=re.MULTILINE))
    static, synapse = took.energy_uj.stack["static"], took.energy_uj.stack["synapse"]
    assert (static.value, static.note) == (None, "contained in synapse")
    assert synapse.note == "contains neuron, memory, routing and static"
    assert took.energy_uj.total.value == synapse.value == pytest.approx(29.9e-6 * (24 * 15 + 15 * 4))
    assert [line.split(":")[0] for line in took.energy_uj.uncounted] == ["io", "host"]


def test_a_result_of_assumed_figures_says_so_beside_its_energy_and_in_its_notes():
    net, values = chain()
    for name, assumed in (("teaching", True), ("loihi2", False), ("loihi1_davies18", False)):
        took = profile(net, values, load_hardware(name).text)
        assert ("figures of the teaching chip are assumed" in took.energy_uj.total.note) == assumed
        assert any("are assumed" in note for note in took.notes) == assumed
    one = LOIHI1.replace('value = 33.6, grade = "fitted"', 'value = 33.6, grade = "assumed"')
    assert "1 of the figures" in profile(net, values, one).energy_uj.total.note


def test_a_step_takes_no_less_time_than_the_barrier_when_nothing_happens():
    net, values = chain()
    took = profile(net, 0 * values)
    assert took.latency_us.value == pytest.approx(3 * (16 * 6.0 + 600.0) / 1000)
    assert took.counts["synops"] == took.counts["messages_sent"] == 0


def test_hops_are_counted_along_x_and_y_and_none_within_a_router():
    net, values = chain()
    near = profile(net.cut(h=2), values)  # 3 cores, all at router (0, 0)
    assert near.counts["hops_east_west"] == near.counts["hops_north_south"] == 0
    far = profile(net.cut(h=16, y=4), values)  # hidden neurons at x = 0..3, readouts at x = 4
    assert far.counts["hops_north_south"] == 0
    distances = sum(4 * (4 - core // 4) for core in range(16) if core != 5)
    assert far.counts["hops_east_west"] == distances


def test_loihi2_charges_everything_to_the_synapse_within_a_band_and_lists_what_it_leaves_out():
    net, values = chain()
    took = profile(net, values, load_hardware("loihi2").text)
    synapse, routing = took.energy_uj.stack["synapse"], took.energy_uj.stack["routing"]
    synops = 24 * 15 + 15 * 4
    assert synapse.value == pytest.approx(29.9e-6 * synops)
    assert (synapse.low, synapse.high) == (pytest.approx(24.1e-6 * synops), pytest.approx(29.9e-6 * synops))
    assert routing.value is None
    assert routing.note == "contained in synapse"
    assert [line.split(":")[0] for line in took.energy_uj.uncounted] == ["io", "host"]
    assert f"here there are {synops / (3 * 20):.1f} synaptic operations for each neuron and step" in (
        took.energy_uj.total.note
    )
    static = took.energy_uj.stack["static"].value
    assert static is not None
    assert took.energy_uj.total.value == pytest.approx(29.9e-6 * synops + static)


def test_loihi2_steps_last_as_long_as_the_synaptic_operations_of_the_busiest_core():
    net, values = chain()
    took = profile(net.cut(h=2), values, load_hardware("loihi2").text)
    assert took.latency_us.value == pytest.approx((24 * 8 * 1.017 + 15 * 4 * 1.017 + 3 * 200.0) / 1000)
    assert (
        "no published time (axon in, synapse read, neuron update, spike out, axon out, neuron access)"
        in took.latency_us.note
    )


def test_a_potential_beyond_the_chips_membrane_makes_the_result_invalid_and_names_core_and_step():
    net = integrator(1000, 900, 0, 100)
    took = profile(net, np.full((1, 1, 1, 1), 1000))
    assert took.valid
    small = re.sub(r"membrane_bits = \{ value = 24", "membrane_bits = { value = 10", LOIHI1)
    took = profile(net, np.full((1, 1, 1, 1), 1000), small)
    assert not took.valid
    assert took.problems[0].message.startswith("core 0 (layer 'y'): ")
    assert "4-bit membrane, first at step 8" in took.problems[0].message
    assert "fewer steps" in took.problems[0].knob


def test_an_unknown_cost_leaves_its_part_out_and_says_so():
    net, values = chain()
    text = re.sub(
        r"hop_east_west_energy_pj = \{[^}]*\}",
        'hop_east_west_energy_pj = { value = "unknown", source = "none" }',
        LOIHI1,
    )
    took = profile(net.cut(h=16, y=4), values, text)
    assert any("topology.hop_east_west_energy_pj is unpublished" in line for line in took.energy_uj.uncounted)
    assert took.energy_uj.stack["routing"].value == pytest.approx(111.0e-6 * took.counts["messages_out"])


def test_messages_between_chips_are_counted_apart_and_both_chips_draw_static_power():
    net, values = chain()
    program = net.program()
    program.body["cores"][1]["chip"] = 1
    with open_device(program) as device:
        took = device.profile({"x": values.astype(np.float32)})[1]
    assert took.counts["chip_crossings"] == took.counts["messages_out"] == 15
    assert took.counts["hops_east_west"] == 0
    assert any("hop_between_chips_energy_pj" in line for line in took.energy_uj.uncounted)
    assert took.latency_us.value is not None
    assert took.energy_uj.stack["static"].value == pytest.approx(2 * 104.0 * took.latency_us.value * 1e-3)


def test_every_figure_of_a_profile_is_emulated():
    net, values = chain()
    took = profile(net, values)
    figures = [took.latency_us, took.energy_uj.total, *took.energy_uj.stack.values()]
    assert {figure.basis for figure in figures} == {"emulated"}
