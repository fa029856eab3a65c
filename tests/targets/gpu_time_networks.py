"""Networks with time, in integers and in floats, for the GPU's tests: feedforward, recurrent, and random ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from gpu_networks import filled

from striate.graph import Graph
from striate.operators import (
    Add,
    AvgPool2d,
    Conv1d,
    Conv2d,
    CubaLif,
    Delay,
    Dequantize,
    FixedPointIntegrator,
    FixedPointLif,
    Flatten,
    IntegrateAndFire,
    Last,
    LeakyIntegrator,
    Lif,
    Linear,
    MaxPool2d,
    Permute,
    Quantize,
    ReduceSum,
    Relu,
    Slice,
    SpikeCount,
    Sub,
    SumOverTime,
    SumPool2d,
)
from striate.tensor import Array, TensorType


def with_time(name: str, **inputs: TensorType) -> Graph:
    """An empty network with a time step of 1 ms."""
    graph = Graph(name)
    graph.dt_s = 1e-3
    for port, type in inputs.items():
        graph.add_input(port, type)
    return graph


def feedforward() -> Graph:
    """A convolution, a depthwise and a 1x1 one and a linear layer with their neurons, pools, every readout."""
    graph = with_time("feedforward", x=TensorType("f32", (2, 9, 7)))
    graph.add("codes", Quantize(0.02, "i8"), ["x"])
    graph.add("conv1", Conv2d(5, 3, padding=1), ["codes"])
    graph.add("s1", FixedPointLif("zero", 1), ["conv1"])
    graph.add("depth", Conv2d(5, 3, padding=1, groups=5), ["s1"])
    graph.add("s2", FixedPointLif("subtract"), ["depth"])
    graph.add("pool", MaxPool2d(2), ["s2"])
    graph.add("point", Conv2d(6, 1), ["pool"])
    graph.add("s3", FixedPointLif("zero"), ["point"])
    graph.add("flat", Flatten(), ["s3"])
    graph.add("fc", Linear(4), ["flat"])
    graph.add("v", FixedPointIntegrator(), ["fc"])
    graph.add("last", Last(), ["v"])
    graph.add("potential", Dequantize(), ["last"])
    graph.add("count", SpikeCount(), ["s3"])
    graph.add("sum", SumOverTime(), ["s1"])
    graph.outputs |= {"potential": "potential", "count": "count", "sum": "sum", "spikes": "s2"}
    return tuned(graph, 0, s1=20000)


def joined() -> Graph:
    """Sums of two convolutions, delays forwards, and values of which some are read after the last step only."""
    graph = with_time("joined", a=TensorType("i8", (3, 6, 6)), b=TensorType("i8", (3, 6, 6)))
    graph.add("ca", Conv2d(4, 3, padding=1), ["a"])
    graph.add("later", Delay(2, of="i8"), ["b"])
    graph.add("cb", Conv2d(4, 3, padding=1, bias=False), ["later"])
    graph.add("both", Add(), ["ca", "cb"])
    graph.add("s1", FixedPointLif("zero"), ["both"])
    graph.add("late", Delay(1, of="i32"), ["ca"])
    graph.add("more", Sub(), ["cb", "late"])
    graph.add("s2", FixedPointLif("subtract", 2), ["more"])
    graph.add("pooled", SumPool2d(2), ["s2"])
    graph.add("s3", FixedPointLif("zero"), ["pooled"])
    graph.add("rows", Permute((2, 1, 3)), ["s1"])
    graph.add("part", Slice(1, 1, 5), ["rows"])
    graph.add("total", SumOverTime(), ["part"])
    graph.add("end", Last(), ["ca"])
    graph.add("ends", Relu(), ["end"])
    graph.add("channels", ReduceSum((1,), True), ["ends"])
    graph.add("past", Delay(3, of="i8"), ["a"])
    graph.add("past_end", Last(), ["past"])
    graph.add("of_past", Conv2d(4, 3, padding=1), ["past_end"])
    graph.add("ends_past", Add(), ["of_past", "end"])
    graph.add("later_s3", Delay(3, of="i8"), ["s3"])
    graph.outputs |= {"total": "total", "channels": "channels", "s3": "s3", "later": "later_s3", "in": "a"}
    graph.outputs["past"] = "ends_past"
    return tuned(graph, 1, s1=20000, s2=20000, s3=3)


def recurrent() -> Graph:
    """A convolution and a linear layer that each read their own spikes of a step before, one of them two steps."""
    graph = with_time("recurrent", x=TensorType("i8", (3, 5, 5)))
    graph.add("in", Conv2d(4, 3, padding=1), ["x"])
    graph.add("before", Delay(1, (4, 5, 5), "i8"), ["s1"])
    graph.add("back", Conv2d(4, 3, padding=1, bias=False), ["before"])
    graph.add("sum1", Add(), ["in", "back"])
    graph.add("s1", FixedPointLif("zero", 1), ["sum1"])
    graph.add("flat", Flatten(), ["s1"])
    graph.add("fc", Linear(7), ["flat"])
    graph.add("before2", Delay(2, (7,), "i8"), ["s2"])
    graph.add("back2", Linear(7, bias=False), ["before2"])
    graph.add("sum2", Add(), ["fc", "back2"])
    graph.add("s2", FixedPointLif("subtract"), ["sum2"])
    graph.add("out", Linear(3), ["s2"])
    graph.add("v", FixedPointIntegrator(), ["out"])
    graph.add("last", Last(), ["v"])
    graph.outputs |= {"v": "last", "s1": "s1", "s2": "s2"}
    return tuned(graph, 2, s1=20000)


def entangled() -> Graph:
    """Two populations that excite each other through convolutions of a pooled and a delayed image, in one loop."""
    graph = with_time("entangled", x=TensorType("i8", (2, 4, 4)))
    graph.add("from_b", Delay(1, (3, 4, 4), "i8"), ["b"])
    graph.add("twice", Delay(1, (3, 4, 4), "i8"), ["from_b"])
    graph.add("xa", Conv2d(4, 1), ["x"])
    graph.add("ba", Conv2d(4, 3, padding=1, bias=False), ["from_b"])
    graph.add("ba2", Conv2d(4, 1, bias=False), ["twice"])
    graph.add("sum", Add(), ["xa", "ba"])
    graph.add("sum2", Add(), ["sum", "ba2"])
    graph.add("a", FixedPointLif("subtract"), ["sum2"])
    graph.add("pool", MaxPool2d(3, 1, 1), ["a"])
    graph.add("turned", Permute((1, 3, 2)), ["pool"])
    graph.add("ab", Conv2d(3, 3, padding=1), ["turned"])
    graph.add("b", FixedPointLif("zero", 1), ["ab"])
    graph.add("count", SpikeCount(), ["b"])
    graph.outputs |= {"count": "count", "a": "a"}
    return tuned(graph, 3, a=10000)


def sequence() -> Graph:
    """A convolution over one dimension, and a count that a neuron reads while it grows."""
    graph = with_time("sequence", x=TensorType("i8", (3, 11)))
    graph.add("conv", Conv1d(5, 3, padding=1), ["x"])
    graph.add("s", FixedPointLif("zero"), ["conv"])
    graph.add("count", SpikeCount(), ["s"])
    graph.add("v", FixedPointIntegrator(), ["count"])
    graph.outputs |= {"count": "count", "v": "v"}
    return tuned(graph, 4, s=20000)


def floats() -> Graph:
    """Every neuron of the language behind a convolution or a linear layer, one of them in a loop; soft resets."""
    graph = with_time("floats", x=TensorType("f32", (2, 6, 5)))
    graph.add("conv", Conv2d(4, 3, padding=1), ["x"])
    graph.add("s1", Lif(0.01, 0.9, refractory=1), ["conv"])
    graph.add("depth", Conv2d(4, 3, padding=1, groups=4), ["s1"])
    graph.add("s2", CubaLif(0.004, decay_voltage=0.2, threshold=0.7), ["depth"])
    graph.add("pool", AvgPool2d(2), ["s2"])
    graph.add("flat", Flatten(), ["pool"])
    graph.add("fc", Linear(9), ["flat"])
    graph.add("before", Delay(1, (9,)), ["s3"])
    graph.add("back", Linear(9, bias=False), ["before"])
    graph.add("sum", Add(), ["fc", "back"])
    graph.add("s3", IntegrateAndFire(0.6), ["sum"])
    graph.add("count", SpikeCount(), ["s3"])
    graph.add("out", Linear(3), ["s3"])
    graph.add("v", LeakyIntegrator(0.02), ["out"])
    graph.outputs |= {"s1": "s1", "s2": "s2", "s3": "s3", "count": "count", "v": "v"}
    filled(graph, 5)
    for name, parameter in list(graph.parameters.items()):
        assert parameter.value is not None, "the graph has just been filled"
        graph.set_parameter(name, parameter.value.astype(np.float16).astype(np.float32), parameter.type)
    return graph


NETWORKS: tuple[Callable[[], Graph], ...] = (feedforward, joined, recurrent, entangled, sequence)


def tuned(graph: Graph, seed: int, **highest: int) -> Graph:
    """The graph with random parameters. `highest` are the largest thresholds of neurons; others fit sums of spikes."""
    filled(graph, seed)
    rng = np.random.default_rng(seed)
    for node in graph:
        for role, name in node.parameters.items():
            type = graph.parameters[name].type
            limits = {"threshold": (1, highest.get(node.name, 150)), "current_decay": (0, 4097)}
            limits["voltage_decay"] = limits["current_decay"]
            if role in limits:
                graph.set_parameter(name, rng.integers(*limits[role], type.shape).astype(np.int32), type)
    return graph


def series(graph: Graph, steps: int, samples: int, seed: int = 7) -> dict[str, Array]:
    """Random inputs `[samples, steps, *shape]`: bytes sparse and over their whole range, floats around 0."""
    rng = np.random.default_rng(seed)
    inputs: dict[str, Array] = {}
    for name, type in graph.inputs.items():
        shape = (samples, steps, *type.shape)
        if type.is_float:
            inputs[name] = rng.normal(0, 1, shape).astype(np.float32)
        else:
            inputs[name] = (rng.integers(-128, 128, shape) * (rng.random(shape) < 0.3)).astype(np.int8)
    return inputs
