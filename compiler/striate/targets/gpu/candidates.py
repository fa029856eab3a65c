"""Which tiles to build for each kernel: at most four, the first of which is the default.

Chosen from shapes alone. The default has 4 warps: Triton has miscompiled gathered matrix products with 8
(pytorch#173068), so those run only where the runtime has checked their output.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

MULTIPROCESSORS = 132
"""On an H100: fewer tiles than this leave some of it idle, so that smaller tiles are tried."""

MOST_NUMBERS_WITH_STATE = 16
"""Of a result, for each thread, whose neurons' states are in registers too: twice as many have spilled."""


@dataclass(frozen=True)
class Tile:
    """The constants of one candidate (BM rows; BN columns and BK of the summed axis where the kernel has them)."""

    sizes: dict[str, int]
    num_warps: int = 4
    num_stages: int = 3


def matrix_tiles(rows: int, columns: int, steps_of: int, dtype: str) -> tuple[Tile, ...]:
    """Tiles of a matrix product of `rows` x `columns`; a step of the sum should divide `steps_of` (the channels)."""
    depth = _depth(steps_of, dtype)
    if dtype == "f32":
        wide = min(32, power_of_two(columns, 16))
        return (Tile({"BM": 32, "BN": wide, "BK": depth}, 4, 2),)
    widest = min(128, power_of_two(columns, 16))
    narrow = min(64, widest)
    shapes = [(64, narrow, 4, 4)]
    if rows <= 32:
        shapes = [(16, min(32, narrow), 4, 4), (64, narrow, 4, 4)]
    elif (rows // 64) * max(1, columns // 64) < MULTIPROCESSORS:
        shapes += [(32, min(32, narrow), 4, 4), (64, min(32, narrow), 4, 4)]
    else:
        shapes += [(128, narrow, 4, 3)] + ([(128, 128, 8, 3)] if widest == 128 else [])
    unique = list(dict.fromkeys(shapes))
    return tuple(Tile({"BM": m, "BN": n, "BK": depth}, warps, stages) for m, n, warps, stages in unique)


def smaller_tiles(tiles: Sequence[Tile]) -> tuple[Tile, ...]:
    """Those of a kernel that holds neurons' states in registers, two or three numbers for each of the result's.

    The default keeps its warps and is narrower; the others have more warps first. The step of the sum stays, since
    weights are packed for it.
    """
    smaller = [
        _narrowed(tiles[0]),
        *(_narrowed(replace(tile, num_warps=8) if _is_wide(tile) else tile) for tile in tiles),
    ]
    return tuple({(tile.num_warps, *tile.sizes.values()): tile for tile in smaller}.values())


def _narrowed(tile: Tile) -> Tile:
    if not _is_wide(tile):
        return tile
    return _narrowed(replace(tile, sizes={**tile.sizes, "BN": tile.sizes["BN"] // 2}))


def _is_wide(tile: Tile) -> bool:
    return tile.sizes["BM"] * tile.sizes["BN"] > MOST_NUMBERS_WITH_STATE * 32 * tile.num_warps


def image_tiles(rows: int, channels: int) -> tuple[Tile, ...]:
    """Tiles of a kernel that goes over pixels and channels without a matrix product: up to 64 channels wide.

    Eight numbers for each thread where channels come in eights, so that it loads them at once; else two, each with its
    own address.
    """
    wide = min(64, power_of_two(channels, 1))
    numbers = 1024 if channels % 8 == 0 else 256
    tall = max(1, min(numbers // wide, power_of_two(rows, 1)))
    return (Tile({"BM": tall, "BN": wide}), Tile({"BM": max(1, tall // 2), "BN": wide}, 2))


def flat_tiles(elements: int) -> tuple[Tile, ...]:
    """Tiles of a kernel that goes over numbers one by one: eight for each thread, so that halves are loaded at once."""
    return (Tile({"BM": 1024}), Tile({"BM": 256})) if elements > 256 else (Tile({"BM": 256}),)


def row_tiles(length: int, is_contiguous: bool) -> tuple[Tile, ...]:
    """Tiles of a reduction of rows of `length`: long and few if a row's numbers are neighbours, else short and many."""
    if is_contiguous:
        return (Tile({"BM": 4, "BN": min(512, power_of_two(length, 16))}),)
    return (Tile({"BM": 128, "BN": min(8, power_of_two(length, 1))}),)


def stack_tiles(rows: int, columns: int, depth: int, is_float: bool) -> tuple[Tile, ...]:
    """Tiles of a product of two activations, one pair of matrices at a time."""
    most, deepest = (64, 32) if is_float else (16, 16)
    sizes = {"BR": min(most, power_of_two(rows, 16)), "BN": min(most, power_of_two(columns, 16))}
    return (Tile({"BM": 1, **sizes, "BK": min(deepest, power_of_two(depth, 16))}),)


def power_of_two(number: int, least: int) -> int:
    """The smallest power of two that is at least `number` and at least `least`."""
    return max(least, 1 << (number - 1).bit_length())


def _depth(channels: int, dtype: str) -> int:
    """How many numbers of the summed axis a step takes: as many as divide the channels, else 32."""
    for depth in (32, 16) if dtype == "f32" else (64, 32):
        if channels % depth == 0:
            return depth
    return 16 if dtype == "f32" else 32
