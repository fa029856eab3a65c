"""Descriptions of machines: one TOML per machine, every figure with its grade, its source and its scope."""

from striate_runtime.hardware.figure import Limit, Quantity, assumed, assumed_note, entries, facts, figures
from striate_runtime.hardware.load import ALIASES, HARDWARE, HardwareError, load_hardware, parse_hardware
from striate_runtime.hardware.schema import Chip, Gpu, Hardware

__all__ = [
    "ALIASES",
    "HARDWARE",
    "Chip",
    "Gpu",
    "Hardware",
    "HardwareError",
    "Limit",
    "Quantity",
    "assumed",
    "assumed_note",
    "entries",
    "facts",
    "figures",
    "load_hardware",
    "parse_hardware",
]
