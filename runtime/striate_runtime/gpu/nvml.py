"""The board's energy counter and clocks, through NVML."""

from __future__ import annotations

import importlib
from typing import Any


class Board:
    """One board, until closed."""

    def __init__(self, api: Any, handle: Any) -> None:
        self._api, self._handle = api, handle

    def energy_mj(self) -> int:
        """Millijoules since the driver was loaded."""
        return int(self._api.nvmlDeviceGetTotalEnergyConsumption(self._handle))

    def clocks(self) -> dict[str, str]:
        """The clocks of this moment, in MHz."""
        kinds = {"sm_clock_mhz": self._api.NVML_CLOCK_SM, "memory_clock_mhz": self._api.NVML_CLOCK_MEM}
        try:
            return {name: str(self._api.nvmlDeviceGetClockInfo(self._handle, kind)) for name, kind in kinds.items()}
        except self._api.NVMLError:
            return {}

    def close(self) -> None:
        """Let go of NVML."""
        self._api.nvmlShutdown()


def open_board(bus_id: str) -> Board | None:
    """The board at that place, or None where NVML is absent or the board has no energy counter."""
    try:
        api: Any = importlib.import_module("pynvml")
    except ImportError:
        return None
    try:
        api.nvmlInit()
    except api.NVMLError:
        return None
    try:
        board = Board(api, api.nvmlDeviceGetHandleByPciBusId(bus_id))
        board.energy_mj()
    except api.NVMLError:
        api.nvmlShutdown()
        return None
    return board
