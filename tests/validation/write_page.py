"""Writes spec/validation.md from the published data beside the repository: python tests/validation/write_page.py"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from peer_sections import sections
from pilotnet import Layer, read_layers
from pilotnet_evidence import (
    COUNTS_PER_READING,
    DYNAMIC_UJ_PER_STEP,
    Compared,
    Counter,
    Run,
    compare_traces,
    measured_step_us,
    run_silent,
    step_errors_us,
)
from pilotnet_sdnn import COUNTS_PER_READING as SDNN_COUNTS_PER_READING
from pilotnet_sdnn import RUN_STEPS as SDNN_RUN_STEPS
from pilotnet_sdnn import Compared as SdnnCompared
from pilotnet_sdnn import Updates, compare_updates
from pilotnet_sdnn import compare_traces as compare_sdnn_traces

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "spec" / "validation.md"
TEMPLATE = Path(__file__).parent / "page.md"


def page(layers: list[Layer]) -> str:
    """The whole page."""
    traces, run, direct = compare_traces(layers), run_silent(layers, 2), run_silent(layers, 1)
    parts = {
        "summary": _summary(traces, run, direct),
        "traces": _traces(traces),
        "counters": _counters(run),
        "steps": _steps(run, direct),
        **sections(),
        "sdnn": _sdnn(compare_sdnn_traces(), compare_updates(layers)),
    }
    text = TEMPLATE.read_text("utf-8")
    for name, part in parts.items():
        text = text.replace(f"{{{name}}}", part)
    return text


def _summary(traces: list[Compared], run: Run, direct: Run) -> str:
    matching = [row for row in traces if row.layer != "fc-3"]
    last = [row for row in traces if row.layer == "fc-3"]
    inner = [row for row in run.synops if not row.last_slab]
    outer = [row for row in run.synops if row.last_slab]
    updates = [row for row in run.updates if not row.last_slab]
    outer_updates = [row for row in run.updates if row.last_slab]
    errors, other = (np.abs(step_errors_us(r)[1]).mean() / measured_step_us().mean() for r in (run, direct))
    low, value, high = run.energy_uj
    readable = max(abs(row.emulated - row.measured) for row in run.updates)
    wrong, wrong_last = (sum(row.mismatches for row in rows) for rows in (matching, last))
    rows = [
        (
            "u, v, spikes of the 5 convolutions and `fc-0` to `fc-2`, 24 steps",
            "0 differ",
            _of(wrong, matching),
            wrong == 0,
        ),
        ("u, v, spikes of `fc-3`, 24 steps", "0 differ", _of(wrong_last, last), wrong_last == 0),
        ("synaptic operations, cores but each layer's last", "1 %", *_within(inner, 0.01)),
        ("synaptic operations, each layer's last core", "6 %", *_within(outer, 0.06)),
        ("neuron updates, cores but each layer's last", "1 %", *_within(updates, 0.01)),
        ("neuron updates, each layer's last core", "6 %", *_within(outer_updates, 0.06)),
        (
            "neuron updates, all cores",
            f"reading error, {COUNTS_PER_READING / 1e6:.1f} M",
            f"at most {readable / 1e6:.1f} M",
            readable <= COUNTS_PER_READING,
        ),
        ("128 step times, latency 2", "5 %", f"{errors:.1%} mean absolute error", errors <= 0.05),
        ("128 step times, latency 1", "5 %", f"{other:.1%} mean absolute error", other <= 0.05),
        (
            "dynamic energy of a step (fitted on itself)",
            f"{DYNAMIC_UJ_PER_STEP:.1f} uJ in the band",
            f"{value:.1f} uJ, {low:.1f} to {high:.1f}",
            low <= DYNAMIC_UJ_PER_STEP <= high,
        ),
    ]
    lines = ["| what | to hold within | result | holds |", "|---|---|---|---|"]
    lines += [
        f"| {what} | {limit} | {result} | {'yes' if holds else '**no**'} |" for what, limit, result, holds in rows
    ]
    return "\n".join(lines)


def _of(wrong: int, rows: list[Compared]) -> str:
    return f"{wrong:,} of {sum(row.values for row in rows):,} differ"


def _within(rows: list[Counter], limit: float) -> tuple[str, bool]:
    inside = [row for row in rows if abs(row.error) <= limit]
    worst = max(rows, key=lambda row: abs(row.error))
    return f"{len(inside)} of {len(rows)} cores; worst {worst.error:+.1%} (core {worst.core})", len(inside) == len(rows)


def _traces(rows: list[Compared]) -> str:
    lines = ["## Traces: values that differ, of 24 steps", "", "| layer | u | v | spikes |", "|---|---|---|---|"]
    for layer in dict.fromkeys(row.layer for row in rows):
        cells = {row.what: f"{row.mismatches:,} of {row.values:,}" for row in rows if row.layer == layer}
        lines.append(
            f"| {layer} | " + " | ".join(cells.get(what, "not published") for what in ("u", "v", "spikes")) + " |"
        )
    return "\n".join(lines)


def _counters(run: Run) -> str:
    synops = {row.core: row for row in run.synops}
    lines = [
        "## Counters over 10,000 steps, in millions",
        "",
        "Emulated: the mean of the last 128 of 192 steps. A core whose curve was hidden has no measured number.",
        "Neuron updates are two passes over every configured neuron, and one for each spike.",
        "",
        "| core | layer | synaptic operations | measured | error | neuron updates | measured | error |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in run.updates:
        own = synops.get(row.core)
        cells = _cells(own) if own else "| 0 | | |"
        lines.append(f"| {row.core} | {row.layer}{', last' if row.last_slab else ''} {cells[:-1]}{_cells(row)}")
    return "\n".join(lines)


def _cells(row: Counter) -> str:
    return f"| {row.emulated / 1e6:,.1f} | {row.measured / 1e6:,.1f} | {row.error:+.1%} |"


def _steps(run: Run, direct: Run) -> str:
    measured = measured_step_us()
    (by_two, two), (by_one, one) = step_errors_us(run), step_errors_us(direct)
    lines = [
        "## Step times, in us",
        "",
        f"All 128: measured {measured.mean():.1f} on average, emulated {(measured + two).mean():.1f} (latency 2) and"
        f" {(measured + one).mean():.1f} (latency 1). A step takes as long as the busiest core's",
        "synaptic operations, and the barrier of 0.2 us (the vendor's bound). Published time b is emulated step"
        f" b + {by_two} (latency 2) or b + {by_one} (latency 1).",
        "",
        "| step time | measured | latency 2 | latency 1 |",
        "|---|---|---|---|",
    ]
    for index in range(20):
        own, other = measured[index] + two[index], measured[index] + one[index]
        lines.append(f"| {index} | {measured[index]:.1f} | {own:.1f} | {other:.1f} |")
    return "\n".join(lines)


def _sdnn(traces: list[SdnnCompared], updates: list[Updates]) -> str:
    lines = ["| trace | values | differ, lava's rounding | differ, `delta`'s |", "|---|---|---|---|"]
    lines += [f"| {row.what} | {row.values:,} | {row.as_lava:,} | {row.as_delta:,} |" for row in traces]
    lines += [
        "",
        f"Neuron updates of a core over the run's {SDNN_RUN_STEPS:,} steps, in millions; a reading is exact to"
        f" {SDNN_COUNTS_PER_READING / 1e6:.2f}:",
        "",
        "| layer | cores | two for each configured neuron and step | measured | largest error, in readings |",
        "|---|---|---|---|---|",
    ]
    for row in updates:
        worst = max(abs(row.counted - value) for value in row.measured) / SDNN_COUNTS_PER_READING
        measured = " to ".join(dict.fromkeys(f"{value / 1e6:.2f}" for value in (min(row.measured), max(row.measured))))
        lines.append(f"| {row.layer} | {row.cores} | {row.counted / 1e6:.2f} | {measured} | {worst:.2f} |")
    return "\n".join(lines)


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(read_layers()), "utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
