"""Weights as i8 with a scale for each output channel, and biases as i32 at the accumulator's scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from striate.passes.quantization.rewriter import LARGEST_ACCUMULATOR
from striate.tensor import Array

_LARGEST_WEIGHT = 127
_LARGEST_BIAS = 2.0**30
_WEAKEST_CHANNEL = 2.0**-20
"""A channel whose weights are smaller than this part of the layer's largest gets this part's scale."""


@dataclass(frozen=True)
class IntegerWeights:
    """weight: i8 `[K, terms]`; bias: i32 `[K]` or None; scale: f64 `[K]`, the accumulator's; bound: of it."""

    weight: Array
    bias: Array | None
    scale: Array
    bound: int


def quantize_weights(
    weight: Array, bias: Array | None, input_scale: float, input_magnitude: int, *, per_channel: bool
) -> IntegerWeights:
    """Integers for a weighted sum of codes; weight: [K, terms], bias: [K], both float.

    weight_scale[k] = max|weight[k]| / 127, or one for all without `per_channel`. A scale is made coarser, never
    finer: to at least 2^-20 of the layer's coarsest (a channel of zeros gets the coarsest), until the bias fits in
    half of an i32, and until the largest possible sum fits in an i32.
    """
    weight = weight.astype(np.float64)
    peaks = np.abs(weight).max(axis=1, initial=0.0)
    coarsest = peaks.max(initial=0.0) or 1.0
    peaks = np.where(peaks == 0, coarsest, np.maximum(peaks, coarsest * _WEAKEST_CHANNEL))
    if not per_channel:
        peaks = np.full_like(peaks, coarsest)
    scale = input_scale * peaks / _LARGEST_WEIGHT
    offsets = np.zeros(len(weight)) if bias is None else bias.astype(np.float64)
    scale = np.maximum(scale, np.abs(offsets) / _LARGEST_BIAS)
    if not per_channel:
        scale = np.full_like(scale, scale.max())
    while True:
        weight_codes = np.rint(weight / (scale / input_scale)[:, None])
        bias_codes = np.rint(offsets / scale)
        bounds = np.abs(weight_codes).sum(axis=1) * input_magnitude + np.abs(bias_codes)
        if bounds.max() <= LARGEST_ACCUMULATOR:
            break
        too_large = bounds > LARGEST_ACCUMULATOR if per_channel else np.full(len(bounds), True)
        scale = np.where(too_large, scale * np.maximum(bounds.max() / LARGEST_ACCUMULATOR, 1.0) * 1.01, scale)
    return IntegerWeights(
        weight_codes.astype(np.int8),
        None if bias is None else bias_codes.astype(np.int32),
        scale,
        int(bounds.max()),
    )
