"""Which candidate of each launch was chosen on a device, and why not the others; remembered in the user's cache."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

import msgspec

from striate_runtime.gpu.driver import Properties
from striate_runtime.gpu.plan import Plan
from striate_runtime.program import Program


class Rejected(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A candidate that will not be run, and why."""

    candidate: int
    reason: str


class Choice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The candidate taken for a launch, what one launch of it takes at this batch, and what was turned down."""

    layer: str
    candidate: int
    latency_us: float
    rejected: tuple[Rejected, ...] = ()


class Choices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One choice per launch. `checked_by` says what the candidates were compared with (spec/program.md)."""

    batch: int
    checked_by: str
    launches: tuple[Choice, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of a profile should know."""
        return (
            f"kernels checked by {self.checked_by}",
            *(
                f"{choice.layer}: candidate {rejected.candidate} was rejected: {rejected.reason}"
                for choice in self.launches
                for rejected in choice.rejected
            ),
        )


def recall(program: Program, plan: Plan, properties: Properties, batch: int) -> Choices | None:
    """What was chosen before for this program, GPU, driver and batch; None where nothing fits."""
    try:
        choices = msgspec.json.decode(_place(program, properties, batch).read_bytes(), type=Choices)
    except (OSError, msgspec.MsgspecError):
        return None
    launches = plan.body.launches
    if len(choices.launches) != len(launches):
        return None
    is_possible = all(
        0 <= choice.candidate < len(launch.candidates) and choice.layer == launch.layer
        for choice, launch in zip(choices.launches, launches, strict=True)
    )
    return choices if is_possible else None


def remember(program: Program, properties: Properties, choices: Choices) -> None:
    """Keep the choices. A cache that cannot be written is done without: they are found again next time."""
    place = _place(program, properties, choices.batch)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=place.parent, suffix=".part")
    except OSError:
        return
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(msgspec.json.format(msgspec.json.encode(choices), indent=1))
        os.replace(temporary, place)
    except OSError:
        Path(temporary).unlink(missing_ok=True)


def _place(program: Program, properties: Properties, batch: int) -> Path:
    root = os.environ.get("XDG_CACHE_HOME")
    folder = (Path(root) if root else Path.home() / ".cache") / "striate" / "choices"
    device = f"{properties.name} {properties.multiprocessors} {properties.driver}"
    return folder / f"{program.digest}-{hashlib.sha256(device.encode()).hexdigest()[:8]}-{batch}.json"
