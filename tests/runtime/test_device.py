"""A device takes a program's inputs as they are declared, and refuses everything else in words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from striate_runtime.device import DEVICES, DeviceError, InputError, check_inputs, open_device
from striate_runtime.program import Port, Program

IMAGE, LABEL = Port("image", "f32", (1, 2, 2)), Port("label", "i8", ())


def check(image: Any, label: Any) -> dict[str, Any]:
    return check_inputs((IMAGE, LABEL), {"image": image, "label": label})


def test_numbers_become_the_port_s_type_where_nothing_is_lost() -> None:
    checked = check(np.ones((2, 1, 2, 2), np.float64), np.array([3, -4], np.int64))
    assert {name: array.dtype.name for name, array in checked.items()} == {"image": "float32", "label": "int8"}
    assert checked["label"].tolist() == [3, -4]
    assert check(np.ones((2, 1, 2, 2), np.uint8), np.zeros(2, np.int8))["image"].dtype == np.float32


def test_lists_are_taken_as_arrays() -> None:
    assert check([[[[1, 2], [3, 4]]]], [5])["image"].shape == (1, 1, 2, 2)


GOOD = np.zeros((2, 1, 2, 2), np.float32)
REFUSED: dict[str, tuple[Any, Any, str]] = {
    "a missing axis": (
        np.zeros((2, 2, 2)),
        [0, 0],
        r"must be f32\[N, 1, 2, 2\]; the array given has shape \[2, 2, 2\]",
    ),
    "another shape": (np.zeros((2, 1, 2, 3)), [0, 0], r"has shape \[2, 1, 2, 3\]"),
    "NaN": (GOOD + np.nan, [0, 0], "holds NaN or infinity"),
    "infinity": (GOOD + np.inf, [0, 0], "holds NaN or infinity"),
    "a number too large for f32": (GOOD + np.float64(1e300), [0, 0], "too large"),
    "floats for integers": (GOOD, [0.0, 1.0], r"'label' must be i8\[N\]; the array given holds float64"),
    "an integer too large": (GOOD, [0, 128], "a value given is outside -128..127"),
    "text": (GOOD, ["a", "b"], "the array given holds <U1"),
    "truth values": (GOOD, [True, False], "the array given holds bool"),
    "different numbers of samples": (GOOD, [0], "disagree on the number of samples"),
    "no samples": (GOOD[:0], np.zeros(0, np.int8), "there are no samples"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_an_input_is_refused_for(what: str) -> None:
    image, label, message = REFUSED[what]
    with pytest.raises(InputError, match=message):
        check(image, label)


def test_names_are_compared_both_ways() -> None:
    with pytest.raises(InputError, match="the program's inputs are image, label; given: image, mask"):
        check_inputs((IMAGE, LABEL), {"image": GOOD, "mask": np.zeros(2)})
    with pytest.raises(InputError, match="given: none"):
        check_inputs((IMAGE, LABEL), {})


def test_a_program_without_inputs_has_no_number_of_samples() -> None:
    with pytest.raises(InputError, match="the program has no inputs"):
        check_inputs((), {})


def test_a_target_without_a_device_is_named_with_those_that_have_one() -> None:
    program = Program("abacus", "abacus", "net", (IMAGE,), (), "", {}, {}, {})
    with pytest.raises(DeviceError, match=f"no device for target 'abacus'; it has {', '.join(DEVICES)}"):
        open_device(program)
