"""The sections and fields of a hardware description. spec/hardware.md says what each one means.

A field of type `Quantity` or `Limit` is a figure: it carries grade, source and scope beside its value, and its value is
None where nobody has published one. Everything else is a fact of structure (a word, a list of words, yes or no).
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from striate_runtime.hardware.figure import Limit, Quantity
from striate_runtime.hardware.published import ChipBarrier, CoreClass, Crossbar, LayerLimits, Process, Reported


class Hardware(msgspec.Struct, frozen=True):
    """What every description has. `text` is the TOML as it was read; it travels in the program."""

    name: str
    kind: Literal["gpu", "neuromorphic"]
    title: str
    vendor: str
    text: str


class BarrierPoint(msgspec.Struct, frozen=True):
    """How long the barrier at the end of a step takes when `tiles` routers have used cores."""

    tiles: Annotated[int, msgspec.Meta(ge=1)]
    latency_ns: Quantity


class Time(msgspec.Struct, frozen=True):
    """How steps pass. `barrier_step`: a step lasts as long as its busiest core, then all cores meet at a barrier;
    `fixed_tick`: every step lasts `tick_ms`; `async_event`: there are no steps, an event is worked on when it arrives.

    `overlap`: whether a core works on its neurons and its arriving messages at once (`max`) or in turn (`sum`).
    `event_*_latency_us`: an event's way through one layer, and through as many as the chip has cores.
    """

    model: Literal["barrier_step", "fixed_tick", "async_event"]
    layer_delay_steps: Limit
    overlap: Literal["max", "sum"] | None = None
    barrier: tuple[BarrierPoint, ...] = ()
    barrier_between_chips: tuple[ChipBarrier, ...] = ()
    tick_ms: Quantity | None = None
    event_one_layer_latency_us: Quantity | None = None
    event_all_layers_latency_us: Quantity | None = None

    @property
    def event_steps(self) -> int:
        """Steps from an event to its arrival: 0 where there are none; else at least 1, taken where it is unknown."""
        return 0 if self.model == "async_event" else self.layer_delay_steps.value or 1


class Topology(msgspec.Struct, frozen=True):
    """The mesh of routers, `cores_per_router` cores at each, and what crossing it costs per message and hop.

    `routing`: `xy`, first along x, then along y; `direct`, each core to the few that it is connected to.
    `link_buffer_messages`: how many messages wait at the end of a link before those behind them stand still.
    """

    chips: Limit
    mesh_width: Limit
    mesh_height: Limit
    cores_per_router: Limit
    routing: Literal["xy", "direct"]
    hop_east_west_energy_pj: Quantity
    hop_east_west_latency_ns: Quantity
    hop_north_south_energy_pj: Quantity
    hop_north_south_latency_ns: Quantity
    hop_between_chips_energy_pj: Quantity
    tile_gspikes_per_s: Quantity | None = None
    link_buffer_messages: Limit | None = None


class CoreLimits(msgspec.Struct, frozen=True):
    """What one core holds. `*_configurations` and `synapse_formats`: how many sorts of each there may be on it;
    `slab_neurons`: how many neurons a slab of 2^k columns may have."""

    neuron_slots: Limit
    synapse_words: Limit
    synapse_word_bits: Limit
    axons_in: Limit
    axons_out: Limit
    fan_in: Limit
    neuron_configurations: Limit | None = None
    threshold_configurations: Limit | None = None
    synapse_formats: Limit | None = None
    slab_neurons: Limit | None = None


class Packing(msgspec.Struct, frozen=True):
    """How synapses fill a core's memory.

    `loihi_synentry`: per axon, entries of a header and up to `synapses_per_entry` synapses, rounded up to words.
    `dense_tap`: per kernel tap and input channel, the weights of all output channels, rounded up to words, shared by
    all positions. `crossbar`: a bit for each pair of axon and neuron. `pow2_kernel`: see CoreClass.
    `weight_sharing` says whether a convolution's weights are stored once per core or per neuron.
    `neurons_per_axon` is how many neurons with weights of their own may share an axon, where a spike says which of them
    sent it; `shared_axon_slots` is how many of `axons_out` such an axon takes.
    """

    kind: Literal["loihi_synentry", "dense_tap", "crossbar", "pow2_kernel"]
    weight_sharing: Literal["none", "population_axon", "conv_taps"]
    entry_header_bits: Limit
    synapses_per_entry: Limit
    words_per_axon: Limit
    destinations_per_group: Limit
    neurons_per_axon: Limit | None = None
    shared_axon_slots: Limit | None = None


class Numerics(msgspec.Struct, frozen=True):
    """The chip's integers. `payload_bits` is what one event carries besides its address (0: a spike is a spike).

    `synapse_shift_bits` is by how many bits a weight is shifted up on arrival; so many fewer of `membrane_bits` are
    left in units of a weight. `soft_reset_slots` is how many neuron slots one neuron with a subtractive reset takes.
    """

    weight_bits: Limit
    payload_bits: Limit
    membrane_bits: Limit
    reset_native: tuple[Literal["zero", "subtract"], ...]
    soft_reset_slots: Limit
    threshold_bits: Limit | None = None
    bias_bits: Limit | None = None
    decay_bits: Limit | None = None
    refractory_steps: Limit | None = None
    axon_delay_steps: Limit | None = None
    synapse_shift_bits: Limit | None = None

    @property
    def slots_of_soft_reset(self) -> int:
        """How many neuron slots a neuron takes that subtracts its threshold: one where the chip does so by itself."""
        return 1 if "subtract" in self.reset_native else self.soft_reset_slots.value or 1

    @property
    def membrane_bits_for_weights(self) -> int | None:
        """How many bits a membrane has in units of a weight; None where that is unpublished."""
        shift = self.synapse_shift_bits.value if self.synapse_shift_bits else 0
        return None if self.membrane_bits.value is None or shift is None else self.membrane_bits.value - shift


class Policy(msgspec.Struct, frozen=True):
    """What the chip works on: which neurons in a step, how often, and which synapses an event touches (absent where
    that is not known).

    `active_neurons` is who pays `neuron_update`: neurons whose state `changed` in a step, or those `not_at_rest`, which
    have a potential or a bias, or are reached by something.
    """

    neuron_update: Literal["every_step", "on_event"]
    active_neurons: Literal["changed", "not_at_rest"]
    neuron_passes: Limit
    skip_zero_weights: bool | None = None


class Cost(msgspec.Struct, frozen=True):
    """Energy and time of one event of each kind.

    `scope`: `per-op` where every kind of event has its own cost; `all-in dynamic` where one synaptic operation's figure
    already contains the neurons, the memory and the routing (then their own energies must be unknown); `all-in` where
    it contains the static power as well.
    `neuron_access` is paid by every updated neuron, `neuron_update` on top by an active one.
    """

    scope: Literal["per-op", "all-in dynamic", "all-in"]
    synop_dense_energy_pj: Quantity
    synop_dense_latency_ns: Quantity
    synop_sparse_energy_pj: Quantity
    synop_sparse_latency_ns: Quantity
    synop_conv_energy_pj: Quantity
    synop_conv_latency_ns: Quantity
    synapse_read_energy_pj: Quantity
    synapse_read_latency_ns: Quantity
    neuron_access_energy_pj: Quantity
    neuron_access_latency_ns: Quantity
    neuron_update_energy_pj: Quantity
    neuron_update_latency_ns: Quantity
    spike_out_energy_pj: Quantity
    spike_out_latency_ns: Quantity
    axon_out_energy_pj: Quantity
    axon_out_latency_ns: Quantity
    axon_in_energy_pj: Quantity
    axon_in_latency_ns: Quantity
    barrier_energy_pj: Quantity
    plastic_update_energy_pj: Quantity | None = None
    plastic_update_latency_ns: Quantity | None = None


class Static(msgspec.Struct, frozen=True):
    """Power that flows whether anything happens or not. `used_core_power_mw` and rails are parts of the chip's, and not
    added to it."""

    chip_power_mw: Quantity
    used_core_power_mw: Quantity | None = None
    rail_io_uw: Quantity | None = None
    rail_memory_uw: Quantity | None = None
    rail_logic_uw: Quantity | None = None
    rail_pixel_digital_uw: Quantity | None = None
    rail_pixel_analog_uw: Quantity | None = None


class Host(msgspec.Struct, frozen=True):
    """The processors on the chip that manage it: power of one whose clock runs, and what full activity adds."""

    embedded_cpus: Limit
    clock_power_mw: Quantity
    active_power_mw: Quantity


class InputOutput(msgspec.Struct, frozen=True):
    """Getting data on and off the chip."""

    event_in_energy_pj: Quantity
    event_in_latency_ns: Quantity
    read_out_energy_pj: Quantity


class Chip(Hardware, frozen=True):
    """A neuromorphic chip. What only some chips have is absent in the others, see spec/hardware.md."""

    time: Time
    topology: Topology
    limits: CoreLimits
    packing: Packing
    numerics: Numerics
    policy: Policy
    cost: Cost
    static: Static
    host: Host
    io: InputOutput
    process: Process | None = None
    core_classes: tuple[CoreClass, ...] = ()
    crossbar: Crossbar | None = None
    layer: LayerLimits | None = None
    reported: tuple[Reported, ...] = ()


class Compute(msgspec.Struct, frozen=True):
    """Arithmetic peaks: a multiply-accumulate is two operations. `f16` is with f32 accumulation on tensor cores."""

    multiprocessors: Limit
    peak_f32_tflops: Quantity
    peak_f16_tflops: Quantity
    peak_i8_tops: Quantity
    reached_f16_tflops: Quantity


class Memory(msgspec.Struct, frozen=True):
    """Sizes and bandwidths."""

    capacity_bytes: Limit
    l2_bytes: Limit
    bandwidth_gb_per_s: Quantity
    reached_bandwidth_gb_per_s: Quantity
    launch_latency_us: Quantity
    graph_start_us: Quantity | None = None


class GpuEnergy(msgspec.Struct, frozen=True):
    """Energy by event, and the powers. `mac_*` includes the instruction that carries it."""

    memory_pj_per_bit: Quantity
    l2_pj_per_bit: Quantity
    l1_pj_per_bit: Quantity
    mac_f32_pj: Quantity
    mac_f16_pj: Quantity
    mac_i8_pj: Quantity
    constant_power_w: Quantity
    board_power_limit_w: Quantity


class Gpu(Hardware, frozen=True):
    """A GPU."""

    architecture: str
    compute: Compute
    memory: Memory
    energy: GpuEnergy


KINDS: dict[str, type[Chip] | type[Gpu]] = {"neuromorphic": Chip, "gpu": Gpu}
