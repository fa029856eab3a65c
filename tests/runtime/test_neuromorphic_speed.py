"""What makes the emulator fast changes nothing: threads, the quick way of plain neurons, rows added in one pass."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
from native_networks import native_program, random_native, reference, states_on_the_chip
from neuromorphic_generator import random_graded, random_spiking
from neuromorphic_networks import Net

from striate_runtime.device import DeviceError, open_device
from striate_runtime.neuromorphic import plain, threads
from striate_runtime.neuromorphic.chip import EmulatedChip
from striate_runtime.neuromorphic.synapses import SynapseBuilder

Array = npt.NDArray[Any]
