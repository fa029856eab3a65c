"""Partition: every neuron on exactly one core, no core over a limit, and what does not fit said with its numbers."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any, Literal, get_args

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mapped_networks import NETWORKS, compiled
from tiny_chips import tiny

from striate.diagnostics import CompileError, Diagnostic
from striate.pipeline import Compilation
from striate.targets.neuromorphic import compile_for_neuromorphic
from striate.targets.neuromorphic.mapping.demand import Block, Demand, Slabs, reach
from striate.targets.neuromorphic.mapping.partition import partition
from striate.tensor import Array
from striate_runtime import open_device
from striate_runtime.hardware import Chip, load_hardware, parse_hardware
from striate_runtime.program import Program
from striate_runtime.program.neuromorphic import Core, NeuromorphicBody, Population, Projection

Neuron = tuple[int, int, int]
Kind = Literal["conv2d", "window", "one_to_one", "dense"]
KINDS: tuple[Kind, ...] = get_args(Kind)


def neurons_of(block: Block) -> set[Neuron]:
    return set(itertools.product(range(*block.channels), range(*block.rows), range(*block.columns)))


@st.composite
def layers(draw: st.DrawFn) -> tuple[Population, Population, Projection]:
    """A source, a target, and a convolution, window, copy or dense projection between them."""
    kind = draw(st.sampled_from(KINDS))
    groups = draw(st.sampled_from([1, 2]))
    c, cout = groups * draw(st.integers(1, 4)), groups * draw(st.integers(1, 5))
    h, w = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    kernel = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    stride = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    dilation = (draw(st.integers(1, 2)), draw(st.integers(1, 2)))
    columns, rows = kernel[1] // 2 * dilation[1], kernel[0] // 2 * dilation[0]
    padding = (columns, columns, rows, rows)
    shape = (cout, -(-h // stride[0]), -(-w // stride[1]))
    if kind != "conv2d":
        groups = 1
    if kind == "window":
        shape = (c + 1, *shape[1:])
    if kind == "one_to_one":
        shape, kernel, stride, dilation, padding = (c + 1, h, w), (1, 1), (1, 1), (1, 1), (0, 0, 0, 0)
    if kind == "dense":
        shape = (cout, 1, 1)
    offset = 1 if kind in ("window", "one_to_one") else 0
    projection = Projection(
        "p", "layer", "a", "b", kind, None, stride, dilation, padding, kernel, groups, channel_offset=offset
    )
    return Population("a", "a", (c, h, w), "input"), Population("b", "layer", shape, "graded"), projection


def synapses(source: Population, target: Population, projection: Projection) -> list[tuple[Neuron, Neuron]]:
    """Every synapse, one by one, straight from the words of program/neuromorphic.py."""
    (kh, kw), (sh, sw), (dh, dw) = projection.kernel, projection.stride, projection.dilation
    left, _, top, _ = projection.padding
    c, h, w = source.shape
    all_sources = list(itertools.product(range(c), range(h), range(w)))
    found: list[tuple[Neuron, Neuron]] = []
    for o, oy, ox in itertools.product(*map(range, target.shape)):
        if projection.kind == "dense":
            found += [(neuron, (o, oy, ox)) for neuron in all_sources]
            continue
        if projection.kind == "conv2d":
            group, size = o // (target.shape[0] // projection.groups), c // projection.groups
            channels = range(group * size, (group + 1) * size)
        else:
            channels = [o - projection.channel_offset] if 0 <= o - projection.channel_offset < c else []
        for i, ky, kx in itertools.product(channels, range(kh), range(kw)):
            y, x = oy * sh + ky * dh - top, ox * sw + kx * dw - left
            if 0 <= y < h and 0 <= x < w:
                found.append(((i, y, x), (o, oy, ox)))
    return found


@settings(max_examples=60, deadline=None)
@given(layers(), st.data())
def test_what_a_block_listens_to_is_what_its_synapses_say(
    made: tuple[Population, Population, Projection], data: st.DataObject
) -> None:
    source, target, projection = made
    ends = [sorted(data.draw(st.sets(st.integers(0, n), min_size=2, max_size=2))) for n in target.shape]
    channels, rows, columns = ((first, end) for first, end in ends)
    block = Block(channels, rows, columns)
    inside = neurons_of(block)
    heard = {sender for sender, receiver in synapses(source, target, projection) if receiver in inside}
    claimed = reach(projection, source.shape, target.shape, block)
    product = set(itertools.product(range(*claimed.channels), claimed.rows, claimed.columns))
    assert heard == product
    assert claimed.neurons == len(product)


@settings(max_examples=60, deadline=None)
@given(
    layers(),
    st.sampled_from(["loihi1_sanafe25", "loihi2"]),
    st.integers(1, 40),
    st.integers(1, 60),
    st.integers(1, 60),
    st.integers(1, 60),
)
def test_blocks_cover_each_neuron_once_and_exceed_no_limit(
    made: tuple[Population, Population, Projection], base: str, slots: int, words: int, axons_in: int, axons_out: int
) -> None:
    source, target, projection = made
    last = Population("c", "last", (3, 1, 1), "readout")
    onward = Projection("q", "last", "b", "c", "dense")
    chip = tiny(base, neuron_slots=slots, synapse_words=words * 8, axons_in=axons_in, axons_out=axons_out)
    populations = {population.name: population for population in (source, target, last)}
    shapes = {name: population.shape for name, population in populations.items()}
    demand = Demand(chip, shapes, [projection, onward])
    try:
        blocks = partition(demand, populations, 10_000, {})
    except CompileError as error:
        if {diagnostic.code for diagnostic in error.diagnostics} == {"does-not-fit"}:
            return
        raise
    assert list(blocks) == ["b", "c"]
    for name, pieces in blocks.items():
        held = Counter(neuron for piece in pieces for neuron in neurons_of(piece))
        assert held == Counter(itertools.product(*map(range, shapes[name])))
        for piece in pieces:
            for resource, used in demand.usage(populations[name], piece, blocks).items():
                limit = demand.limits[resource]
                assert limit is None or used <= limit, (resource, used, limit)


def test_a_neuron_that_is_too_much_is_found_though_the_one_in_the_middle_fits() -> None:
    source, target = Population("a", "a", (1, 2, 3), "input"), Population("b", "b", (1, 2, 3), "graded")
    reach: dict[str, Any] = {"kernel": (2, 2), "dilation": (1, 2), "padding": (2, 2, 1, 1)}
    projection = Projection("p", "b", "a", "b", "conv2d", **reach)
    demand = Demand(tiny("loihi1_sanafe25", axons_in=2), {"a": source.shape, "b": target.shape}, [projection])
    with pytest.raises(CompileError, match="one of its neurons alone takes 4 axons coming in, and a core has 2"):
        partition(demand, {"a": source, "b": target}, 10_000, {})


def demand_of(chip: Chip, source: tuple[int, int, int], target: tuple[int, int, int], kernel: int) -> Demand:
    kind = "dense" if kernel == 0 else "conv2d"
    size = max(1, kernel)
    projection = Projection("p", "b", "a", "b", kind, kernel=(size, size))
    return Demand(chip, {"a": source, "b": target}, [projection])


def chip_named(name: str) -> Chip:
    chip = load_hardware(name)
    assert isinstance(chip, Chip)
    return chip


@pytest.mark.parametrize(
    ("inputs", "outputs", "published"), [(3, 24, 81), (24, 36, 864), (36, 48, 1620), (48, 64, 2160), (64, 64, 2880)]
)
def test_loihi2_words_bound_the_published_ones_from_above(inputs: int, outputs: int, published: int) -> None:
    """PilotNet's 3x3 layers on silicon; weights there take fewer than 8 bits, by an unpublished format."""
    demand = demand_of(chip_named("loihi2"), (inputs, 9, 9), (outputs, 7, 7), 3)
    used = demand.of(Population("b", "b", (outputs, 7, 7), "graded"), Block((0, outputs), (0, 7), (0, 7)))
    assert used["synapse_words"] == inputs * 9 * -(-outputs * 8 // 64)
    assert published <= used["synapse_words"] <= 1.7 * published


def test_loihi1_words_follow_the_synapse_entry_format() -> None:
    """Dense, 100 outputs: two entries of 10 header bits, 100 weights of 9 bits: 920 bits, 15 words an axon."""
    demand = demand_of(chip_named("loihi1"), (20, 1, 1), (100, 1, 1), 0)
    used = demand.of(Population("b", "b", (100, 1, 1), "graded"), Block((0, 100), (0, 1), (0, 1)))
    assert used["words_per_axon"] == 15
    assert used["synapse_words"] == 20 * 15
    assert used["axons_in"] == used["fan_in"] == 20


def does_not_fit(chip: Chip, name: str = "lenet") -> Diagnostic:
    compilation, _ = compiled(NETWORKS[name])
    with pytest.raises(CompileError) as error:
        mapped(compilation, chip)
    (diagnostic,) = error.value.diagnostics
    assert diagnostic.code == "does-not-fit"
    assert diagnostic.span is not None, "it points at the layer"
    return diagnostic


def mapped(compilation: Compilation, chip: Chip, seed: int = 0) -> Program:
    return compile_for_neuromorphic(
        compilation.quantized, coding="graded", steps=1, hardware=chip, machine="m", calibration=None, seed=seed
    )


def cores_of(program: Program) -> tuple[Core, ...]:
    return msgspec.convert(program.body, NeuromorphicBody).cores


@pytest.mark.parametrize(
    ("figures", "words", "help"),
    [
        ({"synapse_words": 20}, "words of synapse memory, and a core has 20", "with at most"),
        ({"axons_in": 15}, "axons coming in, and a core has 15", "with at most"),
        ({"axons_out": 0}, "axons going out, and a core has 0", "fewer cores"),
        ({"fan_in": 30}, "synapses into one neuron, and a core has 30", "with at most"),
        ({"neuron_slots": 0}, "1 neuron slots, and a core has 0", None),
    ],
)
def test_a_neuron_that_exceeds_a_limit_is_named_with_its_numbers(
    figures: dict[str, int], words: str, help: str | None
) -> None:
    diagnostic = does_not_fit(tiny("loihi2", payload_bits=8, **figures))
    assert words in diagnostic.message
    assert "'" in diagnostic.message
    assert help is None or (diagnostic.help is not None and help in diagnostic.help)


def test_the_number_of_inputs_that_is_named_fits_and_one_more_does_not() -> None:
    chip = tiny("loihi2", fan_in=30, payload_bits=8)
    diagnostic = does_not_fit(chip)
    assert "takes 36 synapses" in diagnostic.message, "a window of 3x3 over 4 channels"
    assert diagnostic.help == "with at most 3 channels coming in (now 4) it would fit"
    mapped(compiled(NETWORKS["lenet"].replace("conv2d(4,", "conv2d(3,"))[0], chip)


def test_a_dense_layer_says_how_many_neurons_it_could_hear() -> None:
    text = "network many(x: f32[2, 30, 30]) -> y { weights init(0)\n y = x |> flatten |> linear(2) }"
    with pytest.raises(CompileError) as error:
        mapped(compiled(text)[0], tiny("loihi2", axons_in=1000, payload_bits=8))
    assert error.value.diagnostics[0].help == "with at most 1,000 neurons coming in (now 1,800) it would fit"


def test_a_full_chip_says_how_many_cores_and_which_layer() -> None:
    diagnostic = does_not_fit(tiny("loihi2", neuron_slots=60, chips=1, mesh_width=2, mesh_height=2, cores_per_router=2))
    assert "it takes" in diagnostic.message
    assert "the chip has 8" in diagnostic.message
    assert diagnostic.help is not None


def test_the_number_of_channels_that_a_full_chip_names_fits() -> None:
    text = "network wide(x: f32[1, 8, 8]) -> y {{ weights init(0)\n y = x |> conv2d({0}, 3, padding=1) |> relu }}"
    chip = tiny("loihi2", neuron_slots=64, chips=1, mesh_width=2, mesh_height=2, cores_per_router=1)
    with pytest.raises(CompileError) as error:
        mapped(compiled(text.format(9))[0], chip)
    assert "with at most 4 channels" in (error.value.diagnostics[0].help or "")
    assert len(cores_of(mapped(compiled(text.format(4))[0], chip))) == 4
    with pytest.raises(CompileError):
        mapped(compiled(text.format(5))[0], chip)


def test_the_program_says_what_each_core_holds_and_uses() -> None:
    program = mapped(compiled(NETWORKS["lenet"])[0], tiny("loihi2", neuron_slots=200))
    cores = cores_of(program)
    assert [core.index for core in cores] == list(range(len(cores)))
    assert (cores[0].channels, cores[0].rows, cores[0].columns) == ((0, 4), (0, 12), (0, 4))
    slots = [next(usage for usage in core.usage if usage.resource == "neuron_slots") for core in cores]
    assert {usage.limit for usage in slots} == {200}
    assert sum(usage.used for usage in slots) == 4 * 144 + 4 * 36 + 6 * 16 + 6 * 4 + 16 + 5
    unknown = {usage.resource for usage in cores[0].usage if usage.limit is None}
    assert "axons_in" in unknown, "Loihi 2's is unpublished"
    assert any("axons in" in remark for remark in program.body["uncounted"]), "and the program says so"


def test_a_mapping_is_the_same_every_time_and_the_seed_only_moves_cores() -> None:
    compilation, chip = compiled(NETWORKS["lenet"])[0], tiny("loihi2", neuron_slots=60)
    first, again, other = (mapped(compilation, chip, seed) for seed in (0, 0, 1))
    assert first.to_bytes() == again.to_bytes()
    assert [c["population"] for c in first.body["cores"]] == [c["population"] for c in other.body["cores"]]
    slots = np.array([(c["x"], c["y"]) for c in first.body["cores"]])
    assert np.unique(slots, axis=0, return_counts=True)[1].max() <= 4, "four cores a router"


PILOTNET = {
    "input": ((3, 66, 200), (1, 1), (0, 0, 0, 0)),
    "conv1": ((24, 32, 99), (2, 2), (0, 0, 0, 0)),
    "conv2": ((36, 15, 49), (2, 2), (0, 0, 0, 0)),
    "conv3": ((48, 7, 24), (2, 2), (0, 0, 0, 0)),
    "conv4": ((64, 4, 22), (2, 1), (0, 0, 1, 1)),
    "conv5": ((64, 2, 20), (1, 1), (0, 0, 0, 0)),
}
"""PilotNet-LIF as it ran on a Loihi 2: shapes, and strides (rows, columns) and padding as a Projection has them."""


def pilotnet_blocks(slabs: Slabs, chip: Chip) -> dict[str, list[Block]]:
    names = list(PILOTNET)
    populations = {name: Population(name, name, PILOTNET[name][0], "graded") for name in names}
    projections = [
        Projection(
            target,
            target,
            source,
            target,
            "conv2d",
            kernel=(3, 3),
            stride=PILOTNET[target][1],
            padding=PILOTNET[target][2],
        )
        for source, target in itertools.pairwise(names)
    ]
    shapes = {name: population.shape for name, population in populations.items()}
    return partition(Demand(chip, shapes, projections, slabs), populations, 128, {})


def test_slabs_of_powers_of_two_are_the_published_ones_of_pilotnet_on_loihi2() -> None:
    blocks = pilotnet_blocks("power_of_two", chip_named("loihi2"))
    assert [len(blocks[name]) for name in PILOTNET] == [13, 25, 13, 3, 3, 2]
    for name, width in zip(PILOTNET, [16, 4, 4, 8, 8, 16], strict=True):
        channels, rows, columns = PILOTNET[name][0]
        for block in blocks[name]:
            assert (block.channels, block.rows) == ((0, channels), (0, rows))
            assert block.columns[1] - block.columns[0] + block.spare_columns == width
            assert block.slots == channels * rows * width
        assert sum(block.spare_columns for block in blocks[name]) == len(blocks[name]) * width - columns


@pytest.mark.parametrize(("most", "same"), [(3167, False), (3168, True), (4095, True), (4096, False)])
def test_pilotnets_slabs_bound_the_limit_on_both_sides(most: int, same: bool) -> None:
    text = chip_named("loihi2").text
    loose = text.replace("slab_neurons = { value = 4095,", f"slab_neurons = {{ value = {most},")
    loose = loose.replace("low = 3168, high = 4095, ", "")
    chip = parse_hardware(loose, "loose.toml")
    assert isinstance(chip, Chip)
    assert chip.limits.slab_neurons is not None
    assert chip.limits.slab_neurons.value == most
    assert (pilotnet_blocks("power_of_two", chip) == pilotnet_blocks("power_of_two", chip_named("loihi2"))) == same


def test_padded_slabs_change_no_number_and_count_the_slots_they_set_aside() -> None:
    compilation, values = compiled(NETWORKS["lenet"])
    logits: list[Array] = []
    for slabs in get_args(Slabs):
        program = compile_for_neuromorphic(
            compilation.quantized,
            coding="graded",
            steps=1,
            hardware=chip_named("loihi2"),
            machine="m",
            calibration=None,
            slabs=slabs,
        )
        body = msgspec.convert(program.body, NeuromorphicBody)
        with open_device(program) as device:
            outputs, took = device.profile(values)
        slots = sum(usage.used for core in body.cores for usage in core.usage if usage.resource == "neuron_slots")
        assert took.counts["neuron_updates"] == 2 * body.steps * slots
        assert any(core.spare_columns for core in body.cores) == (slabs == "power_of_two")
        logits.append(outputs["y"])
    assert np.array_equal(logits[0], logits[1])
