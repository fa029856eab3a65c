"""Quantities with a unit, as a text writes them: `20ms`, `1mV`. Values are in SI units."""

from __future__ import annotations

from decimal import Decimal

UNITS: dict[str, dict[str, Decimal]] = {
    "time": {"s": Decimal(1), "ms": Decimal("1e-3"), "us": Decimal("1e-6"), "ns": Decimal("1e-9")},
    "voltage": {"V": Decimal(1), "mV": Decimal("1e-3"), "uV": Decimal("1e-6")},
}
"""What is measured -> its units, largest first, and how many seconds or volts each one is."""

KIND_OF: dict[str, str] = {unit: kind for kind, units in UNITS.items() for unit in units}
"""Unit -> what it measures."""


def to_si(number: str, unit: str) -> float:
    """`("20", "ms")` -> 0.02: the float nearest to what is written. The unit must be known."""
    return float(Decimal(number) * UNITS[KIND_OF[unit]][unit])


def write_quantity(value: float, kind: str) -> str:
    """A value in SI units, at least 0 and finite, in the largest unit of which it is at least one: 0.02 -> `20ms`."""
    exact = Decimal(repr(value))
    units = list(UNITS[kind].items())
    unit, size = next((pair for pair in units if exact >= pair[1]), units[-1])
    digits = f"{exact / size:f}"
    return (digits.rstrip("0").rstrip(".") if "." in digits else digits) + unit


def example_of(kind: str) -> str:
    """What an attribute of this kind takes, in words: `a time with its unit (s, ms, us, ns)`."""
    return f"a {kind} with its unit ({', '.join(UNITS[kind])})"
