"""Comparisons and profiles as tables for a terminal."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from striate_runtime.compare import Comparison, Result, verdict
from striate_runtime.profile import ENERGY_PARTS, Energy, Figure, Profile
from striate_runtime.report import quantity


def comparison_table(comparison: Comparison) -> RenderableType:
    """One row per machine, then what the totals leave out, accuracy by steps, and the verdict."""
    table = Table(title=_title(comparison), title_justify="left", show_lines=True, expand=False)
    table.add_column("machine", style="bold", overflow="fold")
    for heading in ("accuracy", "agrees", "time / sample", "energy / sample", "memory"):
        table.add_column(heading, justify="right")
    table.add_column("energy by part")
    table.add_column("basis")
    for result in comparison.results:
        table.add_row(*_cells(result))
    return Group(table, *_remarks(comparison), Text(), *(Text(sentence) for sentence in verdict(comparison)))


def profile_table(profile: Profile) -> RenderableType:
    """One profile in full: the figures, then a row per layer."""
    head = Table(show_header=False, box=None)
    latency, total = profile.latency_us, profile.energy_uj.total
    head.add_row("latency", _banded(latency, quantity.duration), latency.basis, latency.note)
    for level, figure in profile.levels.items() if len(profile.levels) > 1 else ():
        head.add_row(f"  timing {level}", _banded(figure, quantity.duration), figure.basis, figure.note)
    head.add_row("energy", _banded(total, quantity.energy), total.basis, total.note)
    for part, figure in profile.energy_uj.stack.items():
        head.add_row(f"  {part}", _banded(figure, quantity.energy), figure.basis, figure.source)
    for name, value in profile.memory_bytes.items():
        head.add_row(f"memory: {name}", quantity.size(value))
    for name, value in profile.counts.items():
        if value:
            head.add_row(name.replace("_", " "), quantity.count(value))
    fallback = [Text(profile.fallback, style="yellow")] if profile.fallback else []
    title = Text(f"{profile.network} on {profile.machine}", style="bold")
    return Group(title, *fallback, head, _layers(profile), *_details(profile), *_warnings(profile))


def _banded(figure: Figure, show: Callable[[float | None], str]) -> str:
    """A figure, and the band that it lies in where one is known."""
    if figure.low is None and figure.high is None:
        return show(figure.value)
    low, high = (figure.value if edge is None else edge for edge in (figure.low, figure.high))
    return f"{show(figure.value)} ({show(low)} to {show(high)})"


def _layers(profile: Profile) -> Table:
    """A row per layer. What is 0 in every layer has no column; it is in the JSON and the CSV."""
    table = Table(title="by layer, per sample", title_justify="left")
    counts = list(dict.fromkeys(name for layer in profile.layers for name, value in layer.counts.items() if value))
    timed = any(layer.latency_us is not None for layer in profile.layers)
    for heading in ("layer", "operator"):
        table.add_column(heading, overflow="fold")
    for heading in (*(["time"] if timed else []), "energy", *(name.replace("_", " ") for name in counts)):
        table.add_column(heading, justify="right")
    for layer in profile.layers:
        known = [value for value in layer.energy_uj.values() if value is not None]
        table.add_row(
            layer.layer,
            layer.operator,
            *([quantity.duration(layer.latency_us)] if timed else []),
            quantity.energy(sum(known) if known else None),
            *(quantity.count(layer.counts.get(name)) for name in counts),
        )
    return table


def cores_table(profile: Profile) -> Table:
    """A row per core, per sample; what is 0 on every core has no column."""
    table = Table(title="by core, per sample", title_justify="left")
    counts = list(dict.fromkeys(name for core in profile.cores for name, value in core.counts.items() if value))
    for heading in ("core", "layer", "chip", "x", "y", "energy", *(name.replace("_", " ") for name in counts)):
        table.add_column(heading, justify="left" if heading == "layer" else "right")
    for core in profile.cores:
        known = [value for value in core.energy_uj.values() if value is not None]
        place = (str(core.core), core.layer, str(core.chip), str(core.x), str(core.y))
        energy = quantity.energy(sum(known) if known else None)
        table.add_row(*place, energy, *(quantity.count(core.counts.get(name)) for name in counts))
    return table


def _details(profile: Profile) -> list[Text]:
    """What the device remarked, and what its total leaves out."""
    missing = [f"not counted: {'; '.join(profile.energy_uj.uncounted)}"] if profile.energy_uj.uncounted else []
    return [Text(line, style="dim") for line in (*profile.notes, *missing)]


def _title(comparison: Comparison) -> str:
    samples = f"{comparison.samples:,} samples of {comparison.data}"
    return f"{comparison.network}: {samples}; the f32 reference scores {quantity.share(comparison.reference_accuracy)}"


def _cells(result: Result) -> tuple[RenderableType, ...]:
    profile = result.profile
    agrees = quantity.share(result.agreement)
    if result.exact is not None:
        agrees += "\nbit-exact" if result.exact else "\nNOT bit-exact"
    latency = quantity.duration(profile.latency_us.value)
    if profile.latency_us.high is not None:
        latency += f" to\n{quantity.duration(profile.latency_us.high)}"
    latency += f"\nbatch {profile.batch}" if profile.batch > 1 or not profile.steps else ""
    latency += f"\n{profile.steps} steps" if profile.steps else ""
    if len(profile.levels) > 1:
        latency += f"\ntiming {list(profile.levels)[-1]}"
    name = Text(profile.machine)
    if not profile.valid:
        name.append("\nNOT VALID", style="bold red")
    return (
        name,
        quantity.share(result.accuracy),
        agrees,
        latency,
        _energy(profile.energy_uj.total),
        "\n".join(
            f"{n} {quantity.size(v)}" for n, v in profile.memory_bytes.items() if not n.endswith("without_reuse")
        ),
        _stack(profile.energy_uj),
        _bases(profile),
    )


def _energy(total: Figure) -> str:
    text = quantity.energy(total.value)
    if total.low is not None and total.high is not None:
        text += f"\n{quantity.energy(total.low)} to\n{quantity.energy(total.high)}"
    return text


def _stack(energy: Energy) -> str:
    known = sum(figure.value for figure in energy.stack.values() if figure.value)
    rows: list[str] = []
    for part in sorted(energy.stack, key=ENERGY_PARTS.index):
        figure = energy.stack[part]
        share = f" ({figure.value / known:.0%})" if figure.value and known else ""
        amount = "in synapse" if figure.note == "contained in synapse" else f"{quantity.energy(figure.value)}{share}"
        rows.append(f"{part} {amount}")
    return "\n".join(rows)


def _bases(profile: Profile) -> str:
    latency, energy = profile.latency_us.basis, profile.energy_uj.total.basis
    return latency if latency == energy else f"time {latency}\nenergy {energy}"


def _remarks(comparison: Comparison) -> list[Text]:
    """What the rows leave unsaid, each sentence once, with the machines it holds for."""
    lines = [
        Text(f"{r.profile.machine}, accuracy after so many steps, the network's depth included: {_by_steps(r)}")
        for r in comparison.results
        if r.accuracy_at_steps
    ]
    remarks: dict[str, list[str]] = {}
    for result in comparison.results:
        profile = result.profile
        energy = profile.energy_uj
        missing = f"not counted: {'; '.join(energy.uncounted)}" if energy.uncounted else ""
        for remark in (profile.fallback, f"time: {profile.latency_us.note}", f"energy: {energy.total.note}", missing):
            if remark and not remark.endswith(": "):
                remarks.setdefault(remark, []).append(profile.machine)
    lines += [Text(f"{', '.join(machines)}: {remark}", style="dim") for remark, machines in remarks.items()]
    lines += [Text(note, style="yellow") for note in comparison.notes]
    return lines + [warning for result in comparison.results for warning in _warnings(result.profile)]


def _by_steps(result: Result) -> str:
    return " · ".join(f"{steps}: {quantity.share(share)}" for steps, share in result.accuracy_at_steps.items())


def _warnings(profile: Profile) -> list[Text]:
    return [Text(f"{profile.machine}: {p.message}. {p.knob}", style="red") for p in profile.problems]
