"""NeuroBench's metrics against what neurobench 2.3.0 (snntorch 1.0.0, torch 2.6.0) gave for the same networks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from striate_runtime.metrics import neurobench, strict
from striate_runtime.metrics.connection import Connection, count_operations

Array = npt.NDArray[Any]

SPIKES = np.unpackbits(
    np.frombuffer(
        bytes.fromhex("048000508714a30488c02c61320c04396203a003c88c022b49140084b41298b8102543a0611b"), np.uint8
    )
)[-300:].reshape(3, 4, 1, 5, 5)
"""torch.manual_seed(1); torch.rand(3, 4, 1, 5, 5) < 0.3: samples, steps, C, H, W."""


def two_spikes() -> Array:
    x = np.zeros((1, 1, 5, 5), np.float32)
    x[0, 0, 0, 0] = x[0, 0, 2, 2] = 1
    return x


def half(**shape: Any) -> Connection:
    return Connection("conv", np.full((2, 1, 3, 3), 0.5), **shape)


def holed() -> Connection:
    weight = np.full((2, 1, 3, 3), 0.5)
    weight[0, 0, 1, 1] = 0
    return Connection("conv", weight, padding=(1, 1, 1, 1))


@pytest.mark.parametrize(
    ("connection", "effective", "dense"),
    [
        (half(padding=(1, 1, 1, 1)), 26, 338),
        (half(), 20, 162),
        (half(padding=(1, 1, 1, 1), stride=(2, 2)), 4, 98),
        (holed(), 24, 338),
    ],
    ids=["k3p1", "k3p0", "k3p1s2", "k3p1 one zero weight"],
)
def test_a_convolution_counts_what_it_does_at_borders_and_strides(
    connection: Connection, effective: int, dense: int
) -> None:
    counts = neurobench.synaptic_operations([(connection, two_spikes())], 1)
    assert counts == {"Effective_MACs": 0, "Effective_ACs": effective, "Dense": dense}


def test_a_depthwise_convolution_counts_its_own_channel_alone() -> None:
    connection = Connection("dw", np.ones((2, 1, 3, 3)), padding=(1, 1, 1, 1), groups=2)
    assert count_operations(connection, np.ones((1, 2, 5, 5), np.bool_)) == 338


@pytest.mark.parametrize(
    ("x", "effective", "accumulates"),
    [
        ([0, 1, 0, 1], 6, True),
        ([0, -1, 0, 1], 6, True),
        ([0, 2, 0, 2], 6, False),
        ([0, 0.5, 0.5, 0], 6, False),
        ([0, 0, 0, 0], 0, True),
        ([1, 1, 1, 1], 12, True),
    ],
)
def test_a_call_is_accumulates_where_every_input_is_a_sign_or_nothing(
    x: list[float], effective: int, accumulates: bool
) -> None:
    counts = neurobench.synaptic_operations([(Connection("fc", np.ones((3, 4))), np.array([x]))], 1)
    kind = "Effective_ACs" if accumulates else "Effective_MACs"
    assert counts[kind] == effective
    assert counts["Effective_ACs"] + counts["Effective_MACs"] == effective


def leaky(current: Array, potential: Array, beta: float) -> tuple[Array, Array]:
    """snntorch's Leaky with reset by subtraction of the threshold 1, which acts one step later: spikes, potential."""
    reset = (potential > 1).astype(np.float32)
    potential = np.float32(beta) * potential + current - reset
    return (potential > 1).astype(np.float32), potential


def convolved(x: Array) -> Array:
    """conv2d(1 -> 2, 3x3, padding 1, every weight 0.5, bias 0.1): [N, 1, 5, 5] -> [N, 2, 5, 5]."""
    padded = np.pad(x.astype(np.float32), ((0, 0), (0, 0), (1, 1), (1, 1)))
    total = sum(padded[:, :, r : r + 5, s : s + 5] for r in range(3) for s in range(3))
    return np.repeat(np.float32(0.5) * total + np.float32(0.1), 2, axis=1)


def test_a_spiking_network_has_the_values_that_neurobench_gives_it() -> None:
    conv = Connection("conv", np.full((2, 1, 3, 3), 0.5), padding=(1, 1, 1, 1))
    fc = Connection("fc", np.full((3, 8), 0.3))
    one, two = np.zeros((3, 2, 5, 5), np.float32), np.zeros((3, 3), np.float32)
    spikes: dict[str, list[Array]] = {"l1": [], "l2": []}
    held: dict[str, list[Array]] = {"l1": [], "l2": []}
    calls: list[neurobench.Call] = []
    for step in range(4):
        x = SPIKES[:, step]
        first, one = leaky(convolved(x), one, 0.9)
        pooled = first[:, :, :4, :4].reshape(3, 2, 2, 2, 2, 2).mean((3, 5)).reshape(3, 8)
        second, two = leaky(pooled @ np.full((8, 3), 0.3, np.float32), two, 0.9)
        calls += [(conv, x), (fc, pooled)]
        for name, spike, potential in (("l1", first, one), ("l2", second, two)):
            spikes[name].append(spike)
            held[name].append(potential)
    outputs = {name: np.stack(steps, 1) for name, steps in spikes.items()}
    assert neurobench.synaptic_operations(calls, 3) == {"Effective_MACs": 86.0, "Effective_ACs": 396.0, "Dense": 1448.0}
    assert neurobench.membrane_updates([np.stack(steps, 1) for steps in held.values()]) == 212.0
    assert neurobench.activation_sparsity(outputs) == 0.27044025157232704
    assert neurobench.activation_sparsity_by_layer(outputs) == {"l1": 0.27666666666666667, "l2": 0.16666666666666666}
    assert neurobench.connection_sparsity([conv.weight, fc.weight]) == 0.0
    parameters = [np.ones(shape, np.float32) for shape in ((2, 1, 3, 3), (2,), (3, 8), (3,))]
    assert neurobench.parameter_count(parameters) == 47
    neurons = [np.ones(1, np.float32)] * 10  # five buffers of each of the two Leaky layers
    assert neurobench.footprint([*parameters, *neurons]) == 228


@pytest.mark.parametrize(
    ("beta", "spike", "updates"),
    [(0.9, False, 5.0), (0.9, True, 30.0), (1.0, True, 5.0)],
    ids=["silent", "leak", "no leak"],
)
def test_leak_alone_changes_every_membrane_at_every_step(beta: float, spike: bool, updates: float) -> None:
    potential, held = np.zeros((4, 5), np.float32), list[Array]()
    for step in range(6):
        current = np.full((4, 5), 0.3 if spike and step == 0 else 0.0, np.float32)
        _, potential = leaky(current, potential, beta)
        held.append(potential)
    assert neurobench.membrane_updates([np.stack(held, 1)]) == updates


def test_sparsity_is_rounded_to_four_decimals_and_the_average_is_over_all_numbers() -> None:
    assert neurobench.connection_sparsity([np.array([0, 1, 1]), np.ones(0)]) == 0.3333
    assert neurobench.activation_sparsity({"a": np.zeros((2, 3)), "b": np.ones((2, 1))}) == 0.75


# -- ours


def test_by_operand_only_a_number_that_is_no_spike_is_multiplied() -> None:
    call = (Connection("fc", np.ones((3, 4))), np.array([[0, 1, -1, 2]]))
    assert strict.operations_by_operand([call], 1) == {"acs": 6, "macs": 3}
    assert neurobench.synaptic_operations([call], 1)["Effective_MACs"] == 9


def packings() -> Iterator[tuple[Array, int]]:
    yield np.array([0, 1, 1, 1, 0, 0, 0, 1], np.int32), 1
    yield np.array([-1, 0], np.int16), 1
    yield np.array([-128, 127] * 4, np.int32), 8
    yield np.ones(3, np.float32), 12


@pytest.mark.parametrize(("tensor", "size"), [*packings()], ids=str)
def test_packed_bytes_are_those_of_the_fewest_bits(tensor: Array, size: int) -> None:
    assert strict.packed_bytes([tensor]) == size


def test_what_is_not_counted_is_named() -> None:
    assert strict.uncounted({"conv": 0, "pool": 12, "fc": 5}, ["fc"]) == {"pool": 12}
