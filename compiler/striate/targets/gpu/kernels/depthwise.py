"""A depthwise convolution: every output channel sees one input channel, so there is nothing for a matrix product.

Rows are the N * P * Q output pixels, columns the K output channels; output channel k reads input channel k // (K // C).

x: [N, H, W, C]    w: [R * S, K]    y: [N, P, Q, K]
"""

import triton
import triton.language as tl


@triton.jit
def depthwise(
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
    UNROLL: tl.constexpr,
    BM: tl.constexpr,
    BN: tl.constexpr,
):
    ACC: tl.constexpr = tl.float32 if x_ptr.dtype.element_ty.is_floating() else tl.int32
    TILES: tl.constexpr = (K + BN - 1) // BN
    row = tl.program_id(0) // TILES * BM + tl.arange(0, BM)
    channel = (tl.program_id(0) % TILES * BN + tl.arange(0, BN))[None, :]
    channel_live = channel < K
    live = (row < M)[:, None] & channel_live
    top = (row // Q % P)[:, None] * STRIDE_H - TOP
    left = (row % Q)[:, None] * STRIDE_W - LEFT
    # slot: before
    if True:  # slot: steps
        frame = row // (P * Q)  # slot: frame
        seen = row < M  # slot: seen
        image = frame[:, None] * H
        acc = tl.zeros((BM, BN), dtype=ACC)
        for tap in tl.range(0, R * S, loop_unroll_factor=UNROLL):
            h = top + tap // S * DILATION_H
            w = left + tap % S * DILATION_W
            inside = (h >= 0) & (h < H) & (w >= 0) & (w < W) & seen[:, None] & channel_live
            x = tl.load(x_ptr + ((image + h) * W + w) * C + channel // (K // C), mask=inside, other=0)
            weight = tl.load(w_ptr + tap * K + channel, mask=channel_live, other=0)
            acc += x.to(ACC) * weight.to(ACC)

        at = row[:, None] * K + channel  # slot: at
        value = acc
        # slot: epilogue
        tl.store(y_ptr + at, value.to(y_ptr.dtype.element_ty), mask=live)  # slot: store
    # slot: after
