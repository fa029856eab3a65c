"""What the host reads of a running chip: of which population, which of its states, after which steps."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from striate_runtime.neuromorphic.check import Network, neurons
from striate_runtime.program import Port
from striate_runtime.program.neuromorphic import Population

Array = npt.NDArray[Any]

DTYPES = {"f16": np.float16, "f32": np.float32, "i8": np.int8, "u8": np.uint8, "i32": np.int32}
"""What numpy calls the types of ports."""


@dataclass(frozen=True)
class Reading:
    """One output port. `steps`: after which it is read, one number, or in a series one for each entry."""

    port: Port
    population: Population
    read: str
    start: int
    steps: tuple[int, ...]

    def needed(self, until: int) -> set[int]:
        """After which steps its state must be kept, on a chip that stops after `until` of them."""
        own = {min(step, until) for step in self.steps}
        return own | {step - 1 for step in own if step > 1} if self.read == "spikes" else own

    def raw(self, taken: Array, kept: Sequence[int], until: int) -> Array:
        """Its numbers `[N, entries, neurons]`, channels last, from what was `taken` `[N, kept steps, numbers]`."""
        number = neurons(self.population)
        at = [kept.index(min(step, until)) for step in self.steps]
        entries = slice(at[0], at[0] + 1) if len(at) == 1 else at
        values = taken[:, entries, self.start : self.start + number]
        if self.read != "spikes":
            return values
        before = [kept.index(min(step, until) - 1) if min(step, until) > 1 else None for step in self.steps]
        earlier = np.zeros_like(values)
        for entry, index in enumerate(before):
            if index is not None:
                earlier[:, entry] = taken[:, index, self.start : self.start + number]
        return values - earlier


def plane_of(read: str) -> str:
    """The state that is copied for it: the spikes of a step are the difference of two counts."""
    return "spike_count" if read == "spikes" else read


def readings_of(network: Network, ports: Iterable[Port], starts: dict[tuple[str, str], int]) -> tuple[Reading, ...]:
    """One reading for each output port. Raises ProgramError where a port's shape is not what is read."""
    body = network.body
    found: list[Reading] = []
    for port in ports:
        population, read = network.populations[body.outputs[port.name]], body.reads.get(port.name, "potential")
        place, last = f"output '{port.name}'", body.read_at.get(port.name, body.steps)
        leading = 1 if port.name in body.series else 0
        number = math.prod(port.shape[:leading]) if len(port.shape) >= leading else 0
        whole = math.prod(port.shape[leading:]) == neurons(population)
        network.check(whole, place, f"has shape {port.shape}, and its population has {population.shape}")
        network.check(1 <= last <= body.steps, place, f"is read after step {last} of {body.steps}")
        network.check(1 <= number <= last, place, f"gives {number} steps up to step {last}")
        steps = tuple(range(last - number + 1, last + 1))
        found.append(Reading(port, population, read, starts[population.name, plane_of(read)], steps))
    return tuple(found)
