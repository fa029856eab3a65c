"""striate: compile one convolutional network for a GPU and for an emulated neuromorphic chip, and compare them.

    program = striate.compile("lenet5.striate", on="loihi2(coding=graded)")
    program.save("lenet5.zip")

Where things are: `pipeline` names the stages, start there. `language` turns text into a `graph` of `operators`;
`passes` rewrite it; `targets` lower it to a program, which `striate_runtime` runs. `interpreter` is what it all means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from striate.diagnostics import CompileError
    from striate.pipeline import compile, read

__all__ = ["CompileError", "compile", "read"]

_HOMES = {"CompileError": "striate.diagnostics", "compile": "striate.pipeline", "read": "striate.pipeline"}


def __getattr__(name: str) -> object:
    """Import a public name from its module when it is first asked for, so that `import striate` costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"striate has no '{name}'; it has {', '.join(__all__)}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
