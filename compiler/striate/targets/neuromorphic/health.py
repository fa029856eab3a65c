"""How well neurons on a chip stand for the float network: which are dead, which always fire, how far rates are off.

Pure functions of what a chip's trace holds and of the float graph's values on the same inputs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from striate.tensor import Array
from striate_runtime.program.neuromorphic import Population


@dataclass(frozen=True)
class FiringHealth:
    """The firing neurons of one layer, on some samples.

    `dead`: neurons that never fire; `silenced`: those of them that the float network has active at some time.
    `dead_channels`, of `channels`, have no neuron that fires. `saturated`: the part of all (neuron, sample) pairs in
    which it fires at every step that it could. `rate`: spikes for each neuron and step.
    Under `rate`: `clipped` is the part of the float activations that lie above the layer's full scale, `drift` the mean
    of (rate - activation / full scale), `error` the mean of its magnitude. Under `native`: `clipped` is None, `drift`
    is how much more often a neuron fires in a step, and `error` the part of all (neuron, step) pairs in which just one
    of the two fires. Of neurons that send changes, a spike is a change; `saturated` is the part of all (neuron, step)
    pairs in which what they hold stands at a limit other than 0, and `drift` and `error` are the mean of (what it holds
    - what the float neuron has sent so far), and of its magnitude, in parts of the largest that its codes can say.
    """

    name: str
    neurons: int
    dead: int
    silenced: int
    dead_channels: int
    channels: int
    saturated: float
    rate: float
    clipped: float | None
    drift: float
    error: float


def examine_rates(
    populations: Iterable[Population], steps: int, spikes: Mapping[str, Array], floats: Mapping[str, Array]
) -> tuple[FiringHealth, ...]:
    """Under `rate`. spikes: population -> how many, `[N, steps, C, H, W]`; floats: its activations `[N, *shape]`.

    Populations that the float network has no value for (copies) are left out.
    """
    found: list[FiringHealth] = []
    for population in populations:
        if population.kind not in ("integrate_and_fire", "event_driven") or population.name not in floats:
            continue
        worth = population.full_scale
        assert worth is not None, "under the coding 'rate' a layer has a full scale"
        sent = spikes[population.name][:, population.fires_at :]
        activations = floats[population.name].reshape(len(sent), *population.shape).astype(np.float64)
        wanted = np.maximum(activations, 0)  # what is below 0 is no rate
        off = sent.mean(axis=1) - wanted / worth
        clipped = float((activations > worth).mean())
        found.append(_health(population.name, sent, wanted != 0, 1, clipped, float(off.mean()), float(abs(off).mean())))
    return tuple(found)


def examine_spikes(
    populations: Iterable[Population], spikes: Mapping[str, Array], floats: Mapping[str, Array]
) -> tuple[FiringHealth, ...]:
    """Under `native`. spikes: population -> `[N, T, C, H, W]`; floats: the float neurons' `[N, T, *shape]`."""
    found: list[FiringHealth] = []
    for population in populations:
        fires = population.kind in ("cuba_lif", "event_driven") and population.fires
        if not fires or population.name not in floats:
            continue
        sent = spikes[population.name] != 0
        wanted = floats[population.name].reshape(sent.shape) != 0
        drift, differing = float(sent.mean() - wanted.mean()), float((sent != wanted).mean())
        found.append(
            _health(population.name, sent, wanted.any(axis=1), 1 + population.refractory, None, drift, differing)
        )
    return tuple(found)


def examine_changes(
    populations: Iterable[Population],
    spikes: Mapping[str, Array],
    held: Mapping[str, Array],
    floats: Mapping[str, Array],
    scales: Mapping[str, float],
) -> tuple[FiringHealth, ...]:
    """Under `native`, neurons that send changes. held: what they hold, population -> `[N, T, C, H, W]`.

    `scales`: what the code 1 is worth. The others are as of `examine_spikes`.
    """
    found: list[FiringHealth] = []
    for population in populations:
        if population.kind != "sigma_delta" or population.name not in floats or population.name not in scales:
            continue
        sent, codes = spikes[population.name] != 0, held[population.name]
        changes = floats[population.name].reshape(sent.shape).astype(np.float64)
        scale, low, high = scales[population.name], population.low, population.high
        off = (codes * scale - np.cumsum(changes, axis=1)) / (scale * max(high, -low))
        active = (changes != 0).any(axis=1)
        row = _health(population.name, sent, active, 1, None, float(off.mean()), float(np.abs(off).mean()))
        found.append(replace(row, saturated=float(((codes == high) | ((codes == low) & (low != 0))).mean())))
    return tuple(found)


def _health(
    name: str, spikes: Array, active: Array, every: int, clipped: float | None, drift: float, error: float
) -> FiringHealth:
    """spikes: how many, `[N, T, C, H, W]`; active `[N, C, H, W]`: bools. A neuron can fire in one of `every` steps."""
    sent, channels = spikes != 0, spikes.shape[2]
    fired = np.asarray(sent.any(axis=(0, 1)))
    return FiringHealth(
        name,
        neurons=fired.size,
        dead=int((~fired).sum()),
        silenced=int((active.any(axis=0) & ~fired).sum()),
        dead_channels=int((~np.reshape(fired, (channels, -1)).any(axis=1)).sum()),
        channels=channels,
        saturated=float((sent.sum(axis=1) * every >= sent.shape[1]).mean()),
        rate=float(spikes.mean()),
        clipped=clipped,
        drift=drift,
        error=error,
    )
