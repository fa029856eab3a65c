"""Our counts beside NeuroBench's: operand by operand, weights at the bits they need, and what was not counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from striate_runtime.metrics.connection import count_operations
from striate_runtime.metrics.neurobench import Call

Array = npt.NDArray[Any]


def operations_by_operand(calls: Iterable[Call], samples: int) -> dict[str, float]:
    """Per sample: `acs` where an input is -1 or 1, `macs` where it is anything else but 0, each input for itself.

    One number that is no spike makes all of a layer multiply-accumulates by NeuroBench's rule, and only itself by this.
    """
    acs = macs = 0
    for connection, x in calls:
        unit = np.isin(x, (-1, 1))
        acs += count_operations(connection, unit)
        macs += count_operations(connection, (x != 0) & ~unit)
    return {"acs": acs / samples, "macs": macs / samples}


def packed_bytes(tensors: Iterable[Array]) -> int:
    """Bytes of integer tensors at the fewest bits that hold their numbers; floats at their own width."""
    bits = 0
    for tensor in tensors:
        if tensor.dtype.kind == "f" or tensor.size == 0:
            bits += tensor.nbytes * 8
            continue
        low, high = int(tensor.min()), int(tensor.max())
        bits += tensor.size * (high.bit_length() if low >= 0 else max((-low - 1).bit_length(), high.bit_length()) + 1)
    return -(-bits // 8)


def uncounted(operations: Mapping[str, int], counted: Iterable[str]) -> dict[str, int]:
    """The arithmetic of one sample that no synaptic count holds, by layer: pooling, sums, requantization, ..."""
    seen = set(counted)
    return {name: number for name, number in operations.items() if number and name not in seen}
