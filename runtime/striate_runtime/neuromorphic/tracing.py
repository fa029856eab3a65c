"""What every neuron of the chip holds after every step, and every event: the same kernel, with room to keep them.

In any run the kernel keeps the events of the last steps, as many as the longest delay takes, and copies the potentials
of what it is told are outputs. For a trace it has room for all steps, and every population is an output.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from striate_runtime.neuromorphic.check import Network, neurons
from striate_runtime.neuromorphic.tables.arrays import LANES, State, new_state
from striate_runtime.neuromorphic.tables.build import Built
from striate_runtime.program.neuromorphic import Population
from striate_runtime.trace import CURRENTS, EVENTS, POTENTIALS, SPIKES

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Recording:
    """One sample: i32 `[steps, neurons]` each, but `currents` is None under codings whose neurons have none.

    `payloads` is 0 where a neuron sent nothing.
    """

    potentials: Array
    currents: Array | None
    payloads: Array


def make_room(built: Built, steps: int) -> tuple[Built, State]:
    """Tables in which every neuron's potential is an output, and a state that keeps the events of every step."""
    populations = built.tables.populations
    number = len(built.tables.initial) - LANES
    states = populations._replace(
        output_start=populations.neuron,
        current_start=populations.neuron + number if built.tables.native else np.full_like(populations.neuron, -1),
        spike_count_start=np.full_like(populations.neuron, -1),
    )
    tables = built.tables._replace(populations=states)
    state = new_state(tables, built.accumulators, built.sums)
    slots = max(steps, len(state.event_count))
    return replace(built, tables=tables, outputs=number * (1 + built.tables.native)), state._replace(
        event_neuron=np.zeros(slots * number, np.int32),
        event_payload=np.ones(slots * number, np.int32),
        event_count=np.zeros((slots, len(populations.kind)), np.int64),
    )


def recorded(raw: Array, built: Built, state: State) -> Recording:
    """What a run of one sample left: raw outputs `[steps, planes * neurons]`, of which the second plane is currents."""
    steps, number = len(raw), len(built.tables.initial) - LANES
    payloads = np.zeros((steps, number), np.int32)
    for step in range(steps):
        for first, events in zip(built.tables.populations.neuron, state.event_count[step], strict=True):
            sent = slice(step * number + int(first), step * number + int(first) + int(events))
            payloads[step, state.event_neuron[sent]] = state.event_payload[sent]
    currents = raw[:, number : 2 * number] if raw.shape[1] > number else None
    return Recording(raw[:, :number], currents, payloads)


def values_of(network: Network, built: Built, recordings: Sequence[Recording]) -> dict[str, Array]:
    """The recordings by population, as `striate_runtime.trace` names them; what the host reads is not among them."""
    values: dict[str, Array] = {}
    graded, delta = network.body.coding == "graded", network.body.coding == "delta"
    ports = {population: port for port, population in network.body.inputs.items()}
    for population, start in zip(network.body.populations, built.tables.populations.neuron, strict=True):
        place, at = slice(int(start), int(start) + neurons(population)), _steps(network, population)
        sent = np.stack([image_of(one.payloads[at, place], population) for one in recordings])
        if graded and population.kind != "readout":
            final = np.stack([image_of(one.potentials[-1:, place], population)[0] for one in recordings])
            values[_graded_name(network, ports, population)] = final
        if population.kind == "cuba_lif":
            flows = [one.currents[at, place] for one in recordings if one.currents is not None]
            values[population.name + CURRENTS] = np.stack([image_of(one, population) for one in flows])
        held = np.zeros(0, np.int32)
        if not graded:
            held = np.stack([image_of(one.potentials[at, place], population) for one in recordings])
            values[population.name + POTENTIALS] = held
        if delta and population.kind != "readout":
            values[_graded_name(network, ports, population)] = held
        if not graded and population.kind != "readout":
            values[population.name + SPIKES] = (sent != 0).astype(np.uint8)
            values |= _over_time(network, ports, population, sent)
        if population.kind != "readout":
            values[population.name + EVENTS] = np.count_nonzero(sent, axis=(2, 3, 4))
    return values


def _steps(network: Network, population: Population) -> slice:
    """Which of the chip's steps are the inputs': where those have fewer, a population works `fires_at` behind."""
    shown = min((port.shape[0] for port in network.ports), default=network.body.steps) if network.timed else 0
    return slice(population.fires_at, population.fires_at + shown) if 0 < shown < network.body.steps else slice(None)


def _over_time(network: Network, ports: dict[str, str], population: Population, sent: Array) -> dict[str, Array]:
    """The value that rates stand for, where the program says what a spike at every step is worth."""
    worth = population.full_scale
    if worth is None or population.name in ports:
        return {}
    listened = network.body.steps - population.fires_at
    return {population.name: (np.count_nonzero(sent, axis=1) * (worth / listened)).astype(np.float32)}


def _graded_name(network: Network, ports: dict[str, str], population: Population) -> str:
    """An input's integers are what the quantized graph calls the port's quantize."""
    port = ports.get(population.name)
    return f"{port}.quantize" if port is not None and network.body.input_scale[port] != 1 else population.name


def image_of(rows: Array, population: Population) -> Array:
    """`[steps, neurons]`, channels last, -> `[steps, C, H, W]`."""
    channels, height, width = population.shape
    return np.ascontiguousarray(rows.reshape(len(rows), height, width, channels).transpose(0, 3, 1, 2))
