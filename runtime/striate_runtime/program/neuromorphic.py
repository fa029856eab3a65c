"""The body of a program for a neuromorphic chip: populations of neurons, projections between them, cores, places.

A population's shape is `(C, H, W)` (a dense layer is `(C, 1, 1)`); its neurons are numbered channels last,
`(h * W + w) * C + c`, and every per-neuron array is in that order. Arrays are named in `Program.arrays`.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Steps = Annotated[int, msgspec.Meta(lt=1 << 17)]
"""A number of time steps: samples have at most 2^16, and what follows the last input."""

Place = Annotated[int, msgspec.Meta(ge=0, lt=1 << 12)]
"""A chip, where a router is along x or y, or how many columns a core has to spare."""

Extent = Annotated[int, msgspec.Meta(lt=1 << 24)]
"""A size in neurons or in taps."""

Stride = Annotated[int, msgspec.Meta(lt=1 << 16)]
"""How far apart the windows of neighbours are: there is a table for each place within one."""


class Population(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Neurons of one layer that do the same.

    `input`: neurons that only send what the host injects (graded: the payload; rate: a spike when an accumulator of
    the pixel reaches its threshold). `graded`: sum (or max) arriving payload x weight, add bias, requantize, clip to
    `low..high`, send if not 0, once, at step `fires_at`; under the other codings it only adds up and clips, at every
    step from `fires_at` on: it passes a part of a sum on. `integrate_and_fire`: from step `fires_at` on, v += input +
    bias at every step; at v >= threshold send 1 and subtract the threshold (soft reset); v starts at `initial`.
    `sigma_delta`: from step `fires_at` on, s += input; y = s + bias, requantized and clipped as in `graded`; where y
    is at least `threshold` (1 where absent) away from what has been sent, sends the difference. Its potential is what
    has been sent. Under the coding `delta` an `input` does the same with the number it is given: it sends changes; so
    does one with `changes` under `native`. With `payload_shift` an event carries the difference >> payload_shift, and
    none is sent where that is 0: what is cut off is lost, as in lava.
    `readout`: a neuron that only accumulates, its bias once; the host reads it at the end.
    `event_driven`: DYNAP-CNN's own neuron, on a chip without steps: v += weight at each event that meets it; at
    v >= threshold it sends 1 at once, and v -= threshold (`reset` subtract) or v = 0; its bias is added once a tick.
    It has one threshold for all channels, and v does not fall below `low`.
    `cuba_lif`: Loihi's own neuron, in its integers (spec/neuromorphic.md): from step `fires_at` on, current u and
    potential v decay, u += sum << 6, v += u + bias; at v > threshold << 6 send 1 and set v to 0.

    `reduce` max is the largest of the arriving payloads and 0 (a zero is never sent); the bias is added after it.
    `bias`, `threshold`, `initial` are i32 `[C]` (of an `input`: threshold and initial of the pixel's accumulator).
    `multiplier`, `shift` are i32 `[C]`: out = clip((acc * multiplier + (1 << (shift - 1))) >> shift, low, high), in
    i64; where they are absent, out = clip(acc, low, high). A readout (or a graded population that feeds an output)
    has `output`; the host reads its accumulator (graded: out) and multiplies by `scale` (f32 `[C]`) if given.
    A readout that is `counted_by_host` is on no core: the host adds up the spikes that are sent to it, at no cost.
    `full_scale` is the number that a spike at every step stands for under the rate coding, None where nobody said.

    Of a `cuba_lif`, i32 `[C]`: `current_decay` and `voltage_decay` (0..4095, of 4096), `threshold` (1..131071, of 64).
    Where `reset_interval` is not 0, u and v are set to 0 before the update in every step s with
    s % reset_interval == reset_offset. A `cuba_lif` may start at `initial`; its u starts at 0. `reset` subtract takes
    threshold << 6 off v instead of setting it to 0; for `refractory` steps after a spike v stays as it is. With `fires`
    off it never sends, and has no threshold: a potential that leaks.

    On a crossbar (crossbar.py), `strengths` are i32 `[C, types]`: what an event adds that meets a bit of the neuron's
    column, by the type of its axon.
    """

    name: str
    layer: str
    shape: tuple[Extent, Extent, Extent]
    kind: Literal["input", "graded", "integrate_and_fire", "event_driven", "cuba_lif", "sigma_delta", "readout"]
    reduce: Literal["sum", "max"] = "sum"
    fires_at: Steps = 0
    bias: str | None = None
    multiplier: str | None = None
    shift: str | None = None
    low: int = -(1 << 31)
    high: int = (1 << 31) - 1
    threshold: str | None = None
    initial: str | None = None
    output: str | None = None
    scale: str | None = None
    current_decay: str | None = None
    voltage_decay: str | None = None
    reset_interval: Steps = 0
    reset_offset: Steps = 0
    full_scale: float | None = None
    reset: Literal["zero", "subtract"] = "zero"
    refractory: Steps = 0
    fires: bool = True
    payload_shift: int = 0
    changes: bool = False
    strengths: str | None = None
    counted_by_host: bool = False

    @property
    def on_cores(self) -> bool:
        """Whether cores hold it: the host injects inputs, and may count spikes."""
        return self.kind != "input" and not self.counted_by_host

    def sends_changes(self, coding: str) -> bool:
        """Whether its events carry by how much a number has changed, or under `delta` what relays add up of such."""
        encodes = self.kind in ("input", "graded") and coding == "delta"
        return encodes or self.kind == "sigma_delta" or self.changes

    @property
    def resets_softly(self) -> bool:
        """Whether a spike takes the threshold off its potential."""
        chooses = self.kind in ("cuba_lif", "event_driven")
        return self.kind == "integrate_and_fire" or (chooses and self.reset == "subtract")


class Projection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Synapses from one population to another.

    `conv2d`: weights `[kh, kw, Cin / groups, Cout]`; an event at (y, x) reaches every output (oy, ox) with
    y = oy * stride + ky * dilation - padding. `window`: the same with one channel to itself (pooling).
    `dense`: weights `[neurons of source, neurons of target]`. `one_to_one`: neuron i to neuron i.
    `window` and `one_to_one` have weight 1, or i32 weights `[C]` by channel of the source.
    Source channel c of a `window` or `one_to_one` is channel c + `channel_offset` of the target.
    `multiplier` and `shift` (i32 `[1]`, or `[C]` by channel of the source), where given, rescale a payload on arrival:
    (x * multiplier + (1 << (shift - 1))) >> shift. The weights of a `conv2d` are already the source's slice of the
    input channels (concatenation): its `groups` are of the source's channels and all of the target's.
    `padding` is (left, right, top, bottom). `delay` is in steps: 0 onto an `event_driven` population, else at least 1.
    Where `channels` (half-open) are named, only those of the source have synapses, and the weights of a `conv2d` or
    `dense` are of them alone.
    On a crossbar, `bits` are u8 in the shape of the weights (`[C]` by channel of the source where there are none): bit
    t of an entry says that the axon of type t meets the neuron, and the weight is the sum of those strengths.
    """

    name: str
    layer: str
    source: str
    target: str
    kind: Literal["conv2d", "window", "dense", "one_to_one"]
    weights: str | None = None
    stride: tuple[Stride, Stride] = (1, 1)
    dilation: tuple[Extent, Extent] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    kernel: tuple[Extent, Extent] = (1, 1)
    groups: int = 1
    multiplier: str | None = None
    shift: str | None = None
    channel_offset: int = 0
    delay: Steps = 1
    channels: tuple[int, int] | None = None
    bits: str | None = None


class Usage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much of one of a core's resources is used; `limit` is None where it is unpublished."""

    resource: str
    used: int
    limit: int | None


class Core(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One core: the block of a population it holds, half-open ranges; where it stands; what it uses of its limits.

    `spare_columns`: how many columns beyond its last the core is configured for, where a chip allocates whole slabs.
    No neuron is there, but the slots are updated and the synapses that lead to them are worked through: they count.
    """

    index: int
    population: str
    channels: tuple[int, int]
    rows: tuple[int, int]
    columns: tuple[int, int]
    chip: Place
    x: Place
    y: Place
    usage: tuple[Usage, ...]
    spare_columns: Place = 0


class NeuromorphicBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The mapped network. `steps` is how many time steps one sample takes, or on a chip without steps, how many ticks.

    `input_scale` turns a port's number into what its population is given: graded x / scale rounded to the nearest
    even and clipped to `input_low..input_high`; rate: the same integer added to the input accumulator at every step;
    native: the port has a first dimension for the steps, and in step t its integers of step t are sent as payloads;
    it may have fewer than `steps` of them: nothing is sent in the steps after. delta, and native where the population
    sends `changes`: the same with the numbers scaled as under graded, of which an event carries the change.
    `tick_us` is how long one of `steps` lasts where the network itself says so and the chip does not.
    `uncounted` says what the mapping takes for granted, and which limits it could not check.

    Native and delta only: `read_at` says after how many steps a port is read (where it is not named: after all); a port
    in `series` has a first dimension of T, and gives what was read after each of the T steps up to that.

    `reads` says what an output port gives of an `event_driven` population: its `spike_count`, and nothing else.
    Native only: of a `cuba_lif` its `potential` v (where it is not named), its `current` u, its `spike_count`, or its
    `spikes` in one step; of a `sigma_delta` its `potential`, or as its `current` the sum of all it was sent. Where the
    published simulators of Loihi disagree, the default is what they agree on: `sum_bits` 21 wraps a step's sum << 6 at
    21 bits and a sign, as one of them does; `even_mixed_weights` takes the lowest bit off the weights of a `dense`
    projection that has both signs, as the other does.
    """

    coding: Literal["graded", "rate", "native", "delta"]
    steps: Steps
    populations: tuple[Population, ...]
    projections: tuple[Projection, ...]
    cores: tuple[Core, ...]
    inputs: dict[str, str]
    outputs: dict[str, str]
    input_scale: dict[str, float]
    input_low: dict[str, int]
    input_high: dict[str, int]
    uncounted: tuple[str, ...] = ()
    reads: dict[str, Literal["potential", "current", "spike_count", "spikes"]] = {}
    read_at: dict[str, Steps] = {}
    series: tuple[str, ...] = ()
    tick_us: float | None = None
    sum_bits: Literal[21] | None = None
    even_mixed_weights: bool = False
