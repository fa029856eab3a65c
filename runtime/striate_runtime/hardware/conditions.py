"""What must hold between the fields of a chip's description: which belong to which, and what contains what."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from striate_runtime.hardware.figure import Limit, Quantity
from striate_runtime.hardware.schema import Chip

Check = Callable[[bool, str, str], None]
"""Raises for a field, with a message, unless something holds."""

BELONGS = {
    "time.model": {
        "barrier_step": ("time.overlap", "time.barrier", "policy.skip_zero_weights"),
        "fixed_tick": ("time.tick_ms",),
        "async_event": ("time.event_one_layer_latency_us", "time.event_all_layers_latency_us"),
    },
    "packing.kind": {
        "loihi_synentry": (),
        "dense_tap": (),
        "crossbar": ("crossbar",),
        "pow2_kernel": ("core_classes", "layer"),
    },
}
"""fact -> its value -> the fields that must be there with it. All but `SHARED` may be there only with it."""

SHARED = ("policy.skip_zero_weights", "time.overlap")
"""Fields that others may have as well."""

CONTAINED = {
    "per-op": (),
    "all-in dynamic": ("cost",),
    "all-in": ("cost", "static"),
}
"""cost.scope -> the sections whose other energies (and powers) the synaptic operations' figure contains."""


MOST_CORES = 4096
"""The largest mesh that cores are placed on: as many as TrueNorth has (64 x 64)."""


def check_conditions(chip: Chip, check: Check) -> None:
    """Check all of it."""
    _check_mesh(chip, check)
    check(chip.time.layer_delay_steps.value != 0, "time.layer_delay_steps", "must be at least 1")
    for fact, values in BELONGS.items():
        for value, fields in values.items():
            for field in fields:
                if _get(chip, fact) == value:
                    reason = f"is missing: a chip whose {fact} is '{value}' has it"
                    check(_get(chip, field) not in (None, ()), field, reason)
                elif field not in SHARED:
                    reason = f"belongs to chips whose {fact} is '{value}', and this one's is '{_get(chip, fact)}'"
                    check(_get(chip, field) in (None, ()), field, reason)
    for section in CONTAINED[chip.cost.scope]:
        _check_contained(chip, section, check)


def _check_mesh(chip: Chip, check: Check) -> None:
    """A chip has a core at least, and no more than can be placed by trying."""
    cores = 1
    for field in ("mesh_width", "mesh_height", "cores_per_router"):
        figure: Limit = getattr(chip.topology, field)
        check(figure.value != 0, f"topology.{field}", "must be at least 1")
        cores *= figure.value or 1
    places = "mesh_width x mesh_height x cores_per_router"
    check(cores <= MOST_CORES, "topology", f"{places} is {cores} cores on a chip, over {MOST_CORES}")


def _check_contained(chip: Chip, section: str, check: Check) -> None:
    """An all-in figure contains the others, so a chip that has one may not have theirs too."""
    part = _get(chip, section)
    assert isinstance(part, msgspec.Struct), f"{section} is a section"
    for field in msgspec.structs.fields(part):
        figure = getattr(part, field.name)
        spent = field.name.endswith(("_energy_pj", "_power_mw")) and not field.name.startswith("synop_")
        if isinstance(figure, Quantity) and spent:
            reason = "must be unknown: cost.scope says that the synaptic operations' figure contains it"
            check(figure.value is None, f"{section}.{field.name}", reason)


def _get(chip: Chip, path: str) -> object:
    value: object = chip
    for name in path.split("."):
        value = getattr(value, name)
    return value
