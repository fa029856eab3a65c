"""Lays out weights so that what one event adds along one row of its targets is one contiguous run.

For a convolution, an event at (y, x) reaches, through kernel row ky, the targets (y', x') with x' falling as kx rises:
the row of weights is stored with kx reversed, all output channels of a tap together. With a stride, positions fall into
phases that use different taps. Grouped and dilated convolutions have a run for each tap; runs too short for a vector
are single numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from striate_runtime.neuromorphic.check import LARGEST, Network, neurons
from striate_runtime.neuromorphic.tables.arrays import LANES, MAXIMA, ROWS, SINGLES, Synapses, concatenated
from striate_runtime.neuromorphic.tables.layout import Place
from striate_runtime.neuromorphic.tables.plain import SHORTEST_ROW
from striate_runtime.program.neuromorphic import Projection

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Laid:
    """Where a projection's tables start: `mode` is ROWS, SINGLES or MAXIMA; `channel` is -1 for no table of channels.

    What the tables call a position has `channels` source neurons next to each other. Its phase is one of `phases`.
    """

    mode: int
    position: int
    channels: int
    channel: int
    phase: int
    phases: int


@dataclass
class SynapseBuilder:
    """Collects the tables of one projection after another."""

    positions: list[Array] = field(default_factory=list[Array])
    channels: list[Array] = field(default_factory=list[Array])
    phases: list[tuple[int, int, int, int]] = field(default_factory=list[tuple[int, int, int, int]])
    blocks: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    weights: list[Array] = field(default_factory=list[Array])
    stored: int = 0

    def add(self, network: Network, projection: Projection, source: Place, target: Place) -> Laid:
        """Append the tables of one projection."""
        weights = network.weights_of(projection)
        if projection.kind == "dense":
            laid = self._add_dense(weights, source, target)
        elif projection.kind == "conv2d":
            laid = self._add_convolution(weights, projection, source, target)
        elif projection.kind == "one_to_one" and source.population.shape[1:] != target.population.shape[1:]:
            laid = self._add_renumbered(weights, source, target)
        else:
            laid = self._add_window(weights, projection, source, target)
        network.check(self.stored < LARGEST, f"projection '{projection.name}'", "has more weights than 31 bits number")
        return laid

    def finish(self) -> Synapses:
        """The tables."""
        return Synapses(
            position=concatenated(self.positions, np.int32),
            channel=concatenated(self.channels, np.int32),
            phase=np.array(self.phases, np.int32).reshape(-1),
            block=np.array(self.blocks, np.int32).reshape(-1),
            weights=concatenated([*self.weights, np.zeros(LANES, np.int16)], np.int16),
        )

    def _add_dense(self, weights: Array, source: Place, target: Place) -> Laid:
        channels, height, width = target.population.shape
        row = width * channels
        padded = _padded(row)
        number = neurons(source.population)
        rows = np.zeros((number, height, padded), np.int16)
        rows[:, :, :row] = weights.reshape(number, height, row)
        runs = [(y * target.row, y * padded, padded) for y in range(height)]
        phase = self._add_phase(self._store(rows), height * padded, runs)
        base = target.accumulator_at(np.zeros(1, int), np.zeros(1, int))
        return self._lay(_mode(target, ROWS), base, np.array([phase]), number)

    def _add_window(self, weights: Array, projection: Projection, source: Place, target: Place) -> Laid:
        channels, height, width = source.population.shape
        start = self._store(weights)
        y, x, phases = self._phases(projection, height, width)
        first = len(self.phases)
        for taps in phases.taps:
            self._add_phase(start, 1, [(_offset(tap, target), 0, 1) for tap in taps])
        own = np.arange(channels) + projection.channel_offset
        return self._lay(_mode(target, SINGLES), target.accumulator_at(y, x), first + phases.index, channels, own)

    def _add_renumbered(self, weights: Array, source: Place, target: Place) -> Laid:
        """Neuron i to neuron i where images differ: each is a position of its own."""
        channels, _, width = target.population.shape
        number, start = np.arange(neurons(source.population)), self._store(weights)
        y, x, c = number // (width * channels), number // channels % width, number % channels
        phases = np.array([self._add_phase(start + i, 0, [(0, 0, 1)]) for i in range(len(weights))])
        return self._lay(_mode(target, SINGLES), target.accumulator_at(y, x) + c, phases[number % len(weights)], 1)

    def _add_convolution(self, weights: Array, projection: Projection, source: Place, target: Place) -> Laid:
        channels, height, width = source.population.shape
        per_group = target.population.shape[0] // projection.groups
        group, within = np.divmod(np.arange(channels), weights.shape[2])
        # [kh, kw, channels of the source, channels of the target's group]
        own = np.stack(
            [weights[:, :, i, g * per_group : (g + 1) * per_group] for g, i in zip(group, within, strict=True)], 2
        )
        y, x, phases = self._phases(projection, height, width)
        joined = projection.groups == 1 and phases.adjacent
        start: list[tuple[int, int]] = []
        rows_of: list[list[list[_Tap]]] = []
        for taps in phases.taps:
            rows = _rows(taps) if joined else [[tap] for tap in taps]
            rows_of.append(rows)
            width_of = [_padded(len(row) * per_group) for row in rows]
            packed = np.zeros((channels, sum(width_of)), np.int16)
            at = 0
            for row, extent in zip(rows, width_of, strict=True):
                values = own[[tap.ky for tap in row], [tap.kx for tap in row]]  # [taps, channels, per_group]
                packed[:, at : at + len(row) * per_group] = values.transpose(1, 0, 2).reshape(channels, -1)
                at += extent
            start.append((self._store(packed), packed.shape[1]))
        singles = max((len(row) for rows in rows_of for row in rows), default=1) * per_group < SHORTEST_ROW
        first_phase = len(self.phases)
        for rows, (weight, of_a_channel) in zip(rows_of, start, strict=True):
            runs: list[tuple[int, int, int]] = []
            at = 0
            for row in rows:
                extent, first = _padded(len(row) * per_group), _offset(row[0], target)
                if singles:
                    runs += [(first + i, at + i, 1) for i in range(len(row) * per_group)]
                else:
                    runs.append((first, at, extent))
                at += extent
            self._add_phase(weight, of_a_channel, runs)
        mode, base = _mode(target, SINGLES if singles else ROWS), target.accumulator_at(y, x)
        shifts = group * per_group if projection.groups > 1 else None
        return self._lay(mode, base, first_phase + phases.index, channels, shifts)

    def _phases(self, projection: Projection, height: int, width: int) -> tuple[Array, Array, _Phases]:
        """For each source position `[H * W]`: the target position that offsets count from (y, x), and its phase."""
        left, _, top, _ = projection.padding
        (sy, sx), (dy, dx), (kh, kw) = projection.stride, projection.dilation, projection.kernel
        y, x = np.divmod(np.arange(height * width), width)
        phase = (y + top) % sy * sx + (x + left) % sx
        taps: list[list[_Tap]] = []
        for ry in range(sy):
            for rx in range(sx):
                rows = [(ky, (ry - ky * dy) // sy) for ky in range(kh) if (ry - ky * dy) % sy == 0]
                columns = [(kx, (rx - kx * dx) // sx) for kx in reversed(range(kw)) if (rx - kx * dx) % sx == 0]
                taps.append([_Tap(ky, kx, oy, ox) for ky, oy in rows for kx, ox in columns])
        return (y + top) // sy, (x + left) // sx, _Phases(phase, taps)

    def _add_phase(self, weight: int, of_a_channel: int, runs: list[tuple[int, int, int]]) -> int:
        """Cut runs (distance from the base, from the channel's first weight, length) into blocks; the phase's number.

        weight: the first of channel 0; each further channel's is `of_a_channel` after it.
        """
        first = len(self.blocks)
        for offset, skipped, length in runs:
            self.blocks += [(offset + skip, skipped + skip) for skip in range(0, length, LANES)]
        self.phases.append((weight, of_a_channel, first, len(self.blocks)))
        return len(self.phases) - 1

    def _lay(self, mode: int, base: Array, phase: Array, channels: int, shifts: Array | None = None) -> Laid:
        """Append each position's base and phase, and how far from the base each channel starts."""
        position = sum(len(part) for part in self.positions) // 2
        channel = -1 if shifts is None else sum(len(part) for part in self.channels)
        self.positions.append(np.stack([base, phase], 1).reshape(-1))
        if shifts is not None:
            self.channels.append(shifts)
        first, last = int(phase.min()), int(phase.max())
        return Laid(mode, position, channels, channel, first, last - first + 1)

    def _store(self, weights: Array) -> int:
        start = self.stored
        self.weights.append(weights.reshape(-1))
        self.stored += weights.size
        return start


@dataclass(frozen=True)
class _Tap:
    """One element of a kernel and where it leads, relative to the target position that a phase counts from."""

    ky: int
    kx: int
    y: int
    x: int


@dataclass(frozen=True)
class _Phases:
    """The phase of each source position, and the taps of each phase, those of one ky together with x ascending."""

    index: Array
    taps: list[list[_Tap]]

    @property
    def adjacent(self) -> bool:
        """Whether the taps of each row lead to neighbouring targets."""
        rows = [row for taps in self.taps for row in _rows(taps)]
        return all(b.x - a.x == 1 for row in rows for a, b in pairwise(row))


def _rows(taps: list[_Tap]) -> list[list[_Tap]]:
    return [[tap for tap in taps if tap.ky == ky] for ky in sorted({tap.ky for tap in taps})]


def _offset(tap: _Tap, target: Place) -> int:
    return tap.y * target.row + tap.x * target.population.shape[0]


def _padded(length: int) -> int:
    return -(-length // LANES) * LANES


def _mode(target: Place, mode: int) -> int:
    return MAXIMA if target.population.reduce == "max" else mode
