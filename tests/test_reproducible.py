"""A network makes the same bytes in every process, whatever its hash seed, folder, locale, time zone or BLAS."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

SCRIPT = """
import sys
from pathlib import Path
from striate.language import parse_machine
from striate.pipeline import lower, read

lower(read(Path(sys.argv[1])), parse_machine(sys.argv[2]), build=False).save(sys.argv[3])
"""


OLDER_BLAS = {"OPENBLAS_CORETYPE": "Sandybridge"}
"""Makes numpy's OpenBLAS add up in another order; where that is not what numpy uses, it does nothing."""


def compiled_elsewhere(machine: str, folder: Path, surroundings: dict[str, str]) -> bytes:
    folder.mkdir()
    paths = os.pathsep.join(str(ROOT / half) for half in ("compiler", "runtime"))
    network = ROOT / "examples" / "digits" / "lenet5.striate"
    subprocess.run(
        [sys.executable, "-c", SCRIPT, network, machine, "program.zip"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths, **surroundings},
        check=True,
    )
    return (folder / "program.zip").read_bytes()


@pytest.mark.parametrize("machine", ["gpu(precision=i8)", "loihi2(coding=graded)", "loihi1(coding=rate)"])
def test_a_program_is_the_same_bytes_in_another_process(machine: str, tmp_path: Path) -> None:
    here = compiled_elsewhere(machine, tmp_path / "here", {"PYTHONHASHSEED": "1", "LC_ALL": "C", "TZ": "UTC"})
    there = compiled_elsewhere(
        machine, tmp_path / "there", {"PYTHONHASHSEED": "77", "LC_ALL": "C.UTF-8", "TZ": "Japan"} | OLDER_BLAS
    )
    assert here == there
    assert str(tmp_path).encode() not in here
