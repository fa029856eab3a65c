"""A stand-in for `cuda.bindings.driver` whose device is host memory and whose kernels are Python functions.

It keeps what the runtime must get right honest: a kernel's parameters are read from the addresses it is given, by the
sizes in the cubin's own table; nothing runs during a capture; a graph replays just what was captured; shared memory
must have been asked for; memory must be allocated, aligned and freed; a cubin runs on its own architecture only.
"""

# ruff: noqa: N802 - the binding's own names

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from striate_runtime.gpu.cubin import read_parameters

Array = npt.NDArray[Any]


class CUresult(IntEnum):
    CUDA_SUCCESS = 0
    CUDA_ERROR_INVALID_VALUE = 1
    CUDA_ERROR_OUT_OF_MEMORY = 2
    CUDA_ERROR_NO_BINARY_FOR_GPU = 209
    CUDA_ERROR_ILLEGAL_ADDRESS = 700
    CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED = 900


class CUdevice_attribute(IntEnum):  # noqa: N801 - the binding's own name
    CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT = 16
    CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE = 38
    CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR = 75
    CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR = 76
    CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN = 97


class CUfunction_attribute(IntEnum):  # noqa: N801 - the binding's own name
    CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES = 8


class CUstreamCaptureMode(IntEnum):
    CU_STREAM_CAPTURE_MODE_THREAD_LOCAL = 1


@dataclass
class Module:
    """A loaded cubin; `name` is the file it came from in the program."""

    name: str
    content: bytes


@dataclass
class Function:
    module: Module
    entry: str
    sizes: tuple[int, ...]
    shared_bytes: int = 48 << 10


@dataclass(frozen=True)
class Started:
    """A kernel as it was launched: parameters as integers, in order."""

    file: str
    entry: str
    grid: int
    threads: int
    shared_bytes: int
    parameters: tuple[int, ...]


@dataclass
class Event:
    time_us: float = -1.0


Work = Callable[["FakeCuda"], None]
KernelFunction = Callable[[Started], None]
OK = (CUresult.CUDA_SUCCESS,)


@dataclass
class FakeCuda:
    """The module's functions as methods. `kernels` run entries; `cost_us` says what a launch of a file takes."""

    kernels: dict[str, KernelFunction]
    files: dict[bytes, str]
    cost_us: Callable[[Started], float] = lambda started: 10.0
    capability: tuple[int, int] = (9, 0)
    shared_bytes: int = 227 << 10
    memory_bytes: int = 1 << 30
    devices: int = 1
    broken_init: int = 0
    broken_entry: str = ""
    is_broken: bool = False
    allocated: dict[int, Any] = field(default_factory=dict[int, Any])
    launched: list[Started] = field(default_factory=list[Started])
    graphs: list[list[Work]] = field(default_factory=list[list[Work]])
    replays: int = 0
    live_graphs: int = 0
    live_events: int = 0
    live_modules: int = 0
    live_streams: int = 0
    retained: int = 0
    time_us: float = 0.0
    capturing: list[Work] | None = None

    CUresult = CUresult
    CUdevice_attribute = CUdevice_attribute
    CUfunction_attribute = CUfunction_attribute
    CUstreamCaptureMode = CUstreamCaptureMode

    def cuInit(self, flags: int) -> tuple[Any, ...]:
        return (CUresult.CUDA_ERROR_INVALID_VALUE,) if self.broken_init else OK

    def cuDeviceGetCount(self) -> tuple[Any, ...]:
        return CUresult.CUDA_SUCCESS, self.devices

    def cuDeviceGet(self, ordinal: int) -> tuple[Any, ...]:
        return CUresult.CUDA_SUCCESS, ordinal

    def cuDevicePrimaryCtxRetain(self, device: int) -> tuple[Any, ...]:
        self.retained += 1
        return CUresult.CUDA_SUCCESS, "context"

    def cuDevicePrimaryCtxRelease(self, device: int) -> tuple[Any, ...]:
        self.retained -= 1
        return OK

    def cuCtxSetCurrent(self, context: str) -> tuple[Any, ...]:
        assert context == "context"
        return OK

    def cuDeviceGetAttribute(self, attribute: CUdevice_attribute, device: int) -> tuple[Any, ...]:
        values = {16: 132, 38: 1 << 16, 75: self.capability[0], 76: self.capability[1], 97: self.shared_bytes}
        return CUresult.CUDA_SUCCESS, values[attribute]

    def cuDriverGetVersion(self) -> tuple[Any, ...]:
        return CUresult.CUDA_SUCCESS, 12080

    def cuDeviceGetName(self, length: int, device: int) -> tuple[Any, ...]:
        return CUresult.CUDA_SUCCESS, b"Fake GPU".ljust(length, b"\0")

    def cuDeviceTotalMem(self, device: int) -> tuple[Any, ...]:
        return CUresult.CUDA_SUCCESS, self.memory_bytes

    def cuDeviceGetPCIBusId(self, length: int, device: int) -> tuple[Any, ...]:
        return CUresult.CUDA_SUCCESS, b"0000:00:00.0\0"

    # Memory: host memory at its own address, between red zones

    def cuMemAlloc(self, count: int) -> tuple[Any, ...]:
        if count > self.memory_bytes:
            return CUresult.CUDA_ERROR_OUT_OF_MEMORY, None
        block = np.full(count + 1024, 0xEE, np.uint8)
        address = (block.ctypes.data + 511) // 256 * 256
        self.allocated[address] = (block, count)
        return CUresult.CUDA_SUCCESS, address

    def cuMemFree(self, address: int) -> tuple[Any, ...]:
        if self.is_broken:
            return (CUresult.CUDA_ERROR_ILLEGAL_ADDRESS,)
        block, count = self.allocated.pop(address)
        start = address - block.ctypes.data
        assert (block[:start] == 0xEE).all(), "something was written before an allocation"
        assert (block[start + count :] == 0xEE).all(), "something was written behind an allocation"
        return OK

    def cuMemcpyHtoDAsync(self, target: int, source: int, count: int, stream: str) -> tuple[Any, ...]:
        return self._enqueue(lambda _: self._move(target, source, count), [(target, count)])

    def cuMemcpyDtoHAsync(self, target: int, source: int, count: int, stream: str) -> tuple[Any, ...]:
        return self._enqueue(lambda _: self._move(target, source, count), [(source, count)])

    def cuMemcpyDtoDAsync(self, target: int, source: int, count: int, stream: str) -> tuple[Any, ...]:
        return self._enqueue(lambda _: self._move(target, source, count), [(target, count), (source, count)])

    def cuMemsetD8Async(self, address: int, value: int, count: int, stream: str) -> tuple[Any, ...]:
        return self._enqueue(lambda _: self._fill(address, value, count), [(address, count)])

    # Kernels

    def cuModuleLoadData(self, content: bytes) -> tuple[Any, ...]:
        name = self.files[content]
        wanted = "sm_90a" if self.capability == (9, 0) else f"sm_{self.capability[0]}0"
        if f".{wanted}." not in name:
            return CUresult.CUDA_ERROR_NO_BINARY_FOR_GPU, None
        self.live_modules += 1
        return CUresult.CUDA_SUCCESS, Module(name, content)

    def cuModuleUnload(self, module: Module) -> tuple[Any, ...]:
        self.live_modules -= 1
        return OK

    def cuModuleGetFunction(self, module: Module, entry: bytes) -> tuple[Any, ...]:
        sizes = tuple(parameter.size for parameter in read_parameters(module.content, entry.decode()))
        return CUresult.CUDA_SUCCESS, Function(module, entry.decode(), sizes)

    def cuFuncSetAttribute(self, function: Function, attribute: int, value: int) -> tuple[Any, ...]:
        assert attribute == CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
        function.shared_bytes = value
        return OK

    def cuLaunchKernel(self, function: Function, *arguments: Any) -> tuple[Any, ...]:
        grid_x, grid_y, grid_z, threads, block_y, block_z, shared, stream, parameters, extra = arguments
        assert (grid_y, grid_z, block_y, block_z, extra, stream) == (1, 1, 1, 1, 0, "stream")
        if shared > function.shared_bytes:
            return (CUresult.CUDA_ERROR_INVALID_VALUE,)
        pointers = (ctypes.c_void_p * len(function.sizes)).from_address(parameters)
        values = [
            int.from_bytes(ctypes.string_at(pointer or 0, size), "little")
            for pointer, size in zip(pointers, function.sizes, strict=True)
        ]
        started = Started(function.module.name, function.entry, grid_x, threads, shared, tuple(values))
        return self._enqueue(lambda fake: fake._run(started), [])

    # Streams, events, graphs

    def cuStreamCreate(self, flags: int) -> tuple[Any, ...]:
        self.live_streams += 1
        return CUresult.CUDA_SUCCESS, "stream"

    def cuStreamDestroy(self, stream: str) -> tuple[Any, ...]:
        self.live_streams -= 1
        return OK

    def cuStreamSynchronize(self, stream: str) -> tuple[Any, ...]:
        if self.is_broken:
            return (CUresult.CUDA_ERROR_ILLEGAL_ADDRESS,)
        return OK if self.capturing is None else (CUresult.CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED,)

    def cuEventCreate(self, flags: int) -> tuple[Any, ...]:
        self.live_events += 1
        return CUresult.CUDA_SUCCESS, Event()

    def cuEventDestroy(self, event: Event) -> tuple[Any, ...]:
        self.live_events -= 1
        return OK

    def cuEventRecord(self, event: Event, stream: str) -> tuple[Any, ...]:
        event.time_us = self.time_us
        return OK

    def cuEventSynchronize(self, event: Event) -> tuple[Any, ...]:
        assert event.time_us >= 0
        return OK

    def cuEventElapsedTime(self, start: Event, end: Event) -> tuple[Any, ...]:
        return CUresult.CUDA_SUCCESS, (end.time_us - start.time_us) * 1e-3

    def cuStreamBeginCapture(self, stream: str, mode: int) -> tuple[Any, ...]:
        assert self.capturing is None
        self.capturing = []
        return OK

    def cuStreamEndCapture(self, stream: str) -> tuple[Any, ...]:
        captured, self.capturing = self.capturing, None
        return CUresult.CUDA_SUCCESS, captured

    def cuGraphInstantiate(self, graph: list[Work], flags: int) -> tuple[Any, ...]:
        self.graphs.append(graph)
        self.live_graphs += 1
        return CUresult.CUDA_SUCCESS, graph

    def cuGraphDestroy(self, graph: list[Work]) -> tuple[Any, ...]:
        return OK

    def cuGraphExecDestroy(self, graph: list[Work]) -> tuple[Any, ...]:
        self.live_graphs -= 1
        return OK

    def cuGraphUpload(self, graph: list[Work], stream: str) -> tuple[Any, ...]:
        return OK

    def cuGraphLaunch(self, graph: list[Work], stream: str) -> tuple[Any, ...]:
        assert self.capturing is None
        self.replays += 1
        for work in graph:
            work(self)
        return OK

    def _enqueue(self, work: Work, touched: list[tuple[int, int]]) -> tuple[Any, ...]:
        for address, count in touched:
            if not self._is_allocated(address, count):
                return (CUresult.CUDA_ERROR_ILLEGAL_ADDRESS,)
        if self.capturing is None:
            work(self)
        else:
            self.capturing.append(work)
        return OK

    def _is_allocated(self, address: int, count: int) -> bool:
        return any(start <= address and address + count <= start + size for start, (_, size) in self.allocated.items())

    def _move(self, target: int, source: int, count: int) -> None:
        ctypes.memmove(target, source, count)

    def _fill(self, address: int, value: int, count: int) -> None:
        ctypes.memset(address, value, count)
        self.time_us += 1.0

    def _run(self, started: Started) -> None:
        self.launched.append(started)
        self.time_us += self.cost_us(started)
        self.is_broken |= started.entry == self.broken_entry
        self.kernels[started.entry](started)


def device_array(address: int, shape: tuple[int, ...], dtype: Any) -> Array:
    """Device memory as an array that can be read and written."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return np.frombuffer(memoryview((ctypes.c_char * size).from_address(address)).cast("B"), dtype).reshape(shape)
