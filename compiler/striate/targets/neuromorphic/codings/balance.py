"""Thresholds in balance: a sum's real weights as integers of the chip, and the threshold that makes up for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from striate.targets.neuromorphic.codings.few_levels import in_steps, largest_factor, step_of, types_for
from striate.targets.neuromorphic.codings.synapses import Synapses
from striate.tensor import Array
from striate_runtime.hardware import Chip

WEIGHT_LEVELS = 127
"""Weights are -127..127 even where the chip has 9 bits: Loihi loses the lowest bit of weights with mixed signs."""
HEADROOM_BITS = 3
"""A membrane has room for 2^3 thresholds, and for 2^3 times a step's bias."""


@dataclass(frozen=True)
class Balanced:
    """A sum in integers: synapses with integer weights, threshold and bias i64 `[C]`; 1 is worth `unit` `[C]`."""

    synapses: tuple[Synapses, ...]
    unit: Array
    threshold: Array
    bias: Array | None


def balance(
    synapses: Sequence[Synapses], bias: Array | None, full_scale: float, steps_of_bias: int, chip: Chip, channels: int
) -> Balanced:
    """One unit per target channel: unit[c] = max|w[c]| / 127; weights, bias and threshold = full_scale / unit, rounded.

    Weights are in value per spike; a bias is added `steps_of_bias` times in one go. The unit is coarser where the
    threshold or the bias would not fit in the membrane, and where channels share thresholds.
    """
    levels = min(WEIGHT_LEVELS, 2 ** ((chip.numerics.weight_bits.value or 8) - 1) - 1)
    room = 2.0 ** ((chip.numerics.membrane_bits_for_weights or 24) - 1 - HEADROOM_BITS)
    total_bias = np.zeros(channels) if bias is None else bias.astype(np.float64) * steps_of_bias
    peak = np.zeros(channels)
    for each in synapses:
        weights = _weights(each)
        np.maximum.at(peak, _channels(each, channels), np.abs(weights).reshape(-1, weights.shape[-1]).max(axis=0))
    unit = np.max([peak / levels, np.abs(total_bias) / room, np.full(channels, full_scale / room)], axis=0)
    unit = np.where(unit > 0, unit, 1.0)
    sorts = chip.limits.threshold_configurations
    if full_scale and sorts is not None and sorts.value:
        unit = full_scale / shared_thresholds(full_scale / unit, sorts.value)
    return Balanced(
        tuple(_in_units(each, unit) for each in synapses),
        unit,
        np.maximum(1, np.rint(full_scale / unit)).astype(np.int64),
        None if bias is None else np.rint(total_bias / unit).astype(np.int64),
    )


def balance_few(
    synapses: Sequence[Synapses],
    bias: Array | None,
    full_scale: float,
    lowest: float,
    steps: int,
    chip: Chip,
    channels: int,
    most_types: int,
) -> Balanced:
    """The same for a crossbar, whose weights have few levels: whole numbers of a step for each channel (few_levels.py).

    A step is as many units as the largest strength allows, so that threshold and bias are as fine as can be, and as few
    as let the membrane hold them and twice what `steps` steps at `lowest`, the lowest sum seen, add up to.
    """
    types = types_for(synapses, chip, most_types)
    half = 2.0 ** ((chip.numerics.membrane_bits_for_weights or 24) - 2)
    total_bias = np.zeros(channels) if bias is None else bias.astype(np.float64)
    coarsest = np.maximum(np.abs(total_bias), full_scale) / (half / 2 ** (HEADROOM_BITS - 1))
    step = np.array([step_of(_into(synapses, channel, channels), types) for channel in range(channels)])
    step = np.maximum(np.where(step > 0, step, full_scale), coarsest)
    finest = np.maximum(coarsest, -min(lowest, 0.0) * steps / half)
    factor = np.clip(np.floor(step / finest), 1, largest_factor(types, chip)).astype(np.int64)
    unit = step / factor
    rounded: list[Synapses] = []
    for each in synapses:
        own = _channels(each, channels)
        weights = in_steps(_weights(each), step[own], types) * factor[own]
        rounded.append(replace(each, weights=weights.astype(np.int32)))
    return Balanced(
        tuple(rounded),
        unit,
        np.maximum(1, np.rint(full_scale / unit)).astype(np.int64),
        None if bias is None else np.rint(total_bias / unit).astype(np.int64),
    )


def balance_in_one(
    synapses: Sequence[Synapses], bias: Array | None, thresholds: Array, chip: Chip, channels: int
) -> Balanced:
    """One threshold for all channels of a layer, which is all that a core of some chips holds: unit[c] = real / whole.

    thresholds: f64 `[C]`, in value. Their integer is the largest with which every weight and every bias of a tick keeps
    to its bits and the membrane has room; what is more than 127 thresholds even so is cut to 127 (or the bias' limit).
    """
    levels = min(WEIGHT_LEVELS, 2 ** ((chip.numerics.weight_bits.value or 8) - 1) - 1)
    bits = chip.numerics.bias_bits.value if chip.numerics.bias_bits else None
    bias_levels = 2 ** ((bits or 16) - 1) - 1
    room = 2.0 ** ((chip.numerics.membrane_bits_for_weights or 24) - 1 - HEADROOM_BITS)
    peak = np.zeros(channels)
    for each in synapses:
        weights = _weights(each)
        np.maximum.at(peak, _channels(each, channels), np.abs(weights).reshape(-1, weights.shape[-1]).max(axis=0))
    needed = peak / levels if bias is None else np.maximum(peak / levels, np.abs(bias) / bias_levels)
    tightest = np.min(thresholds / np.where(needed > 0, needed, thresholds / room))
    threshold = max(1, int(min(tightest, room)))
    unit = thresholds / threshold
    return Balanced(
        tuple(_cut(_in_units(each, unit), levels) for each in synapses),
        unit,
        np.full(channels, threshold, np.int64),
        None if bias is None else np.clip(np.rint(bias / unit), -bias_levels, bias_levels).astype(np.int64),
    )


def _cut(synapses: Synapses, levels: int) -> Synapses:
    return replace(synapses, weights=np.clip(_weights(synapses), -levels, levels))


def shared_thresholds(thresholds: Array, most: int) -> Array:
    """Thresholds f64 `[C]` lowered to no more than so many different ones, each by as small a factor as will do.

    A core of some chips has room for so many. A lower threshold is a coarser unit: weights lose as much precision.
    """
    ordered = np.unique(thresholds)
    if len(ordered) <= most:
        return thresholds
    low, high = 1.0, 2 * float(ordered[-1] / ordered[0])
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if len(_steps(ordered, middle)) <= most else (middle, high)
    steps = _steps(ordered, high)
    return steps[np.searchsorted(steps, thresholds, side="right") - 1]


def _steps(ordered: Array, factor: float) -> Array:
    """The fewest of these numbers such that each of them is at most `factor` times the next smaller one chosen."""
    steps = [float(ordered[0])]
    for number in ordered.tolist():
        if number > steps[-1] * factor:
            steps.append(number)
    return np.array(steps)


def _in_units(synapses: Synapses, unit: Array) -> Synapses:
    weights = np.rint(_weights(synapses) / unit[_channels(synapses, len(unit))])
    return replace(synapses, weights=weights.astype(np.int32))


def _into(synapses: Sequence[Synapses], channel: int, channels: int) -> Array:
    """All weights into one channel, `[n]`."""
    parts = [_weights(each)[..., _channels(each, channels) == channel].reshape(-1) for each in synapses]
    return np.concatenate([np.zeros(0), *parts])


def _weights(synapses: Synapses) -> Array:
    assert synapses.weights is not None, "in the coding 'rate' every synapse has a weight"
    return synapses.weights


def _channels(synapses: Synapses, channels: int) -> Array:
    """The target's channel of each entry of the weights' last axis (channels last: neuron j has channel j % C)."""
    entries = np.arange(_weights(synapses).shape[-1], dtype=np.int64)
    return (entries + synapses.channel_offset) % channels
