"""Where parameters get their values: a safetensors file, checked tensor by tensor, or a seed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file  # pyright: ignore[reportUnknownVariableType]

from striate.diagnostics import CompileError
from striate.graph import Graph
from striate.language import read
from striate.tensor import Array
from striate.weights import WeightsDeclaration, load_weights

FILE = WeightsDeclaration(path="w.safetensors")


@pytest.fixture
def graph() -> Graph:
    return read(
        "network n(x: f32[2, 6, 6]) -> y {\n  conv = x |> conv2d(3, 3)\n  bn = conv |> batch_norm\n"
        "  y = bn |> flatten |> linear(4, bias=false)\n}"
    ).graph


def tensors(graph: Graph) -> dict[str, Array]:
    rng = np.random.default_rng(0)
    return {name: rng.standard_normal(p.type.shape).astype(np.float32) for name, p in graph.parameters.items()}


def refused(graph: Graph, folder: Path, declaration: WeightsDeclaration = FILE) -> list[str]:
    """`code: message` of every mistake."""
    with pytest.raises(CompileError) as caught:
        load_weights(graph, declaration, folder)
    return [f"{diagnostic.code}: {diagnostic.message}" for diagnostic in caught.value.diagnostics]


def test_every_tensor_of_the_file_becomes_a_parameters_value(graph: Graph, tmp_path: Path) -> None:
    expected = tensors(graph)
    save_file({**expected, "bn.num_batches_tracked": np.array([7], np.int64)}, tmp_path / "w.safetensors")
    load_weights(graph, FILE, tmp_path)
    for name, array in expected.items():
        value = graph.parameters[name].value
        assert value is not None
        assert value.dtype == np.float32
        assert np.array_equal(value, array)


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_floats_become_f32(graph: Graph, tmp_path: Path, dtype: type[np.float16] | type[np.float64]) -> None:
    given = {name: array.astype(dtype) for name, array in tensors(graph).items()}
    save_file(given, tmp_path / "w.safetensors")
    load_weights(graph, FILE, tmp_path)
    for name, array in given.items():
        assert np.array_equal(graph.parameters[name].value, array.astype(np.float32))  # type: ignore[arg-type]


def test_bf16_becomes_f32(tmp_path: Path) -> None:
    graph = read("network n(x: f32[2]) -> y { y = x |> linear(1, bias=false) }").graph
    header = b'{"y.weight":{"dtype":"BF16","shape":[1,2],"data_offsets":[0,4]}}'
    data = np.array([0x3FC0, 0xC000], "<u2").tobytes()
    (tmp_path / "w.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + data)
    load_weights(graph, FILE, tmp_path)
    assert np.array_equal(graph.parameters["y.weight"].value, [[1.5, -2.0]])  # type: ignore[arg-type]


def test_the_hash_must_be_the_files(graph: Graph, tmp_path: Path) -> None:
    save_file(tensors(graph), tmp_path / "w.safetensors")
    digest = hashlib.sha256((tmp_path / "w.safetensors").read_bytes()).hexdigest()
    load_weights(graph, WeightsDeclaration(path="w.safetensors", sha256=digest.upper()), tmp_path)
    (mistake,) = refused(graph, tmp_path, WeightsDeclaration(path="w.safetensors", sha256="0" * 64))
    assert digest in mistake


def test_everything_wrong_is_reported_at_once(graph: Graph, tmp_path: Path) -> None:
    given = tensors(graph)
    given["conv.wieght"] = given.pop("conv.weight")
    given["conv.bias"] = np.zeros((5,), np.float32)
    given["bn.bias"] = np.array([1, np.nan, np.inf], np.float32)
    given["bn.weight"] = np.ones(3, np.int32)
    save_file(given, tmp_path / "w.safetensors")
    mistakes = refused(graph, tmp_path)
    assert [mistake.split(" ")[0] for mistake in mistakes] == ["missing-weights:", *["bad-weights:"] * 3]
    assert "[5]" in mistakes[1]
    assert "f32[3]" in mistakes[1]
    assert "I32" in mistakes[2]
    assert "2 numbers that are not finite" in mistakes[3]


def test_the_nearest_tensor_is_named(graph: Graph, tmp_path: Path) -> None:
    given = tensors(graph)
    given["conv1.weight"] = given.pop("conv.weight")
    save_file(given, tmp_path / "w.safetensors")
    with pytest.raises(CompileError, match=r"did you mean 'conv1\.weight'"):
        load_weights(graph, FILE, tmp_path)


def test_numbers_beyond_f32_are_not_finite(graph: Graph, tmp_path: Path) -> None:
    given = {name: array.astype(np.float64) for name, array in tensors(graph).items()}
    given["conv.bias"][0] = 1e300
    save_file(given, tmp_path / "w.safetensors")
    (mistake,) = refused(graph, tmp_path)
    assert "not finite" in mistake


@pytest.mark.parametrize("content", [b"", b"not a safetensors file", b"\xff" * 100, b"\x02\0\0\0\0\0\0\0{"])
def test_another_kind_of_file_is_refused(graph: Graph, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w.safetensors").write_bytes(content)
    (mistake,) = refused(graph, tmp_path)
    assert "not a safetensors file" in mistake


def test_a_missing_file_is_refused_with_the_nearest_one(graph: Graph, tmp_path: Path) -> None:
    save_file(tensors(graph), tmp_path / "ww.safetensors")
    with pytest.raises(CompileError, match=r"did you mean 'ww\.safetensors'"):
        load_weights(graph, FILE, tmp_path)


def test_a_folder_is_no_file(graph: Graph, tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").mkdir()
    (mistake,) = refused(graph, tmp_path)
    assert mistake.startswith("bad-weights")


def test_without_a_declaration_values_stay_unknown(graph: Graph, tmp_path: Path) -> None:
    load_weights(graph, None, tmp_path)
    assert all(parameter.value is None for parameter in graph.parameters.values())


def test_a_seed_gives_pytorchs_default_initialisation(graph: Graph, tmp_path: Path) -> None:
    load_weights(graph, WeightsDeclaration(seed=3), tmp_path)
    value = {name: np.asarray(parameter.value) for name, parameter in graph.parameters.items()}
    assert np.array_equal(value["bn.weight"], np.ones(3))
    assert np.array_equal(value["bn.running_var"], np.ones(3))
    assert not value["bn.bias"].any()
    assert not value["bn.running_mean"].any()
    for name, fan_in in (("conv.weight", 2 * 3 * 3), ("conv.bias", 2 * 3 * 3), ("y.weight", 3 * 4 * 4)):
        bound = fan_in**-0.5
        assert np.abs(value[name]).max() <= bound
        assert np.abs(value[name]).max() > bound / 4
    assert np.std(value["y.weight"]) == pytest.approx((3 * 4 * 4) ** -0.5 / 3**0.5, rel=0.1)


def test_a_parameters_numbers_depend_on_the_seed_and_its_name_only() -> None:
    def weight(text: str, seed: int) -> Array:
        graph = read(f"network n(x: f32[4]) -> y {{ {text} }}").graph
        load_weights(graph, WeightsDeclaration(seed=seed), Path())
        return np.asarray(graph.parameters["fc.weight"].value)

    alone = weight("fc = x |> linear(4)\n y = fc", 1)
    assert np.array_equal(alone, weight("a = x |> linear(4)\n fc = a |> linear(4)\n y = fc", 1))
    assert not np.array_equal(alone, weight("fc = x |> linear(4)\n y = fc", 2))
    assert not np.array_equal(alone, weight('fc = x |> linear(4)\n y = fc |> linear(4, name="fc2")', 2))


def test_the_command_lines_word_for_weights() -> None:
    assert WeightsDeclaration.from_option(" init( 12 )") == WeightsDeclaration(seed=12)
    assert WeightsDeclaration.from_option("init.safetensors") == WeightsDeclaration(path="init.safetensors")
