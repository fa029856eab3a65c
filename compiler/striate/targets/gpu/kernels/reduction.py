"""The sum, the mean or the largest over some dimensions of a tensor.

Rows are the numbers of the result, columns the LENGTH numbers that each is made of. The compiler writes where a row
starts and how far from there a column lies; by default rows are contiguous.

x: [M, LENGTH]    y: [M]
"""

import triton
import triton.language as tl


@triton.jit
def reduction(
    x_ptr,
    y_ptr,
    # slot: pointers
    M,
    LENGTH: tl.constexpr,
    KIND: tl.constexpr,
    BM: tl.constexpr,
    BN: tl.constexpr,
):
    FLOAT: tl.constexpr = x_ptr.dtype.element_ty.is_floating()
    ACC: tl.constexpr = tl.float32 if FLOAT else tl.int32
    LOWEST: tl.constexpr = float("-inf") if FLOAT else -2147483648
    EMPTY: tl.constexpr = LOWEST if KIND == "max" else 0
    at = tl.program_id(0) * BM + tl.arange(0, BM)
    live = at < M
    start = at * LENGTH  # slot: start
    acc = tl.full((BM, BN), EMPTY, dtype=ACC)
    for first in range(0, LENGTH, BN):
        column = first + tl.arange(0, BN)
        offset = column  # slot: offset
        inside = live[:, None] & (column < LENGTH)[None, :]
        x = tl.load(x_ptr + start[:, None] + offset[None, :], mask=inside, other=0).to(ACC)
        if KIND == "max":
            acc = tl.maximum(acc, tl.where(inside, x, EMPTY))
        else:
            acc += x
    if KIND == "max":
        value = tl.max(acc, axis=1)
    else:
        value = tl.sum(acc, axis=1)
        if KIND == "mean":
            value = value / LENGTH
    # slot: index
    # slot: epilogue
    tl.store(y_ptr + at, value.to(y_ptr.dtype.element_ty), mask=live)
