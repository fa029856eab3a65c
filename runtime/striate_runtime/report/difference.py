"""How two traces differ, as a table that a terminal shows."""

from __future__ import annotations

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from striate_runtime.diff import Difference, Divergence, LayerDifference


def difference_table(difference: Difference) -> tuple[RenderableType, ...]:
    """A row per layer, then the first divergence in words, then what could not be compared."""
    title = f"A = {difference.a}, B = {difference.b}, tolerance {difference.tolerance:g}"
    table = Table("layer", "numbers", "differ", "max |A-B|", "SNR", "spikes off", "", title=title, title_justify="left")
    for column in table.columns[1:6]:
        column.justify = "right"
    for layer in difference.layers:
        verdict = "exact" if layer.exact else "DIVERGES" if layer.first else "within tolerance"
        table.add_row(
            layer.layer,
            " x ".join(map(str, layer.shape)),
            f"{layer.differing:,}",
            "0" if layer.exact else f"{layer.max_abs:.4g}",
            "–" if layer.snr_db is None else f"{layer.snr_db:.1f} dB",
            "–" if layer.spike_mismatch is None else f"{layer.spike_mismatch:.3%}",
            Text(verdict, style="bold red" if layer.first else ""),
        )
    notes = (
        ("in A alone", difference.only_a),
        ("in B alone", difference.only_b),
        ("not alike (integers and floats, other shapes or numbers of steps), so not compared", difference.unlike),
    )
    lines = [Text(f"{what}: {', '.join(names)}", style="dim") for what, names in notes if names]
    return table, *lines, Text(_verdict(difference), style="bold")


def _verdict(difference: Difference) -> str:
    layer = difference.first
    if layer is None or layer.first is None:
        exact = all(layer.exact for layer in difference.layers)
        return "no layer diverges" + (": all that both hold is equal bit for bit" if exact else "")
    return f"first divergence: {_place(layer, layer.first)}: A has {layer.first.a:.9g}, B has {layer.first.b:.9g}"


def _place(layer: LayerDifference, first: Divergence) -> str:
    step = "" if first.step is None else f", step {first.step}"
    names = {3: "(c, y, x) = ", 1: ""}.get(len(first.neuron), "")
    neuron = f"({', '.join(map(str, first.neuron))})" if len(first.neuron) != 1 else str(first.neuron[0])
    return f"layer '{layer.layer}', sample {first.sample}{step}" + (f", neuron {names}{neuron}" if first.neuron else "")
