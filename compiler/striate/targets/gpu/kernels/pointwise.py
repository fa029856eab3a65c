"""A chain of pointwise functions, or any movement of data: each number of the result is found by its own index.

Rows are the numbers of the result, in the order in which they are stored; ELEMENTS are one sample's. The compiler
writes how `value` is loaded: from the same place, broadcast, or gathered from the index that a permutation, a slice, a
concatenation, a padding or an enlargement gives.

x: [N, ...]    y: [N, ...]
"""

import triton
import triton.language as tl


@triton.jit
def pointwise(
    x_ptr,  # slot: pointers
    y_ptr,
    M,
    ELEMENTS: tl.constexpr,
    BM: tl.constexpr,
):
    row = tl.program_id(0) * BM + tl.arange(0, BM)
    live = row < M
    # slot: before
    if True:  # slot: steps
        at = row  # slot: at
        # slot: index
        value = tl.load(x_ptr + at, mask=live, other=0)  # slot: value
        # slot: epilogue
        tl.store(y_ptr + at, value.to(y_ptr.dtype.element_ty), mask=live)  # slot: store
    # slot: after
