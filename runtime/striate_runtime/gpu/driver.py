"""The CUDA driver API, the few calls a program needs, each error with CUDA's name for it and what was being done.

Everything here works on the primary context of the first visible device (`CUDA_VISIBLE_DEVICES` chooses it), so that
other libraries in the process share it. Device addresses are plain integers.
"""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from striate_runtime.device import Array, DeviceError

Handle = Any
"""A stream, event, module, function or graph of the driver; opaque."""

SHARED_BYTES_WITHOUT_ASKING = 48 << 10
_STREAM_NON_BLOCKING = 1


class NoGpuError(DeviceError):
    """There is no GPU that can be used from here."""


@dataclass(frozen=True)
class Properties:
    """What a launch and a report need to know of the GPU. `driver` is the CUDA version the driver supports (12.8)."""

    name: str
    capability: tuple[int, int]
    multiprocessors: int
    shared_bytes: int
    l2_bytes: int
    memory_bytes: int
    bus_id: str
    driver: str


def load_api() -> Any:
    """The driver API's module of cuda-bindings. Raises NoGpuError where it is not installed."""
    try:
        return importlib.import_module("cuda.bindings.driver")
    except ImportError as error:
        raise NoGpuError("cuda-bindings is not installed (pip install 'striate[cuda]')") from error


def open_driver() -> Driver:
    """The driver with its device's context made. Raises NoGpuError where bindings, driver or device are missing."""
    api = load_api()
    try:
        status = api.cuInit(0)[0]
    except RuntimeError as error:
        raise NoGpuError("there is no CUDA driver (libcuda) on this machine") from error
    if int(status) != 0:
        raise NoGpuError(f"the CUDA driver cannot start: {status.name}")
    if api.cuDeviceGetCount()[1] < 1:
        raise NoGpuError("the CUDA driver sees no device")
    return Driver(api)


class Driver:
    """One device and its primary context, until closed."""

    def __init__(self, api: Any) -> None:
        self._api = api
        self._device = self._call("cuDeviceGet", "finding the device", 0)
        self._context = self._call("cuDevicePrimaryCtxRetain", "making the device's context", self._device)
        self.activate()
        self.properties = self._read_properties()

    def activate(self) -> None:
        """Make the context current in this thread."""
        self._call("cuCtxSetCurrent", "making the context current", self._context)

    def close(self) -> None:
        """Let go of the context. What was allocated must have been freed before."""
        self._release("cuDevicePrimaryCtxRelease", self._device)

    # Memory

    def allocate(self, count: int, what: str) -> int:
        """The address of `count` bytes, a multiple of 256."""
        return int(self._call("cuMemAlloc", f"allocating {count} bytes for {what}", count))

    def free(self, address: int) -> None:
        """Give back what `allocate` gave."""
        self._release("cuMemFree", address)

    def upload(self, address: int, array: Array, stream: Handle) -> None:
        """Copy a contiguous host array to the device; it may be changed once the stream is synchronized."""
        assert array.flags.c_contiguous, "only contiguous arrays are copied"
        self._call("cuMemcpyHtoDAsync", "copying to the GPU", address, array.ctypes.data, array.nbytes, stream)

    def download(self, array: Array, address: int, stream: Handle) -> None:
        """Copy from the device into a contiguous host array; it is complete once the stream is synchronized."""
        assert array.flags.c_contiguous, "only contiguous arrays are copied"
        self._call("cuMemcpyDtoHAsync", "copying from the GPU", array.ctypes.data, address, array.nbytes, stream)

    def copy(self, target: int, source: int, count: int, stream: Handle) -> None:
        """Copy `count` bytes on the device."""
        self._call("cuMemcpyDtoDAsync", "copying on the GPU", target, source, count, stream)

    def fill(self, address: int, value: int, count: int, stream: Handle) -> None:
        """Set `count` bytes to `value`."""
        self._call("cuMemsetD8Async", "filling memory", address, value, count, stream)

    # Kernels

    def load_module(self, cubin: bytes, what: str) -> Handle:
        """A module from a cubin's bytes."""
        return self._call("cuModuleLoadData", f"loading {what}", cubin)

    def unload_module(self, module: Handle) -> None:
        """Forget a module and its functions."""
        self._release("cuModuleUnload", module)

    def function(self, module: Handle, entry: str, shared_bytes: int) -> Handle:
        """A kernel of a module, allowed to use `shared_bytes` of dynamic shared memory."""
        function = self._call("cuModuleGetFunction", f"finding the kernel '{entry}'", module, entry.encode())
        if shared_bytes > SHARED_BYTES_WITHOUT_ASKING:
            attribute = self._api.CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
            doing = f"asking for {shared_bytes} bytes of shared memory for '{entry}'"
            self._call("cuFuncSetAttribute", doing, function, attribute, shared_bytes)
        return function

    def launch(
        self,
        function: Handle,
        grid_x: int,
        threads: int,
        shared_bytes: int,
        parameters: Sequence[bytes],
        stream: Handle,
    ) -> None:
        """Start `grid_x` programs of `threads` threads. `parameters` are each one's little-endian bytes."""
        values = [ctypes.create_string_buffer(value, len(value)) for value in parameters]
        pointers = (ctypes.c_void_p * len(values))(*[ctypes.addressof(value) for value in values])
        shape = (grid_x, 1, 1, threads, 1, 1)
        address = ctypes.addressof(pointers)
        self._call("cuLaunchKernel", "launching a kernel", function, *shape, shared_bytes, stream, address, 0)

    # Streams, events, graphs

    def make_stream(self) -> Handle:
        """A stream that does not wait for the default stream."""
        return self._call("cuStreamCreate", "making a stream", _STREAM_NON_BLOCKING)

    def destroy_stream(self, stream: Handle) -> None:
        """Give back a stream."""
        self._release("cuStreamDestroy", stream)

    def synchronize(self, stream: Handle, doing: str = "waiting for the GPU") -> None:
        """Wait for all work on the stream; errors of kernels come out here."""
        self._call("cuStreamSynchronize", doing, stream)

    def make_event(self) -> Handle:
        """An event that keeps time."""
        return self._call("cuEventCreate", "making an event", 0)

    def destroy_event(self, event: Handle) -> None:
        """Give back an event."""
        self._release("cuEventDestroy", event)

    def record(self, event: Handle, stream: Handle) -> None:
        """Mark this point of the stream."""
        self._call("cuEventRecord", "recording an event", event, stream)

    def elapsed_us(self, start: Handle, end: Handle) -> float:
        """Microseconds between two recorded events; waits for the second."""
        self._call("cuEventSynchronize", "waiting for an event", end)
        return float(self._call("cuEventElapsedTime", "reading the time between events", start, end)) * 1e3

    def capture(self, stream: Handle, enqueue: Callable[[], None]) -> Handle:
        """What `enqueue` puts on the stream, as a graph ready to replay; nothing runs now."""
        mode = self._api.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        self._call("cuStreamBeginCapture", "beginning a capture", stream, mode)
        try:
            enqueue()
        except BaseException:
            self._api.cuStreamEndCapture(stream)
            raise
        graph = self._call("cuStreamEndCapture", "ending a capture", stream)
        executable = self._call("cuGraphInstantiate", "instantiating a graph", graph, 0)
        self._call("cuGraphDestroy", "destroying a captured graph", graph)
        self._call("cuGraphUpload", "uploading a graph", executable, stream)
        return executable

    def replay(self, graph: Handle, stream: Handle) -> None:
        """Put a captured graph on the stream."""
        self._call("cuGraphLaunch", "launching a graph", graph, stream)

    def destroy_graph(self, graph: Handle) -> None:
        """Give back a graph."""
        self._release("cuGraphExecDestroy", graph)

    def _read_properties(self) -> Properties:
        attributes = self._api.CUdevice_attribute

        def attribute(name: str) -> int:
            which = getattr(attributes, f"CU_DEVICE_ATTRIBUTE_{name}")
            return int(self._call("cuDeviceGetAttribute", f"reading {name}", which, self._device))

        version = int(self._call("cuDriverGetVersion", "reading the driver's version"))
        return Properties(
            name=_text(self._call("cuDeviceGetName", "reading the GPU's name", 256, self._device)),
            capability=(attribute("COMPUTE_CAPABILITY_MAJOR"), attribute("COMPUTE_CAPABILITY_MINOR")),
            multiprocessors=attribute("MULTIPROCESSOR_COUNT"),
            shared_bytes=attribute("MAX_SHARED_MEMORY_PER_BLOCK_OPTIN"),
            l2_bytes=attribute("L2_CACHE_SIZE"),
            memory_bytes=int(self._call("cuDeviceTotalMem", "reading the memory's size", self._device)),
            bus_id=_text(self._call("cuDeviceGetPCIBusId", "reading the GPU's place", 64, self._device)),
            driver=f"{version // 1000}.{version % 1000 // 10}",
        )

    def _call(self, name: str, doing: str, *arguments: Any) -> Any:
        """Call the API and return what it returns besides its status. Raises DeviceError."""
        status, *results = getattr(self._api, name)(*arguments)
        if int(status) != 0:
            raise DeviceError(f"{doing} failed: {status.name}{_help(status.name)}")
        return results[0] if len(results) == 1 else tuple(results)

    def _release(self, name: str, handle: Any) -> None:
        """Give something back. A failure is let pass: after a kernel has broken the context, nothing can be given back,
        and the error that matters is the one before.
        """
        getattr(self._api, name)(handle)


_HELP = {
    "CUDA_ERROR_OUT_OF_MEMORY": "; compile with a smaller batch, e.g. gpu(batch=8)",
    "CUDA_ERROR_NO_BINARY_FOR_GPU": "; the program was compiled for another GPU",
    "CUDA_ERROR_ILLEGAL_ADDRESS": "; a kernel read or wrote outside its buffers, which is a bug: please report it",
}


def _help(name: str) -> str:
    return _HELP.get(name, "")


def _text(raw: bytes | str) -> str:
    text = raw.decode() if isinstance(raw, bytes) else raw
    return text.split("\0")[0]
