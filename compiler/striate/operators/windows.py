"""What convolutions and pools share: a window that slides over an image."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from striate.operators.rules import require, require_at_least, require_word
from striate.operators.schema import Operator
from striate.tensor import Array, Shape


class Windowed(Operator):
    """An operator with a window. Read `kernel`, `strides`, `dilations` and `pads`: attributes may be written in short.

    `padding` is one number, a pair (height, width), four numbers (left, right, top, bottom) as in
    torch.nn.functional.pad, or `same`: the result has ceil(size / stride) rows and columns, and an odd zero goes to
    the right and the bottom, as in TensorFlow (at stride 1, also as in PyTorch).
    """

    kernel_size: int | tuple[int, int]
    stride: Any  # int | tuple[int, int], and for pools None
    padding: Any  # int | tuple[int, ...], and where WORDS say so str
    dilation: int | tuple[int, int] = 1
    ceil_mode: bool = False

    def __post_init__(self) -> None:
        """The attributes' own limits."""
        require_at_least(1, kernel_size=self.kernel_size, stride=self.stride, dilation=self.dilation)
        for attribute in ("kernel_size", "stride", "dilation"):
            value = getattr(self, attribute)
            require(
                not isinstance(value, tuple) or len(value) == 2,  # pyright: ignore[reportUnknownArgumentType]
                f"{attribute} is one number or a pair (height, width), not {value}",
                attribute,
            )
        if isinstance(self.padding, str):
            require_word(self.padding, self.WORDS.get("padding", ()), "padding")
        else:
            require_at_least(0, padding=self.padding)
            require(
                isinstance(self.padding, int) or len(self.padding) in (2, 4),
                f"padding is one number, a pair or four numbers (left, right, top, bottom), not {self.padding}",
                "padding",
            )

    @property
    def kernel(self) -> tuple[int, int]:
        """The window's (height, width)."""
        return pair(self.kernel_size)

    @property
    def strides(self) -> tuple[int, int]:
        """The steps between windows, (down, right); a stride left out is the window's size."""
        return self.kernel if self.stride is None else pair(self.stride)

    @property
    def dilations(self) -> tuple[int, int]:
        """The steps between a window's taps, (down, right)."""
        return pair(self.dilation)

    @property
    def reach(self) -> tuple[int, int]:
        """How many rows and columns a window spans: dilation * (kernel - 1) + 1."""
        (kh, kw), (dh, dw) = self.kernel, self.dilations
        return dh * (kh - 1) + 1, dw * (kw - 1) + 1

    def pads(self, h: int, w: int) -> tuple[int, int, int, int]:
        """What is added to an image of h x w, (left, right, top, bottom), with what `ceil_mode` overhangs.

        With it, the number of windows is (h + top + bottom - reach) // stride + 1, and so for the width.
        """
        left, right, top, bottom = self.declared_pads(h, w)
        if self.ceil_mode:
            (rh, rw), (sh, sw) = self.reach, self.strides
            bottom += _overhang(h, top, bottom, rh, sh)
            right += _overhang(w, left, right, rw, sw)
        return left, right, top, bottom

    def declared_pads(self, h: int, w: int) -> tuple[int, int, int, int]:
        """What the author asked to be added, (left, right, top, bottom), without `ceil_mode`'s overhang."""
        padding: int | tuple[int, ...] | str = self.padding
        if isinstance(padding, str):
            (rh, rw), (sh, sw) = self.reach, self.strides
            rows, columns = _same(h, rh, sh), _same(w, rw, sw)
            return columns // 2, columns - columns // 2, rows // 2, rows - rows // 2
        if isinstance(padding, tuple) and len(padding) == 4:
            left, right, top, bottom = padding
            return left, right, top, bottom
        rows, columns = pair(padding)
        return columns, columns, rows, rows

    def positions(self, h: int, w: int) -> tuple[int, int]:
        """How many windows fit in an image of h x w, (down, right). Raises OperatorError if none does."""
        left, right, top, bottom = self.pads(h, w)
        (rh, rw), (sh, sw) = self.reach, self.strides
        tall, wide = h + top + bottom, w + left + right
        require(
            rh <= tall and rw <= wide,
            f"a window of {rh}x{rw} does not fit in an image of {h}x{w}"
            + (f" padded to {tall}x{wide}" if (tall, wide) != (h, w) else ""),
            "kernel_size",
        )
        return (tall - rh) // sh + 1, (wide - rw) // sw + 1

    def taps(self, x: Array, fill: float = 0) -> Iterator[Array]:
        """For each place in the window, row by row, what it sees at every position: [N, C, H', W'].

        x: [N, C, H, W]; `fill` is what the padding holds.
        """
        h, w = x.shape[2:]
        left, right, top, bottom = self.pads(h, w)
        (kh, kw), (sh, sw), (dh, dw) = self.kernel, self.strides, self.dilations
        rows, columns = self.positions(h, w)
        if any((left, right, top, bottom)):
            x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=fill)
        for i in range(kh):
            for j in range(kw):
                down, along = i * dh, j * dw
                yield x[:, :, down : down + sh * (rows - 1) + 1 : sh, along : along + sw * (columns - 1) + 1 : sw]

    def slide(self, shape: Shape) -> Shape:
        """[C, H, W] -> [C, H', W'], the image of one number for each window."""
        c, h, w = shape
        return (c, *self.positions(h, w))


def pair(value: int | tuple[int, ...]) -> tuple[int, int]:
    """One number for both directions, or (height, width)."""
    if isinstance(value, int):
        return value, value
    height, width = value
    return height, width


def _same(size: int, reach: int, stride: int) -> int:
    positions = -(-size // stride)
    return max((positions - 1) * stride + reach - size, 0)


def _overhang(size: int, before: int, after: int, reach: int, stride: int) -> int:
    """How far the last window of `ceil_mode` hangs over; a window that would start in the padding behind is dropped."""
    span = size + before + after
    positions = -(-(span - reach) // stride) + 1
    if (positions - 1) * stride >= size + before:
        positions -= 1
    return max((positions - 1) * stride + reach - span, 0) if positions > 0 else 0
