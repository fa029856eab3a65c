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
from striate_runtime.neuromorphic.layout import Place
from striate_runtime.neuromorphic.tables import LANES, MAXIMA, ROWS, SINGLES, Synapses, concatenated
from striate_runtime.program.neuromorphic import Projection

Array = npt.NDArray[Any]

_SHORTEST_ROW = 3
"""Runs of fewer numbers are delivered one by one."""


@dataclass
class SynapseBuilder:
    """Collects the tables of one projection after another."""

    events: list[Array] = field(default_factory=list[Array])
    phase: list[int] = field(default_factory=lambda: [0])
    blocks: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    weights: list[Array] = field(default_factory=list[Array])
    stored: int = 0

    def add(self, network: Network, projection: Projection, source: Place, target: Place) -> int:
        """Append the tables of one projection; gives its mode (ROWS, SINGLES, MAXIMA)."""
        weights = network.weights_of(projection)
        if projection.kind == "dense":
            mode = self._add_dense(weights, source, target)
        elif projection.kind == "conv2d":
            mode = self._add_convolution(weights, projection, source, target)
        else:
            self._add_window(weights, projection, source, target)
            mode = MAXIMA if target.population.reduce == "max" else SINGLES
        network.check(self.stored < LARGEST, f"projection '{projection.name}'", "has more weights than 31 bits number")
        return mode

    def finish(self) -> Synapses:
        """The tables."""
        return Synapses(
            event=np.concatenate([*self.events, np.zeros((0, 4), np.int32)]),
            block=np.array(self.blocks, np.int32).reshape(-1, 2),
            weights=concatenated([*self.weights, np.zeros(LANES, np.int16)], np.int16),
        )

    def _add_dense(self, weights: Array, source: Place, target: Place) -> int:
        channels, height, width = target.population.shape
        row = width * channels
        padded = _padded(row)
        rows = np.zeros((weights.shape[0], height, padded), np.int16)
        rows[:, :, :row] = weights.reshape(-1, height, row)
        number = neurons(source.population)
        start = self._store(rows)
        base = target.accumulator_at(np.zeros(1, int), np.zeros(1, int))[0]
        phase = self._add_phase([(y * target.row, y * padded, padded) for y in range(height)])
        self._add_events(base, start + np.arange(number) * (height * padded), np.full(number, phase))
        return ROWS

    def _add_window(self, weights: Array, projection: Projection, source: Place, target: Place) -> None:
        channels, height, width = source.population.shape
        start = self._store(weights)
        if projection.kind == "one_to_one" and source.population.shape[1:] != target.population.shape[1:]:
            self._add_renumbered(start + np.arange(neurons(source.population)) % channels, source, target)
            return
        y, x, phases = self._phases(projection, height, width)
        base = target.accumulator_at(y, x)[:, None] + np.arange(channels) + projection.channel_offset
        first = [self._add_phase([(_offset(tap, target), 0, 1) for tap in taps]) for taps in phases.taps][0]
        weight = np.tile(start + np.arange(channels), height * width)
        self._add_events(base.reshape(-1), weight, np.repeat(first + phases.index, channels))

    def _add_renumbered(self, weight: Array, source: Place, target: Place) -> None:
        channels, _, width = target.population.shape
        number = np.arange(neurons(source.population))
        y, x, c = number // (width * channels), number // channels % width, number % channels
        self._add_events(target.accumulator_at(y, x) + c, weight, np.full(number.size, self._add_phase([(0, 0, 1)])))

    def _add_convolution(self, weights: Array, projection: Projection, source: Place, target: Place) -> int:
        channels, height, width = source.population.shape
        per_group = target.population.shape[0] // projection.groups
        group, within = np.divmod(np.arange(channels), weights.shape[2])
        # [kh, kw, channels of the source, channels of the target's group]
        own = np.stack(
            [weights[:, :, i, g * per_group : (g + 1) * per_group] for g, i in zip(group, within, strict=True)], 2
        )
        y, x, phases = self._phases(projection, height, width)
        joined = projection.groups == 1 and phases.adjacent
        base = target.accumulator_at(y, x)[:, None] + (group * per_group)[None, :]
        start = np.zeros((len(phases.taps), channels), np.int64)
        rows_of: list[list[list[_Tap]]] = []
        for index, taps in enumerate(phases.taps):
            rows = _rows(taps) if joined else [[tap] for tap in taps]
            rows_of.append(rows)
            width_of = [_padded(len(row) * per_group) for row in rows]
            packed = np.zeros((channels, sum(width_of)), np.int16)
            at = 0
            for row, extent in zip(rows, width_of, strict=True):
                values = own[[tap.ky for tap in row], [tap.kx for tap in row]]  # [taps, channels, per_group]
                packed[:, at : at + len(row) * per_group] = values.transpose(1, 0, 2).reshape(channels, -1)
                at += extent
            start[index] = self._store(packed) + np.arange(channels) * packed.shape[1]
        singles = max((len(row) for rows in rows_of for row in rows), default=1) * per_group < _SHORTEST_ROW
        first_phase = len(self.phase) - 1
        for rows in rows_of:
            runs: list[tuple[int, int, int]] = []
            at = 0
            for row in rows:
                extent = _padded(len(row) * per_group)
                first = _offset(row[0], target)
                if singles:
                    runs += [(first + i, at + i, 1) for i in range(len(row) * per_group)]
                else:
                    runs.append((first, at, extent))
                at += extent
            self._add_phase(runs)
        phase = np.repeat(first_phase + phases.index, channels)
        self._add_events(base.reshape(-1), start[phases.index].reshape(-1), phase)
        return SINGLES if singles else ROWS

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

    def _add_phase(self, runs: list[tuple[int, int, int]]) -> int:
        """Cut runs (distance from the base, from the first weight, length) into blocks; gives the phase's number."""
        for offset, weight, length in runs:
            self.blocks += [(offset + skip, weight + skip) for skip in range(0, length, LANES)]
        self.phase.append(len(self.blocks))
        return len(self.phase) - 2

    def _add_events(self, base: Array, weight: Array, phase: Array) -> None:
        """Append what an event of each source neuron does."""
        columns = np.empty((len(weight), 4), np.int32)
        blocks = np.array(self.phase, np.int32)
        columns[:, 0], columns[:, 1] = base, weight
        columns[:, 2], columns[:, 3] = blocks[phase], blocks[phase + 1]
        self.events.append(columns)

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
