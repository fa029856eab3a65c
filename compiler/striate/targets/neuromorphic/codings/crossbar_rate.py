"""The coding `rate` on crossbars: weights of few levels, and outputs that fire.

As in rate.py, but for two things. A layer's weights are whole numbers of a step for each channel, as few as its fan-in
leaves types of axons for (few_levels.py). And the host sees nothing of such a chip but spikes: an output's own neurons
fire, the host counts, and what is negative there is 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from striate.graph import Graph, Node
from striate.targets.neuromorphic.codings.balance import Balanced, balance_few
from striate.targets.neuromorphic.codings.encoding import Encoded, image_of
from striate.targets.neuromorphic.codings.few_levels import MOST_TYPES
from striate.targets.neuromorphic.codings.rate import Rate, Value
from striate.targets.neuromorphic.codings.sums import Sum, copy_of
from striate.tensor import Array
from striate_runtime.hardware import Chip

COUNTED = (
    "outputs: the host counts spikes, and {title} shows nothing else; an output below 0 sends none and reads 0, and "
    "one above its layer's full scale reads that"
)


class CrossbarRate(Rate):
    """Encodes one float graph (its batch_norms folded), with at most so many types of axons for a layer."""

    def __init__(
        self,
        graph: Graph,
        chip: Chip,
        steps: int,
        calibration: Mapping[str, Array],
        percentile: float,
        types: int = MOST_TYPES,
    ) -> None:
        super().__init__(graph, chip, steps, calibration, percentile)
        self._types = types
        self._lowest = 0.0

    def run(self) -> Encoded:
        """Encode the graph. Raises CompileError[cannot-lower]."""
        return replace(super().run(), remarks=(COUNTED.format(title=self.chip.title),))

    def _read(self, output: str, value: str) -> None:
        """Let the host count an output's spikes."""
        seen, shape = self.ranges[value], self.graph.type_of(value).shape
        self._lowest = seen.low
        name = self._layer_of(value, max(0.0, min(seen.magnitude, seen.high)))
        self._lowest = 0.0
        spikes = copy_of(self.encoding, value, self.encoding.neurons(name, shape), shape)
        ones = np.ones(image_of(shape)[0])
        counts = self.encoding.fresh(f"{value}.count")
        worth = (ones * self.full_scale[name] / self.steps).astype(np.float32)
        scale = self.encoding.store(f"{counts}.scale", worth)
        fields = {"kind": "readout", "output": output, "scale": scale, "counted_by_host": True}
        self._install(counts, spikes, Balanced(spikes.synapses, ones, ones, None), fields)
        self.outputs[output] = counts

    def _rectify(self, node: Node) -> Value:
        self._lowest = self.ranges[node.inputs[0]].low
        rates = super()._rectify(node)
        self._lowest = 0.0
        return rates

    def _balanced(self, total: Sum, full_scale: float, steps_of_bias: int) -> Balanced:
        assert steps_of_bias == 1, "biases are added at every step: nothing is only read"
        given = full_scale, self._lowest, self.steps, self.chip, image_of(total.shape)[0], self._types
        return balance_few(self._per_spike(total), total.bias, *given)
