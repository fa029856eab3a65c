"""The product of two activations, one pair of matrices after another.

The launch's rows are the pairs; a program takes one tile of the products of BM pairs, [ROWS, DEPTH] x [DEPTH, COLUMNS].
The compiler writes where a pair's matrices start, since a stack of matrices may be broadcast.

a: [M, ROWS, DEPTH]    b: [M, DEPTH, COLUMNS]    y: [M, ROWS, COLUMNS]
"""

import triton
import triton.language as tl


@triton.jit
def matmul(
    a_ptr,
    b_ptr,
    y_ptr,
    # slot: pointers
    M,
    ROWS: tl.constexpr,
    DEPTH: tl.constexpr,
    COLUMNS: tl.constexpr,
    BM: tl.constexpr,
    BR: tl.constexpr,
    BN: tl.constexpr,
    BK: tl.constexpr,
):
    FLOAT: tl.constexpr = a_ptr.dtype.element_ty.is_floating()
    ACC: tl.constexpr = tl.float32 if FLOAT else tl.int32
    TILES: tl.constexpr = (COLUMNS + BN - 1) // BN
    PROGRAMS: tl.constexpr = (ROWS + BR - 1) // BR * TILES
    tile = tl.program_id(0) % PROGRAMS
    row = (tile // TILES * BR + tl.arange(0, BR))[:, None]
    column = (tile % TILES * BN + tl.arange(0, BN))[None, :]
    for step in range(BM):
        pair = tl.program_id(0) // PROGRAMS * BM + step
        row_live = (row < ROWS) & (pair < M)
        a_start = pair * (ROWS * DEPTH)  # slot: a_start
        b_start = pair * (DEPTH * COLUMNS)  # slot: b_start
        acc = tl.zeros((BR, BN), dtype=ACC)
        for start in range(0, DEPTH, BK):
            k = start + tl.arange(0, BK)
            a_live = row_live & (k < DEPTH)[None, :]
            b_live = (k < DEPTH)[:, None] & (column < COLUMNS) & (pair < M)
            a = tl.load(a_ptr + a_start + row * DEPTH + k[None, :], mask=a_live, other=0)
            b = tl.load(b_ptr + b_start + k[:, None] * COLUMNS + column, mask=b_live, other=0)
            if FLOAT:
                acc = tl.dot(a, b, acc, input_precision="ieee")
            else:  # i8 may meet u8, which no tensor core multiplies
                acc += tl.sum(a.to(ACC)[:, :, None] * b.to(ACC)[None, :, :], axis=1)
        place = pair * (ROWS * COLUMNS) + row * COLUMNS + column
        tl.store(y_ptr + place, acc.to(y_ptr.dtype.element_ty), mask=row_live & (column < COLUMNS))
