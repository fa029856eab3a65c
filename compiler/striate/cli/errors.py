"""Every error that is the user's to mend, and how it is printed."""

from __future__ import annotations

import json
import re
import sys

from striate.diagnostics import CompileError, Diagnostic, render


def user_errors() -> tuple[type[Exception], ...]:
    """The exceptions that stand for a user's mistake or a missing machine, not for a bug of ours."""
    from striate_runtime.device import DeviceError, InputError
    from striate_runtime.hardware import HardwareError
    from striate_runtime.program import ProgramError
    from striate_runtime.trace import TraceError

    return (CompileError, ProgramError, HardwareError, InputError, DeviceError, TraceError)


def diagnostics_of(error: Exception) -> tuple[Diagnostic, ...]:
    """The error as diagnostics: the compiler's own, or one named after its kind (`program-error`)."""
    if isinstance(error, CompileError):
        return error.diagnostics
    code = re.sub(r"(?<!^)(?=[A-Z])", "-", type(error).__name__).lower()
    return (Diagnostic(code, str(error)),)


def as_json(diagnostic: Diagnostic) -> dict[str, object]:
    """A diagnostic for machines: `line` and `column` count from 1."""
    place: dict[str, object] = {}
    if diagnostic.span:
        line, column = diagnostic.span.source.position(diagnostic.span.start)
        place = {"file": diagnostic.span.source.name, "line": line, "column": column}
    notes = [note.text for note in diagnostic.notes]
    return {"code": diagnostic.code, "message": diagnostic.message, **place, "notes": notes, "help": diagnostic.help}


def report(error: Exception, *, as_json: bool) -> None:
    """Print the error: diagnostics on stderr, or one JSON object on stdout."""
    diagnostics = diagnostics_of(error)
    if as_json:
        print(json.dumps({"format": 1, "errors": [_json(diagnostic) for diagnostic in diagnostics]}, indent=2))
        return
    print("\n\n".join(render(diagnostic) for diagnostic in diagnostics), file=sys.stderr)
    if len(diagnostics) > 1:
        print(f"\n{len(diagnostics)} errors", file=sys.stderr)
    codes = sorted({d.code for d in diagnostics if isinstance(error, CompileError)})
    if codes:
        print(
            f"\nMore about {'this' if len(codes) == 1 else 'these'}: striate explain {' '.join(codes[:3])}",
            file=sys.stderr,
        )


_json = as_json
