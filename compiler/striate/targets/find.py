"""From a machine's name to its target, its hardware description, and its checked options."""

from __future__ import annotations

import importlib

from striate.diagnostics import CompileError, Diagnostic, nearest
from striate.machine import Machine
from striate.targets.schema import Options, Target
from striate_runtime.hardware import ALIASES, HARDWARE, Hardware, HardwareError, load_hardware

TARGETS = {
    "gpu": "striate.targets.gpu",
    "neuromorphic": "striate.targets.neuromorphic",
}
"""kind of hardware -> the module whose TARGET compiles for it."""


def target_of(hardware: Hardware) -> Target:
    """The target for a hardware's kind."""
    return importlib.import_module(TARGETS[hardware.kind]).TARGET


def find(machine: Machine) -> tuple[Target, Hardware, Options]:
    """What a machine spec means. Raises CompileError for an unknown name or option, HardwareError for a bad TOML."""
    legal = (*HARDWARE, *ALIASES)
    if not machine.name.endswith(".toml") and machine.name not in legal:
        near = nearest(machine.name.lower(), legal)
        raise CompileError(
            Diagnostic(
                "unknown-machine",
                f"there is no machine '{machine.name}'",
                machine.span,
                help=f"did you mean '{near}'?" if near else f"there are {', '.join(legal)}, or the path of a .toml",
            )
        )
    try:
        hardware = load_hardware(machine.name)
    except HardwareError as error:
        raise CompileError(Diagnostic("bad-hardware", str(error), machine.span)) from error
    target = target_of(hardware)
    return target, hardware, target.check(machine)
