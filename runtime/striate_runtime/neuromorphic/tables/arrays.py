"""The flat tables that the event kernels walk: a whole mapped network as a few arrays of numbers.

Accumulators lie channels last, row by row, with a margin around each population wide enough for every event near the
border to write there instead of being clipped. Weights lie so that what one event adds along one row of targets is one
contiguous run, padded with zeros to whole blocks of LANES numbers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from striate_runtime.neuromorphic.costs.counts import COLUMNS

LANES = 16
"""Numbers added at once: one 512-bit vector of i32."""

INPUT, GRADED, INTEGRATE_AND_FIRE, READOUT, CUBA_LIF, SIGMA_DELTA, INPUT_CHANGES = range(7)
KINDS = {
    "input": INPUT,
    "graded": GRADED,
    "integrate_and_fire": INTEGRATE_AND_FIRE,
    "readout": READOUT,
    "cuba_lif": CUBA_LIF,
    "sigma_delta": SIGMA_DELTA,
}
"""By kind of population; an input that sends changes is `INPUT_CHANGES`."""

PIECE = 512
"""Events sorted by phase at a time: few enough to stay in the first level of cache."""

READY = 3
"""Numbers of each: base, first weight, payload."""

ROWS, SINGLES, MAXIMA = range(3)
"""How a projection delivers: whole runs of accumulators, single accumulators, or the maximum into single ones."""

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]


class Populations(NamedTuple):
    """One entry per population. Ranges of segments are `segment[p] : segment[p + 1]`."""

    kind: I32
    fires_at: I32
    low: I64
    high: I64
    reset_interval: I32
    reset_offset: I32
    plain: I32
    """1 for those of plain.py, whose accumulators are `State.sums`."""
    still: I32
    """1 where such neurons have no bias."""
    subtracts: I64
    """-1 where a spike takes the threshold off, 0 where it leaves 0: a mask of what is above the threshold."""
    refractory: I64
    payload_shift: I64
    counts_changed: I64
    """1 where active are the neurons whose state changed, 0 where those that were not at rest."""
    neuron: I64
    neurons: I64
    segment: I32
    input_start: I64
    output_start: I64
    current_start: I64
    spike_count_start: I64
    """Where in a row of outputs the potentials, currents and spike counts go; -1 for nowhere."""
    projection: I32
    """Projections are sorted by source: those from p are `projection[p] : projection[p + 1]`."""


class Segments(NamedTuple):
    """Neurons next to each other in a row that live on one core: where their numbers start, and how many they are."""

    neuron: I64
    accumulator: I64
    parameter: I64
    length: I64
    core: I32


class Parameters(NamedTuple):
    """Per-channel numbers, repeated along one row of each population. A neuron with no requantization has shift 0.

    What a decay leaves, `current_kept` and `voltage_kept`, is in 4096ths; a `cuba_lif` has its threshold << 6, and the
    largest number of 32 bits, which no potential reaches, where it does not fire.
    """

    bias: I32
    multiplier: I64
    shift: I64
    threshold: I32
    current_kept: I32
    voltage_kept: I32


class Projections(NamedTuple):
    """One entry per projection. `position`, `channels` and `channel` are as in `synapses.Laid`, `entry` of accounts.

    `rescale` is where its multipliers and shifts start, one for each of `rescales` channels of the source, 0 for none.
    """

    source: I32
    target: I32
    delay: I32
    mode: I32
    rescale: I32
    rescales: I32
    unit: I32
    """1 where every payload is 1, so that nothing need be multiplied."""
    multiplier: I64
    shift: I64
    position: I64
    channels: I64
    channel: I64
    phase: I64
    phases: I64
    entry: I64
    pair: I32
    """The pairs of projection j are `pair[j] : pair[j + 1]`."""


class Synapses(NamedTuple):
    """What one event does: from its position's base, its phase's blocks, with the weights of its channel."""

    position: I32
    """Base and phase of each position of each projection's source."""
    channel: I32
    """How far from the base each channel starts, for projections in which they do not all start there."""
    phase: I32
    """First weight of channel 0, from one channel's to the next's, first block, last block + 1."""
    block: I32
    """LANES accumulators (one, if they come one by one): distance from the base, distance from the first weight."""
    weights: npt.NDArray[np.int16]


class Accounts(NamedTuple):
    """What events cost. Source neurons that reach the same cores and follow each other are a span.

    Each has, for each of its span's pairs of cores, the synaptic operations and the words of one event.
    """

    span_of: I32
    """For each projection and source neuron: its span."""
    span: I32
    """First neuron of the source, last + 1, first of its `span_pair`, how many, and the first neuron's entries."""
    span_pair: I32
    entries: I32
    pair_source: I32
    pair_target: I32
    pair_format: I32
    pair_hops_east_west: I32
    pair_hops_north_south: I32
    pair_crossings: I32


class Tables(NamedTuple):
    """The network."""

    populations: Populations
    segments: Segments
    parameters: Parameters
    projections: Projections
    synapses: Synapses
    accounts: Accounts
    initial: I32
    """Potential of every neuron at the start of a sample; like the parameters, with LANES numbers to spare."""
    native: int
    """1 where inputs are given something else at every step: every population fires at every step from its first on."""
    sum_spare: int
    """How many of the 32 bits of a step's sum a native chip does not have."""


class State(NamedTuple):
    """Everything that changes while a sample runs. Events are kept for as many steps as the longest delay.

    `resting` is for how many steps more a neuron's potential stays as it is. The `current` of a sigma_delta is the sum
    of all it was sent, its potential all that it has sent.
    """

    accumulator: I32
    sums: npt.NDArray[np.int16]
    """The accumulators of plain neurons, twice: what arrives in even steps, then what arrives in odd ones."""
    ready: I32
    """Events of a piece by phase, READY numbers each, about to be added."""
    ready_end: I64
    """Where those of each phase end."""
    potential: I32
    current: I32
    spike_count: I32
    resting: I32
    event_neuron: I32
    event_payload: I32
    """1 from the start where plain neurons' events stand: they do not write it."""
    event_count: I64
    pair_step: I64
    counts: I64
    """One sample's `[steps, cores, COLUMNS]`, where nobody wants to see them afterwards."""
    pair_sent: I32
    """One sample's messages `[steps, pairs]`, or no pairs where no link's rate is known."""
    waiting: I64
    """1 where something has arrived since the population last fired."""


def new_state(tables: Tables, accumulators: int, sums: int, counted: tuple[int, int, int] = (0, 0, 0)) -> State:
    """Room for one sample. counted: steps, cores and pairs of which it has room for counts."""
    steps, cores, pairs = counted
    neurons = len(tables.initial) - LANES
    phases = int(tables.projections.phases.max(initial=1))
    slots = int(tables.projections.delay.max(initial=1)) + 1
    return State(
        accumulator=np.zeros(accumulators, np.int32),
        sums=np.zeros(2 * sums, np.int16),
        ready=np.zeros(phases * PIECE * READY, np.int32),
        ready_end=np.zeros(phases, np.int64),
        potential=np.zeros(neurons + LANES, np.int32),
        current=np.zeros(neurons + LANES, np.int32),
        spike_count=np.zeros(neurons + LANES, np.int32),
        resting=np.zeros(neurons + LANES, np.int32),
        event_neuron=np.zeros(slots * neurons, np.int32),
        event_payload=np.ones(slots * neurons, np.int32),
        event_count=np.zeros((slots, len(tables.populations.kind)), np.int64),
        waiting=np.zeros(len(tables.populations.kind), np.int64),
        pair_step=np.zeros((len(tables.accounts.pair_source), 3), np.int64),
        counts=np.zeros((steps, cores, COLUMNS), np.int64),
        pair_sent=np.zeros((steps, pairs), np.int32),
    )


def concatenated(arrays: list[npt.NDArray[Any]], dtype: Any) -> npt.NDArray[Any]:
    """The arrays one after the other; an empty array for none."""
    return np.concatenate([*arrays, np.zeros(0, dtype)]).astype(dtype)
