"""Sample inputs: what is taken, and what is refused with which words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from striate.data import load_arrays, load_labels, random_inputs, read_arrays
from striate.diagnostics import CompileError
from striate.tensor import TensorType

IMAGE = {"image": TensorType("f32", (1, 4, 4))}


def test_arrays_are_taken_in_the_inputs_type_and_others_ignored(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", image=np.ones((3, 1, 4, 4), np.uint8), label=np.arange(3))
    arrays = load_arrays(tmp_path / "d.npz", IMAGE)
    assert list(arrays) == ["image"]
    assert arrays["image"].dtype == np.float32


def test_a_bare_npy_is_the_only_input(tmp_path: Path) -> None:
    np.save(tmp_path / "d.npy", np.ones((3, 1, 4, 4), np.float32))
    assert load_arrays(tmp_path / "d.npy", IMAGE)["image"].shape == (3, 1, 4, 4)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.ones((3, 1, 4, 5), np.float32), "its shape is [3, 1, 4, 5]"),
        (np.ones((1, 4, 4), np.float32), "its shape is [1, 4, 4]"),
        (np.full((3, 1, 4, 4), np.nan, np.float32), "NaN or infinity"),
        (np.full((3, 1, 4, 4), "x"), "it holds <U1"),
        (np.ones((3, 1, 4, 4), complex), "it holds complex128"),
        (np.ones((0, 1, 4, 4), np.float32), "no samples"),
    ],
)
def test_a_wrong_array_is_refused_with_its_shape_or_type(tmp_path: Path, array: np.ndarray, words: str) -> None:  # type: ignore[type-arg]
    np.savez(tmp_path / "d.npz", image=array)
    with pytest.raises(CompileError) as caught:
        load_arrays(tmp_path / "d.npz", IMAGE)
    assert words in str(caught.value)
    assert "f32[N, 1, 4, 4]" in str(caught.value)


def test_a_missing_array_names_what_is_held_and_the_nearest(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", images=np.ones((3, 1, 4, 4), np.float32))
    with pytest.raises(CompileError, match="did you mean 'images'"):
        load_arrays(tmp_path / "d.npz", IMAGE)


def test_a_missing_file_is_looked_up_in_the_page_beside_it_which_must_name_it(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("`python frames.py` writes d.npz.")
    for name, told in (("d.npz", True), ("e.npz", False)):
        with pytest.raises(CompileError, match=f"{name}: there is no such file") as caught:
            read_arrays(tmp_path / name)
        assert (f"README.md says how '{name}' is made" in str(caught.value)) == told


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", image=np.array([object()], dtype=object), allow_pickle=True)
    with pytest.raises(CompileError, match="never loaded"):
        load_arrays(tmp_path / "d.npz", IMAGE)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b"\x93NUMPY", b"plain text"])
def test_a_file_that_holds_no_arrays_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "d.npz"
    path.write_bytes(content)
    with pytest.raises(CompileError, match="not a usable"):
        read_arrays(path)


@pytest.mark.filterwarnings("ignore")
def test_a_damaged_file_is_refused_wherever_the_damage_is(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "good.npz", image=np.ones((3, 1, 4, 4), np.float32), label=np.arange(3))
    np.save(tmp_path / "good.npy", np.ones((3, 4), np.float32))
    rng, path, codes = np.random.default_rng(0), tmp_path / "damaged", list[str]()
    for good in ((tmp_path / "good.npz").read_bytes(), (tmp_path / "good.npy").read_bytes()[:90]):
        for _ in range(3000):
            damaged = bytearray(good)
            for place in rng.integers(0, len(good), rng.integers(1, 5)):
                damaged[place] = rng.integers(256)
            path.write_bytes(damaged)
            try:
                read_arrays(path)
            except CompileError as error:
                codes.append(error.diagnostics[0].code)
    assert len(codes) > 3000
    assert set(codes) == {"bad-data"}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "header",
    [
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), b'x': 1}",
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4)",
        b"{'descr': '<f4', 'fortran_order': False, 'shape': 3}",
        b"{'descr': '<f4', 'shape': (3, 4)}",
    ],
    ids=["a key of another type", "an open brace", "a shape that is none", "a key too few"],
)
def test_a_header_that_is_no_table_of_shape_and_type_is_refused(tmp_path: Path, header: bytes) -> None:
    text = header.ljust(117) + b"\n"
    path = tmp_path / "d.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(48))
    with pytest.raises(CompileError, match="not a usable"):
        read_arrays(path)


def test_labels_are_one_integer_for_each_sample(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", label=np.arange(3))
    labels = load_labels(tmp_path / "d.npz", 3)
    assert labels is not None
    assert labels.tolist() == [0, 1, 2]
    with pytest.raises(CompileError, match="one for each sample"):
        load_labels(tmp_path / "d.npz", 4)


def test_random_inputs_cover_an_integers_range_and_stay_within_0_and_1_for_floats() -> None:
    arrays = random_inputs({"x": TensorType("i8", (64, 64)), "y": TensorType("f32", (8,))})
    assert (arrays["x"].min(), arrays["x"].max()) == (-128, 127)
    assert arrays["y"].min() >= 0
    assert arrays["y"].max() <= 1
