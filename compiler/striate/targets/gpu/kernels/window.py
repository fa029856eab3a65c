"""The largest, the sum or the mean of each window of an image; windows of one size, or ADAPTIVE ones that tile it.

Rows are the N * P * Q output pixels, columns the C channels. A tap outside the image counts for nothing. The mean
divides by the taps inside the image and, with COUNT_PAD, those on the declared padding; never by an overhang.

x: [N, H, W, C]    y: [N, P, Q, C]
"""

import triton
import triton.language as tl


@triton.jit
def window(
    x_ptr,
    y_ptr,
    # slot: pointers
    M,
    H: tl.constexpr,
    W: tl.constexpr,
    C: tl.constexpr,
    R: tl.constexpr,
    S: tl.constexpr,
    P: tl.constexpr,
    Q: tl.constexpr,
    STRIDE_H: tl.constexpr,
    STRIDE_W: tl.constexpr,
    DILATION_H: tl.constexpr,
    DILATION_W: tl.constexpr,
    LEFT: tl.constexpr,
    RIGHT: tl.constexpr,
    TOP: tl.constexpr,
    BOTTOM: tl.constexpr,
    COUNT_PAD: tl.constexpr,
    ADAPTIVE: tl.constexpr,
    KIND: tl.constexpr,
    UNROLL: tl.constexpr,
    BM: tl.constexpr,
    BN: tl.constexpr,
):
    FLOAT: tl.constexpr = x_ptr.dtype.element_ty.is_floating()
    ACC: tl.constexpr = tl.float32 if FLOAT else tl.int32
    LOWEST: tl.constexpr = float("-inf") if FLOAT else -2147483648
    EMPTY: tl.constexpr = LOWEST if KIND == "max" else 0
    TILES: tl.constexpr = (C + BN - 1) // BN
    row = tl.program_id(0) // TILES * BM + tl.arange(0, BM)
    channel = (tl.program_id(0) % TILES * BN + tl.arange(0, BN))[None, :]
    channel_live = channel < C
    live = (row < M)[:, None] & channel_live
    p = (row // Q % P)[:, None]
    q = (row % Q)[:, None]
    if ADAPTIVE:
        h_first = p * H // P
        w_first = q * W // Q
        h_past = ((p + 1) * H + P - 1) // P
        w_past = ((q + 1) * W + Q - 1) // Q
    else:
        h_first = p * STRIDE_H - TOP
        w_first = q * STRIDE_W - LEFT
        h_past = h_first + (R - 1) * DILATION_H + 1
        w_past = w_first + (S - 1) * DILATION_W + 1

    # slot: before
    if True:  # slot: steps
        frame = row // (P * Q)  # slot: frame
        image = frame[:, None] * H
        acc = tl.full((BM, BN), EMPTY, dtype=ACC)
        for tap in tl.range(0, R * S, loop_unroll_factor=UNROLL):
            h = h_first + tap // S * DILATION_H
            w = w_first + tap % S * DILATION_W
            inside = (h >= 0) & (h < H) & (h < h_past) & (w >= 0) & (w < W) & (w < w_past) & live
            x = tl.load(x_ptr + ((image + h) * W + w) * C + channel, mask=inside, other=0).to(ACC)
            if KIND == "max":
                acc = tl.maximum(acc, tl.where(inside, x, EMPTY))
            else:
                acc += x

        value = acc
        if KIND == "mean":
            PAD: tl.constexpr = 1 if COUNT_PAD else 0
            tall = tl.minimum(h_past, H + BOTTOM * PAD) - tl.maximum(h_first, -TOP * PAD)
            wide = tl.minimum(w_past, W + RIGHT * PAD) - tl.maximum(w_first, -LEFT * PAD)
            value = acc / (tall * wide).to(tl.float32)
        at = row[:, None] * C + channel  # slot: at
        # slot: epilogue
        tl.store(y_ptr + at, value.to(y_ptr.dtype.element_ty), mask=live)  # slot: store
    # slot: after
