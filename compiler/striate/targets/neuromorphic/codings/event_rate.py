"""The coding `rate` on a chip without steps: events follow each other, and a layer has one threshold.

As in rate.py, but for three things. All channels of a layer share its threshold, and so its unit. A neuron is not held
to one spike a step, since there is none: biases are added, and the input shown, at so many ticks of a slow clock. What
is read are spikes, and so an output is a layer that fires like any other: what is negative there is 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from striate.graph import Graph
from striate.targets.neuromorphic.codings.balance import Balanced, balance_in_one
from striate.targets.neuromorphic.codings.encoding import Encoded, image_of
from striate.targets.neuromorphic.codings.rate import Rate
from striate.targets.neuromorphic.codings.sums import Sum
from striate.tensor import Array
from striate_runtime.hardware import Chip

COUNTED = "outputs are spikes that are counted: what is below 0 in the float network is 0"
"""What a program says of its outputs."""


def floor_of(chip: Chip) -> int:
    """The lowest potential that a neuron of the chip holds."""
    return -(1 << ((chip.numerics.membrane_bits.value or 16) - 1))


class EventRate(Rate):
    """Encodes one float graph (its batch_norms folded), shown for `steps` ticks."""

    def __init__(
        self, graph: Graph, chip: Chip, steps: int, calibration: Mapping[str, Array], percentile: float
    ) -> None:
        super().__init__(graph, chip, steps, calibration, percentile)
        self._neurons = {"kind": "event_driven", "reset": "subtract", "low": floor_of(chip)}

    def run(self) -> Encoded:
        """Encode the graph. Raises CompileError[cannot-lower]."""
        encoded = super().run()
        return replace(encoded, reads=dict.fromkeys(encoded.outputs, "spike_count"), remarks=(COUNTED,))

    def _read(self, output: str, value: str) -> None:
        """Neurons whose spikes the host counts."""
        name = self._layer_of(value, max(0.0, self.ranges[value].high))
        channels = self.encoding.populations[name].shape[0]
        worth = np.full(channels, self.full_scale[name] / self.steps, np.float32)
        self.encoding.revise(name, output=output, scale=self.encoding.store(f"{name}.scale", worth))
        self.outputs[output] = name

    def _balanced(self, total: Sum, full_scale: float, steps_of_bias: int) -> Balanced:
        assert steps_of_bias == 1, "biases are added at every tick: nothing is only read"
        channels = image_of(total.shape)[0]
        thresholds = np.full(channels, full_scale)
        return balance_in_one(self._per_spike(total), total.bias, thresholds, self.chip, channels)
