"""A compiled program whose kernels run in Triton's interpreter, in one child process."""

from __future__ import annotations

from collections.abc import Mapping

from striate.graph import Graph
from striate.targets.gpu import compile_for_gpu
from striate.targets.gpu.emission import Precision
from striate.tensor import Array
from striate_runtime.gpu.interpreter_process import InterpreterProcess
from striate_runtime.gpu.plan import from_buffer, read_plan, to_buffer
from striate_runtime.program import Program


class Interpreted:
    """A program whose kernels are interpreted in one child process."""

    def __init__(self, graph: Graph, precision: Precision, steps: int | None = None) -> None:
        self.program: Program = compile_for_gpu(
            graph, precision=precision, hardware_text="", machine="gpu", build=False, steps=steps
        )
        self.plan = read_plan(self.program)
        self._process = InterpreterProcess(self.program, self.plan)

    def run(self, inputs: Mapping[str, Array], candidate: int = 0) -> dict[str, Array]:
        """The outputs under one candidate, the programs of every launch in a shuffled order."""
        body, plan = self.plan.body, self.plan
        buffers = {
            port.name: to_buffer(inputs[port.name], port, plan.buffers[body.inputs[port.name]])
            for port in self.program.inputs
        }
        outputs = self._process.run(buffers, shuffle=candidate, candidate=candidate)
        return {
            port.name: from_buffer(outputs[port.name], port, plan.buffers[body.outputs[port.name]])
            for port in self.program.outputs
        }

    def close(self) -> None:
        """End the child."""
        self._process.close()
