"""The artifact: everything that crosses from the compiler to the runtime."""

from striate_runtime.program.container import FORMAT, Port, Program, ProgramError, load

__all__ = ["FORMAT", "Port", "Program", "ProgramError", "load"]
