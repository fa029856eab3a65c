"""Numbers as people read them: three digits and a fitting unit. Unknown is a dash, never 0."""

from __future__ import annotations

UNKNOWN = "–"


def energy(value_uj: float | None) -> str:
    """Microjoules -> `1.23 µJ`, `45.6 nJ`, ..."""
    return _scaled(value_uj, (("pJ", 1e-6), ("nJ", 1e-3), ("µJ", 1.0), ("mJ", 1e3), ("J", 1e6)))


def duration(value_us: float | None) -> str:
    """Microseconds -> `1.23 µs`, `45.6 ms`, ..."""
    return _scaled(value_us, (("ns", 1e-3), ("µs", 1.0), ("ms", 1e3), ("s", 1e6)))


def size(value_bytes: float | None) -> str:
    """Bytes -> `512 B`, `1.5 KiB`, ..."""
    return _scaled(value_bytes, (("B", 1.0), ("KiB", 2.0**10), ("MiB", 2.0**20), ("GiB", 2.0**30)))


def count(value: float | None) -> str:
    """A plain number -> `1,234`, `5.67 M`, ..."""
    if value is not None and abs(value) < 10_000:
        return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"
    return _scaled(value, (("", 1.0), ("k", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12)))


def share(value: float | None) -> str:
    """A fraction -> `98.70 %`."""
    return UNKNOWN if value is None else f"{value * 100:.2f} %"


def _scaled(value: float | None, units: tuple[tuple[str, float], ...]) -> str:
    if value is None:
        return UNKNOWN
    unit, factor = next((u for u in reversed(units) if abs(value) >= 0.9995 * u[1]), units[0])
    scaled = value / factor
    text = f"{scaled:.3g}" if abs(scaled) < 1000 else f"{scaled:,.0f}"
    return f"{text} {unit}".rstrip()
