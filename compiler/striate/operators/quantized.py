"""Integers as a graph: from floats to integers, between scales, through a table, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from striate.operators.rules import BYTES, float_type, require, require_word, same_type
from striate.operators.schema import Case, Operator, f16, f32, i8, i32, u8
from striate.tensor import NUMPY, Array, DType, Shape, TensorType

LIMITS: dict[str, tuple[int, int]] = {"i8": (-127, 127), "u8": (0, 255), "i32": (-(2**31), 2**31 - 1)}
"""What a quantized number of each type may be, unless clipped further: i8 is symmetric, so -128 never occurs."""


class Elementwise(Operator):
    """Keeps the shape of x; a subclass's `to` is the type of the result."""

    to: str

    def shape(self, *inputs: Shape) -> Shape:
        """The shape of x."""
        return inputs[0]

    def _result_type(self) -> DType:
        require_word(self.to, self.WORDS["to"], "to")
        return _DTYPE[self.to]


@dataclass(frozen=True)
class Quantize(Elementwise):
    """Floats as small integers: y = clip(round(x / scale)), ties to the even number, computed in f32.

    x: [N, ...] f16 or f32 -> the same in i8 (-127 to 127) or u8 (0 to 255).
    """

    name: ClassVar[str] = "quantize"
    WORDS: ClassVar[dict[str, tuple[str, ...]]] = {"to": ("i8", "u8")}

    scale: float
    to: str = "i8"

    def __post_init__(self) -> None:
        """A positive scale that f32 can hold."""
        single = np.finfo(np.float32)
        fits = float(single.tiny) <= self.scale <= float(single.max)
        require(fits, f"scale is a positive number that f32 can hold, not {self.scale}", "scale")
        self._result_type()

    def dtype(self, *inputs: DType) -> DType:
        """`to`, from floats."""
        float_type(self.name, inputs)
        return self._result_type()

    def reference(self, *inputs: Array, **parameters: Array) -> Array:
        """One f32 division, one rounding, one clip."""
        low, high = LIMITS[self.to]
        steps = np.rint(inputs[0].astype(np.float32) / np.float32(self.scale))
        return np.clip(steps, low, high).astype(NUMPY[self.to])

    def operations(self, *inputs: TensorType) -> int:
        """A division, a rounding and two comparisons for each number."""
        return 4 * inputs[0].elements

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """Both types, with and without saturation."""
        return (
            Case(cls(0.02), (f32(3, 5, 7),), "i8"),
            Case(cls(0.005), (f32(33),), "i8 that saturates"),
            Case(cls(0.01, "u8"), (f32(9, 4, 4),), "u8"),
            Case(cls(0.5), (f32(4, 4, 4),), "coarse", low=-70.0, high=70.0),
            Case(cls(0.03), (f16(8, 4, 4),), "half precision"),
        )


@dataclass(frozen=True)
class Requantize(Elementwise):
    """Integers at another scale: y = clip((x * multiplier[c] + 2^(shift[c] - 1)) >> shift[c], low, high), in 64 bits.

    x: [N, C, ...] i32, i8 or u8 -> the same in `to`; multiplier, shift: [C] i32, 1 <= shift <= 62. The scale is
    multiplier / 2^shift, one for each index of the first dimension besides the batch; halves round up.
    `low` and `high` default to the limits of `to` (i8: -127 to 127), and narrower ones make a relu or a relu6.
    """

    name: ClassVar[str] = "requantize"
    WORDS: ClassVar[dict[str, tuple[str, ...]]] = {"to": ("i8", "u8", "i32")}

    to: str = "i8"
    low: int | None = None
    high: int | None = None

    def __post_init__(self) -> None:
        """Limits that `to` can hold, in order."""
        holds = np.iinfo(NUMPY[self._result_type()])
        for attribute, value in (("low", self.low), ("high", self.high)):
            require(
                value is None or holds.min <= value <= holds.max,
                f"{attribute}={value} does not fit in {self.to} ({holds.min} to {holds.max})",
                attribute,
            )
        low, high = self.limits
        require(low <= high, f"low={low} is above high={high}", "low")

    @property
    def limits(self) -> tuple[int, int]:
        """The (low, high) that results are clipped to."""
        low, high = LIMITS[self.to]
        return low if self.low is None else self.low, high if self.high is None else self.high

    def dtype(self, *inputs: DType) -> DType:
        """`to`, from integers."""
        _require_integer(self.name, inputs)
        return self._result_type()

    def parameters(self, *inputs: TensorType) -> dict[str, TensorType]:
        """The scale of each channel, as a fraction."""
        return dict.fromkeys(("multiplier", "shift"), TensorType("i32", _channels(self.name, inputs[0])))

    def reference(self, *inputs: Array, **parameters: Array) -> Array:
        """The equation in 64 bits, which hold any product of two i32."""
        x = inputs[0].astype(np.int64)
        multiplier, shift = (
            parameters[role].astype(np.int64).reshape(-1, *[1] * (x.ndim - 2)) for role in ("multiplier", "shift")
        )
        assert ((shift >= 1) & (shift <= 62)).all(), "a requantize shifts by 1 to 62 bits"
        half = np.int64(1) << (shift - 1)
        low, high = self.limits
        return np.clip((x * multiplier + half) >> shift, low, high).astype(NUMPY[self.to])

    def operations(self, *inputs: TensorType) -> int:
        """A product, a sum, a shift and two comparisons for each number."""
        return 5 * inputs[0].elements

    def sample_parameters(self, rng: np.random.Generator, *inputs: TensorType) -> dict[str, Array]:
        """Scales of 1/16 to 1, or of 4 to 64 where the result is i32."""
        shape = self.parameters(*inputs)["shift"].shape
        shifts = (26, 30) if self.to == "i32" else (32, 36)
        return {
            "multiplier": rng.integers(2**30, 2**31, shape).astype(np.int32),
            "shift": rng.integers(*shifts, shape).astype(np.int32),
        }

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """Every type in and out, and limits."""
        return (
            Case(cls(), (i32(9, 5, 7),), "i32 to i8"),
            Case(cls("u8"), (i32(33),), "i32 to u8, a vector"),
            Case(cls("u8", high=100), (i32(4, 5, 5),), "limits"),
            Case(cls("i8", 0, 90), (i32(4, 6),), "limits of a relu"),
            Case(cls("i32"), (i8(5, 4, 4),), "i8 to i32"),
            Case(cls("i32"), (u8(5, 4, 4),), "u8 to i32"),
            Case(cls("i8"), (u8(3, 4, 4),), "u8 to i8"),
        )


@dataclass(frozen=True)
class Dequantize(Operator):
    """Integers as floats: y = x * scale[c], one product in f32.

    x: [N, C, ...] i32, i8 or u8 -> the same in f32; scale: [C] f32, one for each index of the first dimension
    besides the batch.
    """

    name: ClassVar[str] = "dequantize"

    def shape(self, *inputs: Shape) -> Shape:
        """The shape of x."""
        return inputs[0]

    def dtype(self, *inputs: DType) -> DType:
        """f32, from integers."""
        _require_integer(self.name, inputs)
        return "f32"

    def parameters(self, *inputs: TensorType) -> dict[str, TensorType]:
        """The scale of each channel."""
        return {"scale": TensorType("f32", _channels(self.name, inputs[0]))}

    def reference(self, *inputs: Array, **parameters: Array) -> Array:
        """One f32 product."""
        x = inputs[0].astype(np.float32)
        return x * parameters["scale"].astype(np.float32).reshape(-1, *[1] * (x.ndim - 2))

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """Every integer type."""
        return (
            Case(cls(), (i8(9, 5, 7),), "i8"),
            Case(cls(), (u8(3, 4, 4),), "u8"),
            Case(cls(), (i32(33),), "i32, a vector"),
        )


@dataclass(frozen=True)
class Lookup(Elementwise):
    """Any function of 8 bits, exactly: y = table[x], where i8 counts from -128: y = table[x + 128].

    x: [N, ...] i8 or u8 -> the same in `to`; table: [256] of `to`.
    """

    name: ClassVar[str] = "lookup"
    WORDS: ClassVar[dict[str, tuple[str, ...]]] = {"to": ("i8", "u8")}

    to: str = "i8"

    def __post_init__(self) -> None:
        """A legal type."""
        self._result_type()

    def dtype(self, *inputs: DType) -> DType:
        """`to`, from bytes."""
        dtype = same_type(self.name, inputs)
        require(dtype in BYTES, f"lookup works on i8 and u8, and its operand is {dtype}")
        return self._result_type()

    def parameters(self, *inputs: TensorType) -> dict[str, TensorType]:
        """The table."""
        return {"table": TensorType(self._result_type(), (256,))}

    def reference(self, *inputs: Array, **parameters: Array) -> Array:
        """One indexed read for each number."""
        x = inputs[0]
        return parameters["table"][x.astype(np.int64) - np.iinfo(x.dtype).min]

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """Every type in and out."""
        return (
            Case(cls(), (i8(9, 5, 7),), "i8 to i8"),
            Case(cls("u8"), (i8(33),), "i8 to u8"),
            Case(cls("i8"), (u8(3, 4, 4),), "u8 to i8"),
        )


_DTYPE: dict[str, DType] = {"i8": "i8", "u8": "u8", "i32": "i32"}


def _require_integer(operator: str, inputs: tuple[DType, ...]) -> None:
    dtype = same_type(operator, inputs)
    require(dtype in (*BYTES, "i32"), f"{operator} works on i8, u8 and i32, and its operand is {dtype}")


def _channels(operator: str, x: TensorType) -> Shape:
    require(len(x.shape) >= 1, f"{operator} takes at least one dimension besides the batch")
    return x.shape[:1]
