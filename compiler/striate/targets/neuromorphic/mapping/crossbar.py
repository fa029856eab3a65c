"""Lays an encoding on crossbars: strengths for every neuron, bits for every weight, and what such neurons cannot do.

A synapse of a crossbar is a bit, and what it adds depends on the type of its axon: a weight is the sum of some of its
neuron's strengths (strengths.py). Sources take an axon for each type that they need, and a copy of themselves for each
axon; crossbar_demand.py counts both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from striate.diagnostics import CompileError, Diagnostic, Span
from striate.targets.neuromorphic.codings.encoding import Encoded, Encoding, Given
from striate.targets.neuromorphic.codings.native_neurons import FORGETS
from striate.targets.neuromorphic.mapping.strengths import bits_of, strengths_of
from striate.tensor import Array
from striate_runtime.hardware import Chip
from striate_runtime.program.neuromorphic import Population, Projection

TRAIN = (
    "train weights that are trinary (-a, 0, a), or of 4 bits times a step for each channel (and with reset=subtract a "
    "threshold of whole steps); or use a network without time, whose weights coding=rate rounds so"
)
NOT_CHECKED = "not checked, because no width was found: thresholds and leaks of a crossbar's neurons"


@dataclass(frozen=True)
class Unlike:
    """What neurons do that those of a crossbar do not, and what to do about it."""

    reason: str
    help: str = "use integrate_and_fire"


def lay_on_crossbar(
    encoded: Encoded, chip: Chip, spans: Mapping[str, Span | None], calibration: Mapping[str, Array] | None
) -> Encoded:
    """The encoding with strengths and bits. `spans` is where layers stand in the text.

    Inputs of the coding `native` become spikes, which the `calibration` data must be.
    Raises CompileError[cannot-lower] with everything that a crossbar's neurons cannot do or hold.
    """
    assert chip.crossbar is not None, "the chip has a crossbar"
    encoding = encoded.encoding
    problems = _unlike_neurons(encoded, chip, spans)
    if encoded.coding == "native":
        problems += _numbers(encoded.inputs, calibration or {}, chip)
        encoded = replace(encoded, inputs={port: replace(g, low=0, high=1) for port, g in encoded.inputs.items()})
        for given in encoded.inputs.values():
            encoding.revise(given.population, low=0, high=1)
    for population in tuple(encoding.populations.values()):
        if population.on_cores and (problem := _give_strengths(encoding, population, chip, spans)) is not None:
            problems.append(problem)
    if problems:
        raise CompileError(problems)
    return replace(encoded, remarks=(*encoded.remarks, NOT_CHECKED))


# -- weights


def _give_strengths(
    encoding: Encoding, population: Population, chip: Chip, spans: Mapping[str, Span | None]
) -> Diagnostic | None:
    """Store a population's strengths and the bits of what leads to it; or say which weights have none."""
    assert chip.crossbar is not None, "the chip has a crossbar"
    types, largest = chip.crossbar.axon_types.value or 1, chip.crossbar.largest_strength or 255
    into = [at for at, projection in enumerate(encoding.projections) if projection.target == population.name]
    weights = {at: _weights(encoding, encoding.projections[at]) for at in into}
    different = _by_channel(encoding, population, weights)
    found: list[tuple[int, ...]] = []
    for channel, values in enumerate(different):
        strengths = strengths_of(values, types, largest)
        if strengths is None:
            message = (
                f"the layer '{population.layer}' does not fit a crossbar of {chip.title}: "
                f"{_why(channel, values, types, largest)}"
            )
            return Diagnostic("cannot-lower", message, spans.get(population.layer), help=TRAIN)
        found.append(strengths)
    most = max(1, *map(len, found))
    padded = np.array([(*strengths, *[0] * (most - len(strengths))) for strengths in found], np.int32)
    encoding.revise(population.name, strengths=encoding.store(f"{population.name}.strengths", padded))
    for at, array in weights.items():
        projection = encoding.projections[at]
        channels = [(n + projection.channel_offset) % population.shape[0] for n in range(array.shape[-1])]
        bits = np.zeros(array.shape, np.uint8)
        for strengths in dict.fromkeys(found):
            mine = np.array([found[channel] == strengths for channel in channels], np.bool_)
            bits[..., mine] = bits_of(array[..., mine].astype(np.int64), strengths)
        stored = encoding.store(f"{projection.name}.bits", bits)
        encoding.projections[at] = msgspec.structs.replace(projection, bits=stored)
    return None


def _weights(encoding: Encoding, projection: Projection) -> Array:
    """A projection's weights; ones for each channel of the source where it has none."""
    if projection.weights is None:
        return np.ones(encoding.populations[projection.source].shape[0], np.int32)
    return encoding.arrays[projection.weights]


def _by_channel(encoding: Encoding, population: Population, weights: Mapping[int, Array]) -> list[tuple[int, ...]]:
    """The different weights into each channel, but for 0, ascending; the same for all where neurons are renumbered."""
    channels = population.shape[0]
    different: list[set[int]] = [set() for _ in range(channels)]
    for at, array in weights.items():
        projection = encoding.projections[at]
        rows = array.reshape(-1, array.shape[-1])
        for entry in range(rows.shape[1]):
            different[(entry + projection.channel_offset) % channels].update(np.unique(rows[:, entry]).tolist())
        source = encoding.populations[projection.source].shape
        if projection.kind == "one_to_one" and source[1:] != population.shape[1:]:
            different = [set[int]().union(*different)] * channels
    return [tuple(sorted(values - {0})) for values in different]


def _why(channel: int, values: tuple[int, ...], types: int, largest: int) -> str:
    """Why no strengths make up these weights."""
    beyond = [value for value in values if abs(value) > largest]
    if beyond:
        return f"a weight of channel {channel} is {beyond[0]}, and the largest strength is {largest}"
    shown = ", ".join(str(value) for value in values[:5])
    shown += ", ..." if len(values) > 5 else ""
    have = f"the weights of channel {channel} have {len(values)} different values ({shown})"
    most = (1 << types) - 1
    if len(values) > most:
        return (
            f"{have}, and a neuron has {types} strengths, of which a weight is the sum of some: {most} values at most"
        )
    return f"{have}, which are not the sums of any {types} whole numbers up to {largest}"


# -- neurons


def _unlike_neurons(encoded: Encoded, chip: Chip, spans: Mapping[str, Span | None]) -> list[Diagnostic]:
    """Everything that a crossbar's neurons do not do: lose a part, keep a current, rest, be read."""
    found: list[Diagnostic] = []
    for population in encoded.encoding.populations.values():
        if population.on_cores and (unlike := _unlike(encoded, population, chip.title)) is not None:
            message = f"the layer '{population.layer}' does not fit a crossbar of {chip.title}: {unlike.reason}"
            found.append(Diagnostic("cannot-lower", message, spans.get(population.layer), help=unlike.help))
    return found


def _unlike(encoded: Encoded, population: Population, title: str) -> Unlike | None:
    """What a population's neurons do that those of a crossbar do not; None where they are alike."""
    if population.kind == "integrate_and_fire":
        return None
    read = [encoded.reads.get(port, "potential") for port, name in encoded.outputs.items() if name == population.name]
    states = [what for what in read if what not in ("spikes", "spike_count")]
    if states or population.kind != "cuba_lif" or not population.fires:
        what = f"the {states[0]}" if states and population.kind == "cuba_lif" else "the sum"
        reason = f"the host would read {what} of its neurons, and it sees nothing of {title} but spikes"
        return Unlike(reason, "let neurons fire, and give out their spikes or spike_count")
    arrays = encoded.encoding.arrays
    if (arrays[population.current_decay or ""] != FORGETS).any():
        return Unlike(f"its neurons keep a current, and those of {title} have none")
    if population.reset_interval or arrays[population.voltage_decay or ""].any():
        return Unlike(f"its neurons lose a part of their potential in each step, and those of {title} add a number")
    if population.refractory:
        return Unlike(f"its neurons rest for {population.refractory} steps after a spike, and those of {title} do not")
    starts = arrays[population.initial] if population.initial is not None else np.zeros(1, np.int64)
    right = 1 if population.reset == "subtract" else 0
    if (starts != right).any():
        start = f"at {int(starts[starts != right][0])} with reset={population.reset}"
        reason = f"its neurons start {start}, 64ths of a weight, of which those of {title} have none"
        return Unlike(reason, f"initial={right}, which makes v > threshold a v >= threshold of whole numbers")
    return None


def _numbers(inputs: Mapping[str, Given], calibration: Mapping[str, Array], chip: Chip) -> list[Diagnostic]:
    """Inputs that are no spikes on the calibration data."""
    found: list[Diagnostic] = []
    for port, given in inputs.items():
        numbers = np.asarray(calibration.get(port, 0)) / given.scale
        other = numbers[(numbers != 0) & (numbers != 1)]
        if other.size:
            message = (
                f"the calibration data of '{port}' hold {float(other.reshape(-1)[0]) * given.scale:g}, and an axon of "
                f"{chip.title} takes a spike or none in a step"
            )
            found.append(Diagnostic("cannot-lower", message, help="give 0 and 1: whether there was an event"))
    return found
