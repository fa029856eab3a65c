"""How long steps take: closed forms at every level, bounds between levels, and work that is late."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from neuromorphic_generator import networks
from neuromorphic_networks import Net, integrator
from timed_chips import EAST_WEST, NORTH_SOUTH, Sent, chip, core, description, duration, held_up, parsed, step_of

from striate_runtime.device import DeviceError, open_device
from striate_runtime.hardware import Chip, load_hardware
from striate_runtime.neuromorphic.chip import EmulatedChip
from striate_runtime.neuromorphic.costs.barrier import barrier_ns
from striate_runtime.neuromorphic.costs.counts import CORE_COLUMNS, MESSAGES_OUT
from striate_runtime.neuromorphic.costs.levels import LEVELS, level_steps_ns
from striate_runtime.neuromorphic.costs.messages import Messages, messages_of, senders_of
from striate_runtime.neuromorphic.costs.timing import core_times_ns, message_times_ns
from striate_runtime.neuromorphic.event_driven.timing import event_latency
from striate_runtime.neuromorphic.tracing import make_room
from striate_runtime.profile import Profile
from striate_runtime.program.neuromorphic import Core

Array = npt.NDArray[Any]

FINER = LEVELS[1:]
RATE = 0.5
"""Messages in a ns that a link carries, where a test has links that are slow: 2 ns for each."""

# --- closed forms -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", FINER)
def test_a_core_that_sends_nothing_takes_its_pass(level: str):
    assert duration(level, [core(0)], step_of(1, [], [123.0]), chip()) == 123.0


@pytest.mark.parametrize("level", FINER)
@pytest.mark.parametrize(("x", "y"), [(0, 0), (3, 0), (0, 2), (5, 3)])
def test_one_message_takes_its_hops_and_its_service(level: str, x: int, y: int):
    line = [core(0, x, y), core(1, 0, 0)]
    took = duration(level, line, step_of(2, [Sent(0, 1, 10.0, 50.0)]), chip())
    assert took == 10.0 + x * EAST_WEST + y * NORTH_SOUTH + 50.0


@pytest.mark.parametrize("level", FINER)
def test_a_pass_that_outlasts_every_message_is_the_step(level: str):
    line = [core(0), core(1, 3)]
    assert duration(level, line, step_of(2, [Sent(0, 1, 10.0, 50.0)], [0.0, 1000.0]), chip()) == 1000.0


@pytest.mark.parametrize("level", FINER)
def test_messages_to_one_core_are_worked_on_one_after_the_other(level: str):
    around = [core(0), *(core(k, 1, 0) for k in range(1, 6))]
    sent = [Sent(k, 0, 0.0, 100.0) for k in range(1, 6)]
    assert duration(level, around, step_of(6, sent), chip(tile_gspikes_per_s=RATE)) == EAST_WEST + 500.0


@pytest.mark.parametrize("k", [1, 2, 7])
def test_messages_over_one_link_follow_each_other_at_its_rate(k: int):
    here = [core(n) for n in range(k)]
    there = [core(k + n, 1, 0) for n in range(k)]
    sent = [Sent(n, k + n, 0.0, 30.0) for n in range(k)]
    took = duration("events", [*here, *there], step_of(2 * k, sent), chip(tile_gspikes_per_s=RATE))
    assert took == (k - 1) / RATE + EAST_WEST + 30.0


def test_messages_on_links_of_their_own_do_not_wait_for_each_other():
    rows = [core(2 * y + end, 4 * end, y) for y in range(4) for end in range(2)]
    sent = [Sent(2 * y, 2 * y + 1, 0.0, 30.0) for y in range(4)]
    assert duration("events", rows, step_of(8, sent), chip(tile_gspikes_per_s=RATE)) == 4 * EAST_WEST + 30.0


def test_the_first_of_a_buffer_holds_up_those_behind_it_though_their_link_is_free():
    """Core 0 sends to core 2, then to core 3, both through (1, 0); the link from there to core 2 is taken until 30."""
    cores = [core(0), core(1, 1, 0), core(2, 2, 0), core(3, 1, 1)]
    sent, others = [Sent(0, 2, 1.0, 1.0), Sent(0, 3, 2.0, 5.0)], [Sent(1, 2, 0.0, 1.0)] * 3
    slow = chip(tile_gspikes_per_s=0.1)
    assert duration("events", cores, step_of(4, sent), slow) == 1.0 + 10.0 + 10.0 + 10.0 + 5.0
    assert duration("events", cores, step_of(4, sent + others), slow) == 30.0 + 10.0 + 5.0


def test_the_door_of_a_core_holds_so_many_of_its_messages_twice_over():
    """`events`: what waits at either door, and the one that is worked on; the next holds its sender up."""
    buffer, service = 2, 100.0
    cores, hardware = [core(0), core(1)], chip(link_buffer_messages=buffer)
    for k, held in ((2 * buffer + 1, 0.0), (2 * buffer + 2, service)):
        messages = step_of(2, [Sent(0, 1, 0.0, service)] * k)
        assert held_up("events", cores, messages, hardware) == held
        assert duration("events", cores, messages, hardware) == k * service


@pytest.mark.parametrize("hops", [0, 1, 3])
def test_a_crowded_way_holds_its_sender_up(hops: int):
    """`detailed`: the k-th of messages sent at once finds k - 2 under way, since the first is being worked on."""
    buffer, service = 2, 1000.0
    cores, hardware = [core(0), core(1, hops)], chip(link_buffer_messages=buffer, hop_east_west_latency_ns=0)
    counted = 1 / 2 if hops == 0 else 1.0  # of a message, summed over its way
    fits = int((hops + 1) * buffer / counted) + 2
    for k in (fits, fits + 1):
        messages = step_of(2, [Sent(0, 1, 0.0, service)] * k)
        over = max(0.0, (k - 2) * counted - (hops + 1) * buffer)
        assert held_up("detailed", cores, messages, hardware) == over * service
        assert duration("detailed", cores, messages, hardware) == k * service


SANAFE_NS = {
    ((1, 2), 5, (60, 60)): 1830.2,
    ((1, 2), 40, (60, 60)): 10757.8,
    ((1, 2), 40, (60, 10)): 10365.1,
    ((4, 8), 5, (60, 60)): 2284.42,
    ((4, 8), 40, (60, 60)): 10824.42,
    ((4, 8), 40, (60, 10)): 10771.6,
}
"""What SANA-FE 2.2.9 gave as `detailed`: cores of two receivers, inputs on core 0 that each reach all neurons of both,
how many neurons those have -> ns, the barrier included."""


@pytest.mark.parametrize(("targets", "inputs", "fans"), SANAFE_NS)
def test_one_core_that_sends_to_two_takes_as_long_as_in_sanafe(
    targets: tuple[int, int], inputs: int, fans: tuple[int, int]
):
    cores = [core(n, *divmod(place // 4, 4)) for n, place in enumerate((0, *targets))]
    sent = [
        Sent(0, n + 1, 5.1 * (2 * k + n + 1), 16.0 + 3.8 * fan) for k in range(inputs) for n, fan in enumerate(fans)
    ]
    barrier = 600.0 if targets == (1, 2) else 1000.0
    hardware = load_hardware("loihi1_sanafe25")
    assert isinstance(hardware, Chip)
    took = duration("detailed", cores, step_of(3, sent, [0.0, *(6.0 * fan for fan in fans)]), hardware) + barrier
    assert took == pytest.approx(SANAFE_NS[targets, inputs, fans], abs=0.006)


@pytest.mark.parametrize("level", FINER)
def test_without_a_published_buffer_no_sender_stands_still(level: str):
    messages = step_of(2, [Sent(0, 1, 0.0, 100.0)] * 50)
    hardware = chip(link_buffer_messages="unknown")
    assert held_up(level, [core(0), core(1)], messages, hardware) == 0.0
    assert duration(level, [core(0), core(1)], messages, hardware) == 5000.0


@pytest.mark.parametrize("level", FINER)
def test_what_the_host_injects_queues_at_its_core_alone(level: str):
    """Two cores, more messages than any buffer: what waits before one does not hold up the other."""
    sent = [Sent(2, 0, 0.0, 100.0)] * 40 + [Sent(2, 1, 0.0, 1.0)] * 3
    cores = [core(0), core(1)]
    assert duration(level, cores, step_of(2, sent), chip(link_buffer_messages=1)) == 4000.0
    assert held_up(level, cores, step_of(2, sent), chip(link_buffer_messages=1)) == 0.0


@pytest.mark.parametrize("level", FINER)
def test_between_chips_a_message_takes_no_known_time(level: str):
    cores = [core(0, 3, 3), core(1, 0, 0, on=1)]
    assert duration(level, cores, step_of(2, [Sent(0, 1, 10.0, 5.0)]), chip()) == 15.0


@pytest.mark.parametrize("level", FINER)
def test_a_core_that_works_in_turn_takes_messages_after_its_neurons(level: str):
    text = load_hardware("loihi1").text.replace('overlap = "max"', 'overlap = "sum"')
    in_turn = parsed(text)
    messages = step_of(2, [Sent(0, 1, 0.0, 50.0)], [0.0, 1000.0])
    assert duration(level, [core(0), core(1)], messages, in_turn) == 1050.0


def test_cores_that_wait_for_each_other_in_turn_work_on_what_has_come():
    """Both send more than all buffers hold before either has ended its pass: neither waits for ever."""
    text = description(link_buffer_messages=1).replace('overlap = "max"', 'overlap = "sum"')
    sent = [Sent(a, 1 - a, 1.0 * k, 10.0) for a in (0, 1) for k in range(20)]
    took = duration("events", [core(0), core(1)], step_of(2, sent), parsed(text))
    assert 200.0 <= took <= 20 * 2 * 10.0 + 20.0


# --- any messages -----------------------------------------------------------------------------------------------------


@st.composite
def steps(draw: st.DrawFn) -> tuple[list[Core], Messages]:
    """Up to 8 cores anywhere on a mesh of 4 x 3 routers, and up to 60 messages among them and from the host."""
    number = draw(st.integers(1, 8))
    cores = [core(k, draw(st.integers(0, 3)), draw(st.integers(0, 2))) for k in range(number)]
    whole = st.integers(0, 400)
    sent = [
        Sent(draw(st.integers(0, number)), draw(st.integers(0, number - 1)), draw(whole) / 2, draw(whole) / 4)
        for _ in range(draw(st.integers(0, 60)))
    ]
    return cores, step_of(number, sent, [draw(whole) * 1.0 for _ in range(number)])


def bound(cores: list[Core], messages: Messages, link_ns: float) -> float:
    """No step ends before its longest pass, its busiest receiver, its heaviest link, or any message by itself."""
    work = np.bincount(messages.target, messages.service_ns, minlength=len(cores))
    loads: dict[tuple[int, ...], int] = {}
    alone = [0.0]
    ends: list[tuple[int, int]] = np.stack([messages.source, messages.target], 1).tolist()
    for (source, target), ready, service in zip(ends, messages.ready_ns, messages.service_ns, strict=True):
        way = [] if source == len(cores) else links(cores[source], cores[target])
        alone.append(ready + sum(NORTH_SOUTH if vertical else EAST_WEST for *_, vertical in way) + service)
        for link in way:
            loads[link] = loads.get(link, 0) + 1
    return max(messages.pass_ns.max(), work.max(initial=0.0), max(loads.values(), default=0) * link_ns, *alone)


def links(source: Core, target: Core) -> list[tuple[int, int, int, int]]:
    """The links of a way, x first: where it starts, where it leads, whether it is along y."""
    xs = range(source.x, target.x, 1 if target.x > source.x else -1)
    ys = range(source.y, target.y, 1 if target.y > source.y else -1)
    sign_x, sign_y = np.sign(target.x - source.x), np.sign(target.y - source.y)
    return [(x, source.y, int(sign_x), 0) for x in xs] + [(target.x, y, int(sign_y), 1) for y in ys]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(case=steps(), buffer=st.sampled_from([1, 2, "unknown"]), rate=st.sampled_from([0.01, RATE, "unknown"]))
def test_no_level_ends_a_step_before_what_it_must_do(case: tuple[list[Core], Messages], buffer: Any, rate: Any):
    cores, messages = case
    hardware = chip(link_buffer_messages=buffer, tile_gspikes_per_s=rate)
    assert duration("detailed", cores, messages, hardware) >= bound(cores, messages, 0.0) - 1e-6
    per_link = 0.0 if rate == "unknown" else 1 / rate
    assert duration("events", cores, messages, hardware) >= bound(cores, messages, per_link) - 1e-6


@settings(max_examples=15, deadline=None, derandomize=True)
@given(case=steps())
def test_injected_messages_alone_take_as_long_as_the_busiest_core(case: tuple[list[Core], Messages]):
    cores, messages = case
    sent = [Sent(len(cores), int(target), 0.0, 8.0) for target in messages.target]
    injected = step_of(len(cores), sent, messages.pass_ns[0, :-1].tolist())
    busiest = max(injected.pass_ns.max(), 8.0 * np.bincount(injected.target, minlength=1).max(initial=0))
    for level in FINER:
        assert duration(level, cores, injected, chip()) == busiest


@settings(max_examples=15, deadline=None, derandomize=True)
@given(case=steps())
def test_a_later_start_of_all_is_a_later_end_by_as_much(case: tuple[list[Core], Messages]):
    cores, messages = case
    sent = [
        Sent(int(s), int(t), float(r), float(w))
        for s, t, r, w in zip(messages.source, messages.target, messages.ready_ns, messages.service_ns, strict=True)
    ]
    later = [Sent(m.source, m.target, m.ready_ns + 4096.0, m.service_ns) for m in sent]
    if not sent:
        return
    for level in FINER:
        early, late = (duration(level, cores, step_of(len(cores), each), chip()) for each in (sent, later))
        assert late == pytest.approx(early + 4096.0, rel=1e-12)


# --- a program's messages ---------------------------------------------------------------------------------------------


def followed(net: Net, values: Array, text: str | None = None) -> tuple[EmulatedChip, Array, Array, Messages]:
    """The device, counts `[steps, cores, COLUMNS]`, updates and messages of one sample."""
    device = open_device(net.program(text))
    assert isinstance(device, EmulatedChip)
    counts, updates = device.step_counts({"x": values[None].astype(np.float32)})
    built, state = make_room(device._built, net.steps)  # pyright: ignore[reportPrivateUsage]
    device._built, device._states = built, [state]  # pyright: ignore[reportPrivateUsage]
    device.step_counts({"x": values[None].astype(np.float32)})
    messages = messages_of(built, senders_of(built), state, counts[0], updates[0], device.hardware)
    return device, counts[0], updates[0], messages


@settings(max_examples=15, deadline=None, derandomize=True)
@given(case=networks("rate"), cut=st.integers(1, 3))
def test_a_samples_messages_are_what_was_counted_one_by_one(case: tuple[Net, Array], cut: int):
    net = case[0].cut(**{population.name: cut for population in case[0].populations})
    device, counts, updates, messages = followed(net, case[1][0])
    number = np.diff(messages.start, axis=1)[:, :-1]
    assert np.array_equal(number, counts[:, :, MESSAGES_OUT])
    silent = counts.copy()
    silent[..., :5] = 0
    passes = core_times_ns(silent[None], updates[None], device.hardware)
    assert passes is not None
    assert np.allclose(messages.pass_ns[:, :-1], passes[0], rtol=1e-12)
    for step in range(net.steps):
        for source in range(len(net.cores())):
            ready = messages.ready_ns[slice(*messages.start[step, source : source + 2])]
            assert (np.diff(ready) > 0).all(), "each message takes its sender some time"
            assert (ready <= messages.pass_ns[step, source] * (1 + 1e-12)).all()


@settings(max_examples=15, deadline=None, derandomize=True)
@given(case=networks("rate"), cut=st.integers(1, 3))
def test_what_messages_cost_their_receivers_is_what_was_counted(case: tuple[Net, Array], cut: int):
    """Where every delay is 1: a step's messages are those that the counts have one step later."""
    if any(projection.delay != 1 for projection in case[0].projections):
        return
    net = case[0].cut(**{population.name: cut for population in case[0].populations})
    device, counts, _, messages = followed(net, case[1][0])
    counted = message_times_ns(counts, device.hardware)
    step = np.searchsorted(messages.start[:, -1], np.arange(len(messages.source)), side="right")
    worked = np.zeros(counted.shape)
    np.add.at(worked, (step, messages.target), messages.service_ns)
    assert np.allclose(worked[:-1], counted[1:], rtol=1e-12)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(case=networks("rate"), cut=st.integers(1, 3), overlap=st.sampled_from(("max", "sum")), active=st.booleans())
def test_a_step_lasts_as_long_as_the_busiest_core_of_its_counts(
    case: tuple[Net, Array], cut: int, overlap: str, active: bool
):
    """What is told while samples run is, to the last bit, what their counts tell afterwards."""
    net = case[0].cut(**{population.name: cut for population in case[0].populations})
    text = description(tile_gspikes_per_s="unknown").replace('overlap = "max"', f'overlap = "{overlap}"')
    if active:
        text = text.replace('neuron_update = "every_step"', 'neuron_update = "on_event"')
    device = open_device(net.program(text), threads=2)
    assert isinstance(device, EmulatedChip)
    assert (device.hardware.time.overlap, device.hardware.policy.neuron_update == "every_step") == (overlap, not active)
    inputs = {"x": case[1].astype(np.float32)}
    counts, updates = device.step_counts(inputs)
    works = core_times_ns(counts, updates, device.hardware)
    assert works is not None
    tiles = len({(core.chip, core.x, core.y) for core in net.cores()})
    expected = works.max(2) + (barrier_ns(tiles, device.hardware).value or 0.0)
    told = device.step_times_ns(inputs)
    assert told is not None
    assert np.array_equal(told, expected)
    sums = device.profile(inputs)[1].counts
    for column, name in enumerate(CORE_COLUMNS):
        assert sums[name] * len(counts) == pytest.approx(int(counts[..., column].sum()), rel=1e-12)
    assert sums["neuron_updates"] * len(counts) == pytest.approx(int(updates.sum()), rel=1e-12)


@settings(max_examples=6, deadline=None, derandomize=True)
@given(case=networks("rate"), cut=st.integers(1, 3))
def test_the_profile_has_a_line_for_each_level_and_static_energy_flows_for_the_last(case: tuple[Net, Array], cut: int):
    net = case[0].cut(**{population.name: cut for population in case[0].populations})
    found: dict[str, Profile] = {}
    for level in LEVELS:
        with open_device(net.program(), timing=level) as device:
            found[level] = device.profile({"x": case[1].astype(np.float32)})[1]
    for level, took in found.items():
        assert list(took.levels) == list(LEVELS[: LEVELS.index(level) + 1])
        assert took.levels[level] == took.latency_us
        assert took.levels["simple"] == found["simple"].latency_us
        static = took.energy_uj.stack["static"].value
        assert static is not None
        assert took.latency_us.value is not None
        assert static == pytest.approx(took.latency_us.value * 104 / 1000)
        assert took.counts == found["simple"].counts
        assert [sum(core.energy_uj["static"] or 0 for core in took.cores)] == pytest.approx([static])


def test_a_step_without_events_is_the_barrier_at_every_level():
    for level in LEVELS:
        with open_device(
            integrator(0, 5, 0, 4).program(description(neuron_access_latency_ns=0)), timing=level
        ) as device:
            assert device.profile({"x": np.zeros((1, 1, 1, 1), np.float32)})[1].latency_us.value == 5 * 0.6


def test_levels_agree_where_nothing_waits_and_differ_where_something_does():
    """One pixel, back at rest after each spike, sends to a counter: a message costs 16 ns and an operation 4.7."""
    net = integrator(5, 5, 0, 4).cut(x=1, y=1)
    took: dict[str, Array] = {}
    for level in LEVELS:
        with open_device(net.program()) as device:
            assert isinstance(device, EmulatedChip)
            times = device.step_times_ns({"x": np.full((1, 1, 1, 1), 5, np.float32)}, level)
            assert times is not None
            took[level] = times[0]
    neuron, sends = 6.0, 30.0 + 5.1
    message = 16.0 + 4.7
    barrier = 600.0
    assert took["simple"] == pytest.approx(np.array([neuron + sends] * 5) + barrier)
    assert took["detailed"] == pytest.approx(np.array([neuron + sends + message] * 5) + barrier)
    assert took["events"] == pytest.approx(took["detailed"])


# --- links, ticks, and chips without steps ----------------------------------------------------------------------------


def crowd() -> Net:
    """Two pixels on one core, each sending at every step to a core far away."""
    return integrator(5, 5, 0, 4).cut(x=1, y=1)


def placed(net: Net, *places: tuple[int, int], text: str) -> EmulatedChip:
    program = net.program(text)
    for entry, (x, y) in zip(program.body["cores"], places, strict=True):
        entry["x"], entry["y"] = x, y
    device = open_device(program)
    assert isinstance(device, EmulatedChip)
    return device


ALWAYS = {"x": np.full((1, 1, 1, 1), 5, np.float32)}


def test_the_heaviest_link_is_a_bound_of_the_simple_level():
    device = placed(crowd(), (0, 0), (2, 0), text=description(tile_gspikes_per_s=0.001))
    assert device.step_times_ns(ALWAYS) == pytest.approx(np.full((1, 5), 1000.0 + 1000.0))
    near = placed(crowd(), (0, 0), (0, 0), text=description(tile_gspikes_per_s=0.001))
    assert near.step_times_ns(ALWAYS) == pytest.approx(np.full((1, 5), 600.0 + 6.0 + 35.1))


def ticking(**figures: Any) -> Profile:
    return placed(crowd(), (0, 0), (2, 0), text=description(**figures)).profile(ALWAYS)[1]


def test_steps_of_a_fixed_length_last_a_tick_each():
    took = ticking(ticks=1.0)
    assert took.valid
    assert took.latency_us.value == 5 * 1000.0
    assert took.counts["messages_dropped"] == 0


def test_a_core_that_outlasts_a_tick_makes_the_result_invalid_and_is_named():
    took = ticking(ticks=0.00004)
    assert not took.valid
    assert took.latency_us.value == pytest.approx(5 * 0.04)
    messages = [problem.message for problem in took.problems]
    assert messages == [
        "core 0 (layer 'x') needs longer than a tick of 40 ns: 41.1 ns at most, in 5 steps, first in step 0"
    ]
    assert "fewer neurons or synapses on a core" in took.problems[0].knob


def test_messages_that_a_tick_cuts_off_are_dropped_and_add_up():
    took = ticking(ticks=0.00001)
    assert [problem.message.split(" (")[0] for problem in took.problems] == ["core 0", "core 1"]
    counts = took.counts
    assert counts["messages_dropped"] == 4, "the one that arrives in each of the steps 1 to 4 takes 20.7 ns"
    everywhere = counts["messages_received"] + counts["messages_dropped"] + counts["messages_in_flight"]
    assert counts["messages_sent"] == everywhere


def test_a_link_that_outlasts_a_tick_is_named():
    took = ticking(ticks=0.0005, tile_gspikes_per_s=0.001)
    assert [problem.message for problem in took.problems] == [
        f"the link ({x}, 0) -> ({x + 1}, 0) of chip 0 needs longer than a tick of 500 ns: 1 µs at most, in 5 steps,"
        " first in step 0"
        for x in range(2)
    ]
    assert "side by side" in took.problems[0].knob


def test_a_step_that_only_its_queues_make_late_is_noticed_by_the_finer_levels():
    text = description(ticks=0.00005)
    net = crowd().program(text)
    for level, valid in (("simple", True), ("detailed", False), ("events", False)):
        with open_device(net, timing=level) as device:
            took = device.profile(ALWAYS)[1]
        assert took.valid == valid
        assert [p.message.split(" needs")[0] for p in took.problems] == [
            f"the chip, by timing '{name}'," for name in LEVELS[1 : LEVELS.index(level) + 1]
        ]


def test_an_events_way_is_published_for_one_layer_and_for_all_and_derived_between():
    speck = load_hardware("speck")
    assert isinstance(speck, Chip)
    one, some, nine = (event_latency(layers, speck) for layers in (1, 4, 9))
    assert (one.value, nine.value) == (1.58, 3.36)
    assert some.value == pytest.approx(1.58 + 3 * (3.36 - 1.58) / 8)
    assert (some.low, some.high) == (1.58, 3.36)
    assert "derived" in some.note
    assert "derived" not in one.note + nine.note
    assert event_latency(10, speck).value is None


@pytest.mark.parametrize(
    ("timing", "text", "message"),
    [
        ("exact", None, "there is no timing 'exact'; there is simple, detailed, events"),
        ("events", load_hardware("loihi1").text.replace('routing = "xy"', 'routing = "direct"'), "connected directly"),
    ],
)
def test_a_level_that_there_is_not_is_refused(timing: str, text: str | None, message: str):
    with pytest.raises(DeviceError, match=message):
        open_device(integrator(1, 1, 0, 1).program(text), timing=timing)


def test_what_a_level_leaves_out_is_named():
    text = description(link_buffer_messages="unknown", hop_east_west_latency_ns="unknown", tile_gspikes_per_s="unknown")
    with open_device(crowd().program(text), timing="events") as device:
        levels = device.profile(ALWAYS)[1].levels
    assert levels["simple"].note == "mean over samples; without contention in the mesh"
    for what in ("the time of hops", "full buffers", "links that are taken"):
        assert what in levels["events"].note
        assert (what in levels["detailed"].note) == (what != "links that are taken")


def test_no_cores_are_no_time():
    assert level_steps_ns("events", step_of(0, []), (), chip()).tolist() == [[0.0, 0.0]]
