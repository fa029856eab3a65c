"""Kernels that are compiled once and kept on disk, until any file that they are compiled from changes."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any


def kept(compiled: Callable[[int, bool], Any], *sources: ModuleType) -> Any:
    """What `compiled` gives for a stamp of the sources, and for whether numba keeps it.

    numba finds a kernel by the file that it stands in; a number that it closes over counts as well.
    """
    stamp = zlib.crc32(b"".join(Path(str(module.__file__)).read_bytes() for module in sources))
    try:
        return compiled(stamp, True)
    except RuntimeError:  # there is no folder that numba may write to: compile in every process
        return compiled(stamp, False)
