"""Chips that are described but that nothing is compiled for yet: what about them codings and mapping cannot honour."""

from __future__ import annotations

from striate_runtime.hardware import Chip, Hardware

NO_STEPS = "{title} has no time step, and every coding sends at steps"
POWERS = "a core of {title} holds one layer, and cores differ; the partition cuts layers over cores that are alike"
DIRECT = "the cores of {title} are connected directly, and places are chosen on a mesh"

REASONS = {
    ("time", "model", "async_event"): NO_STEPS,
    ("packing", "kind", "pow2_kernel"): POWERS,
    ("topology", "routing", "direct"): DIRECT,
}
"""(section, field, value) of a chip's description -> why."""


def holds_one_layer(chip: Chip) -> bool:
    """Whether each core holds one layer, by planes of powers of two, and events travel without steps (one_layer.py)."""
    return chip.packing.kind == "pow2_kernel" and chip.time.model == "async_event"


def refuses(hardware: Hardware) -> tuple[str, ...]:
    """Every reason why no network can be compiled for this chip; none where one can."""
    assert isinstance(hardware, Chip), f"'{hardware.name}' is no neuromorphic chip"
    if holds_one_layer(hardware):
        return ()
    return tuple(
        reason.format(title=hardware.title)
        for (section, field, value), reason in REASONS.items()
        if getattr(getattr(hardware, section), field) == value
    )
