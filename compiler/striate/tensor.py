"""The type of a tensor: what its numbers are and how they are arranged, without the batch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
Shape: TypeAlias = tuple[int, ...]
DType: TypeAlias = Literal["f16", "f32", "i8", "u8", "i32"]

DTYPES: tuple[DType, ...] = get_args(DType)

NUMPY: dict[str, np.dtype[Any]] = {
    "f16": np.dtype(np.float16),
    "f32": np.dtype(np.float32),
    "i8": np.dtype(np.int8),
    "u8": np.dtype(np.uint8),
    "i32": np.dtype(np.int32),
}


MOST_ELEMENTS = 2**31 - 1
"""How many numbers one sample of a tensor, or a parameter, may hold: what 32 bits can address."""


@dataclass(frozen=True)
class TensorType:
    """`dtype[shape]`, as the language writes it: `f32[3, 224, 224]`. The batch is not part of it."""

    dtype: DType
    shape: Shape

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]"

    @property
    def elements(self) -> int:
        """How many numbers one sample holds."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """How many bytes one sample takes, packed."""
        return self.elements * NUMPY[self.dtype].itemsize

    @property
    def is_float(self) -> bool:
        """Whether the numbers are floating point."""
        return self.dtype in ("f16", "f32")
