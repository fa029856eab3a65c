"""The coding `delta`: an event carries how much an activation has changed since it was last sent. For streams.

The integer graph, as in graded.py, run on one frame after the other, a frame a step: what comes later in the network
sees each frame as many steps later as it is deep, and shorter ways are delayed by as much, so that all that meets is of
one frame. At threshold 0 every frame's outputs are those of the integer graph, bit for bit; above it an activation may
be off by less than the threshold.
"""

from __future__ import annotations

from typing import ClassVar, Literal, cast

import numpy as np

from striate.graph import Graph, Node
from striate.operators.quantized import Requantize
from striate.targets.neuromorphic.codings.encoding import Encoded
from striate.targets.neuromorphic.codings.graded import Codes, Graded, Value
from striate.targets.neuromorphic.codings.sums import check_changes
from striate.targets.neuromorphic.codings.walk import Refusal
from striate.targets.neuromorphic.not_yet import NOT_YET
from striate_runtime.hardware import Chip


class Delta(Graded):
    """Encodes one integer graph for streams of `frames` frames. `threshold` is in units of an activation's integers."""

    coding: ClassVar[Literal["graded", "delta"]] = "delta"
    sender: ClassVar[str] = "sigma_delta"
    _rescales_on_arrival: ClassVar[bool] = False

    def __init__(self, graph: Graph, chip: Chip, frames: int, threshold: int) -> None:
        super().__init__(graph, chip)
        self.frames = frames
        self.threshold = threshold

    def run(self) -> Encoded:
        """Encode the graph. Raises CompileError[cannot-lower]."""
        steps = self.frames + self._encode()
        populations = self.encoding.populations
        return Encoded(
            "delta",
            steps,
            self.encoding,
            self.inputs,
            self.outputs,
            samples_of=self.frames,
            read_at={port: self.frames + populations[name].fires_at for port, name in self.outputs.items()},
            series=tuple(self.outputs),
        )

    def _feed(self, port: str, scale: float, low: int, high: int) -> Codes:
        codes = super()._feed(port, scale, low, high)
        self._hold_back(codes)
        return codes

    def _requantize(self, node: Node) -> Value:
        """Activations of 8 bits hold small changes back; what is rescaled for an addition passes everything on."""
        value = super()._requantize(node)
        if isinstance(value, Codes) and cast(Requantize, node.operator).to != "i32":
            self._hold_back(value)
        return value

    def _max_pool(self, node: Node) -> Value:
        raise Refusal(NOT_YET["delta", "max_pool2d"])

    def _hold_back(self, codes: Codes) -> None:
        if self.threshold > 1:
            (name,) = self.encoding.senders(codes.neurons)
            channels = self.encoding.populations[name].shape[0]
            levels = np.full(channels, self.threshold, np.int32)
            self.encoding.revise(name, threshold=self.encoding.store(f"{name}.threshold", levels))

    def _delay(self, source: str, depth: int) -> int:
        """As many steps as make all ways to a population equally long."""
        return depth - self.encoding.populations[source].fires_at

    def _check_payload(self, low: int, high: int) -> None:
        check_changes(self.chip, low, high)
