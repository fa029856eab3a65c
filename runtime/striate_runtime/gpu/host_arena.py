"""The interpreter's memory: a program's buffers in one block on the host, laid out as on the GPU, between red zones."""

from __future__ import annotations

import numpy as np

from striate_runtime.device import Array
from striate_runtime.gpu.plan import ALIGNMENT, Region
from striate_runtime.program.gpu import Launch

RED_ZONE_BYTES = 1 << 16
_RED = 0xCD


class KernelError(Exception):
    """An interpreted kernel that did what it must not."""


class Arena:
    """The program's buffers in one block between red zones."""

    def __init__(self, size: int) -> None:
        self._block = aligned(size + 2 * RED_ZONE_BYTES)
        self._block[...] = _RED
        self._size = size
        self.address = self._block.ctypes.data + RED_ZONE_BYTES

    def bytes_of(self, region: Region) -> Array:
        """A buffer's bytes."""
        start = RED_ZONE_BYTES + region.start
        return self._block[start : start + region.used]

    def view(self, region: Region) -> Array:
        """A buffer as `[batch, *shape]`."""
        return self.bytes_of(region).view(region.dtype).reshape(region.shape)

    def snapshot(self) -> Array:
        """A copy of everything, red zones included."""
        return self._block.copy()

    def check(self, before: Array, launch: Launch, allowed: tuple[Region, ...]) -> None:
        """Raises KernelError where anything but the allowed regions has changed."""
        for region in allowed:
            start = RED_ZONE_BYTES + region.start
            before[start : start + region.used] = self.bytes_of(region)
        if not np.array_equal(before, self._block):
            wrong = int(np.flatnonzero(before != self._block)[0]) - RED_ZONE_BYTES
            raise KernelError(
                f"kernel '{launch.candidates[0].kernel}' of layer '{launch.layer}' wrote outside its buffers, "
                f"at byte {wrong} of an arena of {self._size}"
            )


def aligned(size: int) -> Array:
    """That many bytes at a multiple of 256."""
    block = np.empty(size + ALIGNMENT, np.uint8)
    start = -block.ctypes.data % ALIGNMENT
    return block[start : start + size]
