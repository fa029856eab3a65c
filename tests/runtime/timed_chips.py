"""Chips in round figures for closed forms of time, and messages written by hand."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from striate_runtime.hardware import Chip, load_hardware, parse_hardware
from striate_runtime.neuromorphic.costs.levels import level_steps_ns
from striate_runtime.neuromorphic.costs.messages import Messages
from striate_runtime.program.neuromorphic import Core

Array = npt.NDArray[Any]

EAST_WEST, NORTH_SOUTH = 4.0, 6.5


def description(**figures: float | str) -> str:
    """Loihi 1's description with other figures: the field's name and its value, or `"unknown"`; `ticks` in ms."""
    text = load_hardware("loihi1").text
    given = {"hop_east_west_latency_ns": EAST_WEST, "hop_north_south_latency_ns": NORTH_SOUTH} | figures
    ticks = given.pop("ticks", None)
    for name, value in given.items():
        field = re.compile(rf"^{name} = \{{.*$", re.MULTILINE)
        assert len(field.findall(text)) == 1, name
        figure = (
            'value = "unknown", source = "none"'
            if value == "unknown"
            else f'value = {value}, grade = "assumed", source = "none"'
        )
        text = field.sub(f"{name} = {{ {figure} }}", text)
    if ticks is not None:
        text = re.sub(r"\[\[time\.barrier\w*\]\]\n.*\n.*\n", "", text)
        ticking = f'model = "fixed_tick"\ntick_ms = {{ value = {ticks}, grade = "assumed", source = "none" }}'
        text = text.replace('model = "barrier_step"', ticking)
    return text


def chip(**figures: float | str) -> Chip:
    """The chip of that description."""
    return parsed(description(**figures))


def parsed(text: str) -> Chip:
    """The chip of a text."""
    hardware = parse_hardware(text, "a chip for a test")
    assert isinstance(hardware, Chip)
    return hardware


def core(index: int, x: int = 0, y: int = 0, on: int = 0) -> Core:
    """A core at a place."""
    return Core(index, f"p{index}", (0, 1), (0, 1), (0, 1), on, x, y, ())


@dataclass(frozen=True)
class Sent:
    """One message of a step."""

    source: int
    target: int
    ready_ns: float
    service_ns: float


def step_of(cores: int, sent: list[Sent], pass_ns: list[float] | None = None) -> Messages:
    """One step's messages; source `cores` is the host. A pass ends with its last message, or when `pass_ns` says."""
    ordered = sorted(sent, key=lambda message: (message.source, message.ready_ns))
    source = np.array([message.source for message in ordered], np.int32)
    ends = np.zeros((1, cores + 1))
    for message in ordered:
        ends[0, message.source] = max(ends[0, message.source], message.ready_ns)
    if pass_ns is not None:
        ends[0, :cores] = np.maximum(ends[0, :cores], pass_ns)
    return Messages(
        source=source,
        target=np.array([message.target for message in ordered], np.int32),
        ready_ns=np.array([message.ready_ns for message in ordered], np.float64),
        service_ns=np.array([message.service_ns for message in ordered], np.float64),
        start=np.searchsorted(source, np.arange(cores + 2))[None].astype(np.int64),
        pass_ns=ends,
    )


def duration(level: str, cores: list[Core], messages: Messages, hardware: Chip) -> float:
    """How long the step takes."""
    return float(level_steps_ns(level, messages, tuple(cores), hardware)[0, 0])


def held_up(level: str, cores: list[Core], messages: Messages, hardware: Chip) -> float:
    """For how long senders stood still in it."""
    return float(level_steps_ns(level, messages, tuple(cores), hardware)[0, 1])
