"""Traces on disk, and how two of them differ: the figures by closed form, the first divergence by construction."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from striate_runtime.diff import Divergence, compare_traces
from striate_runtime.trace import Array, Trace, TraceError, load_trace, save_trace


def trace_of(**values: Array) -> Trace:
    return Trace("a machine", "net", ("x",), {name.replace("_at_", "@"): array for name, array in values.items()})


def image(*shape: int) -> Array:
    return np.arange(math.prod(shape), dtype=np.float32).reshape(shape)


def test_a_trace_is_the_same_when_it_is_read_back(tmp_path: Path) -> None:
    trace = Trace("m", "net", ("x",), {"b/..": image(2, 3), "a": np.ones((2, 1), np.uint8)})
    save_trace(trace, tmp_path / "t.npz")
    back = load_trace(tmp_path / "t.npz")
    assert (back.machine, back.network, back.inputs, list(back.values)) == ("m", "net", ("x",), ["b/..", "a"])
    assert all(np.array_equal(back.values[n], a) and back.values[n].dtype == a.dtype for n, a in trace.values.items())


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b"\x93NUMPY", b"text"])
def test_a_file_that_is_no_trace_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.npz").write_bytes(content)
    with pytest.raises(TraceError, match=r"t\.npz"):
        load_trace(tmp_path / "t.npz")


def test_an_npz_of_other_things_is_no_trace(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", image=image(2, 2))
    with pytest.raises(TraceError, match="holds no trace"):
        load_trace(tmp_path / "t.npz")


def test_equal_traces_do_not_diverge() -> None:
    difference = compare_traces(trace_of(y=image(2, 1, 3, 3)), trace_of(y=image(2, 1, 3, 3)))
    assert difference.first is None
    assert difference.layers[0].exact
    assert (difference.layers[0].max_abs, difference.layers[0].snr_db) == (0.0, None)


def test_the_first_layer_and_neuron_that_differ_are_named_with_both_values() -> None:
    wrong = image(2, 4, 3, 3)
    wrong[1, 2, 1, 0] += 8
    difference = compare_traces(trace_of(a=image(2, 5), b=image(2, 4, 3, 3)), trace_of(a=image(2, 5), b=wrong))
    assert difference.first is not None
    assert difference.first.layer == "b"
    value = float(image(2, 4, 3, 3)[1, 2, 1, 0])
    assert difference.first.first == Divergence(1, None, (2, 1, 0), value, value + 8)
    assert (difference.first.differing, difference.first.max_abs) == (1, 8.0)


def test_over_time_the_earliest_step_is_named_whatever_the_sample() -> None:
    spikes, other = np.zeros((2, 4, 1, 2, 2), np.uint8), np.zeros((2, 4, 1, 2, 2), np.uint8)
    other[0, 3, 0, 0, 0] = 1
    other[1, 2, 0, 1, 1] = 1
    layer = compare_traces(trace_of(y_at_spikes=spikes), trace_of(y_at_spikes=other)).layers[0]
    assert layer.first == Divergence(1, 2, (0, 1, 1), 0.0, 1.0)
    assert layer.spike_mismatch == 2 / 32


def test_the_signal_to_noise_ratio_is_that_of_the_definition() -> None:
    a = np.full((1, 4), 10.0)
    assert compare_traces(trace_of(y=a), trace_of(y=a + 0.1)).layers[0].snr_db == pytest.approx(40.0)  # pyright: ignore[reportUnknownMemberType]


@pytest.mark.parametrize(("tolerance", "diverges"), [(0.0, True), (0.4, True), (0.5, False)])
def test_a_difference_within_the_tolerance_is_none(tolerance: float, diverges: bool) -> None:
    layer = compare_traces(trace_of(y=image(1, 3)), trace_of(y=image(1, 3) + 0.5), tolerance).layers[0]
    assert (layer.first is not None) == diverges
    assert not layer.exact


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_a_number_that_is_none_differs_from_any_tolerance_but_not_from_itself(broken: float) -> None:
    wrong = image(1, 3)
    wrong[0, 1] = broken
    difference = compare_traces(trace_of(y=image(1, 3)), trace_of(y=wrong), tolerance=1e30)
    assert difference.first is not None
    assert difference.first.max_abs == np.inf
    assert compare_traces(trace_of(y=wrong), trace_of(y=wrong.copy())).layers[0].exact


def test_codes_are_never_compared_with_numbers() -> None:
    a, b = trace_of(y=image(1, 3), z=image(1, 2)), trace_of(y=np.zeros((1, 3), np.int8), z=image(1, 2))
    difference = compare_traces(a, b)
    assert difference.unlike == ("y",)
    assert [layer.layer for layer in difference.layers] == ["z"]


def test_a_vector_equals_an_image_of_one_pixel() -> None:
    difference = compare_traces(trace_of(y=image(2, 6)), trace_of(y=image(2, 6).reshape(2, 6, 1, 1)))
    assert (difference.layers[0].exact, difference.layers[0].shape) == (True, (6,))
    assert compare_traces(trace_of(y=image(1, 2, 3), z=image(1)), trace_of(y=image(1, 3, 2), z=image(1))).unlike == (
        "y",
    )


def test_nothing_in_common_but_the_input_is_no_agreement() -> None:
    with pytest.raises(TraceError, match="no layer in common"):
        compare_traces(trace_of(x=image(1, 2), y=image(1, 2)), trace_of(x=image(1, 2), z=image(1, 2)))


def test_runs_of_different_samples_are_not_compared() -> None:
    with pytest.raises(TraceError, match="1 samples, the other 2"):
        compare_traces(trace_of(y=image(1, 2)), trace_of(y=image(2, 2)))
