"""A convolution, or its transpose, as a matrix product whose left operand is gathered from the image.

GEMM view, once for each group: rows are the N * P * Q output pixels, columns the K / GROUPS output channels, and the
summed axis runs over the filter in (r, s, c) order, zero-padded to LENGTH.

x: [N, H, W, C]    w: [K, LENGTH]    y: [N, P, Q, K]

Where BK divides the channels, a step of the sum lies within one tap and its addresses are one row plus one column;
elsewhere (an image of 1 or 3 channels) every column finds its own tap.

u8 images meet i8 weights as x - 128, which is x ^ 0x80 read as i8: a padded position holds x = 0, so it counts as -128
like any other, and sum((x - 128) w) = sum(x w) - 128 sum(w) over all taps. The compiler adds the constant to the bias.
"""

import triton
import triton.language as tl


@triton.jit
def convolution(
    x_ptr,
    w_ptr,
    y_ptr,
    # slot: pointers
    M,
    H: tl.constexpr,
    W: tl.constexpr,
    C: tl.constexpr,
    K: tl.constexpr,
    R: tl.constexpr,
    S: tl.constexpr,
    P: tl.constexpr,
    Q: tl.constexpr,
    STRIDE_H: tl.constexpr,
    STRIDE_W: tl.constexpr,
    DILATION_H: tl.constexpr,
    DILATION_W: tl.constexpr,
    TOP: tl.constexpr,
    LEFT: tl.constexpr,
    GROUPS: tl.constexpr,
    LENGTH: tl.constexpr,
    TRANSPOSED: tl.constexpr,
    BM: tl.constexpr,
    BN: tl.constexpr,
    BK: tl.constexpr,
):
    ACC: tl.constexpr = tl.float32 if x_ptr.dtype.element_ty.is_floating() else tl.int32
    GC: tl.constexpr = C // GROUPS
    GK: tl.constexpr = K // GROUPS
    TILES: tl.constexpr = (GK + BN - 1) // BN
    tile = tl.program_id(0) % (GROUPS * TILES)
    group = tile // TILES
    row = tl.program_id(0) // (GROUPS * TILES) * BM + tl.arange(0, BM)
    column = tile % TILES * BN + tl.arange(0, BN)
    row_live = row < M
    column_live = column < GK
    p = (row // Q % P)[:, None]
    q = (row % Q)[:, None]
    w_row = w_ptr + (group * GK + column)[:, None] * LENGTH
    channel = (group * GK + column)[None, :]
    channel_live = column_live[None, :]
    live = row_live[:, None] & channel_live
    # slot: before
    if True:  # slot: steps
        frame = row // (P * Q)  # slot: frame
        seen = row_live  # slot: seen
        image = frame[:, None] * H
        acc = tl.zeros((BM, BN), dtype=ACC)
        for start in range(0, LENGTH, BK):
            k = start + tl.arange(0, BK)
            if GC % BK == 0:
                tap = start // GC
                c = (start // BK % (GC // BK) * BK + tl.arange(0, BK))[None, :]
            else:
                tap = (k // GC)[None, :]
                c = (k % GC)[None, :]
            r = tap // S
            s = tap % S
            if TRANSPOSED:  # x[h] reaches y[p] where p = h * stride - top + r * dilation
                h_wide = p + TOP - r * DILATION_H
                w_wide = q + LEFT - s * DILATION_W
                h = h_wide // STRIDE_H
                w = w_wide // STRIDE_W
                inside = (h * STRIDE_H == h_wide) & (w * STRIDE_W == w_wide) & (h_wide >= 0) & (w_wide >= 0)
            else:
                h = p * STRIDE_H - TOP + r * DILATION_H
                w = q * STRIDE_W - LEFT + s * DILATION_W
                inside = (h >= 0) & (w >= 0)
            inside = inside & (h < H) & (w < W) & (r < R) & seen[:, None]
            a = tl.load(x_ptr + ((image + h) * W + w) * C + group * GC + c, mask=inside, other=0)
            b = tl.load(w_row + k[None, :], mask=column_live[:, None], other=0)
            if x_ptr.dtype.element_ty == tl.uint8:
                a = (a ^ 0x80).to(tl.int8, bitcast=True)
            acc = tl.dot(a, b.T, acc, input_precision="ieee", out_dtype=ACC)

        at = row[:, None] * K + channel  # slot: at
        value = acc
        # slot: epilogue
        tl.store(y_ptr + at, value.to(y_ptr.dtype.element_ty), mask=live)  # slot: store
    # slot: after
