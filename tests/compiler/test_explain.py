"""Every error code is explained, and every explanation's example causes its error."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Striate
from safetensors.numpy import save_file  # pyright: ignore[reportUnknownVariableType]

from striate.diagnostics import CompileError, Source
from striate.explain import CODES, explain
from striate.language import read

COMPILER = Path(__file__).parent.parent.parent / "compiler" / "striate"
RUNNABLE = [code for code in CODES if not explain(code).elsewhere]


def codes_in_the_compiler() -> set[str]:
    """Every kebab-case string literal of the compiler; nothing else there is written so."""
    literals = (
        node.value for path in COMPILER.rglob("*.py") for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )  # fmt: skip
    return {literal for literal in literals if re.fullmatch(r"[a-z]+(-[a-z]+)+", literal)}


def test_every_code_of_the_compiler_is_explained() -> None:
    assert codes_in_the_compiler() - set(CODES) == set()


def test_every_explained_code_exists() -> None:
    assert set(CODES) - codes_in_the_compiler() == set()


@pytest.mark.parametrize("code", CODES)
def test_an_explanation_says_what_is_wrong_and_what_would_be_right(code: str) -> None:
    explanation = explain(code)
    for text in (explanation.summary, explanation.fix):
        assert text.endswith((".", "'.", '".'))
        assert "\n" not in text
    assert explanation.example.strip()


@pytest.mark.parametrize("code", [code for code in RUNNABLE if not explain(code).command])
def test_the_example_text_is_refused_with_its_code_alone(code: str) -> None:
    with pytest.raises(CompileError) as caught:
        read(Source("example", explain(code).example))
    assert {diagnostic.code for diagnostic in caught.value.diagnostics} == {code}


@pytest.mark.parametrize("code", [code for code in RUNNABLE if explain(code).command])
def test_the_example_command_is_refused_with_its_code_alone(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, striate: Striate
) -> None:
    explanation = explain(code)
    monkeypatch.chdir(tmp_path)
    Path("network.striate").write_text(explanation.example, "utf-8")
    for name, text in explanation.files.items():
        Path(name).write_text(text, "utf-8")
    for name, shapes in explanation.safetensors.items():
        save_file({tensor: np.zeros(shape, np.float32) for tensor, shape in shapes.items()}, name)
    for name, shapes in explanation.npz.items():
        arrays: dict[str, Any] = {array: np.zeros(shape, np.float32) for array, shape in shapes.items()}
        np.savez(name, **arrays)
    outcome = striate(*explanation.command)
    assert outcome.code == 1
    assert set(re.findall(r"error\[([a-z-]+)\]", outcome.err + outcome.out)) == {code}, outcome.err
