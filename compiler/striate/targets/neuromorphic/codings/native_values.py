"""What a value of a network with time is to the coding `native`: numbers that neurons send, or what the host reads."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from striate.targets.neuromorphic.codings.encoding import SILENT, Reads
from striate.targets.neuromorphic.codings.sums import Sum
from striate.tensor import Array


@dataclass(frozen=True)
class Codes:
    """Numbers that travel as events: which neuron sends each, and how many steps of the network ago it did.

    Of `held` numbers the changes are sent, which add up to them.
    """

    neurons: Array
    delays: Array = field(default_factory=lambda: np.zeros(()))
    held: bool = False

    def __post_init__(self) -> None:
        """Delays have the neurons' shape; none means 0 for all."""
        object.__setattr__(self, "delays", np.broadcast_to(self.delays, self.neurons.shape).astype(np.int64))


@dataclass(frozen=True)
class Reading:
    """What the host reads of a population's neurons: `what` (None: what a readout holds), times `scale`.

    In `series` it is read after every step, else after the last.
    """

    population: str
    what: Reads | None
    series: bool = False
    scale: Array | float = 1.0

    def scale_of(self, channels: int) -> Array | None:
        """The scale of each channel, f32 `[C]`; None where it is 1 throughout."""
        scale = np.atleast_1d(np.asarray(self.scale, np.float32))
        every = np.broadcast_to(scale if scale.size in (1, channels) else scale[:1], channels)
        return None if (every == 1).all() else np.ascontiguousarray(every)


Value = Codes | Sum | Reading


def delays_of(codes: Codes) -> list[int]:
    """The different delays of the numbers that anybody sends, ascending; 0 where nobody does."""
    return [int(delay) for delay in np.unique(codes.delays[codes.neurons != SILENT])] or [0]


def masked(codes: Codes, delay: int) -> Array:
    """The neurons whose numbers have this delay; the others silent."""
    return np.where(codes.delays == delay, codes.neurons, SILENT)


def at_delay(total: Sum, steps: int) -> Sum:
    """A sum of what came `steps` steps earlier."""
    return replace(total, synapses=tuple(replace(each, delay=each.delay + steps) for each in total.synapses))
