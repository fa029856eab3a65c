"""The stand-in for an absent GPU: values from the same kernels, interpreted; time and energy from the roofline."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from striate_runtime.device import Array, DeviceError, Progress, check_inputs
from striate_runtime.gpu.estimate import estimate
from striate_runtime.gpu.interpreter_process import InterpreterProcess
from striate_runtime.gpu.plan import Plan, from_buffer, to_buffer, values_of
from striate_runtime.gpu.summary import counts_of, memory_of, problems_of
from striate_runtime.hardware import Gpu, parse_hardware
from striate_runtime.profile import Profile
from striate_runtime.program import Program, ProgramError

FALLBACK = "no GPU here: values from the same kernels in Triton's interpreter, time and energy estimated by roofline"
_LARGEST_ARENA_BYTES = 128 << 20
_LARGEST_BATCH = 1024


class InterpretedGpu:
    """A GPU program without a GPU, until closed. Its profile says so in `fallback`, and nothing in it is measured."""

    def __init__(self, program: Program, plan: Plan, progress: Progress) -> None:
        self._program, self._plan, self._progress = program, plan, progress
        hardware = parse_hardware(program.hardware, f"the hardware of program '{program.network}'")
        if not isinstance(hardware, Gpu):
            raise ProgramError(f"program '{program.network}': its hardware '{hardware.name}' is not a GPU")
        self._hardware = hardware
        self._interpreter = InterpreterProcess(program, plan)

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs `[N, *shape]`. Samples go together through each kernel, as many as memory allows."""
        checked = check_inputs(self._program.inputs, inputs)
        samples = len(next(iter(checked.values())))
        batch = max(1, min(_LARGEST_BATCH, samples, _LARGEST_ARENA_BYTES // max(1, self._plan.body.arena_bytes)))
        parts = [self._run_batch(checked, start, min(start + batch, samples)) for start in range(0, samples, batch)]
        return {port.name: np.concatenate([part[port.name] for part in parts]) for port in self._program.outputs}

    def profile(self, inputs: Mapping[str, Array]) -> tuple[dict[str, Array], Profile]:
        """Outputs as computed, time and energy as estimated for the batch that a GPU would have run."""
        outputs = self.run(inputs)
        samples = len(next(iter(outputs.values())))
        body, batch = self._plan.body, min(samples, self._plan.body.default_batch)
        problems = problems_of(outputs, body)
        figures = estimate(self._plan, self._hardware, batch)
        return outputs, Profile(
            machine=self._program.machine,
            device="gpu",
            network=self._program.network,
            batch=batch,
            samples=samples,
            latency_us=figures.latency_us,
            energy_uj=figures.energy_uj,
            memory_bytes=memory_of(self._program, self._plan, batch),
            steps=body.steps,
            valid=not problems,
            problems=problems,
            layers=figures.layers,
            counts=counts_of(self._plan),
            fallback=FALLBACK,
            versions={**body.versions, "hardware": self._hardware.name},
        )

    def trace(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """The value of every node that has a buffer of its own, as its kernel left it; one sample at a time."""
        checked = check_inputs(self._program.inputs, inputs)
        samples = len(next(iter(checked.values())))
        launches = len(self._plan.body.launches)
        parts: list[dict[str, Array]] = []
        for start in range(samples):

            def working(launch: int, done: int = start * launches) -> None:
                self._progress("interpreting GPU kernels", done + launch, samples * launches)

            steps = self._interpreter.trace(self._buffers(checked, start, start + 1), working)
            after = {name: array for _, buffers in steps for name, array in buffers.items()}
            parts.append(values_of(self._plan, after))
        self._progress("interpreting GPU kernels", samples * launches, samples * launches)
        return checked | {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def close(self) -> None:
        """End the interpreter's process."""
        self._interpreter.close()

    def __enter__(self) -> InterpretedGpu:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _buffers(self, inputs: Mapping[str, Array], start: int, end: int) -> dict[str, Array]:
        places = self._plan.body.inputs
        return {
            port.name: to_buffer(inputs[port.name][start:end], port, self._plan.buffers[places[port.name]])
            for port in self._program.inputs
        }

    def _run_batch(self, inputs: Mapping[str, Array], start: int, end: int) -> dict[str, Array]:
        launches, buffers = len(self._plan.body.launches), self._buffers(inputs, start, end)
        samples = len(next(iter(inputs.values())))

        def working(launch: int) -> None:
            done = launches * start + launch * (end - start)
            self._progress("interpreting GPU kernels", done, launches * samples)

        outputs = self._interpreter.run(buffers, working=working)
        self._progress("interpreting GPU kernels", launches * end, launches * samples)
        places, buffers = self._plan.body.outputs, self._plan.buffers
        return {
            port.name: from_buffer(outputs[port.name], port, buffers[places[port.name]])
            for port in self._program.outputs
        }


def open_stand_in(program: Program, plan: Plan, why: str, progress: Progress) -> InterpretedGpu:
    """The stand-in. Raises DeviceError, with why there is no GPU, where there can be no stand-in either."""
    try:
        return InterpretedGpu(program, plan, progress)
    except DeviceError as error:
        raise DeviceError(f"{why}; and {error}") from error
