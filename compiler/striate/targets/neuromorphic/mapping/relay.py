"""Splits a fan-in that exceeds a core: neurons of their own add up parts of it, and send on the partial sums. Exact.

A relay adds up what some of the source's channels send, as the layer would, and sends that number, neither rescaled nor
clipped; the layer adds up its relays. Integers add up alike in any order, so that no output changes. It takes events
that are wide enough for a partial sum, one more step, and as many more neurons as the layer has, for each part. Where
a layer is sent something at every step (rate, native, delta), so are its relays, and send on at every step.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import msgspec
import numpy as np

from striate.targets.neuromorphic.codings.encoding import Encoded, Encoding
from striate.targets.neuromorphic.codings.retime import LoopError
from striate.targets.neuromorphic.codings.sums import rescaled_bound
from striate.targets.neuromorphic.codings.synapses import Rescale
from striate.targets.neuromorphic.mapping.demand import WORDS, Demand, neurons_in_the_middle
from striate.targets.neuromorphic.mapping.relay_time import on_time, waits
from striate.tensor import Array
from striate_runtime.hardware import Chip
from striate_runtime.program.neuromorphic import Population, Projection

DIVISIBLE = ("synapse_words", "axons_in", "fan_in")
"""What a core may have less of than one neuron needs, and what a part of its inputs takes less of."""

UNDIVIDED = "its inputs cannot be split over cores, because "
NO_SUM = UNDIVIDED + "a spike of this chip carries no partial sum"
NO_TIME = UNDIVIDED + "a partial sum takes a step more, and the loop {way} has none to spare: raise its delay"
WHOLE = UNDIVIDED + "those of a window or of a group belong together"
ONE_CHANNEL = UNDIVIDED + "one channel alone takes {needed:,} {resource}"
NARROW = UNDIVIDED + "a partial sum of one channel takes {needed} bits, and an event carries {bits}"


@dataclass(frozen=True)
class Relayed:
    """An encoding in which relays stand where they are needed, and in words what they take.

    `refused` are the populations with a fan-in that exceeds a core and cannot be split, and why.
    """

    encoded: Encoded
    notes: tuple[str, ...]
    refused: dict[str, str]


class _Undivided(Exception):  # noqa: N818 - it is no fault of anybody's
    """A fan-in that cannot be split, and why."""


def relay_partial_sums(encoded: Encoded, chip: Chip) -> Relayed:
    """Put relays before every population one of whose neurons has more inputs than a core can take.

    On crossbars there are none: events carry no partial sums there.
    """
    if chip.crossbar is not None:
        return Relayed(encoded, (), {})
    splitter = _Splitter(encoded, chip)
    for population in encoded.encoding.populations.values():
        splitter.take(population)
    if splitter.notes:
        _drop_unused(splitter.encoding)
        try:
            encoded = on_time(encoded, splitter.encoding, splitter.waits, chip.time.event_steps)
        except LoopError as error:
            names = [name for name in error.populations if name in encoded.encoding.populations]
            way = " -> ".join(f"'{name}'" for name in (*names, names[0]))
            return Relayed(encoded, (), splitter.refused | dict.fromkeys(names, NO_TIME.format(way=way)))
    return Relayed(encoded, tuple(splitter.notes), splitter.refused)


@dataclass
class _Splitter:
    """Copies an encoding population by population, with relays where they are needed."""

    encoded: Encoded
    chip: Chip
    encoding: Encoding = field(default_factory=Encoding)
    notes: list[str] = field(default_factory=list[str])
    refused: dict[str, str] = field(default_factory=dict[str, str])
    sums: dict[str, tuple[Array, Array]] = field(default_factory=dict[str, tuple[Array, Array]])
    waits: dict[str, int] = field(default_factory=dict[str, int])
    """Of each projection, how many steps later in the network its events count."""

    def __post_init__(self) -> None:
        self.encoding.arrays.update(self.encoded.encoding.arrays)
        self.waits.update(waits(self.encoded))

    def take(self, population: Population) -> None:
        """Copy a population and the projections that lead to it, by way of relays if need be."""
        incoming = [p for p in self.encoded.encoding.projections if p.target == population.name]
        if incoming and (over := self._exceeded(population, incoming)):
            try:
                incoming = self._split(population, incoming, over)
            except _Undivided as undivided:
                self.refused[population.name] = str(undivided)
        self.encoding.add(population)
        self.encoding.projections += incoming

    def _split(self, population: Population, given: list[Projection], over: tuple[str, int, int]) -> list[Projection]:
        """The projections that lead to it by way of relays, which are added here."""
        if self.encoded.coding != "graded" and not self.chip.numerics.payload_bits.value:
            raise _Undivided(NO_SUM)
        before = Encoding(dict(self.encoding.populations), list(self.encoding.projections), dict(self.encoding.arrays))
        incoming = given
        try:
            while self._exceeded(population, incoming):
                incoming = self._relayed(population, incoming)
        except _Undivided:
            self.encoding.populations, self.encoding.projections = before.populations, before.projections
            self.encoding.arrays = before.arrays
            raise
        relays = len(self.encoding.populations) - len(before.populations)
        self.notes.append(_note(population, over, relays))
        return incoming

    def _relayed(self, population: Population, incoming: list[Projection]) -> list[Projection]:
        """Incoming projections, packed into as many relays as it takes; and what then leads on."""
        pieces = [piece for each in incoming for piece in self._pieces(population, each)]
        parts = self._packed(population, pieces)
        each_apart = len(parts) >= len(incoming) == len(pieces)
        if each_apart and all(piece.kind == "one_to_one" for piece in pieces):
            raise _Undivided(WHOLE)
        onward: list[Projection] = []
        for part in parts:
            apart = len(part) == 1 and part[0] in incoming
            if apart and (not each_apart or part[0].kind == "one_to_one"):
                onward += part
                continue
            low, high = self._bounds(part)
            name = self.encoding.fresh(f"{population.name}.part")
            relay = Population(
                name, population.layer, population.shape, "graded", population.reduce, low=low, high=high
            )
            self.encoding.add(relay)
            self.encoding.projections += [self._stored(piece, name) for piece in part]
            link = f"{name}->{population.name}"
            delay = self.chip.time.event_steps
            onward.append(Projection(link, population.layer, name, population.name, "one_to_one", delay=delay))
            self.waits[link] = 0
        return onward

    def _pieces(self, population: Population, projection: Projection) -> list[Projection]:
        """A projection as projections from some of the channels each, each of which a relay can take by itself."""
        if self._fits(population, [projection]):
            return [projection]
        divisible = projection.kind == "dense" or (projection.kind == "conv2d" and projection.groups == 1)
        if not divisible or projection.channels is not None:
            raise _Undivided(WHOLE)
        channels, number = self._known[projection.source].shape[0], 1
        while number < channels:
            number = min(channels, number + max(1, number // 4))
            pieces = _cut(projection, channels, number)
            if all(self._fits(population, [piece]) for piece in pieces):
                return pieces
        raise _Undivided(self._why(population, _cut(projection, channels, channels)))

    def _packed(self, population: Population, pieces: list[Projection]) -> list[list[Projection]]:
        """Pieces side by side, as many in each relay as it can take."""
        parts: list[list[Projection]] = []
        for piece in pieces:
            if parts and self._fits(population, [*parts[-1], piece]):
                parts[-1].append(piece)
            else:
                parts.append([piece])
        return parts

    # -- what a core and an event can take

    def _exceeded(self, population: Population, incoming: list[Projection]) -> tuple[str, int, int] | None:
        """What one neuron needs more of than a core has: (resource, needed, had)."""
        names = {population.name, *(projection.source for projection in incoming)}
        known = self._known
        demand = Demand(self.chip, {name: known[name].shape for name in names}, incoming)
        for neuron in neurons_in_the_middle(population, incoming):
            used = demand.of(population, neuron)
            for resource in DIVISIBLE:
                limit = demand.limits[resource]
                if limit is not None and used[resource] > limit:
                    return resource, used[resource], limit
        return None

    def _fits(self, population: Population, part: list[Projection]) -> bool:
        bits = self.chip.numerics.payload_bits.value
        return self._exceeded(population, part) is None and (bits is None or _bits(*self._bounds(part)) <= bits)

    def _why(self, population: Population, pieces: list[Projection]) -> str:
        """Why not all of these fit, as small as they are."""
        for piece in pieces:
            if (over := self._exceeded(population, [piece])) is not None:
                return ONE_CHANNEL.format(needed=over[1], resource=WORDS[over[0]])
        needed = max(_bits(*self._bounds([piece])) for piece in pieces)
        return NARROW.format(needed=needed, bits=self.chip.numerics.payload_bits.value)

    def _bounds(self, part: list[Projection]) -> tuple[int, int]:
        """The least and the largest sum that projections can bring to a neuron."""
        ends = [self._reached(projection) for projection in part]
        return sum(low for low, _ in ends), sum(high for _, high in ends)

    def _reached(self, projection: Projection) -> tuple[int, int]:
        low, high = self._sent_by(self._known[projection.source])
        if projection.multiplier is not None and projection.shift is not None:
            arrays = self.encoding.arrays
            rescale = Rescale(arrays[projection.multiplier], arrays[projection.shift])
            high = rescaled_bound(max(-low, high), rescale)
            low = -high
        if projection.weights is None:
            taps = projection.kernel[0] * projection.kernel[1]
            return low * taps, high * taps
        above, below = (part[slice(*projection.channels or (None,))].sum(axis=0) for part in self._signed(projection))
        return int((above * low + below * high).min()), int((above * high + below * low).max())

    def _sent_by(self, population: Population) -> tuple[int, int]:
        """The least and the largest number that one of its events carries, and 0."""
        low, high = min(population.low, 0), max(population.high, 0)
        coding, kind = self.encoded.coding, population.kind
        if kind in ("cuba_lif", "integrate_and_fire") or (kind == "input" and coding == "rate"):
            return 0, 1
        if kind != "graded" and population.sends_changes(coding):
            return low - high, high - low
        return low, high

    @property
    def _known(self) -> dict[str, Population]:
        """Populations that are copied already, relays among them, and those still to come."""
        return self.encoded.encoding.populations | self.encoding.populations

    def _signed(self, projection: Projection) -> tuple[Array, Array]:
        """Of a whole projection, the sum of the weights above 0 and of those below, i64 `[inputs, outputs]`: inputs are
        the source's channels in a `dense` or `conv2d` projection."""
        assert projection.weights is not None, "there are weights to add up"
        if projection.weights not in self.sums:
            weights = self.encoding.arrays[projection.weights]
            if projection.kind in ("window", "one_to_one"):
                weights = np.broadcast_to(weights, (projection.kernel[0] * projection.kernel[1], 1, *weights.shape))
            elif projection.kind == "dense":
                channels = self._known[projection.source].shape[0]
                weights = weights.reshape(-1, channels, weights.shape[1])
            else:
                weights = weights.reshape(-1, *weights.shape[2:])
            self.sums[projection.weights] = (
                np.maximum(weights, 0).sum(axis=0, dtype=np.int64),
                np.minimum(weights, 0).sum(axis=0, dtype=np.int64),
            )
        return self.sums[projection.weights]

    def _heard(self, projection: Projection, weights: Array) -> Array:
        """A whole projection's weights without those of the channels that this one does not hear."""
        if projection.channels is None:
            return weights
        first, last = projection.channels
        if projection.kind == "conv2d":
            return weights[:, :, first:last]
        channels = self._known[projection.source].shape[0]
        by_channel = weights.reshape(-1, channels, weights.shape[1])
        return by_channel[:, first:last].reshape(-1, weights.shape[1])

    def _stored(self, piece: Projection, relay: str) -> Projection:
        """A piece as a relay's projection, with weights of its own."""
        if piece.channels is None or piece.weights is None:
            return msgspec.structs.replace(piece, target=relay)
        heard = self._heard(piece, self.encoding.arrays[piece.weights])
        name = self.encoding.fresh_projection(f"{piece.source}->{relay}")
        stored = self.encoding.store(f"{name}.weights", heard)
        self.waits[name] = self.waits[piece.name]
        return msgspec.structs.replace(piece, name=name, target=relay, weights=stored)


def _cut(projection: Projection, channels: int, number: int) -> list[Projection]:
    """A projection as so many, each from as many of the channels as any other, give or take one."""
    edges = [channels * part // number for part in range(number + 1)]
    return [msgspec.structs.replace(projection, channels=each) for each in pairwise(edges)]


def _bits(low: int, high: int) -> int:
    """What an event takes that carries a number of `low..high`: 8 bits for a code, signed or not; else with a sign."""
    return 8 if low >= -128 and high <= 255 else max(-low - 1, high).bit_length() + 1


def _note(population: Population, over: tuple[str, int, int], relays: int) -> str:
    resource, needed, had = over
    channels, h, w = population.shape
    return (
        f"the inputs of '{population.name}' are split over cores, which have {had:,} {WORDS[resource]} and not "
        f"{needed:,}; {relays * channels * h * w:,} more neurons send {relays} partial sums of them, an "
        "event's time later, charged like any others"
    )


def _drop_unused(encoding: Encoding) -> None:
    """Forget arrays that no population and no projection names any more."""
    records = (*encoding.populations.values(), *encoding.projections)
    named = {value for record in records for value in msgspec.structs.astuple(record) if isinstance(value, str)}
    for name in [name for name in encoding.arrays if name not in named]:
        del encoding.arrays[name]
