"""A fan-in that exceeds a core is split over several, and nothing that is computed changes by it."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from mapped_networks import GRADED_ONLY, NETWORKS, compiled
from tiny_chips import tiny

from striate.diagnostics import CompileError
from striate.interpreter import interpret
from striate.targets.neuromorphic import compile_for_neuromorphic
from striate_runtime import open_device
from striate_runtime.hardware import Chip, load_hardware
from striate_runtime.profile import Profile
from striate_runtime.program import Program, ProgramError
from striate_runtime.program.neuromorphic import NeuromorphicBody, Population

WIDE = """
network wide(x: f32[5, 6, 6]) -> y {
  weights init(3)
  a = x |> conv2d(20, 3, padding=1) |> relu
  y = a |> flatten |> linear(7)
}"""


def mapped(text: str, chip: Chip, coding: str = "graded") -> Program:
    compilation, values = compiled(text)
    if coding == "graded":
        return compile_for_neuromorphic(
            compilation.quantized, coding="graded", steps=1, hardware=chip, machine="m", calibration=values
        )
    return compile_for_neuromorphic(
        compilation.optimised, coding="rate", steps=16, hardware=chip, machine="m", calibration=values
    )


def program_or_reason(text: str, chip: Chip) -> Program | str:
    try:
        return mapped(text, chip)
    except CompileError as error:
        return str(error)


def body_of(program: Program) -> NeuromorphicBody:
    return msgspec.convert(program.body, NeuromorphicBody)


def relays_of(program: Program) -> list[Population]:
    return [population for population in body_of(program).populations if ".part" in population.name]


@pytest.mark.parametrize("name", [*NETWORKS, *GRADED_ONLY, "wide"])
@pytest.mark.parametrize(
    "figures", [{"fan_in": 40}, {"axons_in": 24}, {"synapse_words": 24}, {"fan_in": 20, "axons_in": 30}], ids=str
)
def test_a_network_that_is_split_gives_the_integer_graphs_numbers_and_exceeds_no_limit(
    name: str, figures: dict[str, int]
) -> None:
    text = (NETWORKS | GRADED_ONLY | {"wide": WIDE})[name]
    chip = tiny("loihi2", neuron_slots=200, **figures)
    program = program_or_reason(text, chip)
    if isinstance(program, str):
        assert "one channel alone takes" in program or "a window or of a group" in program
        return
    for core in body_of(program).cores:
        for usage in core.usage:
            assert usage.limit is None or usage.used <= usage.limit, (core, usage)
    compilation, values = compiled(text)
    with open_device(program) as device:
        outputs = device.run(values)
    for port, expected in interpret(compilation.quantized, values).items():
        assert np.array_equal(outputs[port], expected)


def test_the_networks_above_are_split_indeed() -> None:
    splits = {
        (name, str(figures)): len(relays_of(mapped(text, tiny("loihi2", **figures))))
        for name, text in {"wide": WIDE, "lenet": NETWORKS["lenet"]}.items()
        for figures in ({"fan_in": 40}, {"synapse_words": 100})
    }
    assert splits[("wide", "{'fan_in': 40}")] == 2 + 20, (
        "45 inputs of 5 channels in 2, 720 neurons of 20 channels in 20"
    )
    assert splits[("wide", "{'synapse_words': 100}")] == 10, "720 words, two channels of 36 each"
    assert splits[("lenet", "{'fan_in': 40}")] == 0


def test_relays_cost_steps_neurons_and_messages_like_all_others_and_the_program_says_so() -> None:
    whole, split = (mapped(WIDE, tiny("loihi2", **figures)) for figures in ({}, {"fan_in": 400}))
    relays = relays_of(split)
    assert [relay.shape for relay in relays] == [(7, 1, 1)] * 2, "720 inputs in two halves of 10 channels"
    assert body_of(split).steps == body_of(whole).steps + 1
    (remark,) = [remark for remark in body_of(split).uncounted if "split over cores" in remark]
    assert "which have 400 synapses into one neuron and not 720; 14 more neurons send 2 partial sums" in remark
    values = compiled(WIDE)[1]
    took: list[Profile] = []
    for program in (whole, split):
        with open_device(program) as device:
            took.append(device.profile(values)[1])
    assert remark in took[1].notes
    slots = [
        sum(u.used for core in body_of(p).cores for u in core.usage if u.resource == "neuron_slots")
        for p in (whole, split)
    ]
    assert slots[1] == slots[0] + 14
    assert [t.counts["neuron_updates"] for t in took] == [
        2 * body_of(p).steps * s for p, s in zip((whole, split), slots, strict=True)
    ]
    conv = [t.counts["synops_conv"] for t in took]
    assert conv[0] == conv[1]
    assert took[0].counts["synops_dense"] == took[1].counts["synops_dense"], "each weight is met by its event once"
    sent = {layer.layer: layer.counts for layer in took[1].layers}
    assert 0 < took[1].counts["synops_sparse"] <= 14
    assert sum(counts["events_out"] for counts in sent.values()) > sum(
        layer.counts["events_out"] for layer in took[0].layers
    ), "relays send events"


def test_a_relay_hears_only_its_own_part() -> None:
    program = mapped(WIDE, tiny("loihi2", fan_in=400))
    heard = [p for p in body_of(program).projections if p.channels is not None]
    assert [p.channels for p in heard] == [(0, 10), (10, 20)]
    assert [program.arrays[p.weights or ""].shape for p in heard] == [(360, 7)] * 2
    values = compiled(WIDE)[1]
    with open_device(program) as device:
        _, took = device.profile(values)
    dense = next(layer for layer in took.layers if layer.layer.startswith("y"))
    events = next(layer for layer in took.layers if layer.layer.startswith("a")).counts["events_out"]
    relayed = took.counts["events_out"] - events
    assert dense.counts["messages_in"] == events + relayed, (
        "every event goes to one relay, every partial sum to one core"
    )


@pytest.mark.parametrize(
    ("kind", "channels", "message"),
    [
        ("dense", (10, 21), r"names channels 10\.\.20"),
        ("dense", (5, 5), r"names channels 5\.\.4"),
        ("dense", (0, 9), "has shape"),
        ("one_to_one", (0, 1), "only a dense or an ungrouped conv2d projection may name channels"),
    ],
)
def test_a_program_with_damaged_channels_is_refused(kind: str, channels: tuple[int, int], message: str) -> None:
    program = mapped(WIDE, tiny("loihi2", fan_in=400))
    projections = [dict(projection) for projection in program.body["projections"]]
    of_kind = next(p for p in projections if p["kind"] == kind and (kind != "dense" or p["channels"]))
    of_kind["channels"] = channels
    damaged = msgspec.structs.replace(program, body={**program.body, "projections": projections})
    with pytest.raises(ProgramError, match=message):
        open_device(damaged)


def test_sums_too_wide_for_an_event_are_refused_with_the_bits() -> None:
    with pytest.raises(CompileError) as error:
        mapped(WIDE, tiny("loihi2", fan_in=400, payload_bits=9))
    message = error.value.diagnostics[0].message
    assert "a partial sum of one channel takes" in message
    assert "an event carries 9" in message


def test_narrow_events_make_parts_smaller() -> None:
    parts = {bits: len(relays_of(mapped(WIDE, tiny("loihi2", fan_in=719, payload_bits=bits)))) for bits in (24, 22, 21)}
    assert parts[24] == 2
    assert parts[24] < parts[22] < parts[21]
    for bits in parts:
        program = mapped(WIDE, tiny("loihi2", fan_in=719, payload_bits=bits))
        for relay in relays_of(program):
            assert -(1 << (bits - 1)) <= relay.low < relay.high < 1 << (bits - 1)


def test_spikes_cannot_relay_a_sum_and_the_error_says_so() -> None:
    with pytest.raises(CompileError) as error:
        mapped(WIDE, tiny("loihi1_sanafe25", synapse_words=300), "rate")
    (diagnostic,) = error.value.diagnostics
    assert "words of synapse memory, and a core has 300" in diagnostic.message
    assert "a spike of this chip carries no partial sum" in diagnostic.message
    assert diagnostic.help == "with at most 300 neurons coming in (now 720) it would fit"


def test_neurons_share_axons_where_there_are_more_than_a_core_has() -> None:
    """6,272 neurons to 10 on Loihi 1: 4,096 axons, and population spikes that say which of 1,024 neurons sent them."""
    layers = "x |> conv2d(128, 1) |> relu |> flatten |> linear(10)"
    text = f"network w(x: f32[128, 7, 7]) -> y {{ weights init(0)\n y = {layers} }}"
    chip = load_hardware("loihi1")
    assert isinstance(chip, Chip)
    program = mapped(text, chip, "rate")
    body = body_of(program)
    last = [core for core in body.cores if core.population == body.outputs["y"]]
    senders = [core for core in body.cores if core.population != body.outputs["y"]]
    assert len(last) == 1
    used = {usage.resource: usage for usage in last[0].usage}
    assert used["fan_in"].used == 6272
    assert used["axons_in"].used == len(senders), "at most 1,024 neurons a core, so that each core takes one axon"
    assert used["synapse_words"].used == 6272 * 2
    assert {u.used for core in senders for u in core.usage if u.resource == "axons_out"} == {2}, (
        "such an axon takes two"
    )
    assert any("neurons of a core share an axon to" in remark for remark in body.uncounted)
    private = mapped(text.replace("[128, 7, 7]", "[64, 7, 7]").replace("conv2d(128", "conv2d(64"), chip, "rate")
    assert not any("share an axon" in remark for remark in body_of(private).uncounted), "3,136 have one each"
