"""What one event of each neuron costs on each core that it reaches, worked out once when a program is opened."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from striate_runtime.hardware import Chip
from striate_runtime.neuromorphic.check import Network, neurons
from striate_runtime.neuromorphic.costs.counts import FORMAT_OF, Mapping
from striate_runtime.neuromorphic.tables.arrays import Accounts, concatenated
from striate_runtime.neuromorphic.tables.crossbar import Crossbars
from striate_runtime.neuromorphic.tables.layout import Place, reached
from striate_runtime.program.neuromorphic import Core, Projection

Array = npt.NDArray[Any]


@dataclass
class AccountBuilder:
    """Collects entries (source neuron, target core, synaptic operations, words) of one projection after another.

    On a crossbar there is an entry, and a pair, for each type of axon.
    """

    network: Network
    chip: Chip
    span_of: list[Array] = field(default_factory=list[Array])
    spans: list[Array] = field(default_factory=list[Array])
    span_pairs: list[Array] = field(default_factory=list[Array])
    entries: list[Array] = field(default_factory=list[Array])
    pair_source: list[Array] = field(default_factory=list[Array])
    pair_target: list[Array] = field(default_factory=list[Array])
    pair_projection: list[Projection] = field(default_factory=list[Projection])
    counted: int = 0

    @cached_property
    def _crossbars(self) -> Crossbars:
        return Crossbars(self.network, self.chip)

    @property
    def neurons(self) -> int:
        """How many source neurons all projections have so far."""
        return sum(len(part) for part in self.span_of)

    def add(self, projection: Projection, source: Place, target: Place) -> int:
        """Append one projection; gives how many pairs there are now."""
        cores, weights = self.network.body.cores, self.network.weights_of(projection)
        crossbars = self._crossbars if projection.bits is not None else None
        lists = 1 if crossbars is None else crossbars.types_of(projection)
        parts = [
            (index * lists + at, *part)
            for index, core in enumerate(cores)
            if core.population == projection.target
            for at, part in enumerate(
                [self._reach(projection, weights, source, target, core)]
                if crossbars is None
                else crossbars.axons(projection, core)
            )
        ]
        neuron = concatenated([part[1] for part in parts], np.int64)
        target_list = concatenated([np.full(len(part[1]), part[0]) for part in parts], np.int64)
        operations = concatenated([part[2] for part in parts], np.int64)
        words = concatenated([part[3] for part in parts], np.int64)
        if projection.channels is not None:
            channel = neuron % source.population.shape[0]
            heard = (channel >= projection.channels[0]) & (channel < projection.channels[1])
            neuron, target_list, operations, words = (a[heard] for a in (neuron, target_list, operations, words))
        order = np.argsort(neuron, kind="stable")
        neuron, target_list, operations, words = (a[order] for a in (neuron, target_list, operations, words))
        key = (source.cores.reshape(-1)[neuron].astype(np.int64) + 1) * len(cores) * lists + target_list
        pairs, pair = np.unique(key, return_inverse=True)
        pair = pair.reshape(-1) + len(self.pair_projection)
        self.pair_source.append(pairs // (len(cores) * lists) - 1)
        self.pair_target.append(pairs // lists % len(cores))
        self.pair_projection += [projection] * len(pairs)
        self._add_spans(pair, np.bincount(neuron, minlength=neurons(source.population)))
        self.entries.append(np.stack([operations, words], 1).reshape(-1).astype(np.int32))
        self.counted += len(neuron)
        return len(self.pair_projection)

    def _add_spans(self, pair: Array, number: Array) -> None:
        """Cut the source neurons into spans that reach the same pairs. pair: of each entry; number: of each neuron."""
        first = np.cumsum(number) - number
        neuron = np.repeat(np.arange(len(number)), number)
        before = np.maximum(np.arange(len(pair)) - number[neuron], 0)
        differs = np.bincount(neuron, pair != pair[before], minlength=len(number)) > 0
        differs[1:] |= number[1:] != number[:-1]
        differs[0] = True
        starts = np.flatnonzero(differs)
        pairs_before = sum(len(part) for part in self.span_pairs)
        pairs_first = pairs_before + np.cumsum(number[starts]) - number[starts]
        ends = np.append(starts[1:], len(number))
        spans = sum(len(part) for part in self.spans) // 5
        self.span_of.append((spans + np.cumsum(differs) - 1).astype(np.int32))
        columns = [starts, ends, pairs_first, number[starts], self.counted + first[starts]]
        self.spans.append(np.stack(columns, 1).reshape(-1))
        self.span_pairs.append(pair[differs[neuron]])

    def finish(self) -> tuple[Accounts, Mapping]:
        """The kernels' tables, and the mapping that reads their counts."""
        cores = self.network.body.cores
        layer_of = {population.name: population.layer for population in self.network.body.populations}
        source, target = concatenated(self.pair_source, np.int32), concatenated(self.pair_target, np.int32)
        east_west, north_south, crossings = _hops(cores, source, target)
        formats = np.array([FORMAT_OF[projection.kind] for projection in self.pair_projection], np.int32)
        accounts = Accounts(
            span_of=concatenated(self.span_of, np.int32),
            span=concatenated(self.spans, np.int32),
            span_pair=concatenated(self.span_pairs, np.int32),
            entries=concatenated(self.entries, np.int32),
            pair_source=source,
            pair_target=target,
            pair_format=formats,
            pair_hops_east_west=east_west,
            pair_hops_north_south=north_south,
            pair_crossings=crossings,
        )
        mapping = Mapping(
            core_layer=tuple(layer_of[core.population] for core in cores),
            core_slots=self._slots() if self.chip.crossbar is None else self._crossbars.slots(),
            core_chip=np.array([core.chip for core in cores], np.int64),
            tiles=len({(core.chip, core.x, core.y) for core in cores}),
            pair_layer=tuple(projection.layer for projection in self.pair_projection),
            pair_source=source,
            pair_target=target,
            pair_format=formats,
            pair_hops_east_west=east_west,
            pair_hops_north_south=north_south,
            pair_crossings=crossings,
        )
        return accounts, mapping

    def _slots(self) -> Array:
        """How many neuron slots are taken on each core: several by a neuron where no reset subtracts by itself."""
        soft = {population.name for population in self.network.body.populations if population.resets_softly}
        slots = self.chip.numerics.slots_of_soft_reset
        held = [
            (core.channels[1] - core.channels[0])
            * (core.rows[1] - core.rows[0])
            * (core.columns[1] - core.columns[0] + core.spare_columns)
            * (slots if core.population in soft else 1)
            for core in self.network.body.cores
        ]
        return np.array(held, np.int64)

    def _reach(
        self, projection: Projection, weights: Array, source: Place, target: Place, core: Core
    ) -> tuple[Array, Array, Array]:
        """The source neurons with a synapse on the core, their operations there, and the words those are read from.

        Operations are the weights that are not zero (or all, where the chip works on zeros too), clipped at borders.
        """
        if projection.kind == "dense":
            return self._reach_dense(weights, target, core)
        if projection.kind == "one_to_one":
            return self._reach_one_to_one(projection, weights, source, target, core)
        channels, height, width = source.population.shape
        left, _, top, _ = projection.padding
        (sy, sx), (dy, dx), (kh, kw) = projection.stride, projection.dilation, projection.kernel
        (y0, y1), (x0, x1) = core.rows, core.columns
        x1 += core.spare_columns
        lands, where = reached(np.arange(height), np.arange(kh), sy, dy, top)
        by_row = (lands & (where >= y0) & (where < y1)).astype(np.int64)
        lands, where = reached(np.arange(width), np.arange(kw), sx, dx, left)
        by_column = (lands & (where >= x0) & (where < x1)).astype(np.int64)
        from_rows, from_columns = np.flatnonzero(by_row.any(1)), np.flatnonzero(by_column.any(1))
        by_row, by_column = by_row[from_rows], by_column[from_columns]
        per_tap, words_per_tap = self._per_tap(projection, weights, channels, core)
        taps = np.outer(by_row.sum(1), by_column.sum(1))
        synapses = taps[:, :, None] * (words_per_tap > 0)
        y, x, c = np.nonzero(synapses)
        by_tap = np.tensordot(by_row, per_tap, axes=1)  # [y, l, c]
        operations = np.tensordot(by_tap, by_column, axes=(1, 1)).transpose(0, 2, 1)
        neuron = (from_rows[y] * width + from_columns[x]) * channels + c
        return neuron, operations[y, x, c], taps[y, x] * words_per_tap[c]

    def _per_tap(self, projection: Projection, weights: Array, channels: int, core: Core) -> tuple[Array, Array]:
        """The operations on the core for each tap and source channel `[kh, kw, C]`; the words a tap takes `[C]`."""
        c0, c1 = core.channels
        if projection.kind == "window":
            own = np.arange(channels) + projection.channel_offset
            held = ((own >= c0) & (own < c1)).astype(np.int64)
            worked = held * (weights != 0) if self.chip.policy.skip_zero_weights else held
            return np.broadcast_to(worked, (*projection.kernel, channels)), held
        per_group = weights.shape[3] // projection.groups
        group, within = np.divmod(np.arange(channels), weights.shape[2])
        worked = weights != 0 if self.chip.policy.skip_zero_weights else np.ones(weights.shape, np.bool_)
        operations = np.zeros((*weights.shape[:2], channels), np.int64)
        held = np.zeros(channels, np.int64)
        for c in range(channels):
            first, last = max(c0, int(group[c]) * per_group), min(c1, int(group[c] + 1) * per_group)
            held[c] = max(0, last - first)
            operations[:, :, c] = worked[:, :, within[c], first : max(first, last)].sum(2)
        return operations, self._words(held)

    def _reach_dense(self, weights: Array, target: Place, core: Core) -> tuple[Array, Array, Array]:
        (y0, y1), (x0, x1), (c0, c1) = core.rows, core.columns, core.channels
        channels, height, width = target.population.shape
        held = weights.reshape(-1, height, width, channels)[:, y0:y1, x0:x1, c0:c1].reshape(len(weights), -1)
        worked = np.count_nonzero(held, axis=1) if self.chip.policy.skip_zero_weights else held.shape[1]
        number = len(weights)
        words = self._words(np.full(number, held.shape[1]))
        return np.arange(number), np.broadcast_to(worked, (number,)), words

    def _reach_one_to_one(
        self, projection: Projection, weights: Array, source: Place, target: Place, core: Core
    ) -> tuple[Array, Array, Array]:
        (y0, y1), (x0, x1), (c0, c1) = core.rows, core.columns, core.channels
        channels = source.population.shape[0]
        own = np.zeros(target.cores.shape, np.bool_)
        own[y0:y1, x0:x1, c0:c1] = True
        if source.population.shape[1:] == target.population.shape[1:]:
            own = own[:, :, projection.channel_offset : projection.channel_offset + channels]
        neuron = np.flatnonzero(own.reshape(-1))
        one = np.ones(len(neuron), np.int64)
        if not self.chip.policy.skip_zero_weights:
            return neuron, one, one
        return neuron, (weights[neuron % channels] != 0).astype(np.int64), one

    def _words(self, synapses: Array) -> Array:
        """Memory words that hold so many weights next to each other."""
        limits, numerics = self.chip.limits, self.chip.numerics
        word_bits, weight_bits = limits.synapse_word_bits.value, numerics.weight_bits.value
        if word_bits is None or weight_bits is None:
            return synapses
        return -(-synapses * weight_bits // word_bits)


def _hops(cores: tuple[Core, ...], source: Array, target: Array) -> tuple[Array, Array, Array]:
    """Hops east-west and north-south by XY routing, and whether the message leaves its chip; 0 for injected events.

    Within a router there is no hop. Between chips only the crossing is counted: their places have no common mesh.
    """
    x = np.array([core.x for core in cores], np.int32)
    y = np.array([core.y for core in cores], np.int32)
    chip = np.array([core.chip for core in cores], np.int32)
    crossing = (source >= 0) & (chip[source] != chip[target])
    on_mesh = (source >= 0) & ~crossing
    east_west = np.where(on_mesh, abs(x[source] - x[target]), 0)
    north_south = np.where(on_mesh, abs(y[source] - y[target]), 0)
    return east_west.astype(np.int32), north_south.astype(np.int32), crossing.astype(np.int32)
