"""A program on a GPU: its weights, its arena for one batch, its kernels, one stream, until closed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from striate_runtime.device import Array, DeviceError
from striate_runtime.gpu.driver import Driver, Handle
from striate_runtime.gpu.kernels import Kernel, Kernels
from striate_runtime.gpu.plan import Plan, Region, place_arrays
from striate_runtime.program import Program


class Loaded:
    """What launches need. `largest_batch` is what the arena has room for."""

    def __init__(self, program: Program, plan: Plan, driver: Driver) -> None:
        self.program, self.plan, self.driver = program, plan, driver
        self.largest_batch = plan.body.default_batch
        self.kernels = Kernels(driver, program)
        self._allocations: list[int] = []
        self.stream: Handle = driver.make_stream()
        try:
            self._places, size = place_arrays(program, plan)
            self._weights = self.allocate(size, "the weights")
            self._arena = self.allocate(plan.body.arena_bytes * self.largest_batch, f"{self.largest_batch} samples")
            self._upload_weights()
        except DeviceError:
            self.close()
            raise

    def allocate(self, count: int, what: str) -> int:
        """Device memory that lives until `release` or `close`."""
        address = self.driver.allocate(max(count, 1), what)
        self._allocations.append(address)
        return address

    def release(self, address: int) -> None:
        """Give back memory early."""
        self._allocations.remove(address)
        self.driver.free(address)

    def at(self, region: Region) -> int:
        """The device address of a buffer."""
        return self._arena + region.start

    def start(self, kernel: Kernel, batch: int, step: int = 0) -> None:
        """Put one launch on the stream; one of a loop, for its step."""
        regions = self.plan.arguments(kernel.launch, batch)
        addresses = {("buffer", name): self.at(region) for name, region in regions.items()}
        addresses |= {("array", name): self._weights + place for name, place in self._places.items()}
        kernel.start(self.driver, addresses, batch, step, self.stream)

    def write(self, region: Region, values: Array) -> None:
        """Fill a buffer with `[batch, *shape]`; complete on return."""
        self.driver.upload(self.at(region), np.ascontiguousarray(values, region.dtype), self.stream)
        self.driver.synchronize(self.stream)

    def read(self, region: Region, samples: Iterable[int] | None = None) -> Array:
        """A buffer's `[batch, *shape]`, or only some samples of it."""
        chosen = range(region.shape[0]) if samples is None else list(samples)
        whole = len(chosen) == region.shape[0]
        values = np.empty((len(chosen), *region.shape[1:]), region.dtype)
        if whole:
            self.driver.download(values, self.at(region), self.stream)
        else:
            stride = region.used // region.shape[0]
            for place, sample in enumerate(chosen):
                self.driver.download(values[place : place + 1], self.at(region) + sample * stride, self.stream)
        self.driver.synchronize(self.stream, "running a kernel")
        return values

    def poison(self, regions: Iterable[Region]) -> None:
        """Mark buffers as holding nothing."""
        for region in regions:
            self.driver.fill(self.at(region), region.poison, region.used, self.stream)

    def write_inputs(self, buffers: Mapping[str, Array]) -> None:
        """Input port -> buffer `[batch, *shape]`, onto the device."""
        for port, values in buffers.items():
            self.write(self.plan.region(self.plan.body.inputs[port], len(values)), values)

    def close(self) -> None:
        """Give back everything but the driver."""
        self.driver.activate()
        for address in self._allocations:
            self.driver.free(address)
        self._allocations.clear()
        self.kernels.close()
        self.driver.destroy_stream(self.stream)

    def _upload_weights(self) -> None:
        for name, place in self._places.items():
            self.driver.upload(self._weights + place, np.ascontiguousarray(self.program.arrays[name]), self.stream)
        self.driver.synchronize(self.stream, "copying the weights to the GPU")
