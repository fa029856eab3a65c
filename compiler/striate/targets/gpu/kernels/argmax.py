"""Where the largest number along one dimension lies; the first of equals.

Rows are the numbers of the result, columns the LENGTH numbers along the dimension. The compiler writes where a row
starts and how far from there a column lies; by default rows are contiguous.

x: [M, LENGTH]    y: [M], i32
"""

import triton
import triton.language as tl


@triton.jit
def argmax(
    x_ptr,
    y_ptr,
    # slot: pointers
    M,
    LENGTH: tl.constexpr,
    BM: tl.constexpr,
    BN: tl.constexpr,
):
    FLOAT: tl.constexpr = x_ptr.dtype.element_ty.is_floating()
    ACC: tl.constexpr = tl.float32 if FLOAT else tl.int32
    LOWEST: tl.constexpr = float("-inf") if FLOAT else -2147483648
    at = tl.program_id(0) * BM + tl.arange(0, BM)
    live = at < M
    start = at * LENGTH  # slot: start
    peak = tl.full((BM, BN), LOWEST, dtype=ACC)
    place = tl.zeros((BM, BN), dtype=tl.int32) + LENGTH
    for first in range(0, LENGTH, BN):
        column = first + tl.arange(0, BN)
        offset = column  # slot: offset
        inside = live[:, None] & (column < LENGTH)[None, :]
        x = tl.load(x_ptr + start[:, None] + offset[None, :], mask=inside, other=0).to(ACC)
        better = inside & ((x > peak) | (place == LENGTH))
        peak = tl.where(better, x, peak)
        place = tl.where(better, column[None, :], place)
    top = tl.max(peak, axis=1)[:, None]
    value = tl.min(tl.where(peak == top, place, LENGTH), axis=1)
    tl.store(y_ptr + at, value.to(y_ptr.dtype.element_ty), mask=live)
