"""An image enlarged by bilinear interpolation.

Rows are the N * P * Q output pixels, columns the C channels. Without ALIGN_CORNERS pixel centres map to pixel centres,
h = (p + 0.5) * H / P - 0.5; with it corner pixels map to corner pixels, h = p * (H - 1) / (P - 1).

x: [N, H, W, C]    y: [N, P, Q, C]
"""

import triton
import triton.language as tl


@triton.jit
def bilinear(
    x_ptr,
    y_ptr,
    # slot: pointers
    M,
    H: tl.constexpr,
    W: tl.constexpr,
    C: tl.constexpr,
    P: tl.constexpr,
    Q: tl.constexpr,
    ALIGN_CORNERS: tl.constexpr,
    BM: tl.constexpr,
    BN: tl.constexpr,
):
    TILES: tl.constexpr = (C + BN - 1) // BN
    row = tl.program_id(0) // TILES * BM + tl.arange(0, BM)
    channel = (tl.program_id(0) % TILES * BN + tl.arange(0, BN))[None, :]
    channel_live = channel < C
    live = (row < M)[:, None] & channel_live
    p = (row // Q % P)[:, None].to(tl.float32)
    q = (row % Q)[:, None].to(tl.float32)
    if ALIGN_CORNERS:
        h = p * ((H - 1) / max(P - 1, 1))
        w = q * ((W - 1) / max(Q - 1, 1))
    else:
        h = tl.maximum((p + 0.5) * (H / P) - 0.5, 0.0)
        w = tl.maximum((q + 0.5) * (W / Q) - 0.5, 0.0)
    top = tl.minimum(h.to(tl.int32), H - 1)
    left = tl.minimum(w.to(tl.int32), W - 1)
    down = h - top.to(tl.float32)
    along = w - left.to(tl.float32)
    image = (row // (P * Q))[:, None] * H
    upper = (image + top) * W
    lower = (image + tl.minimum(top + 1, H - 1)) * W
    right = tl.minimum(left + 1, W - 1)
    a = tl.load(x_ptr + (upper + left) * C + channel, mask=live, other=0).to(tl.float32)
    b = tl.load(x_ptr + (upper + right) * C + channel, mask=live, other=0).to(tl.float32)
    c = tl.load(x_ptr + (lower + left) * C + channel, mask=live, other=0).to(tl.float32)
    d = tl.load(x_ptr + (lower + right) * C + channel, mask=live, other=0).to(tl.float32)
    value = (a * (1 - along) + b * along) * (1 - down) + (c * (1 - along) + d * along) * down
    at = row[:, None] * C + channel
    # slot: epilogue
    tl.store(y_ptr + at, value.to(y_ptr.dtype.element_ty), mask=live)
