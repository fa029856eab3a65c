"""text -> everything it says, in one call."""

from __future__ import annotations

from striate.diagnostics import Source
from striate.language.elaborate import Elaborated, elaborate
from striate.language.parse import parse


def read(text: str | Source) -> Elaborated:
    """Parse and elaborate a text. Raises CompileError with every mistake found."""
    return elaborate(parse(text if isinstance(text, Source) else Source("<text>", text)))
