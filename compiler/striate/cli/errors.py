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
    if isinstance(error, MemoryError):
        message = f"this machine has too little memory: {error}" if str(error) else "this machine has too little memory"
        return (Diagnostic("out-of-memory", message, help="use fewer samples (--samples) or a smaller network"),)
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
    print("\n\n".join(_visible(render(diagnostic)) for diagnostic in diagnostics), file=sys.stderr)
    if len(diagnostics) > 1:
        print(f"\n{len(diagnostics)} errors", file=sys.stderr)
    codes = sorted({d.code for d in diagnostics if isinstance(error, CompileError | MemoryError)})
    if codes:
        print(
            f"\nMore about {'this' if len(codes) == 1 else 'these'}: striate explain {' '.join(codes[:3])}",
            file=sys.stderr,
        )


def _visible(text: str) -> str:
    """The text with control characters written out, so that no name or path can steer a terminal."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", lambda found: f"\\x{ord(found[0]):02x}", text)


_json = as_json
