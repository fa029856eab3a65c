"""Where a chip program's populations lie: core by core, with what each uses of every limit."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

from striate_runtime.program import Program
from striate_runtime.program.neuromorphic import Core, NeuromorphicBody, Usage


def mapping_text(program: Program) -> str:
    """A row for each core: layer, block, place, and every resource as used / limit / %, the binding one marked `*`."""
    if program.target == "gpu":
        return f"{program.machine} has no cores to map to: 'plan' shows its memory\n"
    body = msgspec.convert(program.body, NeuromorphicBody)
    labels = _labels(body)
    wide = max([14, *(len(label) for label in labels.values())])
    head = f"{'core':>4} {'chip':>4} {'x,y':>7} {'layer':<{wide}} {'channels':>10} {'rows':>8} {'columns':>8}"
    lines = [f"{head}  uses of its limits (* binds)"]
    for core in body.cores:
        channels, rows, columns = (f"{low}..{high - 1}" for low, high in (core.channels, core.rows, core.columns))
        place, label = f"{core.x},{core.y}", labels[core.population]
        block = f"{core.index:>4} {core.chip:>4} {place:>7} {label:<{wide}} {channels:>10} {rows:>8} {columns:>8}"
        lines.append(f"{block}  {_uses(core)}")
    per_layer = Counter(labels[core.population] for core in body.cores)
    chips = len({core.chip for core in body.cores})
    on = f" on {chips} chips" if chips > 1 else ""
    lines.append(f"{len(body.cores)} cores{on}: " + ", ".join(f"{layer} {count}" for layer, count in per_layer.items()))
    fullest = [usage for core in body.cores if (usage := binding(core)) is not None]
    bound = Counter(usage.resource for usage in fullest).most_common()
    lines += [f"binding: {', '.join(f'{resource} on {count}' for resource, count in bound)}"] if bound else []
    lines += [f"note: {remark}" for remark in body.uncounted]
    return "\n".join(lines) + "\n"


def mapping_data(program: Program) -> dict[str, Any]:
    """The same as plain data: `cores` with `uses` by resource (limit and share None where none is published)."""
    body = msgspec.convert(program.body, NeuromorphicBody)
    layers = {population.name: population.layer for population in body.populations}
    return {
        "network": program.network,
        "machine": program.machine,
        "cores": [
            {
                "core": core.index,
                "chip": core.chip,
                "x": core.x,
                "y": core.y,
                "layer": layers[core.population],
                "population": core.population,
                "channels": core.channels,
                "rows": core.rows,
                "columns": core.columns,
                "spare_columns": core.spare_columns,
                "uses": {
                    usage.resource: {
                        "used": usage.used,
                        "limit": usage.limit,
                        "share": fullness(usage) if usage.limit else None,
                    }
                    for usage in core.usage
                },
                "binding": usage.resource if (usage := binding(core)) is not None else None,
            }
            for core in body.cores
        ],
        "notes": body.uncounted,
    }


def binding(core: Core) -> Usage | None:
    """What a core has least left of, of all that it uses and has a published limit for."""
    limited = [usage for usage in core.usage if usage.limit]
    return max(limited, key=fullness, default=None)


def fullness(usage: Usage) -> float:
    """The share of the limit that is used; 0 where no limit is published."""
    return usage.used / usage.limit if usage.limit else 0.0


def _labels(body: NeuromorphicBody) -> dict[str, str]:
    """population -> its layer, and the population where the layer has more than one on cores."""
    held = {core.population for core in body.cores}
    layers = {population.name: population.layer for population in body.populations if population.name in held}
    several = {layer for layer, count in Counter(layers.values()).items() if count > 1}
    return {name: f"{layer} ({name})" if layer in several else layer for name, layer in layers.items()}


def _uses(core: Core) -> str:
    fullest = binding(core)
    return " · ".join(f"{'*' if usage is fullest else ''}{_use(usage)}" for usage in core.usage)


def _use(usage: Usage) -> str:
    if usage.limit is None:
        return f"{usage.resource} {usage.used:,} (no limit published)"
    return f"{usage.resource} {usage.used:,}/{usage.limit:,} {fullness(usage):.0%}"
