"""The header of Prophesee's .raw files: lines of text that begin with `% `, and what they say of the camera."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from striate.events.recording import Sensor, bad_events


@dataclass(frozen=True)
class RawHeader:
    """`version` as `3.0` ('' where the file does not say), the camera's sensor, and where the words begin."""

    version: str
    sensor: Sensor | None
    words_at: int


def read_raw_header(content: bytes) -> RawHeader:
    """Read the lines up to `% end`, or up to the first that does not begin with `% `."""
    lines: list[str] = []
    at = 0
    while content.startswith(b"% ", at):
        end = content.find(b"\n", at)
        end = len(content) if end < 0 else end
        lines.append(content[at + 2 : end].decode("latin-1").strip())
        at = end + 1
        if lines[-1] == "end":
            break
    text = "\n".join(lines)
    version = re.search(r"^(?:evt |format EVT)(\d+(?:\.\d+)?)", text, re.MULTILINE | re.IGNORECASE)
    number = version[1] if version else ""
    return RawHeader(number if "." in number or not number else f"{number}.0", _sensor(text), min(at, len(content)))


def check_version(path: Path, header: RawHeader, version: str) -> None:
    """Raise CompileError where the header names another version; a file without a header is what it is said to be."""
    if header.version not in ("", version):
        raise bad_events(path, f"its header says EVT {header.version}, not EVT {version}", "leave out --format")


def _sensor(text: str) -> Sensor | None:
    geometry = re.search(r"^geometry (\d+)x(\d+)", text, re.MULTILINE)
    if geometry:
        return Sensor(int(geometry[1]), int(geometry[2]))
    width, height = (re.search(rf"\b{word}[= ](\d+)", text) for word in ("width", "height"))
    return Sensor(int(width[1]), int(height[1])) if width and height else None
