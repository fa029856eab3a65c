"""The sections of spec/validation.md on other simulators, from the results that their scripts have written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
ABSENT = "Not run: there is no {name}. `{command}` writes it."


def sections() -> dict[str, str]:
    """Placeholder of page.md -> text."""
    return {
        "sanafe": _section("sanafe.json", "compare_sanafe.py", _sanafe),
        "neurobench": _section("neurobench.json", "compare_neurobench.py", _neurobench),
        "truenorth": _section("truenorth.json", "compare_truenorth.py", _truenorth),
        "simulators": _section("loihi_simulators.json", "compare_loihi_simulators.py", _simulators),
    }


def _section(name: str, script: str, text: Any) -> str:
    path = RESULTS / name
    if not path.exists():
        return ABSENT.format(name=f"benchmarks/results/{name}", command=f"python tests/validation/{script} --help")
    return text(json.loads(path.read_text("utf-8")))


def _sanafe(results: dict[str, Any]) -> str:
    lines = ["| network | what | here | SANA-FE | to hold within | holds |", "|---|---|---|---|---|---|"]
    for name, result in results.items():
        ours, theirs = result["ours"], result["sanafe"]
        lines += _counts(name, ours, theirs)
        energy, total = ours["energy_uj"], theirs["energy_uj"]
        for label, own, other in (
            ("synapse energy, uJ", energy["synapse"], total["synapse"]),
            ("routing energy, uJ", energy["routing"], total["network"]),
            ("energy, uJ", energy["total"], total["total"]),
        ):
            lines.append(_within(name, label, own, other, 0.01, "1 %"))
        us = ours["us"]
        lines.append(_within(name, "time `simple`, us", us["simple"], theirs["simple_us"], None, ""))
        split = us["simple, as SANA-FE splits steps"]
        lines.append(_within(name, "time `simple`, its steps, us", split, theirs["simple_us"], 1e-6, "1 ppm"))
        lines.append(_within(name, "time `detailed`, us", us["detailed"], theirs["detailed_us"], None, ""))
        lines.append(_within(name, "time `events`, us", us["events"], theirs["detailed_us"], None, ""))
    version = next(iter(results.values()))["sanafe"]["sanafe"]
    head = f"SANA-FE {version}. Times of which nothing is demanded stand beside its nearest model's."
    return "\n".join([head, "", *lines])


def _counts(name: str, ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    counts, rest, perf = ours["counts"], theirs["rest"], theirs["counts"]
    inputs = counts["spikes"] - sum(ours["spikes"].values())
    rows = (
        ("spikes of each layer", " / ".join(map(str, ours["spikes"].values())), _in_order(ours, theirs)),
        ("synaptic operations", counts["synaptic operations"], rest["spikes"]),
        ("messages", counts["messages"], rest["packets_sent"]),
        ("hops", counts["hops"], perf["hops"]),
        ("active neurons", counts["active neurons"], rest["neurons_updated"] - inputs),
        ("the same, and sums of 0", counts["active neurons, and sums of 0"], rest["neurons_updated"] - inputs),
    )
    return [
        f"| {name} | {what} | {_number(own)} | {_number(other)} | equal | {'yes' if own == other else '**no**'} |"
        for what, own, other in rows
    ]


def _in_order(ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    return " / ".join(str(theirs["spikes"].get(layer, 0)) for layer in ours["spikes"])


def _within(name: str, what: str, own: float, other: float, limit: float | None, words: str) -> str:
    error = own / other - 1
    holds = "" if limit is None else "yes" if abs(error) <= limit else "**no**"
    return f"| {name} | {what} | {own:,.2f} | {other:,.2f} ({error:+.2%}) | {words} | {holds} |"


def _number(value: int | str) -> str:
    return value if isinstance(value, str) else f"{value:,}"


def _neurobench(results: dict[str, Any]) -> str:
    lines = ["| network | samples | metric | here | neurobench | equal |", "|---|---|---|---|---|---|"]
    for name, result in results.items():
        for metric, theirs in result["neurobench"]["metrics"].items():
            own = result["ours"][metric]
            if metric == "ActivationSparsityByLayer":  # torch has no dots in names
                own = {layer.replace(".", "_"): value for layer, value in own.items()}
            equal = "yes" if own == theirs else "**no**"
            lines.append(f"| {name} | {result['samples']} | {metric} | {_shown(own)} | {_shown(theirs)} | {equal} |")
    versions = next(iter(results.values()))["neurobench"]["versions"]
    return ", ".join(f"{name} {version}" for name, version in versions.items()) + ".\n\n" + "\n".join(lines)


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(one)}" for name, one in value.items())  # pyright: ignore[reportUnknownVariableType]
    return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"


def _truenorth(results: dict[str, Any]) -> str:
    lines = ["| simulator | networks | cores | neurons, with copies | spikes | that differ | holds |"]
    lines.append("|---|---|---|---|---|---|---|")
    cells = [f"{results[what]:,}" for what in ("networks", "cores", "neurons", "spikes", "differ")]
    holds = "**no**" if results["differ"] else "yes"
    lines.append(f"| SANA-FE {results['sanafe']} | {' | '.join(cells)} | {holds} |")
    return "\n".join(lines)


def _simulators(results: dict[str, Any]) -> str:
    lines = ["| simulator | networks | spikes that differ | last u | last v | holds |", "|---|---|---|---|---|---|"]
    for found in results.values():
        cells = [f"{found['differ'][what]:,} of {found['values'][what]:,}" for what in ("spikes", "u", "v")]
        holds = "**no**" if any(found["differ"].values()) else "yes"
        lines.append(f"| {found['version']} | {found['networks']} | {' | '.join(cells)} | {holds} |")
    fired = max(found["fired"] for found in results.values())
    return "\n".join([*lines, "", f"Of those values {fired:,} are spikes that were sent."])
