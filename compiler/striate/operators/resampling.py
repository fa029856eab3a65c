"""Images at another resolution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from striate.operators.numerics import narrowed, widened
from striate.operators.rules import FLOATS, require, require_at_least, require_rank, require_word, same_type
from striate.operators.schema import Case, Operator, f16, f32, i8, u8
from striate.operators.windows import pair
from striate.tensor import Array, DType, Shape, TensorType


@dataclass(frozen=True)
class Upsample(Operator):
    """An image enlarged by whole factors: x: [N, C, H, W] -> [N, C, H * scale_factor, W * scale_factor].

    mode=nearest repeats pixels and acts on integers as it is. mode=bilinear interpolates between the four pixels
    around (i + 1/2) / scale_factor - 1/2, held at the border; with `align_corners`, around i (H - 1) / (H' - 1).
    """

    name: ClassVar[str] = "upsample"
    WORDS: ClassVar[dict[str, tuple[str, ...]]] = {"mode": ("nearest", "bilinear")}

    scale_factor: int | tuple[int, int]
    mode: str = "nearest"
    align_corners: bool = False

    def __post_init__(self) -> None:
        """Positive factors, a known mode, and corners only where something is interpolated."""
        require_at_least(1, scale_factor=self.scale_factor)
        require_word(self.mode, self.WORDS["mode"], "mode")
        aligned = not self.align_corners or self.mode == "bilinear"
        require(aligned, "align_corners is for mode=bilinear only", "align_corners")

    def shape(self, *inputs: Shape) -> Shape:
        """The shape rule."""
        require_rank(self.name, "C, H, W", inputs[0])
        (c, h, w), (down, along) = inputs[0], pair(self.scale_factor)
        return c, h * down, w * along

    def dtype(self, *inputs: DType) -> DType:
        """The type of x; only floats are interpolated."""
        dtype = same_type(self.name, inputs)
        whole = f"mode=bilinear works on floats, and its operand is {dtype}"
        require(self.mode == "nearest" or dtype in FLOATS, whole, "mode")
        return dtype

    def sources(self, size: int, factor: int) -> tuple[Array, Array, Array]:
        """For each index of the result: the pixel before, the pixel after, and the latter's share (f64, 0 to 1)."""
        indices = np.arange(size * factor)
        if self.mode == "nearest":
            return indices // factor, indices // factor, np.zeros(size * factor)
        if self.align_corners:
            places = indices * (size - 1) / max(size * factor - 1, 1)
        else:
            places = np.maximum((indices + 0.5) / factor - 0.5, 0)
        before = np.minimum(np.floor(places).astype(np.int64), size - 1)
        return before, np.minimum(before + 1, size - 1), places - before

    def reference(self, *inputs: Array, **parameters: Array) -> Array:
        """Gather, then interpolate along the rows and along the columns."""
        (h, w), (down, along) = inputs[0].shape[2:], pair(self.scale_factor)
        above, below, lower = self.sources(h, down)
        left, right, righter = self.sources(w, along)
        if self.mode == "nearest":
            return inputs[0][:, :, above][:, :, :, left]
        x = widened(inputs[0])
        lower, righter = lower.astype(x.dtype)[:, None], righter.astype(x.dtype)
        rows = x[:, :, above] * (1 - lower) + x[:, :, below] * lower
        return narrowed(rows[..., left] * (1 - righter) + rows[..., right] * righter, inputs[0])

    def operations(self, *inputs: TensorType) -> int:
        """None for nearest; two products and a sum for each of three interpolations, for each number of the result."""
        return 9 * self.result(*inputs).elements if self.mode == "bilinear" else 0

    @classmethod
    def cases(cls) -> tuple[Case, ...]:
        """Both modes, pairs, corners, and integers."""
        return (
            Case(cls(2), (f32(3, 5, 7),), "nearest"),
            Case(cls((3, 1)), (f32(9, 2, 5),), "nearest, a pair"),
            Case(cls(2, "bilinear"), (f32(3, 5, 7),), "bilinear"),
            Case(cls((2, 3), "bilinear", True), (f32(5, 4, 3),), "bilinear, corners aligned"),
            Case(cls(4, "bilinear"), (f32(1, 1, 1),), "bilinear from one pixel"),
            Case(cls(2, "bilinear"), (f16(8, 4, 4),), "half precision"),
            Case(cls(2), (i8(9, 3, 3),), "i8"),
            Case(cls(2), (u8(3, 3, 4),), "u8"),
        )
