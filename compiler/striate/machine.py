"""A machine as the user names it: `gpu(precision=i8, batch=64)`, `loihi2(coding=graded)`, or a path to a TOML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from striate.diagnostics import Span

OptionValue = str | int | float | bool


@dataclass(frozen=True)
class Machine:
    """A hardware's name (or the path of a user's own TOML) and the options asked for, not yet checked."""

    name: str
    options: Mapping[str, OptionValue] = field(default_factory=dict[str, OptionValue])
    span: Span | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        options = ", ".join(f"{key}={_written(value)}" for key, value in self.options.items())
        return f"{self.name}({options})" if options else self.name


def _written(value: OptionValue) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
