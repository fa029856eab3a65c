"""Speck: one layer on one core, cores that differ, planes of powers of two; by the published formulas, by hand."""

from __future__ import annotations

import itertools

import msgspec
import numpy as np
import pytest
from conftest import DIGITS
from hypothesis import given, settings
from hypothesis import strategies as st
from mapped_networks import compiled

from striate.diagnostics import CompileError
from striate.interpreter import interpret
from striate.language import parse_machine
from striate.pipeline import lower, read
from striate.targets.neuromorphic.codings.sum_pools import fold_average_pools
from striate.targets.neuromorphic.mapping.one_layer import Place, match_layers
from striate_runtime.program import Program
from striate_runtime.program.neuromorphic import Core, NeuromorphicBody

KERNEL_WORDS = [16384, 16384, 16384, 32768, 32768, 65536, 65536, 16384, 16384]
NEURON_WORDS = [65536, 65536, 65536, 32768, 32768, 16384, 16384, 16384, 16384]
"""Of Speck's nine cores, as sinabs has them."""


def on_speck(text: str) -> Program:
    return lower(compiled(text)[0], parse_machine("speck(coding=rate)"))


def network(layers: str, shape: str = "1, 28, 28") -> str:
    return f"network n(x: f32[{shape}]) -> y {{ weights init(0)\n y = x |> {layers} }}"


def cores_of(program: Program) -> tuple[Core, ...]:
    return msgspec.convert(program.body, NeuromorphicBody).cores


def used(core: Core) -> dict[str, int]:
    return {usage.resource: usage.used for usage in core.usage}


def test_lenets_words_are_those_of_the_published_formulas() -> None:
    """Kernels: Cin x 2^(ceil(log2 kx ky) + ceil(log2 Cout)); neurons: Cout x 2^(ceil(log2 fy) + ceil(log2 fx))."""
    program = lower(read(DIGITS / "lenet5.striate"), parse_machine("speck(coding=rate)"))
    cores = cores_of(program)
    words = [(used(core)["kernel_words"], used(core)["neuron_words"], used(core)["bias_words"]) for core in cores]
    assert words == [
        (1 * 2 ** (5 + 3), 6 * 2 ** (5 + 5), 6),  # 5 x 5, 6 channels of 28 x 28
        (6 * 2 ** (5 + 4), 16 * 2 ** (4 + 4), 16),  # 16 channels of 10 x 10
        (16 * 2 ** (5 + 7), 120, 120),  # 120 neurons over 16 channels of 5 x 5
        (120 * 2 ** (0 + 7), 84, 84),
        (84 * 2 ** (0 + 4), 10, 10),
    ]
    assert [used(core)["input_size"] for core in cores] == [28, 14, 5, 1, 1], "what comes in after the pools"
    assert [used(core)["kernel_size"] for core in cores] == [5, 5, 5, 1, 1]
    for core in cores:
        limits = {usage.resource: usage.limit for usage in core.usage}
        assert (limits["kernel_words"], limits["neuron_words"]) == (KERNEL_WORDS[core.x], NEURON_WORDS[core.x])
        assert all(amount <= (limits[name] or 0) for name, amount in used(core).items())
    assert len({core.x for core in cores}) == 5


@pytest.mark.parametrize(
    ("layers", "shape", "message", "help"),
    [
        ("conv2d(4, 17, stride=2) |> relu", "1, 40, 40", "17 rows or columns of its kernel, and the most", None),
        ("conv2d(4, 3, padding=8) |> relu", "1, 8, 8", "8 rows or columns of padding, and the most", None),
        ("conv2d(4, 3, stride=4) |> relu", "1, 129, 129", "129 rows or columns coming in, and the most", None),
        ("conv2d(4, 3, stride=3) |> relu", "1, 8, 8", "its stride is 3, and legal are 1, 2, 4, 8", None),
        ("conv2d(4, 3) |> relu |> avg_pool2d(3) |> conv2d(4, 1)", "1, 8, 8", "its pool is 3, and legal are 1", None),
        ("conv2d(4, 3, groups=2) |> relu", "2, 8, 8", "neither a convolution without groups and dilation nor", None),
        (
            "conv2d(33, 1) |> relu",
            "1, 60, 60",
            "135,168 words of neuron memory, and the most there is is 65,536",
            "with at most 16 channels in 'y.conv2d' (now 33) it would fit",
        ),
        (
            "conv2d(10, 1) |> relu |> conv2d(300, 7, stride=2) |> relu",
            "1, 14, 14",
            "327,680 words of kernel memory, and the most there is is 65,536",
            "with at most 64 channels",
        ),
    ],
)  # fmt: skip
def test_a_layer_that_no_core_holds_is_named_with_its_numbers(
    layers: str, shape: str, message: str, help: str | None
) -> None:
    with pytest.raises(CompileError) as error:
        on_speck(network(layers, shape))
    (diagnostic, *_) = [each for each in error.value.diagnostics if message in each.message] or [None]
    assert diagnostic is not None, str(error.value)
    assert diagnostic.span is not None
    assert help is None or help in (diagnostic.help or "")


def test_the_channels_that_it_names_fit_and_one_more_does_not() -> None:
    fitting = on_speck(network("conv2d(16, 1) |> relu", "1, 60, 60"))
    assert len(cores_of(fitting)) >= 1
    with pytest.raises(CompileError):
        on_speck(network("conv2d(17, 1) |> relu", "1, 60, 60"))


def test_ten_layers_are_one_more_than_there_are_cores() -> None:
    layers = " |> ".join(["conv2d(2, 1) |> relu"] * 9)
    assert len(cores_of(on_speck(network(f"{layers[: -len(' |> relu')]}", "1, 4, 4")))) == 9
    with pytest.raises(CompileError) as error:
        on_speck(network(f"{layers} |> conv2d(2, 1)", "1, 4, 4"))
    assert "its 10 layers take a core each, and the 9 cores cannot hold them all" in error.value.diagnostics[0].message


def test_a_sum_of_two_layers_is_no_layer_of_one_core() -> None:
    text = """network n(x: f32[1, 8, 8]) -> y { weights init(0)
      a = x |> conv2d(2, 1) |> relu
      b = a |> conv2d(2, 3, padding=1) |> relu
      y = (b |> conv2d(2, 1)) + (a |> conv2d(2, 1)) |> relu
    }"""
    with pytest.raises(CompileError) as error:
        on_speck(text)
    assert "a core has one kernel, and 2 projections lead to it" in str(error.value)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), min_size=1, max_size=5), st.data())
def test_layers_find_cores_whenever_there_is_a_way(layers: list[tuple[int, int]], data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), min_size=1, max_size=5))
    places = [Place(n, {"kernel_words": k, "neuron_words": v, "bias_words": None}) for n, (k, v) in enumerate(sizes)]
    demands: list[dict[str, int]] = [{"kernel_words": k, "neuron_words": v, "bias_words": 0} for k, v in layers]

    def legal(order: tuple[int, ...]) -> bool:
        return all(k <= sizes[at][0] and v <= sizes[at][1] for (k, v), at in zip(layers, order, strict=True))

    found = match_layers(demands, places)
    possible = any(legal(order) for order in itertools.permutations(range(len(sizes)), len(layers)))
    assert (found is not None) == possible
    if found is not None:
        assert len(set(found)) == len(found)
        assert legal(tuple(found))


@pytest.mark.parametrize(
    "layers",
    [
        "conv2d(4, 3) |> relu |> avg_pool2d(2) |> conv2d(5, 2, stride=2, padding=1) |> relu",
        "conv2d(4, 3, padding=1) |> relu |> avg_pool2d(4) |> flatten |> linear(6)",
        "conv2d(4, 3, padding=1) |> relu |> avg_pool2d(2) |> conv2d(3, 1) |> avg_pool2d(2) |> flatten |> linear(2)",
    ],
)
def test_folding_pools_into_the_layers_after_them_computes_the_same(layers: str) -> None:
    compilation, values = compiled(network(layers, "2, 8, 8" if "padding=1) |> relu |> avg" in layers else "2, 10, 10"))
    folded = compilation.optimised.copy()
    pools = fold_average_pools(folded)
    assert len(pools) == layers.count("avg_pool2d")
    assert not any(node.operator.name == "avg_pool2d" for node in folded)
    expected, found = interpret(compilation.optimised, values), interpret(folded, values)
    assert np.allclose(found["y"], expected["y"], rtol=1e-5, atol=1e-6)


def test_layers_of_cores_that_differ_are_not_pinned() -> None:
    with pytest.raises(CompileError, match="'pin' is for cores alike"):
        lower(compiled(network("conv2d(4, 3)"))[0], parse_machine('speck(coding=rate, pin="y: 3")'))


def test_a_pool_that_overlaps_is_left_and_then_no_layer() -> None:
    text = network("conv2d(4, 3) |> relu |> avg_pool2d(3, stride=2) |> conv2d(4, 1) |> relu", "1, 9, 9")
    assert fold_average_pools(compiled(text)[0].optimised.copy()) == {}
    with pytest.raises(CompileError, match="neither a convolution"):
        on_speck(text)
