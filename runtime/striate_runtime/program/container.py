"""A program file: a zip of one JSON manifest, raw little-endian arrays, and files, each with its size and hash.

Nothing in it is executed to load it. The same program is the same bytes: members are sorted and carry no times.
"""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

FORMAT = 1
_LARGEST_PROGRAM_BYTES = 8 << 30
_LARGEST_EXTENT = 1 << 40
_LARGEST_MANIFEST_BYTES = 64 << 20
_DTYPES = {"f16": "<f2", "f32": "<f4", "i8": "i1", "u8": "u1", "i16": "<i2", "i32": "<i4", "i64": "<i8", "u16": "<u2"}
_NAMES = {np.dtype(numpy_name): name for name, numpy_name in _DTYPES.items()}
_BROKEN_ZIP = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    EOFError,
    ValueError,
    RuntimeError,
    OSError,
)
"""What `zipfile` raises for a file that is cut off, damaged, encrypted, or compressed in a way it does not know."""


class ProgramError(Exception):
    """A program file that cannot be used; the message names the file and what is wrong in it."""


class Port(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An input or output: `shape` excludes the batch."""

    name: str
    dtype: str
    shape: tuple[int, ...]


class Program(msgspec.Struct, frozen=True):
    """What a device runs.

    `target` names the kind of device; `machine` is the spec it was compiled for (`loihi2(coding=graded)`); `hardware`
    is the whole description as TOML text; `body` is the target's own record (program/gpu.py, program/neuromorphic.py)
    as JSON values; `arrays` are packed weights and tables; `files` are cubins and kernel sources.
    """

    target: str
    machine: str
    network: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    hardware: str
    body: dict[str, Any]
    arrays: Mapping[str, Array]
    files: Mapping[str, bytes]

    def save(self, path: str | Path) -> None:
        """Write the file; an earlier one is replaced only when the new one is complete."""
        path = Path(path)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(self.to_bytes())
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    def to_bytes(self) -> bytes:
        """The file's content, the same for the same program."""
        members = self._members()
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, data in [("manifest.json", self._manifest(members)), *sorted(members.items())]:
                entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
                entry.external_attr = 0o644 << 16
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, data, compresslevel=6)
        return buffer.getvalue()

    @property
    def digest(self) -> str:
        """A hash of everything in the program, 16 hex digits: the manifest's, which holds every member's."""
        return _sha256(self._manifest(self._members()))[:16]

    def _members(self) -> dict[str, bytes]:
        members = {f"arrays/{name}": _raw(array) for name, array in self.arrays.items()}
        return members | {f"files/{name}": content for name, content in self.files.items()}

    def _manifest(self, members: Mapping[str, bytes]) -> bytes:
        manifest = _Manifest(
            format=FORMAT,
            target=self.target,
            machine=self.machine,
            network=self.network,
            inputs=self.inputs,
            outputs=self.outputs,
            hardware=self.hardware,
            body=self.body,
            arrays={name: _ArrayEntry(_dtype_name(a), a.shape) for name, a in sorted(self.arrays.items())},
            members={name: _Member(len(data), _sha256(data)) for name, data in sorted(members.items())},
        )
        return msgspec.json.format(msgspec.json.encode(manifest, order="deterministic"), indent=1)


def load(path: str | Path) -> Program:
    """Read a program file, checking every size and hash. Raises ProgramError; executes nothing from the file."""
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ProgramError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _read(path, archive)
    except _BROKEN_ZIP as error:
        raise ProgramError(f"{path}: not a complete striate program ({error})") from error


class _ArrayEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    dtype: str
    shape: tuple[int, ...]


class _Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    bytes: int
    sha256: str


class _Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: int
    target: str
    machine: str
    network: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    hardware: str
    body: dict[str, Any]
    arrays: dict[str, _ArrayEntry]
    members: dict[str, _Member]


class _Version(msgspec.Struct):
    format: int


def _read(path: Path, archive: zipfile.ZipFile) -> Program:
    names = archive.namelist()
    if len(names) != len(set(names)):
        raise ProgramError(f"{path}: holds two members of the same name")
    if "manifest.json" not in names:
        raise ProgramError(f"{path}: not a striate program: it holds no manifest.json")
    if archive.getinfo("manifest.json").file_size > _LARGEST_MANIFEST_BYTES:
        raise ProgramError(f"{path}: its manifest is larger than {_LARGEST_MANIFEST_BYTES} bytes")
    text = archive.read("manifest.json")
    try:
        version = msgspec.json.decode(text, type=_Version).format
        if version != FORMAT:
            age = "newer" if version > FORMAT else "older"
            raise ProgramError(
                f"{path}: written in format {version}, {age} than this runtime, which reads format {FORMAT}"
            )
        manifest = msgspec.json.decode(text, type=_Manifest)
    except msgspec.MsgspecError as error:
        raise ProgramError(f"{path}: manifest.json is damaged: {error}") from error
    size = sum(entry.bytes for entry in manifest.members.values())
    if size > _LARGEST_PROGRAM_BYTES:
        raise ProgramError(f"{path}: would unpack to {size} bytes, more than {_LARGEST_PROGRAM_BYTES}")
    unlisted = set(names) - manifest.members.keys() - {"manifest.json"}
    if unlisted:
        raise ProgramError(f"{path}: holds '{min(unlisted)}', which its manifest does not list")
    members = {name: _member(path, archive, name, entry) for name, entry in manifest.members.items()}
    arrays = {name: _array(path, name, entry, members) for name, entry in manifest.arrays.items()}
    files = {name.removeprefix("files/"): data for name, data in members.items() if name.startswith("files/")}
    return Program(
        manifest.target,
        manifest.machine,
        manifest.network,
        manifest.inputs,
        manifest.outputs,
        manifest.hardware,
        manifest.body,
        arrays,
        files,
    )


def _member(path: Path, archive: zipfile.ZipFile, name: str, entry: _Member) -> bytes:
    try:
        info = archive.getinfo(name)
    except KeyError:
        raise ProgramError(f"{path}: '{name}' is missing") from None
    if info.file_size != entry.bytes:
        raise ProgramError(f"{path}: '{name}' has {info.file_size} bytes, its manifest says {entry.bytes}")
    data = archive.read(name)
    if _sha256(data) != entry.sha256:
        raise ProgramError(f"{path}: '{name}' is damaged: its hash is not the one in the manifest")
    return data


def _array(path: Path, name: str, entry: _ArrayEntry, members: Mapping[str, bytes]) -> Array:
    data = members.get(f"arrays/{name}")
    dtype = _DTYPES.get(entry.dtype)
    if data is None or dtype is None:
        raise ProgramError(f"{path}: array '{name}' is missing or of an unknown type '{entry.dtype}'")
    if not all(0 <= extent <= _LARGEST_EXTENT for extent in entry.shape):
        raise ProgramError(f"{path}: array '{name}' has an impossible shape {entry.shape}")
    expected = int(np.prod(entry.shape, dtype=object)) * np.dtype(dtype).itemsize
    if expected != len(data):
        raise ProgramError(f"{path}: array '{name}' has {len(data)} bytes, its shape {entry.shape} needs {expected}")
    return np.frombuffer(data, dtype).reshape(entry.shape)


def _dtype_name(array: Array) -> str:
    name = _NAMES.get(array.dtype.newbyteorder("<"))
    assert name is not None, f"a program holds arrays of {', '.join(_DTYPES)}, not {array.dtype}"
    return name


def _raw(array: Array) -> bytes:
    return np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False).tobytes()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
