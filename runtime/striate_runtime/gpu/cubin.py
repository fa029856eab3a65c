"""Reads from a cubin what its kernel expects: the offset and size of every parameter.

A cubin is a 64-bit little-endian ELF. The section `.nv.info.<entry>` is a list of attributes, each one byte of format,
one of name, and two of value or, for format 4, of length followed by that many bytes. EIATTR_KPARAM_INFO (0x17) holds
one parameter: u32 index, u16 ordinal, u16 offset, u32 whose upper 14 bits are the size.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

_SIZED = 4
_PARAMETER = 0x17
_SECTION = struct.Struct("<IIQQQQIIQQ")
_INFO = struct.Struct("<BBH")
_PARAMETER_INFO = struct.Struct("<IHHI")


class CubinError(Exception):
    """Bytes that are not a cubin with this kernel; the message says what is missing."""


@dataclass(frozen=True)
class Parameter:
    """Where one kernel parameter lies in the constant bank, relative to the first, in bytes."""

    offset: int
    size: int


def read_parameters(cubin: bytes, entry: str) -> tuple[Parameter, ...]:
    """The parameters of the kernel named `entry`, in order. Raises CubinError."""
    if cubin[:6] != b"\x7fELF\x02\x01":
        raise CubinError("not a 64-bit little-endian ELF file")
    try:
        information = _section(cubin, f".nv.info.{entry}")
        return _parameters(information)
    except (struct.error, IndexError, ValueError) as error:
        raise CubinError(f"its ELF structure is damaged ({error})") from error


def _section(cubin: bytes, wanted: str) -> bytes:
    (table,) = struct.unpack_from("<Q", cubin, 40)
    stride, count, names_index = struct.unpack_from("<HHH", cubin, 58)
    sections = [_SECTION.unpack_from(cubin, table + stride * index) for index in range(count)]
    names_offset = sections[names_index][4]
    for section in sections:
        start = names_offset + section[0]
        if cubin[start : cubin.index(b"\0", start)] == wanted.encode():
            offset, size = section[4], section[5]
            return cubin[offset : offset + size]
    raise CubinError(f"it holds no section {wanted}")


def _parameters(information: bytes) -> tuple[Parameter, ...]:
    found: dict[int, Parameter] = {}
    position = 0
    while position < len(information):
        form, name, length = _INFO.unpack_from(information, position)
        position += _INFO.size
        if form != _SIZED:
            continue
        if name == _PARAMETER:
            _, ordinal, offset, packed = _PARAMETER_INFO.unpack_from(information, position)
            found[ordinal] = Parameter(offset, packed >> 18)
        position += length
    if sorted(found) != list(range(len(found))):
        raise CubinError(f"its parameter table has gaps: {sorted(found)}")
    return tuple(found[ordinal] for ordinal in range(len(found)))
