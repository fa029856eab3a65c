"""The fewest numbers of whose sums a neuron's weights are: its strengths, one for each type of axon. Exact.

Weights w_1..w_n are sums of some of k strengths where w = M s, M a matrix of bits. With the fewest strengths, the rows
of M span all k dimensions, so that some k of the weights have an invertible M, and s follows from those. Two different
weights always have independent rows; which others have is tried. So is every invertible matrix (up to the order of the
strengths there are 3, 29 and 940 of 2, 3 and 4 rows), and a strength must be a whole number of the width that it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import combinations, product

import numpy as np

from striate.tensor import Array


@cache
def strengths_of(weights: tuple[int, ...], most: int, largest: int) -> tuple[int, ...] | None:
    """The fewest strengths, largest first, of magnitudes up to `largest`; None where more than `most` are needed.

    weights: different numbers that are not 0, ascending.
    """
    for number in range(most + 1):
        if len(weights) >= 1 << number:
            continue
        if len(weights) <= number:
            found = weights if all(abs(weight) <= largest for weight in weights) else None
        else:
            found = _solve(weights, number, largest)
        if found is not None:
            return tuple(sorted(found, reverse=True))
    return None


def bits_of(weights: Array, strengths: Sequence[int]) -> Array:
    """Which strengths add up to each weight, u8: the fewest of them, and of as few the first ones."""
    number = len(strengths)
    codes = sorted(range(1 << number), key=lambda code: (code.bit_count(), code))
    sums = np.array([sum(s for at, s in enumerate(strengths) if code >> at & 1) for code in codes], np.int64)
    values, first = np.unique(sums, return_index=True)
    at = np.searchsorted(values, weights)
    assert np.array_equal(values[np.minimum(at, len(values) - 1)], weights), "every weight is a sum of strengths"
    return np.array(codes, np.uint8)[first[at]]


def _solve(weights: tuple[int, ...], number: int, largest: int) -> tuple[int, ...] | None:
    """Strengths for more weights than there are strengths, at least two."""
    adjugates, determinants = _inverses(number)
    masks = _rows(number)
    wanted = np.array(weights, np.int64)
    for others in combinations(range(2, len(weights)), number - 2):
        pivots = wanted[[0, 1, *others]]
        products = adjugates @ pivots
        whole = ~(products % determinants[:, None]).any(1)
        candidates = products[whole] // determinants[whole, None]
        candidates = candidates[(np.abs(candidates) <= largest).all(1)]
        sums = candidates @ masks.T
        fits = (sums[:, :, None] == wanted).any(1).all(1)
        if fits.any():
            best = max(candidates[fits].tolist(), key=lambda s: sorted(s, reverse=True))
            return tuple(int(strength) for strength in best)
    return None


@cache
def _rows(number: int) -> Array:
    """Every row of so many bits, but for 0, i64 `[2^number - 1, number]`."""
    return np.array([row for row in product((0, 1), repeat=number) if any(row)], np.int64)


@cache
def _inverses(number: int) -> tuple[Array, Array]:
    """Adjugates `[m, k, k]` and determinants `[m]` of all invertible matrices of bits, up to the order of columns."""
    rows = [tuple(row) for row in _rows(number).tolist()]
    seen: dict[tuple[tuple[int, ...], ...], None] = {}
    for matrix in product(rows, repeat=number):
        if len(set(matrix)) == number:
            seen.setdefault(tuple(sorted(zip(*matrix, strict=True))))
    matrices = np.array([np.array(columns).T for columns in seen], np.float64)
    determinants = np.rint(np.linalg.det(matrices)).astype(np.int64)
    invertible = determinants != 0
    inverses = np.linalg.inv(matrices[invertible])
    determinants = determinants[invertible]
    return np.rint(inverses * determinants[:, None, None]).astype(np.int64), determinants
