"""A program file comes back as it was, or is refused with a message that names it."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from striate_runtime.program import FORMAT, Port, Program, ProgramError, load

DTYPES = ["<f2", "<f4", "i1", "u1", "<i2", "<i4", "<i8", "<u2"]


def make(**changes: Any) -> Program:
    fields: dict[str, Any] = {
        "target": "gpu",
        "machine": "gpu(precision=f16)",
        "network": "tiny",
        "inputs": (Port("image", "f32", (1, 2, 2)),),
        "outputs": (Port("a name, with / and …", "f32", (3,)),),
        "hardware": "name = 'h100'\n",
        "body": {"launches": [], "scale": 0.1},
        "arrays": {"conv1.weight": np.arange(6, dtype=np.float16).reshape(2, 3), "empty": np.zeros((0, 4), np.int8)},
        "files": {"conv1.cubin": b"\x7fELF" + bytes(300), "conv1.py": b"def conv1(): ...\n"},
    }
    return Program(**{**fields, **changes})


def rewrite(program: Program, edit: Callable[[dict[str, Any]], None], extra: dict[str, bytes] | None = None) -> bytes:
    """The program's file with its manifest edited and members added."""
    with zipfile.ZipFile(io.BytesIO(program.to_bytes())) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(members["manifest.json"])
    edit(manifest)
    members["manifest.json"] = json.dumps(manifest).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in {**members, **(extra or {})}.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def load_bytes(folder: Path, data: bytes) -> Program:
    path = folder / "net.program"
    path.write_bytes(data)
    return load(path)


def test_a_program_comes_back_as_it_was(tmp_path: Path) -> None:
    program = make(arrays={dtype: np.arange(-3, 3).astype(dtype).reshape(1, 2, 3) for dtype in DTYPES})
    program.save(tmp_path / "net.program")
    again = load(tmp_path / "net.program")
    for field in ("target", "machine", "network", "inputs", "outputs", "hardware", "body", "files"):
        assert getattr(again, field) == getattr(program, field)
    assert again.arrays.keys() == program.arrays.keys()
    for name, array in program.arrays.items():
        assert again.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(again.arrays[name], array)
    assert again.digest == program.digest


def test_the_same_program_is_the_same_bytes_whatever_the_order_it_was_made_in() -> None:
    program = make()
    other = make(
        arrays=dict(reversed(list(program.arrays.items()))),
        files=dict(reversed(list(program.files.items()))),
        body=dict(reversed(list(program.body.items()))),
    )
    assert other.to_bytes() == program.to_bytes()
    assert other.digest == program.digest


def test_the_digest_sees_every_part() -> None:
    parts: list[dict[str, Any]] = [
        {"machine": "gpu"},
        {"hardware": "x"},
        {"body": {}},
        {"files": {}},
        {"arrays": {"conv1.weight": np.zeros((2, 3), np.float16)}},
    ]
    assert len({make(**part).digest for part in [{}, *parts]}) == 6


def test_a_big_endian_array_is_stored_little_endian(tmp_path: Path) -> None:
    program = make(arrays={"x": np.array([1.0, 2.0], ">f4")})
    assert load_bytes(tmp_path, program.to_bytes()).arrays["x"].tolist() == [1.0, 2.0]


def test_an_array_that_is_not_contiguous_is_stored_in_order(tmp_path: Path) -> None:
    array = np.arange(6, dtype=np.int32).reshape(2, 3).T
    np.testing.assert_array_equal(load_bytes(tmp_path, make(arrays={"x": array}).to_bytes()).arrays["x"], array)


def test_a_file_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    data = make().to_bytes()
    for length in range(0, len(data), 7):
        with pytest.raises(ProgramError, match=r"net\.program"):
            load_bytes(tmp_path, data[:length])


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_flipped_bytes_are_refused_or_change_nothing(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    program = make()
    raw = bytearray(program.to_bytes())
    places = data.draw(st.lists(st.integers(0, len(raw) - 1), min_size=1, max_size=3, unique=True))
    for place in places:
        raw[place] ^= data.draw(st.integers(1, 255))
    try:
        again = load_bytes(tmp_path_factory.getbasetemp(), bytes(raw))
    except ProgramError:
        return
    assert again.digest == program.digest


def test_a_program_of_a_newer_format_names_both_formats(tmp_path: Path) -> None:
    def edit(manifest: dict[str, Any]) -> None:
        manifest.update(format=FORMAT + 1, a_field_of_the_future=1)

    with pytest.raises(ProgramError, match=rf"net.program: written in format {FORMAT + 1}, newer .* {FORMAT}"):
        load_bytes(tmp_path, rewrite(make(), edit))


REFUSED: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "an older format": (lambda m: m.update(format=0), "older"),
    "an unknown field": (lambda m: m.update(extra=1), "manifest.json is damaged"),
    "a missing field": (lambda m: m.pop("body"), "manifest.json is damaged"),
    "a field of another type": (lambda m: m.update(network=3), "manifest.json is damaged"),
    "an unlisted member": (lambda m: m["members"].pop("files/conv1.py"), "holds 'files/conv1.py', which"),
    "a missing member": (
        lambda m: m["members"].update({"files/x": {"bytes": 1, "sha256": ""}}),
        "'files/x' is missing",
    ),
    "a wrong hash": (lambda m: m["members"]["files/conv1.py"].update(sha256="0" * 64), "its hash is not the one"),
    "a wrong size": (lambda m: m["members"]["files/conv1.py"].update(bytes=5), "has 17 bytes, its manifest says 5"),
    "a wrong shape": (lambda m: m["arrays"]["conv1.weight"].update(shape=[2, 4]), r"has 12 bytes, .* needs 16"),
    "a negative extent": (lambda m: m["arrays"]["conv1.weight"].update(shape=[-2, -3]), "impossible shape"),
    "an extent past counting": (lambda m: m["arrays"]["empty"].update(shape=[0, 10**30]), "damaged|impossible shape"),
    "a type that arrays do not have": (lambda m: m["arrays"]["conv1.weight"].update(dtype="object"), "unknown type"),
    "an array without bytes": (lambda m: m["arrays"].update(y={"dtype": "f32", "shape": [1]}), "'y' is missing"),
    "a bomb": (lambda m: m["members"]["files/conv1.py"].update(bytes=9 << 30), "would unpack to"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_program_is_refused_for(tmp_path: Path, what: str) -> None:
    edit, message = REFUSED[what]
    with pytest.raises(ProgramError, match=message) as caught:
        load_bytes(tmp_path, rewrite(make(), edit))
    assert "net.program" in str(caught.value)


def test_a_member_that_grows_when_unpacked_is_not_unpacked_past_its_listed_size(tmp_path: Path) -> None:
    def shrink(manifest: dict[str, Any]) -> None:
        manifest["members"]["files/bomb"] = {"bytes": 10, "sha256": "0" * 64}

    data = rewrite(make(), shrink, {"files/bomb": bytes(50_000_000)})
    assert len(data) < 100_000
    with pytest.raises(ProgramError, match="'files/bomb' has 50000000 bytes, its manifest says 10"):
        load_bytes(tmp_path, data)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO(make().to_bytes())
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("files/conv1.py", b"another")
    with pytest.raises(ProgramError, match="two members of the same name"):
        load_bytes(tmp_path, buffer.getvalue())


def test_a_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    ran = tmp_path / "ran"

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (ran,))

    with pytest.raises(ProgramError, match=r"net\.program"):
        load_bytes(tmp_path, pickle.dumps(Evil()))
    program = make(files={"manifest.pickle": pickle.dumps(Evil()), "run.py": f"open({str(ran)!r}, 'w')".encode()})
    assert load_bytes(tmp_path, program.to_bytes()).files == program.files
    assert not ran.exists()


def test_a_zip_of_something_else_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("hello.txt", "hello")
    with pytest.raises(ProgramError, match="holds no manifest"):
        load_bytes(tmp_path, buffer.getvalue())


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ProgramError, match="nowhere: cannot be read: No such file"):
        load(tmp_path / "nowhere")
    with pytest.raises(ProgramError, match="cannot be read"):
        load(tmp_path)


def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "net.program"
    make().save(path)
    before = path.read_bytes()
    with pytest.raises(AssertionError, match="not float64"):
        make(arrays={"x": np.zeros(2)}).save(path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["net.program"]
