"""Lowering to the GPU: every operator, every argument, every buffer, and what is fused."""

from __future__ import annotations

import ast

import numpy as np
import pytest
from gpu_cases import all_cases, gather, is_exact
from gpu_networks import NETWORKS, filled, quantized, residual, squeeze, views

from striate.diagnostics import CompileError
from striate.graph import Graph
from striate.operators import OPERATORS, Add, Conv2d, Flatten, Linear, MaxPool2d, Relu, Reshape
from striate.targets.gpu import Lowered, lower
from striate.targets.gpu.emission import KERNEL_FOLDER, render, template
from striate.targets.gpu.lower import LOWERINGS
from striate.tensor import TensorType

KERNELS = sorted(path.stem for path in KERNEL_FOLDER.glob("[a-z]*.py"))


@pytest.fixture(scope="module")
def lowered_cases() -> list[tuple[Graph, Lowered]]:
    floats = gather(case for case in all_cases() if not is_exact(case)).graph
    integers = gather(case for case in all_cases() if is_exact(case)).graph
    networks = [network() for network in NETWORKS[:-1]]
    return [
        (floats, lower(floats, "f16")),
        (floats, lower(floats, "f32")),
        (integers, lower(integers, "i8")),
        *((graph, lower(graph, "f16")) for graph in networks),
        (quantized(), lower(quantized(), "i8")),
    ]


def test_every_operator_has_a_lowering() -> None:
    assert set(LOWERINGS) == set(OPERATORS)


def test_the_arguments_of_every_launch_are_its_kernels_parameters_in_order(
    lowered_cases: list[tuple[Graph, Lowered]],
) -> None:
    for _, lowered in lowered_cases:
        for launch in lowered.body.launches:
            for candidate in launch.candidates:
                given, constants = _parameters(lowered.sources[candidate.source], candidate.kernel)
                assert [argument.name for argument in launch.arguments] == given, launch.layer
                assert set(candidate.constants) == constants, launch.layer
                assert candidate.constants[candidate.row_constant] == candidate.block_rows


def test_every_argument_names_a_buffer_or_an_array_that_exists(lowered_cases: list[tuple[Graph, Lowered]]) -> None:
    for _, lowered in lowered_cases:
        known = {
            "buffer": {buffer.name for buffer in lowered.body.buffers},
            "array": set(lowered.arrays),
            "rows": {""},
        }
        for launch in lowered.body.launches:
            assert all(argument.ref in known[argument.kind] for argument in launch.arguments)
            assert [argument.kind for argument in launch.arguments].count("rows") == 1


def test_every_node_belongs_to_exactly_one_launch(lowered_cases: list[tuple[Graph, Lowered]]) -> None:
    for graph, lowered in lowered_cases:
        launched = [name for launch in lowered.body.launches for name in launch.nodes]
        assert sorted(launched) == sorted(node.name for node in graph)


def test_the_work_of_the_launches_is_the_work_of_the_graph(lowered_cases: list[tuple[Graph, Lowered]]) -> None:
    for graph, lowered in lowered_cases:
        work = [node.operator.work(*graph.input_types(node)) for node in graph]
        assert sum(launch.macs for launch in lowered.body.launches) == sum(one.macs for one in work)
        assert sum(launch.operations for launch in lowered.body.launches) == sum(one.operations for one in work)


def test_every_buffer_is_written_before_it_is_read(lowered_cases: list[tuple[Graph, Lowered]]) -> None:
    for _, lowered in lowered_cases:
        written = set(lowered.body.inputs.values())
        for launch in lowered.body.launches:
            buffers = [argument for argument in launch.arguments if argument.kind == "buffer"]
            result = next(argument.ref for argument in buffers if argument.name == "y_ptr")
            assert result not in written, f"{launch.layer} writes '{result}' again"
            assert all(argument.ref in written for argument in buffers if argument.name != "y_ptr")
            written.add(result)


def test_tiles_are_powers_of_two_and_at_most_four_of_them(lowered_cases: list[tuple[Graph, Lowered]]) -> None:
    for _, lowered in lowered_cases:
        for launch in lowered.body.launches:
            assert 1 <= len(launch.candidates) <= 4
            for candidate in launch.candidates:
                sizes = [int(candidate.constants[name]) for name in candidate.constants if name in ("BM", "BN", "BK")]
                assert all(size & (size - 1) == 0 for size in sizes)
            assert launch.candidates[0].num_warps == 4


def test_a_residual_block_is_one_launch_for_each_convolution() -> None:
    launches = lower(residual(), "f16").body.launches
    assert [launch.nodes for launch in launches] == [
        (),
        ("stem", "stem.prelu"),
        ("conv1", "bn1", "sum", "relu"),
        ("flat", "fc"),
    ]
    assert [launch.operator for launch in launches] == ["layout", "conv2d", "conv2d", "linear"]


def test_an_integer_network_is_one_launch_for_each_weighted_layer_and_pool() -> None:
    launches = lower(quantized(), "i8").body.launches
    assert [launch.nodes for launch in launches] == [
        ("codes",),
        ("conv1", "code1"),
        ("pool",),
        ("conv2", "skip", "sum", "code2", "table"),
        ("flat", "fc", "logits"),
    ]


def test_a_broadcast_product_keeps_its_own_launch_and_takes_what_follows() -> None:
    nodes = [launch.nodes for launch in lower(squeeze(), "f16").body.launches]
    assert ("gate", "sigmoid") in nodes
    assert nodes[-1] == ("offset", "scaled", "shifted")


def test_a_view_that_is_read_twice_is_copied_once() -> None:
    lowered = lower(views(), "f16")
    copies = [launch for launch in lowered.body.launches if launch.nodes == ("rows",)]
    assert len(copies) == 1


def test_a_flatten_is_folded_into_the_order_of_the_weights() -> None:
    graph = Graph("flattened")
    graph.add_input("x", TensorType("f32", (2, 3, 4)))
    graph.add("relu", Relu(), ["x"])
    graph.add("flat", Flatten(), ["relu"])
    graph.add("y", Linear(1, bias=False), ["flat"])
    graph.outputs["y"] = "y"
    graph.set_parameter("y.weight", np.arange(24, dtype=np.float32)[None], graph.parameters["y.weight"].type)
    lowered = lower(graph, "f16")
    assert [launch.nodes for launch in lowered.body.launches] == [("relu",), ("flat", "y")]
    expected = np.arange(24).reshape(2, 3, 4).transpose(1, 2, 0).reshape(-1)
    np.testing.assert_array_equal(lowered.arrays["y.weight"][0, :24], expected)


def test_ports_keep_the_users_types_in_every_precision() -> None:
    for precision in ("f16", "f32"):
        body = lower(residual(), precision).body
        types = {buffer.name: buffer.dtype for buffer in body.buffers}
        assert (types[body.inputs["image"]], types[body.outputs["logits"]]) == ("f32", "f32")


def test_half_precision_halves_what_lies_between_layers() -> None:
    halves, singles = (_bytes_written(lower(residual(), precision), "conv1") for precision in ("f16", "f32"))
    assert 2 * halves == singles


def test_lowering_twice_gives_the_same() -> None:
    first, second = lower(residual(), "f16"), lower(residual(), "f16")
    assert first.body == second.body
    assert first.sources == second.sources
    assert {name: array.tobytes() for name, array in first.arrays.items()} == {
        name: array.tobytes() for name, array in second.arrays.items()
    }


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_template_is_a_whole_kernel_without_its_slots(kernel: str) -> None:
    text = render(kernel, {})
    assert "# slot:" in template(kernel)
    assert "# slot:" not in text
    functions = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    assert [function.name for function in functions] == [kernel]


def test_a_long_chain_and_deep_views_stay_small_kernels() -> None:
    graph = Graph("long")
    graph.add_input("x", TensorType("f32", (4, 6, 8)))
    previous = "x"
    for depth in range(100):
        previous = graph.add(f"relu{depth}", Relu(), [previous]).name
    for depth in range(12):
        size = ((8, 6, 4), (6, 4, 8), (4, 6, 8))[depth % 3]
        previous = graph.add(f"view{depth}", Reshape(size), [previous]).name
    graph.outputs["y"] = previous
    lowered = lower(graph, "f16")
    assert max(map(len, lowered.sources.values())) < 6000
    assert 4 + 4 <= len(lowered.body.launches) <= 12


def test_a_branch_far_away_is_not_computed_out_of_turn() -> None:
    graph = Graph("far")
    graph.add_input("x", TensorType("f32", (4, 6, 8)))
    graph.add("near", Conv2d(4, 1), ["x"])
    previous = "x"
    for depth in range(3000):
        previous = graph.add(f"step{depth}", MaxPool2d(1), [previous]).name
    graph.add("y", Add(), ["near", previous])
    graph.outputs["y"] = "y"
    launches = lower(filled(graph, 0), "f16").body.launches
    assert launches[1].nodes == ("near",)
    assert launches[-1].nodes == ("step2999", "y")


def test_a_batch_that_kernels_cannot_count_does_not_fit() -> None:
    graph = Graph("large")
    graph.add_input("x", TensorType("f32", (64, 256, 256)))
    graph.add("y", Relu(), ["x"])
    graph.outputs["y"] = "y"
    assert lower(graph, "f16", default_batch=511).body.launches
    with pytest.raises(CompileError, match="use batch=511 or less") as caught:
        lower(graph, "f16", default_batch=512)
    assert caught.value.diagnostics[0].code == "does-not-fit"


def test_equal_layers_share_a_kernel() -> None:
    graph = Graph("twice")
    graph.add_input("x", TensorType("f32", (16, 8, 8)))
    for name, source in (("a", "x"), ("b", "a"), ("c", "b")):
        graph.add(name, Conv2d(16, 3, padding=1), [source])
    graph.outputs["y"] = "c"
    launches = lower(filled(graph, 0), "f16").body.launches[1:3]
    assert launches[0].candidates == launches[1].candidates


Parameters = tuple[list[str], set[str]]


def _parameters(source: str, kernel: str) -> Parameters:
    """The kernel's parameters that are passed, in order, and its constants, read from its text."""
    function = next(
        node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef) and node.name == kernel
    )
    constants = {argument.arg for argument in function.args.args if argument.annotation is not None}
    return [argument.arg for argument in function.args.args if argument.arg not in constants], constants


def _bytes_written(lowered: Lowered, layer: str) -> int:
    return next(launch.bytes_written for launch in lowered.body.launches if launch.layer == layer)
