"""The target itself: its options, and the way from a graph to a program."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, cast

from striate.diagnostics import CompileError, Diagnostic
from striate.graph import Graph
from striate.targets.neuromorphic.delta import Delta
from striate.targets.neuromorphic.demand import Slabs
from striate.targets.neuromorphic.graded import Graded
from striate.targets.neuromorphic.lower import write_program
from striate.targets.neuromorphic.rate import FULL_SCALE_PERCENTILE, Rate
from striate.targets.neuromorphic.refuse import refuses
from striate.targets.schema import Option, Request, Target
from striate.tensor import Array
from striate_runtime.hardware import Chip, Hardware
from striate_runtime.program import Program

PAYLOAD_BITS = 8
"""What one event must carry in the codings `graded` and `delta`."""
Coding = Literal["graded", "rate", "delta"]
BELONGS: dict[str, tuple[Coding, ...]] = {
    "steps": ("rate", "delta"),
    "percentile": ("rate",),
    "threshold": ("delta",),
}
"""Options that mean something to some codings only."""


def compile_for_neuromorphic(
    graph: Graph,
    *,
    coding: Coding,
    steps: int,
    hardware: Hardware,
    machine: str,
    calibration: Mapping[str, Array] | None,
    percentile: float = FULL_SCALE_PERCENTILE,
    seed: int = 0,
    slabs: Slabs = "even",
    threshold: int = 0,
) -> Program:
    """The program of a graph for one chip.

    `graded` takes the quantized graph, and as many steps as it is deep, whatever `steps` says. `rate` takes the float
    graph with its batch_norms folded, and `calibration` `[N, *shape]`; `steps` is how long an input is shown, and the
    program takes as many more as the network is deep. `delta` takes the quantized graph and streams of `steps` frames,
    and sends no change smaller than `threshold`. `slabs` is how columns are cut, and `seed` orders the placement's
    swaps.
    Raises CompileError: cannot-lower, does-not-fit.
    """
    TARGET.admit(hardware)
    assert isinstance(hardware, Chip), f"'{hardware.name}' is no neuromorphic chip"
    if coding != "rate":
        _check_payload(hardware, coding)
    if coding == "graded":
        encoded = Graded(graph, hardware).run()
    elif coding == "delta":
        encoded = Delta(graph, hardware, steps, threshold).run()
    else:
        assert calibration is not None, "the coding 'rate' takes its full scales from calibration data"
        encoded = Rate(graph, hardware, steps, calibration, percentile).run()
    return write_program(graph, encoded, hardware, machine, seed, slabs)


def _check_payload(chip: Chip, coding: Coding) -> None:
    bits = chip.numerics.payload_bits.value
    if bits is not None and bits < PAYLOAD_BITS:
        message = f"an event of {chip.title} carries {bits} bits, and the coding '{coding}' takes {PAYLOAD_BITS}"
        raise CompileError(Diagnostic("cannot-lower", message, help="use coding=rate"))


def _compile(request: Request) -> Program:
    coding = cast(Coding, str(request.options["coding"]))
    for name, codings in BELONGS.items():
        if name in request.machine.options and coding not in codings:
            message = f"'{name}' belongs to {' and '.join(f'coding={other}' for other in codings)}; {_OWN[coding]}"
            raise CompileError(Diagnostic("bad-machine", message, request.machine.span, help=f"leave '{name}' out"))
    return compile_for_neuromorphic(
        request.graph,
        coding=coding,
        steps=_frames(request) if coding == "delta" else int(request.options["steps"]),
        hardware=request.hardware,
        machine=str(request.machine),
        calibration=request.calibration() if coding == "rate" else None,
        percentile=float(request.options["percentile"]),
        seed=int(request.options["seed"]),
        slabs=cast(Slabs, str(request.options["slabs"])),
        threshold=int(request.options["threshold"]),
    )


_OWN: dict[Coding, str] = {
    "graded": "coding=graded is exact, in as many steps as the network is deep",
    "rate": "coding=rate sends spikes, whose number is the value",
    "delta": "coding=delta takes one step for each frame, and as many more as the network is deep",
}


def _frames(request: Request) -> int:
    """How many frames a stream has: what the options say, else the data."""
    frames = request.machine.options.get("steps", request.steps)
    if frames is None:
        message = "coding=delta takes streams, and nothing says of how many frames"
        help = "name data whose arrays are [N, T, *shape], or write how many: coding=delta, steps=16"
        raise CompileError(Diagnostic("bad-machine", message, request.machine.span, help=help))
    return int(frames)


TARGET = Target(
    "neuromorphic",
    (
        Option("coding", "graded", ("graded", "rate", "delta"), "how a number travels as events"),
        Option(
            "steps",
            64,
            (1, 65536),
            "rate: how many time steps an input is shown; delta: frames in a stream (left out: as many as the data's)",
        ),
        Option("threshold", 0, (0, 255), "delta: the smallest change of an 8-bit activation that is sent (0: any)"),
        Option(
            "percentile",
            FULL_SCALE_PERCENTILE,
            (50.0, 100.0),
            "rate: the percentile of a layer's activations that is its full scale (100: the largest)",
        ),
        Option(
            "slabs",
            "even",
            ("even", "power_of_two"),
            "how columns are cut: evenly, or by powers of two with the last slab padded, as PilotNet is on Loihi 2",
        ),
        Option("seed", 0, (0, 2**31 - 1), "orders the placement's swaps"),
    ),
    computes_in_integers=lambda options: options["coding"] != "rate",
    takes_streams=lambda options: options["coding"] == "delta",
    compile=_compile,
    refuses=refuses,
)
"""Compiles for chips."""
