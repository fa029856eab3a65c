"""The target itself: its options, and the way from a graph to a program."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, cast

from striate.diagnostics import CompileError, Diagnostic, Span
from striate.graph import Graph
from striate.targets.neuromorphic.codings.crossbar_rate import CrossbarRate
from striate.targets.neuromorphic.codings.delta import Delta
from striate.targets.neuromorphic.codings.event_native import EventNative
from striate.targets.neuromorphic.codings.event_rate import EventRate
from striate.targets.neuromorphic.codings.few_levels import FEWEST_TYPES, MOST_TYPES
from striate.targets.neuromorphic.codings.graded import Graded
from striate.targets.neuromorphic.codings.native import Native
from striate.targets.neuromorphic.codings.rate import FULL_SCALE_PERCENTILE, Rate
from striate.targets.neuromorphic.codings.sum_pools import fold_average_pools
from striate.targets.neuromorphic.lower import as_program, spans_of, write_program
from striate.targets.neuromorphic.mapping.demand import Slabs
from striate.targets.neuromorphic.mapping.one_layer import assign_layers
from striate.targets.neuromorphic.refuse import holds_one_layer, refuses
from striate.targets.schema import Option, Request, Target
from striate.tensor import Array
from striate_runtime.hardware import Chip, Hardware
from striate_runtime.program import Program

FEWEST_WEIGHT_BITS = 2
"""A sign and a number, but on crossbars."""
PAYLOAD_BITS = 8
"""What one event must carry in the codings `graded` and `delta`."""
Coding = Literal["graded", "rate", "delta", "native"]
TAKES: dict[Coding, tuple[str, ...]] = {
    "graded": (),
    "rate": ("steps", "percentile", "types"),
    "delta": ("steps", "threshold"),
    "native": ("steps",),
}
"""coding -> which of the options that not every coding has a use for it takes."""


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
    chips: int = 0,
    pin: str = "",
    types: int = MOST_TYPES,
    span: Span | None = None,
) -> Program:
    """The program of a graph for one chip.

    `graded` takes the quantized graph, and as many steps as it is deep, whatever `steps` says. `rate` takes the float
    graph with its batch_norms folded, and `calibration` `[N, *shape]`; `steps` is how long an input is shown, and the
    program takes as many more as the network is deep. `delta` takes the quantized graph and streams of `steps` frames,
    and sends no change smaller than `threshold`. `native` takes the quantized graph of a network with time, for samples
    of `steps` steps. Chips without steps take the float graph, under `rate` or `native`. `slabs` is how columns are
    cut, `chips` how many chips of the board may be used (0: all), `pin` which layers stand where, written at `span`;
    `seed` orders the placement's swaps, which go by the traffic on `calibration` data where there are any. `types` is
    how many types of axons `rate` may use on a crossbar.
    Raises CompileError: cannot-lower, does-not-fit, bad-machine.
    """
    TARGET.admit(hardware)
    assert isinstance(hardware, Chip), f"'{hardware.name}' is no neuromorphic chip"
    _check_signs(hardware)
    if holds_one_layer(hardware):
        return _one_layer_a_core(graph, coding, steps, hardware, machine, calibration, percentile, pin, span)
    if coding in ("graded", "delta"):
        _check_payload(hardware, coding)
    if slabs != "even" and hardware.crossbar is not None:
        message = f"slabs={slabs} sets slots aside for no neuron, and a core of {hardware.title} has none to spare"
        raise CompileError(Diagnostic("bad-machine", message, span, help="leave 'slabs' out"))
    if coding == "graded":
        encoded = Graded(graph, hardware).run()
    elif coding == "delta":
        encoded = Delta(graph, hardware, steps, threshold).run()
    elif coding == "native":
        encoded = Native(graph, hardware, steps).run()
    else:
        assert calibration is not None, "the coding 'rate' takes its full scales from calibration data"
        encoded = (
            Rate(graph, hardware, steps, calibration, percentile)
            if hardware.crossbar is None
            else CrossbarRate(graph, hardware, steps, calibration, percentile, types)
        ).run()
    return write_program(
        graph, encoded, hardware, machine, seed, slabs, chips=chips, pin=pin, span=span, calibration=calibration
    )


def _one_layer_a_core(
    graph: Graph,
    coding: Coding,
    steps: int,
    chip: Chip,
    machine: str,
    calibration: Mapping[str, Array] | None,
    percentile: float,
    pin: str,
    span: Span | None,
) -> Program:
    """A program for a chip whose cores hold a layer each, and that has no steps."""
    if coding in ("graded", "delta"):
        message = f"{chip.title} has no time step, and the coding '{coding}' sends at one"
        raise CompileError(Diagnostic("cannot-lower", message, span, help="use coding=rate"))
    if pin:
        message = f"the cores of {chip.title} differ, and layers stand where they fit; 'pin' is for cores alike"
        raise CompileError(Diagnostic("bad-machine", message, span))
    folded = graph.copy()
    pools = fold_average_pools(folded)
    if coding == "native":
        encoded = EventNative(folded, chip, steps).run()
    else:
        assert calibration is not None, "the coding 'rate' takes its full scales from calibration data"
        encoded = EventRate(folded, chip, steps, calibration, percentile).run()
    cores = assign_layers(encoded.encoding, pools, chip, spans_of(folded))
    return as_program(folded, encoded, chip, machine, cores, ())


def _carries_codes(hardware: Hardware) -> bool:
    """Whether an event can carry an activation; taken to, where nobody says how much it carries."""
    bits = hardware.numerics.payload_bits.value if isinstance(hardware, Chip) else None
    return bits is None or bits >= PAYLOAD_BITS


def _check_signs(chip: Chip) -> None:
    bits = chip.numerics.weight_bits.value
    if chip.crossbar is None and bits is not None and bits < FEWEST_WEIGHT_BITS:
        message = f"a synapse of {chip.title} has {bits} bit, and a weight takes {FEWEST_WEIGHT_BITS}"
        help = "one for its sign; a synapse of one bit is what packing.kind = 'crossbar' describes"
        raise CompileError(Diagnostic("cannot-lower", message, help=help))


def _check_payload(chip: Chip, coding: Coding) -> None:
    bits = chip.numerics.payload_bits.value
    if not _carries_codes(chip):
        message = f"an event of {chip.title} carries {bits} bits, and the coding '{coding}' takes {PAYLOAD_BITS}"
        raise CompileError(Diagnostic("cannot-lower", message, help="use coding=rate"))


def _compile(request: Request) -> Program:
    coding, machine = _coding(request), request.machine
    for name in ("steps", "percentile", "threshold", "types"):
        if name in machine.options and name not in TAKES[coding]:
            message = f"'{name}' means nothing to coding={coding}{_EXACT.get(coding, '')}"
            raise CompileError(Diagnostic("bad-machine", message, machine.span, help=f"leave '{name}' out"))
    steps = int(request.options["steps"])
    if coding == "native":
        assert request.steps is not None, "a network with time is compiled for a number of steps"
        steps = request.steps
    return compile_for_neuromorphic(
        request.graph,
        coding=coding,
        steps=_frames(request) if coding == "delta" else steps,
        hardware=request.hardware,
        machine=str(machine),
        calibration=_calibration(request, coding),
        percentile=float(request.options["percentile"]),
        seed=int(request.options["seed"]),
        slabs=cast(Slabs, str(request.options["slabs"])),
        threshold=int(request.options["threshold"]),
        chips=int(request.options["chips"]),
        pin=str(request.options["pin"]),
        types=_types(request),
        span=machine.span,
    )


def _types(request: Request) -> int:
    """How many types of axons `rate` may use. Raises CompileError[bad-machine] where the chip has none."""
    assert isinstance(request.hardware, Chip), f"'{request.hardware.name}' is no neuromorphic chip"
    if "types" in request.machine.options and request.hardware.crossbar is None:
        message = f"'types' is of axons, and those of {request.hardware.title} have none"
        raise CompileError(Diagnostic("bad-machine", message, request.machine.span, help="leave 'types' out"))
    return int(request.options["types"])


def _calibration(request: Request, coding: Coding) -> Mapping[str, Array] | None:
    """The sample inputs, where the coding has a use for them."""
    if coding == "delta" or (coding == "native" and _by_event(request.hardware)):
        return None
    return request.calibration()


_EXACT = {"graded": ", which is exact, in as many steps as the network is deep"}


def _frames(request: Request) -> int:
    """How many frames a stream has: what the options say, else the data."""
    frames = request.machine.options.get("steps", request.steps)
    if frames is None:
        message = "coding=delta takes streams, and nothing says of how many frames"
        help = "name data whose arrays are [N, T, *shape], or write how many: coding=delta, steps=16"
        raise CompileError(Diagnostic("bad-machine", message, request.machine.span, help=help))
    return int(frames)


def _coding(request: Request) -> Coding:
    """The coding asked for, or the one that fits. Raises CompileError[bad-machine] for one that does not."""
    asked, over_time = str(request.options["coding"]), request.graph.dt_s is not None
    by_event = _by_event(request.hardware)
    without = "rate" if by_event else "graded"
    if asked == "auto":
        return "native" if over_time else without
    if over_time != (asked == "native"):
        message, help = (
            (
                f"'{request.graph.name}' runs over time, and coding={asked} shows a network one input",
                "use coding=native" + (", for networks of integrate_and_fire neurons" if by_event else ""),
            )
            if over_time
            else (
                f"'{request.graph.name}' has no time, and coding=native is for a network's own neurons",
                f"use coding={without if _carries_codes(request.hardware) else 'rate'}",
            )
        )
        raise CompileError(Diagnostic("bad-machine", message, request.machine.span, help=help))
    return cast(Coding, asked)


def _by_event(hardware: Hardware) -> bool:
    return isinstance(hardware, Chip) and holds_one_layer(hardware)


TARGET = Target(
    "neuromorphic",
    (
        Option(
            "coding",
            "auto",
            ("auto", "graded", "rate", "delta", "native"),
            "how a number travels as events (auto: native for networks with time; for others graded, or rate on a chip"
            " without steps)",
        ),
        Option(
            "steps",
            64,
            (1, 65536),
            "rate: how many time steps (or ticks) an input is shown; native, delta: how many steps, or frames, a sample"
            " has (the data's where left out)",
        ),
        Option("threshold", 0, (0, 255), "delta: the smallest change of an 8-bit activation that is sent (0: any)"),
        Option(
            "percentile",
            FULL_SCALE_PERCENTILE,
            (50.0, 100.0),
            "rate: the percentile of a layer's activations that is its full scale (100: the largest)",
        ),
        Option(
            "types",
            MOST_TYPES,
            (FEWEST_TYPES, MOST_TYPES),
            "rate on a crossbar: at most how many types of axons a layer uses (4: weights of 4 bits; 2: trinary)",
        ),
        Option(
            "slabs",
            "even",
            ("even", "power_of_two"),
            "how columns are cut: evenly, or by powers of two with the last slab padded, as PilotNet is on Loihi 2",
        ),
        Option("chips", 0, (0, 4096), "how many chips of the board may be used; 0: as many as it has"),
        Option("pin", "", (), 'the cores that layers stand on, as in "conv1: 0-3; fc1: 7 9"'),
        Option("seed", 0, (0, 2**31 - 1), "orders the placement's swaps"),
    ),
    computes_in_integers=lambda options, hardware: options["coding"] != "rate" and not _by_event(hardware),
    takes_streams=lambda options: options["coding"] == "delta",
    compile=_compile,
    refuses=refuses,
)
"""Compiles for chips."""
