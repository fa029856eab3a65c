"""What is published of some chips only: how they were made, cores that differ, crossbars, what runs on silicon took."""

from __future__ import annotations

from typing import Annotated

import msgspec

from striate_runtime.hardware.figure import Limit, Quantity


class Process(msgspec.Struct, frozen=True):
    """How the chip is made. `technology` is the maker's name for it."""

    technology: str = ""
    node_nm: Quantity | None = None
    die_area_mm2: Quantity | None = None
    supply_v: Quantity | None = None
    transistors_millions: Quantity | None = None
    memory_mb: Quantity | None = None


class ChipBarrier(msgspec.Struct, frozen=True):
    """How long the barrier at the end of a step takes among so many chips."""

    chips: Annotated[int, msgspec.Meta(ge=1)]
    latency_us: Quantity


class CoreClass(msgspec.Struct, frozen=True):
    """Cores that are alike, on a chip whose cores differ; `first` is the number of the first of them.

    A layer's kernels take Cin * 2^(ceil(log2(kx * ky)) + ceil(log2 Cout)) kernel words, its neurons
    Cout * 2^(ceil(log2 fy) + ceil(log2 fx)) neuron words (packing `pow2_kernel`).
    """

    first: Annotated[int, msgspec.Meta(ge=0)]
    count: Limit
    kernel_words: Limit
    kernel_word_bits: Limit
    neuron_words: Limit
    neuron_word_bits: Limit
    bias_words: Limit


class Crossbar(msgspec.Struct, frozen=True):
    """A core as a matrix of one-bit synapses: every axon has a type, every neuron one strength for each type.

    A strength has `strength_bits` with its sign, as many above 0 as below.
    """

    axons: Limit
    neurons: Limit
    synapse_bits: Limit
    axon_types: Limit
    strength_bits: Limit

    @property
    def largest_strength(self) -> int | None:
        """The largest magnitude of a strength; None where that is unpublished."""
        return None if self.strength_bits.value is None else (1 << (self.strength_bits.value - 1)) - 1


class LayerLimits(msgspec.Struct, frozen=True):
    """What one layer on one core may be, where a core holds one layer."""

    input_size: Limit
    output_size: Limit
    channels: Limit
    kernel_size: Limit
    padding: Limit
    strides: tuple[int, ...]
    pool_sizes: tuple[int, ...]


class Reported(msgspec.Struct, frozen=True):
    """What a published run or operating point took, end to end: for comparison, nothing is computed from it."""

    what: str
    accuracy_percent: Quantity | None = None
    energy_uj: Quantity | None = None
    power_mw: Quantity | None = None
    latency_us: Quantity | None = None
    frames_per_s: Quantity | None = None
    frames_per_s_per_w: Quantity | None = None
    energy_per_bit_fj: Quantity | None = None
    hops_per_dimension: Quantity | None = None
