"""Every pass and its page: before and after in the language, compared as graphs and by what they compute."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from striate.graph import Graph
from striate.interpreter import interpret
from striate.language import read
from striate.operators import OPERATORS
from striate.passes import PASSES, TIME_PASSES, run_passes
from striate.printer import print_graph
from striate.tensor import NUMPY, Array
from striate.verify import verify

PAGES = Path(__file__).parent / "passes"
MODELS = Path(__file__).parents[2] / "examples" / "models"
BY_NAME = {run.__name__: run for run in (*PASSES, *TIME_PASSES)}

ONLY_MOVES = frozenset(
    ("remove_dead_nodes", "merge_common_subexpressions", "merge_movement", "remove_identities", "merge_clips")
)
"""Passes whose results are equal bit for bit."""


@dataclass(frozen=True)
class Example:
    """One example of a page; `after` is None where the pass must hold off."""

    page: str
    title: str
    before: str
    after: str | None


def examples(path: Path) -> list[Example]:
    """Sections `## title`, each with a ```before and an ```after block, or one ```unchanged block."""
    found: list[Example] = []
    for section in re.split(r"^## ", path.read_text(), flags=re.MULTILINE)[1:]:
        title = section.partition("\n")[0]
        blocks = dict(re.findall(r"^```(before|after|unchanged)\n(.*?)^```$", section, re.MULTILINE | re.DOTALL))
        assert blocks.keys() in ({"before", "after"}, {"unchanged"}), f"{path.name}: '{title}' is no example"
        found.append(Example(path.stem, title, blocks.get("before", blocks.get("unchanged", "")), blocks.get("after")))
    return found


EXAMPLES = [example for path in sorted(PAGES.glob("*.md")) if path.stem in BY_NAME for example in examples(path)]


def load_random(graph: Graph, seed: int = 0) -> None:
    """Random parameters in double precision, so that a rounding to f32 hides nothing."""
    rng = np.random.default_rng(seed)
    for node in graph:
        for role, value in node.operator.sample_parameters(rng, *graph.input_types(node)).items():
            name, wide = node.parameters[role], np.float64 if value.dtype.kind == "f" else value.dtype
            if graph.parameters[name].value is None:
                graph.set_parameter(name, value.astype(wide), graph.parameters[name].type)


def random_inputs(graph: Graph, seed: int = 1, samples: int = 3) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    return {
        name: rng.uniform(-8, 8, (samples, *type.shape)).astype(NUMPY[type.dtype])
        for name, type in graph.inputs.items()
    }


def shape_of(graph: Graph) -> object:
    """The graph with nodes and parameters named by where they stand, so that two graphs compare by structure."""
    names = {name: name for name in graph.inputs}
    parameters: dict[str, str] = {}
    nodes: list[object] = []
    pending = list(graph.outputs.values())[::-1]
    while pending:
        name = pending[-1]
        missing = [] if name in names else [value for value in graph.node(name).inputs if value not in names]
        if missing:
            pending += missing[::-1]
            continue
        pending.pop()
        if name not in names:
            node = graph.node(name)
            for value in node.parameters.values():
                parameters.setdefault(value, f"#{len(parameters)}")
            roles = {role: parameters[value] for role, value in node.parameters.items()}
            nodes.append((node.operator, tuple(names[value] for value in node.inputs), roles, node.type))
            names[name] = f"%{len(names)}"
    unreached = sorted(node.operator.name for node in graph if node.name not in names)
    return graph.inputs, {name: names[value] for name, value in graph.outputs.items()}, nodes, unreached


def assert_same(wanted: Mapping[str, Array], found: Mapping[str, Array], relative: float) -> None:
    assert wanted.keys() == found.keys()
    for name, expected in wanted.items():
        if relative == 0:
            assert np.array_equal(expected, found[name]), name
        else:
            limit = relative * max(1.0, float(np.abs(expected).max()))
            assert np.abs(expected - found[name]).max() <= limit, name


def test_every_pass_has_a_page_and_every_page_a_pass() -> None:
    assert {path.stem for path in PAGES.glob("*.md")} == BY_NAME.keys()


def test_the_specification_lists_the_passes_in_their_order() -> None:
    page = (Path(__file__).parents[2] / "spec" / "graph.md").read_text()
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == list(BY_NAME)


@pytest.mark.parametrize("name", BY_NAME)
def test_every_page_shows_a_rewrite_and_every_pass_that_can_hold_off_shows_it(name: str) -> None:
    page = [example for example in EXAMPLES if example.page == name]
    assert any(example.after is not None for example in page)
    assert any(example.after is None for example in page)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: f"{example.page}: {example.title}")
def test_a_pass_turns_before_into_after_and_keeps_what_it_computes(example: Example) -> None:
    run = BY_NAME[example.page]
    graph = read(example.before).graph
    load_random(graph)
    inputs = random_inputs(graph)
    wanted, was = interpret(graph, inputs, float64=True), shape_of(graph)
    rewrites = run(graph)
    verify(graph, example.page)
    if example.after is None:
        assert rewrites == 0
        assert shape_of(graph) == was
        return
    assert rewrites > 0
    after = shape_of(read(example.after).graph)
    assert shape_of(graph) == after, print_graph(graph)
    assert_same(wanted, interpret(graph, inputs, float64=True), 0 if example.page in ONLY_MOVES else 1e-9)
    assert read(print_graph(graph)).graph == graph


@pytest.mark.parametrize("run", PASSES, ids=lambda run: run.__name__)
def test_no_pass_touches_a_node_that_stands_alone(run: Callable[[Graph], int]) -> None:
    for operator in OPERATORS.values():
        for case in operator.cases():
            graph = Graph("alone")
            for index, type in enumerate(case.inputs):
                graph.add_input(f"x{index}", type)
            graph.add("y", case.operator, list(graph.inputs))
            graph.outputs = {"y": "y"}
            load_random(graph)
            copied = graph.copy()
            if run(graph):
                assert run.__name__ in ("remove_identities", "pool_for_mean"), f"{operator.name}, {case.note}"
            else:
                assert graph == copied, f"{operator.name}, {case.note}"


@pytest.mark.parametrize("name", ["resnet50", "mobilenet_v2", "unet_small", "pilotnet"])
def test_all_passes_together_reach_a_fixed_point_and_every_batch_norm_of_a_known_network_is_folded(name: str) -> None:
    graph = read((MODELS / f"{name}.striate").read_text()).graph
    load_zeros(graph)
    run_passes(graph)
    assert not [node.name for node in graph if node.operator.name == "batch_norm"]
    before = graph.copy()
    assert sum(report.rewrites for report in run_passes(graph)) == 0
    assert graph == before


def test_all_passes_keep_what_a_residual_network_computes() -> None:
    graph = read(RESIDUAL).graph
    load_random(graph)
    inputs = random_inputs(graph)
    wanted = interpret(graph, inputs, float64=True)
    reports = {report.name: report.rewrites for report in run_passes(graph)}
    assert_same(wanted, interpret(graph, inputs, float64=True), 1e-9)
    assert reports["fold_batch_norm"] == 3
    assert reports["hoist_pointwise_over_pool"] == 1


def test_the_passes_on_resnet50_take_well_under_half_a_second() -> None:
    graph = read((MODELS / "resnet50.striate").read_text()).graph
    load_zeros(graph)
    run_passes(graph.copy())
    started = time.process_time()
    reports = run_passes(graph)
    assert time.process_time() - started < 0.5, reports


def test_a_watcher_sees_every_pass_in_order() -> None:
    graph = read(RESIDUAL).graph
    load_random(graph)
    seen: list[str] = []
    run_passes(graph, observe=lambda name, _: seen.append(name))
    assert seen[: len(PASSES)] == [run.__name__ for run in PASSES]


def test_a_pass_that_breaks_a_graph_is_named_by_verify() -> None:
    from striate.passes.manager import run_to_fixed_point

    def forget_parameters(graph: Graph) -> int:
        graph.parameters.clear()
        return 1

    graph = read(RESIDUAL).graph
    with pytest.raises(AssertionError, match="after forget_parameters"):
        run_to_fixed_point((forget_parameters,), graph)


def load_zeros(graph: Graph) -> None:
    """Values that cost no time to make: the passes only need that there are some."""
    for name, parameter in list(graph.parameters.items()):
        graph.set_parameter(name, np.zeros(parameter.type.shape, NUMPY[parameter.type.dtype]), parameter.type)


RESIDUAL = """
network residual(x: f32[3, 12, 12]) -> y {
  stem = x |> pad((1, 1, 1, 1)) |> conv2d(4, 3, bias=false) |> batch_norm |> relu |> max_pool2d(2)
  c1   = stem |> conv2d(4, 3, padding=1, bias=false) |> batch_norm |> relu |> relu
  c2   = c1 |> conv2d(4, 3, padding=1) |> batch_norm
  sum  = c2 + stem |> relu
  y    = sum |> adaptive_avg_pool2d(1) |> flatten |> flatten |> linear(5)
}
"""
