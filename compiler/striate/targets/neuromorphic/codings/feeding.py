"""What the host does to a port that is quantized: each port has one scale, in any coding that sends integers."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import cast

import numpy as np

from striate.graph import Node
from striate.operators.quantized import LIMITS, Quantize
from striate.targets.neuromorphic.codings.encoding import Given
from striate.targets.neuromorphic.codings.walk import Refusal


def quantized_port(
    node: Node, ports: Container[str], given: Mapping[str, Given], island: str
) -> tuple[str, float, int, int]:
    """The port that a quantize reads, its scale (as f32 has it), and the least and largest integer.

    `given` are the ports fed already. Raises Refusal for a second scale, and with `island` for what is no port.
    """
    port, operator = node.inputs[0], cast(Quantize, node.operator)
    if port not in ports:
        raise Refusal(island)
    scale, (low, high) = float(np.float32(operator.scale)), LIMITS[operator.to]
    known = given.get(port)
    if known is not None and (known.scale, known.low, known.high) != (scale, low, high):
        raise Refusal(f"the input '{port}' is already sent at the scale {known.scale:g}")
    return port, scale, low, high
