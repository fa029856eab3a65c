"""What several test files share: the command line, called in this process as a user would call it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DIGITS = ROOT / "examples" / "digits"


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str


Striate = Callable[..., Outcome]


@pytest.fixture
def striate(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Striate:
    """`striate("check", path)` runs the command line and returns its exit code, stdout and stderr."""
    from striate.cli import main

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["striate", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main()
        code = stopped.value.code
        out, err = capsys.readouterr()
        return Outcome(code if isinstance(code, int) else int(code is not None), out, err)

    return run
