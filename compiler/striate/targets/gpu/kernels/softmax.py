"""The softmax along one dimension, exp(x - max) / sum(exp(x - max)), or its LOG; in f32, reading each row twice.

Rows are all numbers but those along the dimension, columns its LENGTH numbers. The compiler writes where a row starts
and how far from there a column lies; by default rows are contiguous.

x, y: [M, LENGTH]
"""

import triton
import triton.language as tl


@triton.jit
def softmax(
    x_ptr,
    y_ptr,
    # slot: pointers
    M,
    LENGTH: tl.constexpr,
    LOG: tl.constexpr,
    BM: tl.constexpr,
    BN: tl.constexpr,
):
    at = tl.program_id(0) * BM + tl.arange(0, BM)
    live = at < M
    start = at * LENGTH  # slot: start
    peak = tl.full((BM, BN), float("-inf"), dtype=tl.float32)
    total = tl.zeros((BM, BN), dtype=tl.float32)
    for first in range(0, LENGTH, BN):
        column = first + tl.arange(0, BN)
        offset = column  # slot: offset
        inside = live[:, None] & (column < LENGTH)[None, :]
        x = tl.load(x_ptr + start[:, None] + offset[None, :], mask=inside, other=0).to(tl.float32)
        higher = tl.where(inside, tl.maximum(peak, x), peak)
        total = tl.where(inside, total * tl.exp(peak - higher) + tl.exp(x - higher), total)
        peak = higher
    top = tl.max(peak, axis=1)[:, None]
    norm = tl.sum(tl.where(total > 0, total * tl.exp(peak - top), 0.0), axis=1)[:, None]
    for first in range(0, LENGTH, BN):
        column = first + tl.arange(0, BN)
        offset = column  # slot: offset
        inside = live[:, None] & (column < LENGTH)[None, :]
        place = start[:, None] + offset[None, :]
        x = tl.load(x_ptr + place, mask=inside, other=0).to(tl.float32)
        value = x - top - tl.log(norm) if LOG else tl.exp(x - top) / norm
        tl.store(y_ptr + place, value.to(y_ptr.dtype.element_ty), mask=inside)
