"""The commands, and how a user's mistake leaves the program: on stderr (or as JSON), with exit code 1."""

from __future__ import annotations

import sys
from typing import NoReturn

import typer

from striate.cli import check as checking
from striate.cli import compare, compile, console, describe, diff, events, execute, trace

app = typer.Typer(
    name="striate",
    help="Compile one network for a GPU and for an emulated neuromorphic chip, and compare what each costs.",
    epilog="Start with: striate compare examples/digits/lenet5.striate",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    checking.check,
    compile.compile,
    execute.run,
    execute.profile,
    compare.compare,
    events.events,
    trace.trace,
    diff.diff,
    describe.targets,
    describe.fmt,
    describe.explain,
):
    app.command(epilog=describe.EXAMPLES[command.__name__])(command)


@app.callback(invoke_without_command=True)
def options(version: bool = typer.Option(False, "--version", help="Print the version and stop.")) -> None:
    """What holds for every command."""
    if version:
        from importlib.metadata import PackageNotFoundError
        from importlib.metadata import version as installed

        try:
            typer.echo(f"striate {installed('striate')}")
        except PackageNotFoundError:
            typer.echo("striate, not installed: run from its source")
        raise typer.Exit


def main() -> NoReturn:
    """Run the command line: exit 0, 1 for the user's mistakes (with diagnostics), 2 for wrong usage."""
    from striate.cli.errors import report, user_errors

    console.speak_plainly()
    try:
        try:
            app()
        finally:
            print(end="", flush=True)  # here, where a full disk or a closed pipe can still be told
    except SystemExit:
        raise
    except user_errors() as error:
        report(error, as_json="--json" in sys.argv)
    except MemoryError as error:
        report(error, as_json="--json" in sys.argv)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        console.silence()
    except OSError as error:
        console.silence()
        print(f"error[cannot-write]: {error.filename or 'output'}: {error.strerror or error}", file=sys.stderr)
    sys.exit(1)
