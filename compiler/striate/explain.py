"""What each error code means: `striate explain CODE`.

A new code is one entry in diagnostics_explained.toml beside this file: `summary` (what is wrong), `example` (a text
that causes it) and `fix` (what would be right). A test fails for a code without an entry or an entry without a code,
and runs every example: the text must be refused with its code. Where a text alone is not enough, the entry says what
is:

    command       the arguments of `striate`; the example is the file network.striate in the folder it runs in
    files         file name -> its text
    safetensors   file name -> tensor name -> shape (zeros)
    npz           file name -> array name -> shape (zeros)
    elsewhere     why it cannot be caused at will; no example is run
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

Shapes = Mapping[str, Mapping[str, list[int]]]


@dataclass(frozen=True)
class Explanation:
    """One code: what is wrong, a text that causes it, what would be right. The other fields: see this module."""

    code: str
    summary: str
    example: str
    fix: str
    command: Sequence[str] = ()
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    safetensors: Shapes = field(default_factory=dict[str, Mapping[str, list[int]]])
    npz: Shapes = field(default_factory=dict[str, Mapping[str, list[int]]])
    elsewhere: str = ""


def explain(code: str) -> Explanation:
    """The explanation of a code. KeyError for a code that does not exist."""
    return _EXPLANATIONS[code]


def _load() -> dict[str, Explanation]:
    text = files("striate").joinpath("diagnostics_explained.toml").read_text("utf-8")
    table: dict[str, dict[str, Any]] = tomllib.loads(text)
    return {code: Explanation(code, **entry) for code, entry in table.items()}


_EXPLANATIONS = _load()

CODES: tuple[str, ...] = tuple(_EXPLANATIONS)
"""Every error code, in the order of the file: the language first, then weights and data, machines, the command line."""
