"""The fence between compiler and runtime, the layers, and the doors that heavy libraries stay behind."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
COMPILER, RUNTIME = ROOT / "compiler", ROOT / "runtime"
FILES = sorted([*COMPILER.rglob("*.py"), *RUNTIME.rglob("*.py")])

LAYERS = {
    "diagnostics": 0,
    "tensor": 1,
    "operators": 2,
    "machine": 2,
    "graph": 3,
    "verify": 4,
    "printer": 4,
    "interpreter": 4,
    "explain": 4,
    "data": 4,
    "events": 5,
    "weights": 4,
    "language": 5,
    "frontends": 5,
    "passes": 5,
    "targets": 6,
    "pipeline": 7,
    "cli": 8,
    "__main__": 9,
    "__init__": 9,
}
"""Each part of the compiler and its height; a part imports only what is lower, or itself."""

DOORS = {
    "lark": ["compiler/striate/language"],
    "triton": [
        "compiler/striate/targets/gpu/build",
        "compiler/striate/targets/gpu/kernels",
        "runtime/striate_runtime/gpu/interpret",
    ],
    "cuda": ["runtime/striate_runtime/gpu"],
    "pynvml": ["runtime/striate_runtime/gpu"],
    "numba": ["runtime/striate_runtime/neuromorphic/kernels"],
    "onnx": ["compiler/striate/frontends"],
    "nir": ["compiler/striate/frontends"],
    "aedat": ["compiler/striate/events/aedat4"],
    "torch": [],
}
"""Where each heavy library may be imported, by the beginning of the path."""


def imports(path: Path) -> Iterator[str]:
    """Every dotted module that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports by dots; names are absolute here"
            yield node.module or ""


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_imports_only_what_its_place_in_the_house_allows(path: Path) -> None:
    place = str(path.relative_to(ROOT))
    for module in imports(path):
        top, *rest = module.split(".")
        if top in DOORS:
            assert any(place.startswith(door) for door in DOORS[top]), f"{place} imports {module}"
        if place.startswith("runtime/"):
            assert top != "striate", f"{place} imports the compiler"
            continue
        part = _part(place)
        if top == "striate_runtime" and part not in ("cli", "__main__"):
            assert rest[:1] in (["program"], ["hardware"]), f"{place} imports {module}, which is behind the fence"
        if top == "striate" and rest and rest[0] != part:
            assert LAYERS[rest[0]] < LAYERS[part], f"{place} imports {module}, which stands above or beside it"
        if top == "striate" and part == "targets" and rest[:1] == ["targets"] and len(rest) > 1:
            _check_targets(place, rest[1])


def _part(place: str) -> str:
    return place.removeprefix("compiler/striate/").split("/")[0].removesuffix(".py")


def _check_targets(place: str, imported: str) -> None:
    own = place.removeprefix("compiler/striate/targets/").split("/")[0]
    targets = [p.name for p in (COMPILER / "striate/targets").iterdir() if p.is_dir() and not p.name.startswith("_")]
    assert not (own in targets and imported in targets and own != imported), f"{place} sees another target"


def test_the_runtime_works_without_the_compiler_on_the_path() -> None:
    script = f"""
import sys
sys.path.insert(0, {str(RUNTIME)!r})
import striate_runtime
assert not [m for m in sys.modules if m == "striate" or m.startswith("striate.")]
"""
    result = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(("statement", "limit_s"), [("import striate", 0.3), ("import striate.cli", 0.5)])
def test_importing_is_quick(statement: str, limit_s: float) -> None:
    script = f"""
import sys, time
sys.path[:0] = [{str(COMPILER)!r}, {str(RUNTIME)!r}]
start = time.process_time()
{statement}
print(time.process_time() - start)
"""
    runs = [
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True) for _ in range(3)
    ]
    assert min(float(run.stdout) for run in runs) < limit_s


def test_no_file_has_grown_into_two() -> None:
    long = {str(p.relative_to(ROOT)): n for p in FILES if (n := len(p.read_text().splitlines())) > 350}
    assert not long, f"look for the second idea in {long}"


def test_no_vague_module_names() -> None:
    vague = [p for p in FILES if p.stem in ("utils", "helpers", "common", "base", "misc")]
    assert not vague
