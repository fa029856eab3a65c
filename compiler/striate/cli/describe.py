"""`striate targets`, `striate fmt`, `striate explain`: what there is, how it is written, what an error means."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from striate.cli.arguments import Json

EXAMPLES = {
    "check": "Example: striate check examples/models/resnet50.striate --json",
    "compile": "Example: striate compile examples/digits/lenet5.striate --on 'loihi2(coding=graded)' -o lenet5.zip",
    "run": "Example: striate run lenet5.zip --data examples/digits/digits_test.npz -o logits.npz",
    "profile": "Example: striate profile examples/digits/lenet5.striate --on 'gpu(precision=i8)' --csv layers.csv",
    "compare": "Example: striate compare examples/digits/lenet5.striate --on 'loihi1(coding=rate, steps=64)' --on gpu",
    "events": "Example: striate events recording.raw --sensor 346x260 --dt 1ms -o frames.npz",
    "trace": "Example: striate trace examples/digits/lenet5.striate --on 'loihi1(coding=rate, steps=64)' -o rate.npz",
    "diff": "Example: striate diff examples/digits/lenet5.striate --on 'interpreter(graph=quantized)' --on loihi2",
    "targets": "Example: striate targets loihi1_davies18 loihi1_sanafe25",
    "fmt": "Example: striate fmt my.striate --check",
    "explain": "Example: striate explain shape-mismatch",
}


def targets(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Machines' names, or .toml files.", show_default=False),
    ] = None,
    json: Json = False,
) -> None:
    """List the machines, or print one with every figure's grade and source, or several where they differ."""
    from striate.cli import targets as listing
    from striate.cli.targets_compared import compared

    if not names:
        listing.every(json)
    elif len(names) == 1:
        listing.one(names[0], json)
    else:
        compared(names, json)


def fmt(
    files: Annotated[list[Path], typer.Argument(help=".striate files.", show_default=False)],
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit code 1 if a file would change.")] = False,
    json: Json = False,
) -> None:
    """Rewrite files in the one canonical layout. Comments stay; a file that does not parse is left alone."""
    from striate.cli import console
    from striate.cli.arguments import write_text
    from striate.diagnostics import CompileError, Diagnostic
    from striate.language import format_source
    from striate.pipeline import open_source

    changed: list[Path] = []
    mistakes: list[Diagnostic] = []
    for path in files:
        try:
            source, _ = open_source(path)
            text = format_source(source)
        except CompileError as error:
            mistakes += error.diagnostics
            continue
        if text != source.text:
            changed.append(path)
            if not check:
                write_text(path, text)
    if mistakes:
        raise CompileError(mistakes)
    if json:
        console.print_json({"format": 1, "changed": [str(path) for path in changed], "written": not check})
    else:
        print("".join(f"{'would change' if check else 'formatted'} {path}\n" for path in changed), end="")
    if check and changed:
        raise typer.Exit(1)


def explain(
    codes: Annotated[
        list[str] | None, typer.Argument(help="Error codes; none lists them all.", show_default=False)
    ] = None,
    json: Json = False,
) -> None:
    """Explain an error code: what it means, an example that causes it, and what would be right."""
    from striate.cli import console
    from striate.diagnostics import CompileError, Diagnostic, did_you_mean
    from striate.explain import CODES, explain

    unknown = [code for code in codes or () if code not in CODES]
    if unknown:
        mistakes = [
            Diagnostic("unknown-code", f"there is no error '{c}'", help=did_you_mean(c, CODES)) for c in unknown
        ]
        raise CompileError(mistakes)
    wanted = [explain(code) for code in codes or CODES]
    if json:
        console.print_json(
            {
                "format": 1,
                "codes": [{"code": e.code, "summary": e.summary, "example": e.example, "fix": e.fix} for e in wanted],
            }
        )
    elif not codes:
        print("\n".join(f"{e.code:<24} {e.summary.splitlines()[0]}" for e in wanted))
    else:
        print(
            "\n\n".join(
                f"{e.code}: {e.summary}\n\nFor example:\n\n{e.example.rstrip()}\n\nInstead: {e.fix}" for e in wanted
            )
        )
