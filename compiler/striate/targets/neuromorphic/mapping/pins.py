"""Layers that the user puts on cores: `pin="conv1: 0-3; fc1: 7 9"`, in the machine's options."""

from __future__ import annotations

import re
from collections.abc import Mapping

from striate.diagnostics import CompileError, Diagnostic, Span, did_you_mean
from striate.targets.neuromorphic.mapping.demand import Blocks
from striate_runtime.program.neuromorphic import Population

Pins = Mapping[str, tuple[int, ...]]
"""Of each layer that is pinned, the cores that it may have, in the order in which its blocks take them."""

_CORES = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?")
AS_IN = 'as in pin="conv1: 0-3; fc1: 7 9", where core 0 is the first at the router (0, 0) of chip 0'


def parse_pins(text: str, cores: int, span: Span | None) -> Pins:
    """The pins that an option's text names. Raises CompileError[bad-machine]; `cores` is how many there are."""
    pins: dict[str, tuple[int, ...]] = {}
    holder: dict[int, str] = {}
    for part in text.split(";") if text.strip() else []:
        layer, colon, listed = part.rpartition(":")
        layer = layer.strip()
        if not colon or not layer:
            raise _wrong(f"'{part.strip()}' in 'pin' names no layer and its cores", span)
        if layer in pins:
            raise _wrong(f"the layer '{layer}' is pinned twice", span)
        pins[layer] = _listed(listed, layer, cores, span)
        for core in pins[layer]:
            if core in holder:
                raise _wrong(f"the layers '{holder[core]}' and '{layer}' are both pinned to core {core}", span)
            holder[core] = layer
    return pins


def pinned_cores(
    pins: Pins, populations: Mapping[str, Population], blocks: Blocks, span: Span | None
) -> dict[int, int]:
    """The core of the program -> the place where it must stand, for all blocks of pinned layers.

    Raises CompileError[bad-machine] for a layer that is not there, or that takes more cores than it was given.
    """
    held: dict[str, list[int]] = {}
    for name, pieces in blocks.items():
        start = sum(len(cores) for cores in held.values())
        held.setdefault(populations[name].layer, []).extend(range(start, start + len(pieces)))
    mistakes: list[Diagnostic] = []
    for layer, places in pins.items():
        if layer not in held:
            message = f"'pin' names the layer '{layer}', which no core holds"
            mistakes.append(Diagnostic("bad-machine", message, span, help=did_you_mean(layer, held)))
        elif len(held[layer]) > len(places):
            message = f"the layer '{layer}' takes {len(held[layer])} cores and is pinned to {len(places)}"
            mistakes.append(Diagnostic("bad-machine", message, span, help="name as many cores at least"))
    if mistakes:
        raise CompileError(mistakes)
    return {core: place for layer, places in pins.items() for core, place in zip(held[layer], places, strict=False)}


def _listed(text: str, layer: str, cores: int, span: Span | None) -> tuple[int, ...]:
    places: list[int] = []
    for part in text.split():
        found = _CORES.fullmatch(part)
        if found is None:
            raise _wrong(f"'{part}' is no core, nor a range of them, that '{layer}' could be pinned to", span)
        first, last = int(found[1]), int(found[2] or found[1])
        if last < first:
            raise _wrong(f"the range {first}-{last} of cores for '{layer}' runs backwards", span)
        if last >= cores:
            raise _wrong(f"'{layer}' is pinned to core {last}, and the last one is {cores - 1}", span)
        places += range(first, last + 1)
    if not places:
        raise _wrong(f"'pin' names no cores for the layer '{layer}'", span)
    repeated = [place for place in places if places.count(place) > 1]
    if repeated:
        raise _wrong(f"the layer '{layer}' is pinned to core {repeated[0]} twice", span)
    return tuple(places)


def _wrong(message: str, span: Span | None) -> CompileError:
    return CompileError(Diagnostic("bad-machine", message, span, help=AS_IN))
