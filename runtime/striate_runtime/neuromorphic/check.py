"""Checks a program's body before anything is built from it: names, shapes, delays, cores, and that no sum overflows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from striate_runtime.neuromorphic.native import check_neurons, check_silent, check_weights, evened
from striate_runtime.program import Program, ProgramError
from striate_runtime.program.neuromorphic import NeuromorphicBody, Population, Projection

Array = npt.NDArray[Any]

LARGEST = (1 << 31) - 1

_KINDS = {
    "graded": ("input", "graded", "readout"),
    "rate": ("input", "integrate_and_fire", "event_driven", "graded", "readout"),
    "native": ("input", "cuba_lif", "event_driven", "sigma_delta", "graded", "readout"),
    "delta": ("input", "sigma_delta", "graded", "readout"),
}
"""coding -> the kinds of population that it has. `graded` under another coding only passes sums on."""

_READS = {
    "cuba_lif": ("potential", "current", "spike_count", "spikes"),
    "sigma_delta": ("potential", "current"),
    "event_driven": ("spike_count",),
}
"""kind of population -> what can be read of one."""


class Network:
    """A program's body with its arrays at hand: every name resolves and every shape is right."""

    def __init__(self, program: Program) -> None:
        """Raises ProgramError naming what is wrong."""
        try:
            self.body = msgspec.convert(program.body, NeuromorphicBody)
        except msgspec.ValidationError as error:
            raise ProgramError(f"{program.machine}: the program's body is damaged: {error}") from error
        self.machine = program.machine
        self.ports = program.inputs
        self.arrays: Mapping[str, Array] = program.arrays
        self.populations = {population.name: population for population in self.body.populations}
        self.rate = self.body.coding == "rate"
        self.native = self.body.coding == "native"
        self.timed = self.body.coding in ("native", "delta")
        """Whether a port gives something else in every step."""
        self.by_event = any(population.kind == "event_driven" for population in self.body.populations)
        """Whether it runs without steps: event by event."""
        self._check_names(program)
        for population in self.body.populations:
            self._check_population(population)
        for projection in self.body.projections:
            self._check_projection(projection)

    def check(self, holds: bool, place: str, message: str) -> None:
        """Raise ProgramError about `place` unless it `holds`."""
        if not holds:
            raise ProgramError(f"{self.machine}: the program's body is damaged: {place}: {message}")

    def channels_of(self, name: str | None, population: Population, default: int) -> Array:
        """A per-channel array as i64 `[C]`, or the default for each channel."""
        channels = population.shape[0]
        if name is None:
            return np.full(channels, default, np.int64)
        array = self._array(name, f"population '{population.name}'")
        self.check(array.shape == (channels,), f"array '{name}'", f"has shape {array.shape}, not ({channels},)")
        return array.astype(np.int64)

    def rescale_of(self, projection: Projection) -> tuple[Array, Array]:
        """Multipliers and shifts on arrival, i64 `[1]`, `[C]` by channel of the source, or `[0]` for none."""
        place = f"projection '{projection.name}'"
        if projection.multiplier is None or projection.shift is None:
            self.check(projection.multiplier == projection.shift, place, "has a multiplier or a shift, not both")
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        multiplier, shift = (self._array(name, place) for name in (projection.multiplier, projection.shift))
        sizes = ((1,), (self.populations[projection.source].shape[0],))
        self.check(multiplier.shape == shift.shape and shift.shape in sizes, place, "has a rescaling of a wrong shape")
        self.check(bool(((shift >= 1) & (shift < 63)).all()), place, "a shift is outside 1..62")
        return multiplier.astype(np.int64), shift.astype(np.int64)

    def weights_of(self, projection: Projection) -> Array:
        """The weights as i16, in the shape that the projection's kind has."""
        place = f"projection '{projection.name}'"
        source, target = self.populations[projection.source], self.populations[projection.target]
        by_channel = projection.kind in ("window", "one_to_one")
        if by_channel and projection.weights is None:
            return np.ones(source.shape[0], np.int16)
        self.check(projection.weights is not None, place, "has no weights")
        array = self._array(projection.weights or "", place)
        first, last = projection.channels or (0, source.shape[0])
        if projection.kind == "dense":
            shape: tuple[int, ...] = (neurons(source) // source.shape[0] * (last - first), neurons(target))
        elif by_channel:
            shape = (source.shape[0],)
        else:
            shape = (*projection.kernel, (last - first) // projection.groups, target.shape[0])
        self.check(array.shape == shape, f"array '{projection.weights}'", f"has shape {array.shape}, not {shape}")
        fits = array.size == 0 or (int(array.min()) >= -(1 << 15) and int(array.max()) < 1 << 15)
        self.check(fits, f"array '{projection.weights}'", "holds a weight beyond 16 bits")
        weights = array.astype(np.int16)
        if projection.channels is not None:
            weights = _among_all(weights, projection, source)
        if target.kind == "cuba_lif":
            check_weights(self, weights, f"array '{projection.weights}'")
        return evened(weights) if self.body.even_mixed_weights and projection.kind == "dense" else weights

    def payloads(self, population: Population) -> tuple[int, int]:
        """The least and the largest number that an event from this population carries."""
        if population.kind == "graded":
            return population.low, population.high
        if self.rate or population.kind in ("cuba_lif", "event_driven"):
            return 0, 1
        if population.kind == "input":
            ports = [port for port, name in self.body.inputs.items() if name == population.name]
            return self.body.input_low[ports[0]], self.body.input_high[ports[0]]
        return population.low, population.high

    def sends_changes(self, population: Population) -> bool:
        """Whether its events carry by how much a number has changed."""
        return population.sends_changes(self.body.coding)

    def unit(self, projection: Projection) -> bool:
        """Whether every event that arrives through it counts its weight once."""
        source = self.populations[projection.source]
        return not self.sends_changes(source) and projection.multiplier is None and self.payloads(source) == (0, 1)

    def _array(self, name: str, place: str) -> Array:
        self.check(name in self.arrays, place, f"names array '{name}', which the program does not hold")
        array = self.arrays[name]
        self.check(array.dtype.kind in "iu", f"array '{name}'", f"holds {array.dtype}, not integers")
        return array

    def _check_names(self, program: Program) -> None:
        body = self.body
        self.check(len(self.populations) == len(body.populations), "populations", "two have the same name")
        self.check(body.steps >= 1, "steps", f"must be at least 1, not {body.steps}")
        tick = body.tick_us is None or 0 < body.tick_us < math.inf
        self.check(tick, "tick_us", f"is how long a tick lasts, and {body.tick_us} is no time")
        ports = {port.name for port in program.inputs}
        for table in (body.inputs, body.input_scale, body.input_low, body.input_high):
            self.check(
                set(table) == ports, "inputs", f"are for {sorted(table)}, the program's inputs are {sorted(ports)}"
            )
        for port in sorted(ports):
            low, high, scale = body.input_low[port], body.input_high[port], body.input_scale[port]
            self.check(low <= high, f"input '{port}'", f"{low}..{high} are no limits")
            self.check(0 < scale < math.inf, f"input '{port}'", f"has a scale of {scale}")
        for port in program.inputs if self.timed else ():
            timed = len(port.shape) >= 1 and 1 <= port.shape[0] <= body.steps
            message = f"has no first dimension of at most {body.steps} steps: {port.shape}"
            self.check(timed, f"input '{port.name}'", message)
        self.check(set(body.outputs) == {p.name for p in program.outputs}, "outputs", "are not the program's outputs")
        for name in (*body.inputs.values(), *body.outputs.values()):
            self.check(name in self.populations, "inputs and outputs", f"name population '{name}', which is not there")
        for port in body.reads:
            read = self.populations.get(body.outputs.get(port, ""))
            known = read is not None and body.reads[port] in _READS.get(read.kind, ())
            self.check(known, "reads", f"name '{port}', which is no output of one")
        for port in (*body.read_at, *body.series):
            self.check(port in body.outputs, "read_at and series", f"name '{port}', which is no output")
        whenever = not (body.read_at or body.series)
        self.check(self.timed or whenever, "read_at and series", "belong to the codings native and delta")
        loihis = body.sum_bits is not None or body.even_mixed_weights or (bool(body.reads) and not self.by_event)
        self.check(self.native or not loihis, "reads, sum_bits, even_mixed_weights", "belong to the native coding")
        injected = {p.name for p in body.populations if p.kind == "input"}
        self.check(injected == set(body.inputs.values()), "inputs", f"feed {sorted(body.inputs.values())}")

    def _check_population(self, population: Population) -> None:
        place = f"population '{population.name}'"
        self.check(min(population.shape) >= 1, place, f"has shape {population.shape}")
        coding = self.body.coding
        known = population.kind in _KINDS[coding]
        self.check(known, place, f"is '{population.kind}', which the coding '{coding}' does not have")
        if coding == "graded":
            in_time = 0 <= population.fires_at < self.body.steps
            self.check(in_time, place, f"fires at step {population.fires_at} of {self.body.steps}")
        elif population.kind == "graded":
            passes = population.reduce == "sum" and population.bias is None and population.multiplier is None
            self.check(passes, place, f"may only add up and pass on what arrives under the coding '{coding}'")
        own = population.reset == "zero" or population.kind == "event_driven"
        own = own and population.refractory == 0 and population.fires
        self.check(
            population.kind == "cuba_lif" or own, place, "has a reset, a rest or a silence that only a cuba_lif has"
        )
        if population.kind == "cuba_lif":
            check_neurons(self, population)
            if not population.fires:
                check_silent(self, population)
        if population.scale is not None:
            held = self.arrays.get(population.scale)
            by_channel = held is not None and held.dtype == np.float32 and held.shape == population.shape[:1]
            self.check(
                by_channel, place, f"its scale '{population.scale}' is no f32[{population.shape[0]}] that it holds"
            )
        shifts = population.payload_shift != 0
        self.check(not shifts or (self.native and population.kind == "sigma_delta"), place, "shifts no payload")
        changing = not population.changes or (self.native and population.kind == "input")
        self.check(changing, place, "sends changes, which only an input of the native coding may say")
        if population.kind == "sigma_delta":
            self.check(population.reduce == "sum", place, "a sum of changes is no maximum")
            least, most = 1 - (1 << 30), (1 << 30) - 1
            bits = population.payload_shift
            self.check(0 <= bits <= 30, place, f"shifts its payload by {bits} bits, and 0 to 30 are possible")
            ordered = least <= population.low <= population.high <= most
            self.check(ordered, place, f"{population.low}..{population.high} are no limits within {least}..{most}")
        if population.kind in ("integrate_and_fire", "event_driven") or (self.rate and population.kind == "input"):
            self.check(population.threshold is not None, place, "has no threshold")
        if population.kind in ("integrate_and_fire", "event_driven", "input", "sigma_delta"):
            positive = bool((self.channels_of(population.threshold, population, 1) >= 1).all())
            self.check(positive, place, "a threshold must be at least 1")

    def _check_projection(self, projection: Projection) -> None:
        place = f"projection '{projection.name}'"
        for name in (projection.source, projection.target):
            self.check(name in self.populations, place, f"names population '{name}', which is not there")
        source, target = self.populations[projection.source], self.populations[projection.target]
        self.check(target.kind != "input", place, "leads to an input")
        least = 0 if target.kind == "event_driven" else 1
        self.check(projection.delay >= least, place, f"has a delay of {projection.delay} steps; the least is {least}")
        positive = min(*projection.stride, *projection.dilation, *projection.kernel, projection.groups) >= 1
        self.check(positive, place, "a stride, dilation, kernel or number of groups is not positive")
        if self.body.coding == "graded":
            arrival = source.fires_at + projection.delay
            self.check(arrival <= target.fires_at, place, f"arrives at step {arrival}, after {target.fires_at}")
        rescaled = self.sends_changes(source) and projection.multiplier is not None
        self.check(not rescaled, place, "rescales changes, whose rounding would not add up")
        one_channel = projection.kind in ("window", "one_to_one")
        fits = projection.channel_offset >= 0 and source.shape[0] + projection.channel_offset <= target.shape[0]
        if projection.kind == "one_to_one" and source.shape[1:] != target.shape[1:]:
            fits = projection.channel_offset == 0 and neurons(source) == neurons(target)
        self.check(fits or not one_channel, place, f"does not fit {source.shape} into {target.shape}")
        self.check(target.reduce == "sum" or one_channel, place, "a maximum takes only windows and one_to_one")
        divides = source.shape[0] % projection.groups == 0 and target.shape[0] % projection.groups == 0
        self.check(divides or projection.kind != "conv2d", place, "its groups do not divide its channels")
        if projection.channels is not None:
            first, last = projection.channels
            whole = projection.kind == "dense" or (projection.kind == "conv2d" and projection.groups == 1)
            self.check(whole, place, "only a dense or an ungrouped conv2d projection may name channels")
            self.check(0 <= first < last <= source.shape[0], place, f"names channels {first}..{last - 1}")


def neurons(population: Population) -> int:
    """How many neurons it has."""
    channels, height, width = population.shape
    return channels * height * width


def _among_all(weights: Array, projection: Projection, source: Population) -> Array:
    """Weights of some of the source's channels as those of all: 0 for the others."""
    assert projection.channels is not None, "only then there are others"
    first, last = projection.channels
    channels = source.shape[0]
    if projection.kind == "conv2d":
        full = np.zeros((*weights.shape[:2], channels, weights.shape[3]), weights.dtype)
        full[:, :, first:last] = weights
        return full
    full = np.zeros((neurons(source) // channels, channels, weights.shape[1]), weights.dtype)
    full[:, first:last] = weights.reshape(-1, last - first, weights.shape[1])
    return full.reshape(neurons(source), -1)
