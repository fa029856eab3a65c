"""The interpreter's process: right values in any order of programs, and plain words for kernels that misbehave."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from gpu_samples import edit_body, expected, make_program, sample_images

from striate_runtime.device import DeviceError
from striate_runtime.gpu.interpreter_process import InterpreterProcess
from striate_runtime.gpu.plan import from_buffer, read_plan, to_buffer
from striate_runtime.gpu.verify import find_difference
from striate_runtime.program import Program

pytest.importorskip("triton", reason="Triton interprets the kernels")

Array = np.ndarray[Any, Any]


@pytest.fixture(scope="module", params=["f16", "i8"])
def dtype(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def interpreter(dtype: str) -> Iterator[InterpreterProcess]:
    """One child for all that only ask it for values."""
    program = make_program(dtype)
    process = InterpreterProcess(program, read_plan(program))
    yield process
    process.close()


def laid_out(program: Program, images: Array) -> dict[str, Array]:
    return {"image": to_buffer(images, program.inputs[0], read_plan(program).buffers["a"])}


def with_kernel(program: Program, old: str, new: str) -> Program:
    """The program with its kernels' text changed."""
    text = program.files["sample.py"].decode()
    assert text.count(old) == 1
    return msgspec.structs.replace(program, files={"sample.py": text.replace(old, new).encode()})


def run_once(program: Program, candidate: int = 0, **options: Any) -> dict[str, Array]:
    process = InterpreterProcess(program, read_plan(program), **options)
    try:
        images = sample_images(program.body["buffers"][0]["dtype"], 2)
        return process.run(laid_out(program, images), candidate=candidate)
    finally:
        process.close()


@pytest.mark.parametrize(("samples", "shuffle", "candidate"), [(1, None, 0), (7, 3, 1), (300, 1, 0)])
def test_values_are_the_kernels_meaning_in_any_order_and_tile(
    interpreter: InterpreterProcess, dtype: str, samples: int, shuffle: int | None, candidate: int
) -> None:
    program, images = make_program(dtype), sample_images(dtype, samples)
    outputs = interpreter.run(laid_out(program, images), shuffle=shuffle, candidate=candidate)
    result = from_buffer(outputs["result"], program.outputs[0], read_plan(program).buffers["d"])
    wanted = expected(program, images)
    if dtype == "i8":
        np.testing.assert_array_equal(result, wanted)
    else:
        np.testing.assert_allclose(result, wanted, atol=2e-3 * np.abs(wanted).max())


def test_a_trace_has_each_launch_s_buffers_before_and_after(interpreter: InterpreterProcess, dtype: str) -> None:
    program, images = make_program(dtype), sample_images(dtype, 2)
    trace = interpreter.trace(laid_out(program, images))
    assert [sorted(after) for _, after in trace] == [["a", "b"], ["b", "c"], ["b", "c", "d"]]
    before, after = trace[0]
    np.testing.assert_array_equal(after["a"], before["a"])
    np.testing.assert_array_equal(after["b"], 2 * before["a"])
    empty = before["b"].view(np.uint8)
    assert set(np.unique(empty)) == {0xFF if dtype == "f16" else 0xCD}
    assert find_difference(trace[1][0], {"b": after["b"]}) is None


def test_a_buffer_that_is_given_away_too_early_shows(dtype: str) -> None:
    """Put `c` where `b` lies, although `b` is needed once more: the plan's mistake must not pass for a result."""

    def overlap(body: dict[str, Any]) -> None:
        body["buffers"][2]["offset"] = body["buffers"][1]["offset"]

    program = edit_body(make_program(dtype), overlap)
    images = sample_images(dtype, 2)
    result = from_buffer(run_once(program)["result"], program.outputs[0], read_plan(program).buffers["d"])
    assert not np.allclose(result.astype(np.float64), expected(program, images), atol=1)


def test_a_kernel_that_writes_outside_its_buffers_is_named() -> None:
    """Two samples have 32 rows, the second candidate's tile 64: only the mask keeps it inside."""
    program = with_kernel(make_program("f16"), "mask=mask)\n\n\n@", "mask=row[:, None] >= 0)\n\n\n@")
    with pytest.raises(DeviceError, match=r"kernel 'add' of layer 'double' wrote outside its buffers, at byte 1024 of"):
        run_once(program, candidate=1)


def test_a_kernel_that_does_not_fit_the_language_is_named() -> None:
    program = with_kernel(make_program("f16"), "row = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)\n    at", "at")
    with pytest.raises(DeviceError, match=r"kernel 'add' of layer 'double'.*row"):
        run_once(program)


def test_a_kernel_that_kills_the_process_is_named() -> None:
    program = with_kernel(
        make_program("f16"), "total = total + tl.load(bias_ptr + column)", "tl.load(bias_ptr + (1 << 45))"
    )
    with pytest.raises(DeviceError, match=r"was killed by SIG.*at kernel 'mix' of layer 'mix'"):
        run_once(program)


def test_a_kernel_that_hangs_is_named() -> None:
    program = with_kernel(
        make_program("f16"),
        "column = tl.arange(0, WIDTH)\n",
        "column = tl.arange(0, WIDTH)\n    while True:\n        pass\n",
    )
    with pytest.raises(DeviceError, match="made no progress for 3 s, at kernel 'mix' of layer 'mix'"):
        run_once(program, silence_s=3.0)


def test_kernels_are_read_in_the_child_and_never_here(tmp_path: Path) -> None:
    """Loading and opening a program runs nothing of it; interpreting runs its kernels' text, in another process."""
    mark = tmp_path / "mark"
    line = f"import os; open({str(mark)!r}, 'w').write(str(os.getpid()))\nimport triton\n"
    program = with_kernel(make_program("f16"), "import triton\n", line)
    process = InterpreterProcess(program, read_plan(program))
    try:
        assert not mark.exists()
        process.run(laid_out(program, sample_images("f16", 1)))
    finally:
        process.close()
    assert int(mark.read_text()) != os.getpid()


def test_what_a_kernel_prints_does_not_disturb_the_answers() -> None:
    program = with_kernel(make_program("f16"), "import triton\n", "print('not an answer')\nimport triton\n")
    assert run_once(program)["result"].shape == (2, 4, 4, 16)


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    run_once(make_program("i8"))
    assert list(tmp_path.iterdir()) == []
