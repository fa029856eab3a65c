"""A picture of the chip as SVG: cores where they stand, coloured by layer, load or energy; links as wide as traffic."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Callable, Iterator
from html import escape

from striate_runtime.profile import CoreProfile, LinkProfile, Profile
from striate_runtime.report import quantity

TILE, GAP, MARGIN, LEGEND = 44, 16, 48, 250
"""Sizes in pixels: a router's tile, the space between tiles that links cross, the frame, the legend's width."""

WIDEST_LINK = 6.0
_UNKNOWN = "#d0d0d0"


def mesh_svg(profile: Profile, colour: str = "layer") -> str:
    """The picture; the same text for the same profile. `colour`: one of COLOURS."""
    chips = sorted({core.chip for core in profile.cores})
    columns = max((core.x for core in profile.cores), default=0) + 1
    rows = max((core.y for core in profile.cores), default=0) + 1
    panel = columns * (TILE + GAP) + MARGIN
    legend = [*COLOURS[colour](profile), *_link_legend(profile)]
    width = MARGIN + panel * max(1, len(chips)) + LEGEND
    height = max(MARGIN + 30 + rows * (TILE + GAP) + MARGIN, 90 + 22 * len(legend))
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        ' font-family="sans-serif" font-size="12" fill="#222">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="{MARGIN}" y="28" font-size="16">{escape(f"{profile.network} on {profile.machine}")}</text>',
    ]
    for index, chip in enumerate(chips):
        left = MARGIN + index * panel
        if len(chips) > 1:
            lines.append(f'<text x="{left}" y="{MARGIN + 6}">chip {chip}</text>')
        lines += _links([link for link in profile.links if link.chip == chip], _busiest(profile), left)
        lines += _tiles([core for core in profile.cores if core.chip == chip], _fills(profile, colour), left)
    lines += _legend(legend, MARGIN + panel * max(1, len(chips)))
    return "\n".join([*lines, "</svg>", ""])


# -- cores


def _tiles(cores: list[CoreProfile], fills: dict[int, str], left: int) -> Iterator[str]:
    """A square for each router's cores, which share it."""
    places: dict[tuple[int, int], list[CoreProfile]] = {}
    for core in cores:
        places.setdefault((core.x, core.y), []).append(core)
    for (x, y), here in sorted(places.items()):
        side = math.ceil(math.sqrt(len(here)))
        cell = TILE / side
        for n, core in enumerate(sorted(here, key=lambda core: core.core)):
            at_x, at_y = _corner(x, left) + n % side * cell, _corner(y, MARGIN + 14) + n // side * cell
            tip = f"core {core.core}, {core.layer}: {_load(core):,.6g} synaptic operations, {_shown(_energy(core))}"
            yield (
                f'<rect x="{at_x:.1f}" y="{at_y:.1f}" width="{cell:.1f}" height="{cell:.1f}" fill="{fills[core.core]}"'
                f' stroke="white"><title>{escape(tip)}</title></rect>'
            )
        yield (
            f'<rect x="{_corner(x, left)}" y="{_corner(y, MARGIN + 14)}" width="{TILE}" height="{TILE}" fill="none"'
            ' stroke="#555"/>'
        )


def _corner(index: int, start: int) -> int:
    return start + index * (TILE + GAP)


# -- links


def _links(links: list[LinkProfile], busiest: float, left: int) -> Iterator[str]:
    """A line for each direction, to the right of its way."""
    for link in links:
        (dx, dy), aside = (link.to_x - link.x, link.to_y - link.y), TILE / 6
        x0, y0, x1, y1 = (
            _corner(place, start) + TILE / 2 + shift * aside
            for place, start, shift in (
                (link.x, left, -dy),
                (link.y, MARGIN + 14, dx),
                (link.to_x, left, -dy),
                (link.to_y, MARGIN + 14, dx),
            )
        )
        wide = max(0.5, WIDEST_LINK * link.messages / busiest)
        yield (
            f'<line x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}" stroke="#777" stroke-width="{wide:.2f}">'
            f"<title>({link.x}, {link.y}) to ({link.to_x}, {link.to_y}): {link.messages:,.6g} messages</title></line>"
        )


def _busiest(profile: Profile) -> float:
    return max((link.messages for link in profile.links), default=0.0)


# -- colours and the legend

Entry = tuple[str, str, float]
"""A swatch's colour, its text, and for a line its width (0 for a square)."""


def _by_layer(profile: Profile) -> list[Entry]:
    return [("", "layer", 0), *((_hue(n), layer, 0) for n, layer in enumerate(_layers(profile)))]


def _by_load(profile: Profile) -> list[Entry]:
    return _ramp("synaptic operations / sample", [_load(core) for core in profile.cores], quantity.count)


def _by_energy(profile: Profile) -> list[Entry]:
    return _ramp("energy / sample", [_energy(core) for core in profile.cores], quantity.energy)


COLOURS: dict[str, Callable[[Profile], list[Entry]]] = {"layer": _by_layer, "load": _by_load, "energy": _by_energy}
"""What a core's colour can stand for, and the legend that says so."""


def _fills(profile: Profile, colour: str) -> dict[int, str]:
    if colour == "layer":
        hues = {layer: _hue(n) for n, layer in enumerate(_layers(profile))}
        return {core.core: hues[core.layer] for core in profile.cores}
    amount = _load if colour == "load" else _energy
    largest = max((amount(core) or 0.0 for core in profile.cores), default=0.0)
    return {core.core: _shade(amount(core), largest) for core in profile.cores}


def _ramp(title: str, values: list[float | None], show: Callable[[float], str]) -> list[Entry]:
    largest = max((value or 0.0 for value in values), default=0.0)
    unknown = [(_UNKNOWN, "unknown", 0.0)] if None in values else []
    if largest == 0:
        return [("", title, 0), ("#ffffff", "0", 0), *unknown]
    marks = [(_shade(largest * part, largest), show(largest * part), 0.0) for part in (0.25, 0.5, 0.75, 1.0)]
    return [("", title, 0), ("#ffffff", "0", 0), *marks, *unknown]


def _link_legend(profile: Profile) -> list[Entry]:
    busiest = _busiest(profile)
    if not busiest:
        return []
    marks = [("#777", quantity.count(busiest * part), WIDEST_LINK * part) for part in (0.1, 0.5, 1.0)]
    return [("", "messages / sample on a link", 0), *marks]


def _legend(entries: list[Entry], left: int) -> Iterator[str]:
    for n, (fill, text, wide) in enumerate(entries):
        y = 64 + 22 * n
        if not fill:
            yield f'<text x="{left}" y="{y + 11}" font-weight="bold">{escape(text)}</text>'
            continue
        swatch = (
            f'<line x1="{left}" y1="{y + 7}" x2="{left + 24}" y2="{y + 7}" stroke="{fill}" stroke-width="{wide:.2f}"/>'
            if wide
            else f'<rect x="{left}" y="{y}" width="24" height="14" fill="{fill}" stroke="#555"/>'
        )
        yield f'{swatch}<text x="{left + 32}" y="{y + 11}">{escape(text)}</text>'


def _layers(profile: Profile) -> list[str]:
    return list(dict.fromkeys(core.layer for core in profile.cores))


def _hue(n: int) -> str:
    """Neighbouring layers get hues far apart (the golden angle)."""
    red, green, blue = colorsys.hls_to_rgb(n * 0.381966 % 1, (0.62, 0.48, 0.74)[n % 3], 0.6)
    return f"#{round(255 * red):02x}{round(255 * green):02x}{round(255 * blue):02x}"


def _shade(value: float | None, largest: float) -> str:
    """White for nothing to dark blue for the largest."""
    if value is None:
        return _UNKNOWN
    part = value / largest if largest else 0.0
    return f"rgb({255 - 247 * part:.0f}, {255 - 207 * part:.0f}, {255 - 148 * part:.0f})"


def _load(core: CoreProfile) -> float:
    return core.counts.get("synops", 0.0)


def _energy(core: CoreProfile) -> float | None:
    known = [value for value in core.energy_uj.values() if value is not None]
    return sum(known) if known else None


def _shown(energy_uj: float | None) -> str:
    return "energy unknown" if energy_uj is None else quantity.energy(energy_uj)
