"""How numba compiles the kernels that run samples: without the interpreter's lock, and without counting references."""

from __future__ import annotations

from typing import Any

OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False}
"""`_nrt`: whether a kernel may make arrays. Ours only use what they are given. Otherwise numba counts who holds each
of them, atomically and in inner loops: a tenth of the time on one thread, and several wait for each other there.
"""
