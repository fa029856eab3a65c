"""What Triton's interpreter takes for a tensor in host memory, without torch: an address and a type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


class _Storage:
    """What Triton's interpreter asks of a tensor's memory. It is on the host already, so every copy is itself."""

    def __init__(self, address: int) -> None:
        self._address = address

    def data_ptr(self) -> int:
        """The first byte's address."""
        return self._address

    def cpu(self) -> _Storage:
        """The same memory."""
        return self

    def copy_(self, _: object) -> _Storage:
        """Nothing: it is the same memory."""
        return self


@dataclass
class Pointer:
    """An address and a type, with just what the interpreter asks of a tensor argument."""

    address: int
    dtype: np.dtype[Any]

    def data_ptr(self) -> int:
        """The first byte's address."""
        return self.address

    def untyped_storage(self) -> _Storage:
        """The memory behind it."""
        return _Storage(self.address)

    def new_empty(self, *_: object, **__: object) -> Pointer:
        """Itself, since nothing is moved."""
        return self

    def set_(self, *_: object) -> Pointer:
        """Itself, since nothing is moved."""
        return self

    def storage_offset(self) -> int:
        """Zero."""
        return 0

    def size(self) -> tuple[int, ...]:
        """Nothing that a kernel asks for."""
        return ()

    def stride(self) -> tuple[int, ...]:
        """Nothing that a kernel asks for."""
        return ()
