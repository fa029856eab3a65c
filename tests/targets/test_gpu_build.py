"""Kernels are built without a GPU: what is in the cubins, that they are the same every time, and the cache."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from gpu_networks import filled, quantized, residual
from gpu_time_networks import tuned, with_time

from striate.diagnostics import CompileError
from striate.graph import Graph
from striate.operators import Add, Conv2d, CubaLif, Delay, FixedPointLif, FixedPointSigmaDelta
from striate.targets.gpu import compile_for_gpu
from striate.targets.gpu.emission import Precision
from striate.targets.gpu.workers import BuildRequest, build_all, key_of
from striate.tensor import TensorType
from striate_runtime.gpu.cubin import read_parameters
from striate_runtime.gpu.plan import read_plan
from striate_runtime.program import Program
from striate_runtime.program.gpu import Cubin, Launch

pytest.importorskip("triton")

LARGEST_SHARED_BYTES = 227 * 1024
"""What one block of an H100 can have."""

STEPS = 10

ADD_ONE = """
import triton
import triton.language as tl


@triton.jit
def add_one(x_ptr, M, BM: tl.constexpr):
    at = tl.program_id(0) * BM + tl.arange(0, BM)
    tl.store(x_ptr + at, tl.load(x_ptr + at, mask=at < M) + 1, mask=at < M)
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cubins")


@pytest.fixture(scope="module")
def programs(cache: Path) -> dict[str, Program]:
    return {
        "wide f16": compiled(wide("f32"), "f16", cache),
        "wide i8": compiled(wide("i8"), "i8", cache),
        "wide u8": compiled(wide("u8"), "i8", cache),
        "residual": compiled(residual(), "f16", cache),
        "quantized": compiled(quantized(), "i8", cache),
        "spiking i8": compiled(spiking(), "i8", cache, STEPS),
        "holding i8": compiled(holding(), "i8", cache, STEPS),
        "spiking f16": compiled(spiking_floats(), "f16", cache, STEPS),
    }


def compiled(graph: Graph, precision: Precision, cache: Path, steps: int | None = None) -> Program:
    return compile_for_gpu(
        graph, precision=precision, hardware_text="", machine="gpu", cache=cache, jobs=2, steps=steps
    )


def wide(dtype: str) -> Graph:
    """A convolution that fills whole tensor-core tiles."""
    graph = Graph("wide")
    graph.add_input("x", TensorType("f32" if dtype == "f32" else "u8" if dtype == "u8" else "i8", (64, 28, 28)))
    graph.add("y", Conv2d(64, 3, padding=1), ["x"])
    graph.outputs["y"] = "y"
    return filled(graph, 0)


def spiking() -> Graph:
    """Two convolutions that fill whole tensor-core tiles, whose neurons keep three numbers; one is in a loop."""
    graph = with_time("spiking", x=TensorType("i8", (64, 28, 28)))
    graph.add("conv", Conv2d(64, 3, padding=1), ["x"])
    graph.add("s1", FixedPointLif("subtract", 2), ["conv"])
    graph.add("back", Delay(1, (64, 28, 28), "i8"), ["s2"])
    graph.add("both", Conv2d(64, 3, padding=1), ["back"])
    graph.add("in", Conv2d(64, 1, bias=False), ["s1"])
    graph.add("sum", Add(), ["in", "both"])
    graph.add("s2", FixedPointLif("zero", 1), ["sum"])
    graph.outputs["s2"] = "s2"
    return tuned(graph, 0)


def holding() -> Graph:
    """The same of neurons that hold what changes add up to; the first adds up what it is given."""
    graph = with_time("holding", x=TensorType("u8", (64, 28, 28)))
    graph.add("conv", Conv2d(64, 3, padding=1), ["x"])
    graph.add("s1", FixedPointSigmaDelta("u8", threshold=8, adds=True), ["conv"])
    graph.add("back", Delay(1, (64, 28, 28), "u8"), ["s2"])
    graph.add("both", Conv2d(64, 3, padding=1), ["back"])
    graph.add("in", Conv2d(64, 1, bias=False), ["s1"])
    graph.add("sum", Add(), ["in", "both"])
    graph.add("s2", FixedPointSigmaDelta("u8", threshold=8), ["sum"])
    graph.outputs["s2"] = "s2"
    return tuned(graph, 0)


def spiking_floats() -> Graph:
    """The same in floats, without a loop."""
    graph = with_time("spiking", x=TensorType("f32", (64, 28, 28)))
    graph.add("conv", Conv2d(64, 3, padding=1), ["x"])
    graph.add("s1", CubaLif(0.005, 0.02, refractory=1), ["conv"])
    graph.outputs["s1"] = "s1"
    return filled(graph, 0)


def cubins_of(program: Program) -> Iterator[tuple[Launch, str, Cubin]]:
    for launch in read_plan(program).body.launches:
        for candidate in launch.candidates:
            yield from ((launch, name, cubin) for name, cubin in candidate.cubins.items())


def test_every_candidate_is_built_for_hopper_and_the_default_for_ampere(programs: dict[str, Program]) -> None:
    for program in programs.values():
        for launch in read_plan(program).body.launches:
            default, *others = launch.candidates
            assert set(default.cubins) == {"sm_90a", "sm_80"}
            assert all(set(candidate.cubins) == {"sm_90a"} for candidate in others)


def test_no_kernel_spills_or_takes_more_shared_memory_than_there_is(programs: dict[str, Program]) -> None:
    for program in programs.values():
        for launch, _, cubin in cubins_of(program):
            assert cubin.spill_bytes == 0, launch.layer
            assert cubin.shared_bytes <= LARGEST_SHARED_BYTES, launch.layer
            assert 0 < cubin.registers <= 255, launch.layer


def test_the_cubins_parameters_are_the_launchs_arguments_and_tritons_two_scratch_pointers(
    programs: dict[str, Program],
) -> None:
    sizes = {"buffer": 8, "array": 8, "rows": 4, "step": 4}
    for program in programs.values():
        for launch, _, cubin in cubins_of(program):
            parameters = read_parameters(program.files[cubin.file], cubin.entry)
            expected = [sizes[argument.kind] for argument in launch.arguments] + [8, 8]
            assert [parameter.size for parameter in parameters] == expected, launch.layer


@pytest.mark.parametrize(
    ("name", "arch", "instruction"),
    [
        ("wide f16", "sm_90a", "HGMMA"),
        ("wide f16", "sm_80", "HMMA"),
        ("wide i8", "sm_90a", "IGMMA"),
        ("wide u8", "sm_90a", "IGMMA"),
        ("wide u8", "sm_80", "IMMA"),
    ],
)
def test_the_default_convolution_multiplies_on_tensor_cores(
    programs: dict[str, Program], tmp_path: Path, name: str, arch: str, instruction: str
) -> None:
    launch = next(one for one in read_plan(programs[name]).body.launches if one.operator == "conv2d")
    assert launch.candidates[0].block_rows >= 64
    code = _sass(programs[name].files[launch.candidates[0].cubins[arch].file], tmp_path)
    assert re.search(rf"\b{instruction}\b", code)


@pytest.mark.parametrize(
    ("name", "layer", "arch", "instruction"),
    [
        ("spiking i8", "conv", "sm_90a", "IGMMA"),
        ("spiking i8", "conv", "sm_80", "IMMA"),
        ("spiking i8", "both", "sm_90a", "IGMMA"),
        ("spiking f16", "conv", "sm_90a", "HGMMA"),
        ("holding i8", "conv", "sm_90a", "IGMMA"),
        ("holding i8", "conv", "sm_80", "IMMA"),
        ("holding i8", "both", "sm_90a", "IGMMA"),
    ],
)
def test_convolution_and_neuron_are_one_kernel_on_tensor_cores_with_the_state_in_registers(
    programs: dict[str, Program], tmp_path: Path, name: str, layer: str, arch: str, instruction: str
) -> None:
    launch = next(one for one in read_plan(programs[name]).body.launches if one.layer == layer)
    assert launch.keeps_state
    cubin = launch.candidates[0].cubins[arch]
    code = _sass(programs[name].files[cubin.file], tmp_path)
    assert re.search(rf"\b{instruction}\b", code)
    assert not re.search(r"\b(LDL|STL)\b", code), "local memory is where registers spill to"
    pointers = [argument.ref for argument in launch.arguments if argument.kind == "buffer"]
    states = [ref for ref in pointers if ref.endswith((".u", ".v", ".resting", ".s", ".held"))]
    assert len(states) == (0 if not launch.loop else 1 if name == "holding i8" else 3)


def test_the_default_convolution_copies_both_operands_sixteen_bytes_at_a_time(
    programs: dict[str, Program], tmp_path: Path
) -> None:
    launch = next(one for one in read_plan(programs["wide f16"]).body.launches if one.operator == "conv2d")
    candidate = launch.candidates[0]
    code = _sass(programs["wide f16"].files[candidate.cubins["sm_90a"].file], tmp_path)
    assert re.search(r"LDGSTS\.\S*128", code)
    tile_bytes = (int(candidate.constants["BM"]) + int(candidate.constants["BN"])) * int(candidate.constants["BK"]) * 2
    assert candidate.cubins["sm_90a"].shared_bytes >= candidate.num_stages * tile_bytes


def test_two_compilations_are_the_same_bit_for_bit(programs: dict[str, Program], tmp_path: Path) -> None:
    assert compiled(quantized(), "i8", tmp_path).to_bytes() == programs["quantized"].to_bytes()


def test_a_second_compilation_builds_nothing(
    programs: dict[str, Program], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "Popen", _refuse)
    assert compiled(residual(), "f16", cache).to_bytes() == programs["residual"].to_bytes()


def test_a_damaged_entry_of_the_cache_is_built_again(tmp_path: Path) -> None:
    request = request_for(ADD_ONE)
    good = build_all([request], cache=tmp_path, jobs=1, progress=None)
    entry = tmp_path / key_of(request)[:2] / key_of(request)
    for damage in (b"", entry.read_bytes()[:-1], entry.read_bytes()[:-1] + b"\x07"):
        entry.write_bytes(damage)
        assert build_all([request], cache=tmp_path, jobs=1, progress=None) == good
        assert entry.read_bytes() != damage
    assert [path.name for path in entry.parent.iterdir()] == [entry.name]


def test_the_same_kernel_is_built_once_and_progress_counts_builds(tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    request, other = request_for(ADD_ONE), request_for(ADD_ONE, rows=128)
    build_all(
        [request, other, request],
        cache=tmp_path,
        jobs=2,
        progress=lambda what, done, total: seen.append((what, done, total)),
    )
    assert seen == [("building GPU kernels", 1, 2), ("building GPU kernels", 2, 2)]


def test_a_kernel_that_does_not_build_is_named(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="'add_one' does not build: CompilationError"):
        build_all([request_for(ADD_ONE.replace("+ 1", "+ missing"))], cache=tmp_path, jobs=1, progress=None)
    assert list(tmp_path.rglob("*")) == []


def test_building_leaves_nothing_behind_but_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    build_all([request_for(ADD_ONE)], cache=tmp_path / "a", jobs=1, progress=None)
    with pytest.raises(AssertionError, match="does not build"):
        build_all([request_for(ADD_ONE.replace("+ 1", "+ missing"))], cache=tmp_path / "a", jobs=1, progress=None)
    assert list(scratch.iterdir()) == []


def test_the_users_environment_does_not_reach_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = build_all([request_for(ADD_ONE)], cache=tmp_path / "a", jobs=1, progress=None)
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    assert build_all([request_for(ADD_ONE)], cache=tmp_path / "b", jobs=1, progress=None) == good


def test_without_triton_building_says_so_and_lowering_still_works(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", _find_nothing)
    with pytest.raises(CompileError) as caught:
        compiled(residual(), "f16", tmp_path)
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == ["needs-triton"]
    program = compile_for_gpu(residual(), precision="f16", hardware_text="", machine="gpu", build=False)
    assert all(not candidate.cubins for launch in read_plan(program).body.launches for candidate in launch.candidates)


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert build_all([request_for(ADD_ONE)], cache=blocked, jobs=1, progress=None)


def request_for(source: str, rows: int = 64) -> BuildRequest:
    return BuildRequest(source, "add_one", {"x_ptr": "*fp32", "M": "i32"}, {"BM": rows}, 90, 4, 3, fuse=True)


def _find_nothing(_: str) -> None:
    """As where Triton is not installed."""


def _refuse(*_: object, **__: object) -> None:
    raise AssertionError("a worker was started")


def _sass(cubin: bytes, folder: Path) -> str:
    found = importlib.util.find_spec("triton")
    assert found is not None
    assert found.origin is not None
    tool = Path(found.origin).parent / "backends" / "nvidia" / "bin" / "nvdisasm"
    file = folder / "kernel.cubin"
    file.write_bytes(cubin)
    return subprocess.run([str(tool), "-c", str(file)], capture_output=True, text=True, check=True).stdout
