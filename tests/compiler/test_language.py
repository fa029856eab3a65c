"""What a text means: operands, attributes, blocks, names of nodes and parameters."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from striate.diagnostics import CompileError
from striate.graph import Graph
from striate.language import parse_machine, read
from striate.operators.convolution import Conv2d
from striate.verify import verify

MODELS = sorted((Path(__file__).parent.parent.parent / "examples").glob("*/*.striate"))


def graph(body: str, inputs: str = "x: f32[4, 8, 8]", result: str = "y") -> Graph:
    """The graph of a network with this body."""
    return read(f"network n({inputs}) -> {result} {{\n{body}\n}}").graph


def nodes(graph: Graph) -> dict[str, str]:
    return {node.name: node.operator.name for node in graph}


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_every_example_network_makes_a_whole_graph(path: Path) -> None:
    verify(read(path.read_text("utf-8")).graph)


def test_reading_resnet50_takes_less_than_0_3_seconds() -> None:
    text = next(path for path in MODELS if path.stem == "resnet50").read_text("utf-8")
    start = time.process_time()
    assert len(read(text).graph) > 150
    assert time.process_time() - start < 0.3


# -- expressions


def test_the_pipe_binds_looser_than_infix_operators() -> None:
    y = graph("y = x + x |> relu")
    assert nodes(y) == {"y.add": "add", "y": "relu"}
    assert y.node("y").inputs == ("y.add",)


def test_infix_operators_bind_as_in_python() -> None:
    y = graph("y = x - x * x / x")
    assert [node.operator.name for node in y] == ["mul", "div", "sub"]
    assert y.node("y").inputs == ("x", "y.div")


def test_a_piped_value_comes_first_among_the_operands() -> None:
    y = graph("y = x |> sub(z)", inputs="x: f32[4], z: f32[4]")
    assert y.node("y").inputs == ("x", "z")


@pytest.mark.parametrize(
    "call",
    [
        "conv2d(6, 3, 2, 1)",
        "conv2d(6, 3, padding=1, stride=2)",
        "conv2d(out_channels=6, kernel_size=3, stride=2, padding=1)",
    ],
)
def test_attributes_go_by_position_or_by_name(call: str) -> None:
    assert graph(f"y = x |> {call}").node("y").operator == Conv2d(6, 3, stride=2, padding=1)


def test_a_bare_word_is_an_attributes_value_even_where_a_tensor_has_that_name() -> None:
    operator = graph("same = x |> relu\ny = same |> conv2d(6, 3, padding=same)").node("y").operator
    assert operator == Conv2d(6, 3, padding="same")


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("2 + 3 * 4", 14),
        ("(2 + 3) * 4", 20),
        ("7 // 2 + 7 % 4", 6),
        ("8 / 2", 4),
        ("10 - 3 - 2", 5),
        ("-3 + 5", 2),
        ("x.channels * x.height + x.width", 40),
        ("1 if 2 > 1 and not 1 == 2 else 5", 1),
        ("1 if false else 2 if false else 3", 3),
        ("6 if (1, 2) == (1, 2) else 7", 6),
        ("4 if 1 != 1 or 2 <= 2 else 5", 4),
    ],
)
def test_numbers_are_computed_at_compile_time(expression: str, value: int) -> None:
    assert graph(f"let n = {expression}\ny = x |> conv2d(n, 1)").type_of("y").shape == (value, 8, 8)


def test_only_the_branch_that_is_taken_is_elaborated() -> None:
    y = graph("if x.channels == 4 {\n y = x |> relu\n} else if 1 // 0 == 1 {\n y = bad\n} else { y = worse }")
    assert nodes(y) == {"y": "relu"}


def test_and_stops_at_the_first_false() -> None:
    assert nodes(graph("if false and 1 // 0 == 1 { y = bad } else { y = x |> relu }")) == {"y": "relu"}


def test_an_alias_makes_no_node() -> None:
    y = graph("same = x |> relu\ny = same")
    assert nodes(y) == {"same": "relu"}
    assert y.outputs == {"y": "same"}


def test_an_input_may_be_a_result() -> None:
    assert graph("", result="x").outputs == {"x": "x"}


def test_split_takes_a_size_or_sizes() -> None:
    parts = graph("a, b, c = x |> split(3, dim=2)\ny = concat(a, b, c, dim=2)")
    assert [parts.type_of(name).shape for name in ("a", "b", "c", "y")] == [(4, 3, 8), (4, 3, 8), (4, 2, 8), (4, 8, 8)]


def test_a_statement_goes_on_over_a_line_break_in_brackets_and_at_infix_operators() -> None:
    y = graph("y =\n x\n  |> conv2d(\n 6,\n 3,\n )\n  |> relu # rectified\n\n  |> relu6")
    assert list(nodes(y)) == ["y.conv2d", "y.relu", "y"]


def test_line_ends_and_a_byte_order_mark_do_not_count() -> None:
    text = "network n(x: f32[4]) -> y {\n\ty = x |> relu\n}\n"
    assert read("\ufeff" + text.replace("\n", "\r\n")).graph == read(text).graph


# -- names


def test_operators_before_the_last_are_named_after_themselves_and_numbered() -> None:
    y = graph("y = x |> relu |> relu |> relu |> conv2d(3, 1) |> relu6")
    assert list(nodes(y)) == ["y.relu", "y.relu_2", "y.relu_3", "y.conv2d", "y"]


def test_a_statement_with_one_parametrised_operator_names_its_parameters() -> None:
    assert list(graph("y = x |> conv2d(3, 1) |> relu").parameters) == ["y.weight", "y.bias"]


def test_operators_that_share_a_statement_name_their_own_parameters() -> None:
    assert list(graph("y = x |> conv2d(3, 1, bias=false) |> conv2d(3, 1, bias=false)").parameters) == [
        "y.conv2d.weight",
        "y.weight",
    ]


def test_the_text_can_name_a_prefix_or_one_tensor() -> None:
    y = graph('a = x |> conv2d(3, 1, name="features.0")\ny = a |> conv2d(3, 1, bias="shift")')
    assert list(y.parameters) == ["features.0.weight", "features.0.bias", "y.weight", "shift"]


def test_two_operators_may_share_a_tensor_of_one_type() -> None:
    y = graph('a = x |> conv2d(4, 1, weight="w", bias=false)\ny = a |> conv2d(4, 1, weight="w", bias=false)')
    assert list(y.parameters) == ["w"]


BLOCK = """
block unit(x, n, act=1) -> y {
  conv = x |> conv2d(n, 1, weight="shared")
  y    = conv |> relu
}
"""


def test_a_block_prefixes_its_nodes_and_parameters_with_the_statements_name() -> None:
    y = read(BLOCK + "network n(x: f32[4, 8, 8]) -> y {\n  y = x |> unit(3) |> unit(4) |> unit(n=5)\n}").graph
    assert list(nodes(y)) == ["y.unit.conv", "y.unit.y", "y.unit_2.conv", "y.unit_2.y", "y.conv", "y.y"]
    assert list(y.parameters)[:2] == ["y.unit.shared", "y.unit.conv.bias"]


def test_a_round_of_a_repeat_is_named_by_its_number() -> None:
    y = graph("y = x |> repeat i in 1..3 { conv2d(i, 1) |> relu } |> repeat j in 0..1 { relu }")
    assert list(nodes(y)) == ["y.repeat.1.conv2d", "y.repeat.1", "y.repeat.2.conv2d", "y.repeat.2", "y.0"]
    assert "y.repeat.1.weight" in y.parameters


def test_a_repeat_of_no_rounds_changes_nothing() -> None:
    assert graph("a = x |> repeat i in 2..2 { relu }\ny = a |> relu").node("y").inputs == ("x",)


def test_a_block_may_give_several_results() -> None:
    block = "block both(x) -> a, b {\n a = x |> relu\n b = x |> relu6\n}\n"
    assert read(block + "network n(x: f32[4]) -> p, q {\n p, q = x |> both\n}").graph.outputs == {
        "p": "p.a",
        "q": "p.b",
    }


def test_blocks_may_stand_below_the_network_that_applies_them() -> None:
    assert list(nodes(read("network n(x: f32[4, 2, 2]) -> y { y = x |> unit(3) }" + BLOCK).graph)) == ["y.conv", "y.y"]


# -- the experiment and machines


def test_the_compare_section_is_an_experiment() -> None:
    experiment = read(
        "network n(x: f32[4]) -> y { y = x |> relu }\n"
        'compare {\n  data "a.npz"\n  calibration "b.npz"\n'
        '  gpu(precision=f16, batch=8, fast=true)\n  "my.toml"(x=-0.5)\n}'
    ).experiment
    assert (experiment.data, experiment.calibration) == ("a.npz", "b.npz")
    assert [str(machine) for machine in experiment.machines] == [
        "gpu(precision=f16, batch=8, fast=true)",
        "my.toml(x=-0.5)",
    ]
    assert experiment.machines[0].span is not None


@pytest.mark.parametrize(
    ("text", "name", "options"),
    [
        ("gpu", "gpu", {}),
        (" gpu( ) ", "gpu", {}),
        ("gpu(precision=i8, batch=64)", "gpu", {"precision": "i8", "batch": 64}),
        ("path/to/my chip.toml(coding=rate,scale=1e-3)", "path/to/my chip.toml", {"coding": "rate", "scale": 1e-3}),
        ('"my chip.toml"(coding=rate)', "my chip.toml", {"coding": "rate"}),
        ('x(a=true, b="two words")', "x", {"a": True, "b": "two words"}),
    ],
)
def test_a_machine_on_the_command_line(text: str, name: str, options: dict[str, object]) -> None:
    machine = parse_machine(text)
    assert (machine.name, machine.options) == (name, options)


@pytest.mark.parametrize(
    "text", ["", "  ", "gpu(", "gpu)", "(a=1)", "gpu(i8)", "gpu(a=1, a=2)", "gpu(a=1,)", "gpu(a=)", "gpu(a=(1))"]
)
def test_a_bad_machine_is_refused_with_a_caret(text: str) -> None:
    with pytest.raises(CompileError) as caught:
        parse_machine(text)
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == ["bad-machine"]
    assert "^" in str(caught.value)


def test_weights_are_declared_in_the_text() -> None:
    hashed = f'weights "w.safetensors" sha256 "{"0" * 64}"\n'
    body = "y = x |> relu }"
    for line, expected in ((hashed, ("w.safetensors", "0" * 64, None)), ("weights init(7)\n", (None, None, 7))):
        weights = read(f"network n(x: f32[4]) -> y {{\n{line}{body}").weights
        assert weights is not None
        assert (weights.path, weights.sha256, weights.seed) == expected
    assert read(f"network n(x: f32[4]) -> y {{\n{body}").weights is None
