"""Every example in spec/ is run: it is accepted, or refused with just the error it is marked with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from striate.diagnostics import CompileError, Source
from striate.language import format_source, read
from striate.printer import print_graph

SPEC = Path(__file__).parent.parent / "spec"
FENCE = re.compile(r"^```(?P<tag>[^\n]+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Example:
    """A fenced text with its tag, where it stands, and the network that was shown before it."""

    place: str
    tag: str
    text: str
    network: str

    @property
    def source(self) -> Source:
        return Source(self.place, self.text)


def examples() -> Iterator[Example]:
    for page in sorted(SPEC.glob("*.md")):
        content, network = page.read_text("utf-8"), ""
        for fence in FENCE.finditer(content):
            line = content[: fence.start()].count("\n") + 1
            yield Example(f"{page.name}:{line}", fence["tag"].strip(), fence["text"], network)
            network = fence["text"] if fence["tag"].strip() == "striate" else network


def tagged(pattern: str) -> list[Example]:
    return [example for example in examples() if re.fullmatch(pattern, example.tag)]


def place(example: Example) -> str:
    return example.place


def test_the_language_has_examples_of_every_kind() -> None:
    for pattern, least in (("striate", 9), ("striate printed", 2), (r"striate error\[.*\]", 6), ("parameters", 1)):
        assert len([e for e in tagged(pattern) if e.place.startswith("language.md")]) >= least


def test_every_marked_example_is_of_a_known_kind() -> None:
    known = r"striate|striate printed|striate error\[[a-z-]+\]|parameters"
    assert [e.place for e in examples() if e.tag.startswith("striate") and not re.fullmatch(known, e.tag)] == []


@pytest.mark.parametrize("example", tagged("striate"), ids=place)
def test_an_example_is_accepted(example: Example) -> None:
    read(example.source)


@pytest.mark.parametrize("example", tagged("striate"), ids=place)
def test_an_example_is_in_canonical_layout(example: Example) -> None:
    assert format_source(example.source) == example.text


@pytest.mark.parametrize("example", tagged(r"striate error\[.*\]"), ids=place)
def test_an_example_is_refused_with_the_error_it_is_marked_with(example: Example) -> None:
    code = example.tag.removeprefix("striate error[").removesuffix("]")
    with pytest.raises(CompileError) as caught:
        read(example.source)
    assert {diagnostic.code for diagnostic in caught.value.diagnostics} == {code}


@pytest.mark.parametrize("example", tagged("striate printed"), ids=place)
def test_the_network_before_it_prints_so(example: Example) -> None:
    assert print_graph(read(example.network).graph) == example.text


@pytest.mark.parametrize("example", tagged("parameters"), ids=place)
def test_the_network_before_it_has_these_parameters(example: Example) -> None:
    parameters = read(example.network).graph.parameters
    assert [f"{name}: {parameter.type}" for name, parameter in parameters.items()] == example.text.splitlines()
