"""Several chips when one is full: the same numbers, crossings counted, what is unpublished said. Layers on cores."""

from __future__ import annotations

import re
from typing import Literal, get_args

import msgspec
import numpy as np
import pytest
from mapped_networks import NETWORKS, compiled
from tiny_chips import tiny

from striate.diagnostics import CompileError
from striate.language import parse_machine
from striate.pipeline import lower
from striate.targets.neuromorphic import compile_for_neuromorphic
from striate.targets.neuromorphic.codings.graded import Graded
from striate.targets.neuromorphic.codings.rate import Rate
from striate.targets.neuromorphic.mapping.activity import measure
from striate.targets.neuromorphic.mapping.demand import Block, Demand
from striate.targets.neuromorphic.mapping.route import messages_between
from striate_runtime import open_device
from striate_runtime.hardware import Chip
from striate_runtime.profile import Profile
from striate_runtime.program import Program
from striate_runtime.program.neuromorphic import Core, NeuromorphicBody

Coding = Literal["graded", "rate"]

COMPILATION, VALUES = compiled(NETWORKS["lenet"])


def mapped(chip: Chip, coding: str = "graded", **options: int | str) -> Program:
    graded = coding == "graded"
    return compile_for_neuromorphic(
        COMPILATION.quantized if graded else COMPILATION.optimised,
        coding="graded" if graded else "rate",
        steps=16,
        hardware=chip,
        machine="m",
        calibration=VALUES,
        **options,  # type: ignore[arg-type]
    )


def cores_of(program: Program) -> tuple[Core, ...]:
    return msgspec.convert(program.body, NeuromorphicBody).cores


def profile_of(program: Program) -> tuple[dict[str, np.ndarray], Profile]:
    with open_device(program) as device:
        return device.profile(VALUES)


def test_a_network_on_several_chips_gives_the_same_numbers_and_counts_its_crossings() -> None:
    small = tiny("loihi2", neuron_slots=60, mesh_width=2, mesh_height=2, cores_per_router=2)
    program = mapped(small)
    chips = {core.chip for core in cores_of(program)}
    assert chips == set(range(-(-len(cores_of(program)) // 8))), "as few as hold its cores"
    outputs, took = profile_of(program)
    alone, took_alone = profile_of(mapped(tiny("loihi2", neuron_slots=60)))
    assert np.array_equal(outputs["y"], alone["y"])
    assert took.counts["chip_crossings"] > 0
    assert took_alone.counts["chip_crossings"] == 0
    assert took.counts["messages_out"] == took_alone.counts["messages_out"]
    assert took.counts["synops"] == took_alone.counts["synops"]


def test_every_chip_that_is_used_draws_its_static_power() -> None:
    small = {"mesh_width": 2, "mesh_height": 2, "neuron_slots": 120}
    programs = [mapped(tiny("loihi1_sanafe25", **figures), "rate") for figures in (small, {})]
    shares: list[float] = []
    for program in programs:
        took = profile_of(program)[1]
        static, latency = took.energy_uj.stack["static"].value, took.latency_us.value
        assert static is not None
        assert latency is not None
        shares.append(static / latency / 0.104)  # 104 mW
    chips = [len({core.chip for core in cores_of(program)}) for program in programs]
    assert chips[0] > chips[1] == 1
    assert shares == pytest.approx(chips)


def test_the_barrier_between_chips_is_the_published_one_on_loihi1_and_unknown_on_loihi2() -> None:
    """14.3 us among up to 256 chips; on Loihi 2 nobody has published one, nor what a crossing costs."""
    program = mapped(tiny("loihi1_sanafe25", mesh_width=2, mesh_height=2, neuron_slots=120), "rate")
    took = profile_of(program)[1]
    assert took.steps is not None
    assert (took.latency_us.value or 0) >= 14.3 * took.steps
    assert "barrier (14300.0 ns)" in took.latency_us.source
    assert "routing: topology.hop_between_chips_energy_pj is unpublished" in took.energy_uj.uncounted
    small = tiny("loihi2", neuron_slots=60, mesh_width=2, mesh_height=2, cores_per_router=2)
    took = profile_of(mapped(small))[1]
    assert "message to another chip, barrier between chips" in took.latency_us.note
    assert any("hop_between_chips_energy_pj is unpublished" in remark for remark in took.energy_uj.uncounted)
    took = profile_of(mapped(tiny("loihi2", neuron_slots=60)))[1]
    assert "chips" not in took.latency_us.note
    assert not any("between_chips" in remark for remark in took.energy_uj.uncounted)


def test_a_board_that_is_full_and_chips_that_it_does_not_have_are_said_with_numbers() -> None:
    small = tiny("loihi2", neuron_slots=60, mesh_width=2, mesh_height=2, cores_per_router=1, chips=2)
    with pytest.raises(CompileError) as error:
        mapped(small)
    assert re.search(r"it takes \d+ cores, and 2 chips have 8", error.value.diagnostics[0].message)
    with pytest.raises(CompileError) as error:
        mapped(tiny("loihi2", neuron_slots=60, mesh_width=2, mesh_height=2, cores_per_router=2), chips=1)
    assert "the chip has 8" in error.value.diagnostics[0].message
    with pytest.raises(CompileError) as error:
        mapped(small, chips=3)
    assert error.value.diagnostics[0].code == "bad-machine"
    assert error.value.diagnostics[0].message == "'chips' is 3, and the board of Loihi 2 has 2"


def test_the_help_of_a_full_board_counts_chips_and_says_how_many_there_are() -> None:
    small = tiny("loihi2", neuron_slots=24, mesh_width=1, mesh_height=1, cores_per_router=1, chips=4)
    with pytest.raises(CompileError) as error:
        mapped(small, chips=2)
    used = int(re.search(r"it takes (\d+) cores", error.value.diagnostics[0].message)[1])  # type: ignore[index]
    assert error.value.diagnostics[0].help == (
        f"its cores would fill {used} chips, and 'chips' allows 2 of the 4 on its board"
    )


@pytest.mark.parametrize("coding", get_args(Coding))
def test_the_messages_that_the_placement_goes_by_are_those_that_are_sent(coding: Coding) -> None:
    """On the very samples that were measured: in graded they are equal, in rate as near as rates come to spikes."""
    chip = tiny("loihi2", neuron_slots=60) if coding == "graded" else tiny("loihi1_sanafe25", neuron_slots=120)
    graph = COMPILATION.quantized if coding == "graded" else COMPILATION.optimised
    encoded = Graded(graph, chip).run() if coding == "graded" else Rate(graph, chip, 64, VALUES, 99.9).run()
    program = compile_for_neuromorphic(
        graph,
        coding=coding,
        steps=64,
        hardware=chip,
        machine="m",
        calibration=VALUES,  # type: ignore[arg-type]
    )
    cores = cores_of(program)
    blocks: dict[str, list[Block]] = {}
    for core in cores:
        blocks.setdefault(core.population, []).append(Block(core.channels, core.rows, core.columns))
    shapes = {name: population.shape for name, population in encoded.encoding.populations.items()}
    demand = Demand(chip, shapes, encoded.encoding.projections)
    expected = messages_between(demand, blocks, measure(graph, encoded, VALUES))
    took = profile_of(program)[1]
    sent = round(took.counts["messages_out"] * took.samples)
    assert abs(int(expected.sum()) - sent) <= (0 if coding == "graded" else 0.1 * sent)


def test_a_layer_stands_where_it_is_pinned() -> None:
    program = mapped(tiny("loihi2", neuron_slots=60), pin="b.conv2d: 8-30; y: 127")
    held = [core for core in cores_of(program) if core.population == "b.relu"]
    assert [(core.chip, core.x, core.y) for core in held] == [(0, n // 4, 0) for n in range(8, 8 + len(held))]
    (last,) = [core for core in cores_of(program) if core.population.startswith("y")]
    assert (last.chip, last.x, last.y) == (0, 7, 3)
    outputs, _ = profile_of(program)
    assert np.array_equal(outputs["y"], profile_of(mapped(tiny("loihi2", neuron_slots=60)))[0]["y"])


def test_a_pin_may_name_another_chip() -> None:
    program = mapped(tiny("loihi2"), pin="y: 1023")
    (last,) = [core for core in cores_of(program) if core.population.startswith("y")]
    assert (last.chip, last.x, last.y) == (7, 7, 3)
    assert {core.chip for core in cores_of(program)} == {7}, "the others follow it"


@pytest.mark.parametrize(
    ("pin", "message", "help"),
    [
        ("fc: 3", "'pin' names the layer 'fc', which no core holds", "legal here: a, a.conv2d"),
        ("y: 1024", "'y' is pinned to core 1024, and the last one is 1023", 'as in pin="conv1: 0-3'),
        ("y: 3; c.linear: 3", "the layers 'y' and 'c.linear' are both pinned to core 3", None),
        ("y: 3; y: 4", "the layer 'y' is pinned twice", None),
        ("y: 3 3", "the layer 'y' is pinned to core 3 twice", None),
        ("b.conv2d: 0", "the layer 'b.conv2d' takes 2 cores and is pinned to 1", "name as many cores at least"),
        ("y: 5-3", "the range 5-3 of cores for 'y' runs backwards", None),
        ("y: one", "'one' is no core, nor a range of them, that 'y' could be pinned to", None),
        ("y:", "'pin' names no cores for the layer 'y'", None),
        ("y 3", "'y 3' in 'pin' names no layer and its cores", None),
    ],
)
def test_a_pin_that_cannot_be_is_said_where_it_stands(pin: str, message: str, help: str | None) -> None:
    machine = parse_machine(f'{"loihi2"}(pin="{pin}")')
    with pytest.raises(CompileError) as error:
        mapped(tiny("loihi2", neuron_slots=60), pin=pin, span=machine.span)  # type: ignore[arg-type]
    (diagnostic,) = error.value.diagnostics
    assert (diagnostic.code, diagnostic.message) == ("bad-machine", message)
    assert diagnostic.span is machine.span
    assert help is None or help in (diagnostic.help or "")


def test_pins_and_chips_are_options_on_the_command_line_and_in_the_text() -> None:
    machine = parse_machine('loihi2(coding=graded, pin="a.conv2d: 5", chips=2)')
    program = lower(COMPILATION, machine)
    assert (cores_of(program)[0].x, cores_of(program)[0].y) == (1, 0)
    text = NETWORKS["lenet"] + '\ncompare { loihi2(coding=graded, pin="a.conv2d: 5") }'
    inside = compiled(text)[0]
    assert lower(inside, inside.experiment.machines[0]).body["cores"] == program.body["cores"]
