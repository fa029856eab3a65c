"""A fully connected layer, or a 1x1 convolution: a plain matrix product.

GEMM view: rows are M samples (or pixels), columns the K output channels, the sum runs over C input channels.

x: [M, C]    w: [K, LENGTH], zero-padded from C to a multiple of BK    y: [M, K]

u8 rows meet i8 weights as x - 128; see convolution.py.
"""

import triton
import triton.language as tl


@triton.jit
def linear(
    x_ptr,
    w_ptr,
    y_ptr,
    # slot: pointers
    M,
    C: tl.constexpr,
    K: tl.constexpr,
    LENGTH: tl.constexpr,
    BM: tl.constexpr,
    BN: tl.constexpr,
    BK: tl.constexpr,
):
    ACC: tl.constexpr = tl.float32 if x_ptr.dtype.element_ty.is_floating() else tl.int32
    TILES: tl.constexpr = (K + BN - 1) // BN
    row = tl.program_id(0) // TILES * BM + tl.arange(0, BM)
    column = tl.program_id(0) % TILES * BN + tl.arange(0, BN)
    row_live = row < M
    column_live = column < K
    channel = column[None, :]
    channel_live = column_live[None, :]
    live = row_live[:, None] & channel_live
    # slot: before
    if True:  # slot: steps
        frame = row  # slot: frame
        seen = row_live  # slot: seen
        x_row = x_ptr + frame[:, None] * C
        acc = tl.zeros((BM, BN), dtype=ACC)
        for start in range(0, LENGTH, BK):
            k = start + tl.arange(0, BK)
            a_live = seen[:, None] if C % BK == 0 else seen[:, None] & (k < C)[None, :]
            a = tl.load(x_row + k[None, :], mask=a_live, other=0)
            b = tl.load(w_ptr + column[:, None] * LENGTH + k[None, :], mask=column_live[:, None], other=0)
            if x_ptr.dtype.element_ty == tl.uint8:
                a = (a ^ 0x80).to(tl.int8, bitcast=True)
            acc = tl.dot(a, b.T, acc, input_precision="ieee", out_dtype=ACC)

        at = row[:, None] * K + channel  # slot: at
        value = acc
        # slot: epilogue
        tl.store(y_ptr + at, value.to(y_ptr.dtype.element_ty), mask=live)  # slot: store
    # slot: after
