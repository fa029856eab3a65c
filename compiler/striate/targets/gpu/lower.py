"""A graph as launches of kernels on buffers, before any kernel is compiled.

Nodes are taken in order. A node that computes something becomes a launch and takes along the pointwise nodes behind it;
a node that only moves numbers becomes a view, which its reader follows. THE LOWERINGS say how each operator is done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from striate.diagnostics import CompileError, Diagnostic
from striate.graph import Graph, Node
from striate.targets.gpu.emission import Emission, Precision
from striate.targets.gpu.flat import copy
from striate.targets.gpu.fuse import can_wait
from striate.targets.gpu.layout import Place, Value, channels_last
from striate.targets.gpu.loops import lower_loop
from striate.targets.gpu.lower_convolutions import lower_conv2d, lower_conv_transpose2d
from striate.targets.gpu.lower_movement import (
    lower_concat,
    lower_constant,
    lower_delay,
    lower_flatten,
    lower_neuron,
    lower_pad,
    lower_permute,
    lower_pointwise,
    lower_slice,
)
from striate.targets.gpu.lower_products import lower_linear, lower_matmul
from striate.targets.gpu.lower_reductions import lower_argmax, lower_reduction, lower_softmax
from striate.targets.gpu.lower_windows import lower_adaptive_avg_pool2d, lower_pool, lower_upsample
from striate.targets.gpu.memory_plan import Lifetime, plan_memory
from striate.targets.gpu.neurons import FIRING, NEURONS, SILENT
from striate.targets.gpu.pointwise import POINTWISE
from striate.tensor import Array
from striate_runtime.program.gpu import Buffer, GpuBody

LARGEST_INDEX = 2**31 - 1
"""Kernels find every number of a batch by an i32."""

LOWERINGS: dict[str, Callable[[Emission, Node], None]] = {
    **dict.fromkeys(POINTWISE, lower_pointwise),
    "conv2d": lower_conv2d,
    "conv1d": lower_conv2d,
    "conv_transpose2d": lower_conv_transpose2d,
    "linear": lower_linear,
    "matmul": lower_matmul,
    "max_pool2d": lower_pool,
    "avg_pool2d": lower_pool,
    "sum_pool2d": lower_pool,
    "adaptive_avg_pool2d": lower_adaptive_avg_pool2d,
    "upsample": lower_upsample,
    "flatten": lower_flatten,
    "reshape": lower_flatten,
    "permute": lower_permute,
    "slice": lower_slice,
    "concat": lower_concat,
    "pad": lower_pad,
    "constant": lower_constant,
    "delay": lower_delay,
    **dict.fromkeys(NEURONS, lower_neuron),
    "reduce_mean": lower_reduction,
    "reduce_sum": lower_reduction,
    "reduce_max": lower_reduction,
    "argmax": lower_argmax,
    "softmax": lower_softmax,
    "log_softmax": lower_softmax,
}


@dataclass(frozen=True)
class Lowered:
    """A body whose candidates have no cubins yet, the packed weights, and the kernels' texts by file name."""

    body: GpuBody
    arrays: Mapping[str, Array]
    sources: Mapping[str, str]


def lower(graph: Graph, precision: Precision, *, default_batch: int = 1, steps: int | None = None) -> Lowered:
    """The launches of a graph. The weights must be loaded; for `i8` the graph is the quantized one.

    `f16` stores every f32 as f16 and computes sums in f32; inputs and outputs keep the user's types. `steps` is how
    many a sample of a network with time has. Raises CompileError[does-not-fit] where a batch holds more numbers than
    kernels can count, [cannot-lower] where a loop holds what takes all steps at once.
    """
    assert (steps is None) == (graph.dt_s is None), "networks with time have a number of steps, others have none"
    emission = Emission(graph, precision, default_batch, steps=steps)
    for name, type in graph.inputs.items():
        place = emission.new_buffer(name, type.dtype, type.shape, channels_last(len(type.shape)), steps)
        emission.values[name] = Value(type, place)
        emission.inputs[name] = place.name

    def compute(name: str) -> None:
        if name in emission.values or name in emission.absorbed:
            return
        node = graph.node(name)
        if name in emission.loops and not emission.loop:
            if name not in emission.begun:
                lower_loop(emission, emission.loops[name])
            return
        for source in node.inputs:
            compute(source)
        if name not in emission.absorbed:  # a source's launch may have taken it along
            emission.begun.add(name)
            LOWERINGS[node.operator.name](emission, node)

    emission.compute = compute
    for node in graph.topological():
        if not can_wait(emission, node):
            compute(node.name)
    for port, name in graph.outputs.items():
        if port not in emission.outputs:
            _copy_out(emission, port, name)
    _check_size(emission)
    return Lowered(_body(emission), emission.arrays, emission.sources)


def _copy_out(emission: Emission, port: str, name: str) -> None:
    type, steps = emission.graph.type_of(name), emission.steps_of(name)
    if name in emission.graph.downstream(node.name for node in emission.graph if node.operator.reads_out):
        steps = None
    place = emission.new_buffer(f"{port}.output", type.dtype, type.shape, channels_last(len(type.shape)), steps)
    copy(emission, name, place)
    emission.outputs[port] = place.name


def _check_size(emission: Emission) -> None:
    largest = max(emission.buffers.values(), key=_numbers)
    if _numbers(largest) * emission.default_batch > LARGEST_INDEX:
        count = f"{_numbers(largest)} numbers in each of {emission.default_batch} samples"
        message = f"'{largest.name}' has {count}; kernels count numbers up to {LARGEST_INDEX}"
        fits = LARGEST_INDEX // _numbers(largest)
        raise CompileError(Diagnostic("does-not-fit", message, help=f"use batch={fits} or less" if fits else None))


def _numbers(place: Place) -> int:
    return place.elements * (place.steps or 1)


def _body(emission: Emission) -> GpuBody:
    plan = plan_memory(_lifetimes(emission))
    return GpuBody(
        precision=emission.precision,
        default_batch=emission.default_batch,
        arena_bytes=plan.arena_bytes,
        arena_bytes_without_reuse=plan.arena_bytes_without_reuse,
        buffers=tuple(
            Buffer(
                name,
                place.dtype,
                (*(() if place.steps is None else (place.steps,)), *place.stored_shape),
                plan.offsets[name],
                plan.bytes[name],
                () if place.order == channels_last(len(place.order)) else place.order,
                place.steps is not None,
                _holds(emission, name, place),
            )
            for name, place in emission.buffers.items()
        ),
        inputs=emission.inputs,
        outputs=emission.outputs,
        launches=tuple(emission.launches),
        versions={},
        steps=emission.steps,
    )


def _holds(emission: Emission, name: str, place: Place) -> Literal["values", "spikes", "potentials"]:
    """What a buffer over time holds, if a neuron's result is stored there."""
    node = emission.graph.producer(name)
    if place.steps is None or node is None:
        return "values"
    return "spikes" if node.operator.name in FIRING else "potentials" if node.operator.name in SILENT else "values"


def _lifetimes(emission: Emission) -> list[Lifetime]:
    """From the first launch that touches a buffer to the last; inputs and outputs are kept from end to end.

    So a program can be run again without giving it its inputs again, and its outputs read at any time after. What a
    loop touches is kept through the whole loop, since its first launch comes again after its last.
    """
    uses: dict[str, list[int]] = {name: [] for name in emission.buffers}
    around: dict[int, list[int]] = {}
    for index, launch in enumerate(emission.launches):
        around.setdefault(launch.loop, []).append(index)
    for index, launch in enumerate(emission.launches):
        together = around[launch.loop] if launch.loop else [index]
        for argument in launch.arguments:
            if argument.kind == "buffer":
                uses[argument.ref] += together[0], together[-1]
    end = len(emission.launches)
    ports = {*emission.inputs.values(), *emission.outputs.values()}
    return [
        Lifetime(name, place.bytes, *((-1, end) if name in ports else (min(uses[name]), max(uses[name]))))
        for name, place in emission.buffers.items()
    ]
