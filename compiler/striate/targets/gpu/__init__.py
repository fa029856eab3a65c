"""The GPU target: a graph as launches of Triton kernels, built ahead of time, on any machine.

lower       lower.py                  THE LOWERINGS: operator -> launch or view
            lower_*.py                how each family does it
            emission.py, layout.py    what is made on the way, and where tensors lie
            fuse.py, chain.py         which pointwise nodes a kernel takes along, written as its last lines
            pointwise.py              THE TABLE of pointwise expressions
            neurons.py                THE TABLE of operators with state
            clock.py, steps.py        networks with time: how a kernel goes through the steps, and its lines for that
            loops.py                  recurrent parts, step by step
            candidates.py             which tiles to try
            memory_plan.py            where buffers lie
build       compile.py, workers.py    every kernel to build, in worker processes, never twice
            build.py                  the worker, the one file that imports Triton
kernels/                              the templates

"""

from striate.targets.gpu.compile import TARGET, compile_for_gpu
from striate.targets.gpu.lower import Lowered, lower

__all__ = ["TARGET", "Lowered", "compile_for_gpu", "lower"]
