"""The command line: the one place that sees both the compiler and the runtime."""

from striate.cli.app import app, main

__all__ = ["app", "main"]
