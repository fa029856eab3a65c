"""The integer graph of a network with time, node by node, from the form of every value and the unit of every sum."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from striate.graph import Graph, Node
from striate.operators.changes import Delta, Hold, Sigma
from striate.operators.fixed_point import LARGEST_THRESHOLD, SUM_SHIFT, FixedPointIntegrator, FixedPointLif
from striate.operators.neurons import SigmaDelta
from striate.operators.quantized import Dequantize, Quantize, Requantize
from striate.operators.readout import Delay, Last, SumOverTime
from striate.operators.sigma_delta import FixedPointSigmaDelta
from striate.passes.quantization.coding import Coding
from striate.passes.quantization.fixed_point import LARGEST_FACTOR, fixed_points
from striate.passes.quantization.layers import by_output_channel
from striate.passes.quantization.rewriter import Rewriter
from striate.passes.quantization.time_codings import code_scale, code_type
from striate.passes.quantization.time_forms import HOLDING, NEURONS, READOUTS, WEIGHTED, Form
from striate.passes.quantization.time_neurons import Neuron, neuron_of
from striate.tensor import Array, DType


class TimeRewriter:
    """Builds `graph`, the integer form of `source`: a value that has a form keeps its name.

    `codings` say what the integers of float inputs mean, and of what sigma-delta neurons hold; `units` what 1 is worth
    in each channel of a sum. Where values are changes (`held`), the integers are what these add up to.
    """

    def __init__(
        self,
        source: Graph,
        forms: Mapping[str, Form],
        held: set[str],
        codings: Mapping[str, Coding],
        units: Mapping[str, Array],
    ) -> None:
        self.source, self.forms, self.held, self.codings, self.units = source, forms, held, codings, units
        self.built = Rewriter(source, {})
        self.graph = self.built.graph
        self.graph.dt_s = source.dt_s
        self._sums: dict[tuple[str, str], str] = {}
        self._changes: dict[str, str] = {}
        self._same: dict[str, str] = {}
        self._plain: dict[str, str] = {}
        self._codes: dict[str, str] = {}
        for name, type in source.inputs.items():
            self._plain[name] = name
            if not type.is_float:
                self._codes[name] = name

    def run(self) -> Graph:
        """The integer graph."""
        for node in self.source.topological():
            self._rewrite(node)
        self.graph.outputs = {output: self.as_plain(value) for output, value in self.source.outputs.items()}
        return self.graph

    def as_plain(self, value: str) -> str:
        """The float node (or the input) that holds a value."""
        if value not in self._plain:
            shape, scale = self.source.type_of(value).shape, self.scale_of(value)
            channels = np.broadcast_to(scale, shape[:1]).astype(np.float32)
            name = self.built.fresh(f"{value}.dequantize")
            node = self.source.producer(value)
            integers = self._anew(value, self._same.get(value, value))
            self._plain[value] = self.built.emit(
                name, Dequantize(), (integers,), {"scale": channels}, span=node.span if node else None
            )
        return self._plain[value]

    def scale_of(self, value: str) -> Array:
        """What 1 stands for in a value that has a form: one number, or one for each channel."""
        form, node = self.forms[value], self.source.producer(value)
        if form == "codes":
            return np.array([self.code_scale(value)])
        if form == "sum":
            return self.units[value]
        if form == "potential":
            return self.units[value] / (1 << SUM_SHIFT)
        assert form == "total", f"'{value}' is a float"
        assert node is not None, "an input is no total"
        operand = node.inputs[0]
        if node.operator.name == "spike_count":
            return np.ones(1)
        return self.scale_of(operand)

    def code_scale(self, value: str) -> float:
        """What the code 1 stands for."""
        return code_scale(self.source, value, self.codings)

    # -- node by node

    def _rewrite(self, node: Node) -> None:
        operator, form = node.operator, self.forms[node.name]
        if form == "float":
            names = tuple(self.as_plain(name) for name in node.inputs)
            values = self.built.values(node)
            self._plain[node.name] = self.built.emit(node.name, operator, names, values, node.parameters, node.span)
        elif isinstance(operator, Delay):
            self._delay(node, operator)
        elif operator.name in HOLDING:
            self._hold(node)
        elif operator.name in NEURONS:
            self._neuron(node)
        elif operator.name in READOUTS:
            self._read_out(node)
        elif operator.name in WEIGHTED:
            self._weigh(node)
        else:
            read = self._sum if form == "sum" else self._integers
            self.built.emit(node.name, operator, tuple(read(node, name) for name in node.inputs), span=node.span)

    def _delay(self, node: Node, operator: Delay) -> None:
        operand = node.inputs[0]
        of: DType = code_type(self.source, operand, self.codings) if self.forms[operand] == "codes" else "i32"
        name = self._integers(node, operand)
        self.graph.add(node.name, Delay(operator.steps, node.type.shape, of), (name,), span=node.span)

    def _weigh(self, node: Node) -> None:
        """A weighted layer on codes, its weights and bias in units of its group."""
        weight, bias = self.source.value(node, "weight"), self.source.value(node, "bias")
        assert weight is not None, f"the weights of '{node.name}' are not loaded"
        rows, restore = by_output_channel(node, weight.astype(np.float64))
        unit = self.units[node.name]
        integers = np.rint(rows * (self.code_scale(node.inputs[0]) / unit)[:, None])
        values = {"weight": restore(integers)}
        if bias is not None:
            values["bias"] = np.rint(bias.astype(np.float64) / unit)
        codes = self._integers(node, node.inputs[0])
        self.built.emit(node.name, node.operator, (codes,), values, node.parameters, node.span)

    def _neuron(self, node: Node) -> None:
        neuron, unit = neuron_of(self.source, node), np.broadcast_to(self.units[node.name], node.type.shape[0])
        values = {"current_decay": neuron.current_decay, "voltage_decay": neuron.voltage_decay}
        operator: FixedPointLif | FixedPointIntegrator = FixedPointIntegrator()
        if neuron.threshold is not None:
            operator, values["threshold"] = fixed_point_lif(neuron, unit)
        operand = self._anew(node.inputs[0], self._sum(node, node.inputs[0]))
        self.built.emit(node.name, operator, (operand,), values, span=node.span)

    def _hold(self, node: Node) -> None:
        """A sigma_delta or a delta: codes that follow a sum, or codes, once they are a threshold away."""
        value, operator = node.inputs[0], node.operator
        assert isinstance(operator, (SigmaDelta, Delta)), "only these hold"
        scale = self.code_scale(node.name)
        threshold = max(1, round(operator.threshold / scale)) if operator.threshold else 0
        if node.name not in self.codings:
            self.built.emit(node.name, Hold(threshold), (self._integers(node, value),), span=node.span)
            return
        coding, unit, biases = self.codings[node.name], self._scale_of_operand(node), self.source.value(node, "bias")
        integer = FixedPointSigmaDelta(
            coding.dtype, threshold=threshold, adds=isinstance(operator, SigmaDelta) and value not in self.held
        )
        multiplier, shift = fixed_points(np.minimum(unit / scale, LARGEST_FACTOR))
        bias = np.zeros_like(unit) if biases is None else np.rint(biases.astype(np.float64) / unit)
        operand = self._sum(node, value)
        if isinstance(operator, Delta):
            operand = self._anew(value, operand)
        values = {"bias": bias, "multiplier": multiplier, "shift": shift}
        self.built.emit(node.name, integer, (operand,), values, span=node.span)

    def _scale_of_operand(self, node: Node) -> Array:
        """What 1 is worth in each channel of the sum that a neuron reads."""
        (operand,) = node.inputs
        scale = self.scale_of(operand) if self.forms[operand] == "potential" else self.units[node.name]
        return np.broadcast_to(scale, node.type.shape[0]).astype(np.float64)

    def _read_out(self, node: Node) -> None:
        """A readout; where what changes add up to is read, that is held already."""
        (value,) = node.inputs
        integers = self._integers(node, value)
        if value not in self.held:
            self.built.emit(node.name, node.operator, (integers,), span=node.span)
        elif isinstance(node.operator, SumOverTime):
            self.built.emit(node.name, Last(), (integers,), span=node.span)
        elif isinstance(node.operator, Sigma):
            self._same[node.name] = integers
        else:
            self.built.emit(node.name, node.operator, (self._anew(value, integers),), span=node.span)

    # -- operands

    def _integers(self, node: Node, name: str) -> str:
        """The integers that hold a value; those of a float input are made when they are first needed."""
        if name not in self.source.inputs:
            return name
        if name not in self._codes:
            coding = self.codings[name]
            operator = Quantize(coding.scale, coding.dtype)
            self._codes[name] = self.built.emit(self.built.fresh(f"{name}.quantize"), operator, (name,), span=node.span)
        return self._codes[name]

    def _sum(self, node: Node, name: str) -> str:
        """An operand as i32 in the units of what `node` reads: codes times a whole number for each channel.

        What is held may be rescaled by any factor: its rounding does not add up.
        """
        codes = self._integers(node, name)
        if self.forms[name] != "codes":
            return codes
        if (name, node.name) not in self._sums:
            channels = self.source.type_of(name).shape[0]
            factors = self.code_scale(name) / np.broadcast_to(self.units[node.name], channels)
            factors = factors if name in self.held else np.rint(factors)
            multiplier, shift = fixed_points(np.where(factors == 0, 1.0, factors))
            values = {"multiplier": np.where(factors == 0, 0, multiplier), "shift": shift}
            made = self.built.fresh(f"{node.name}.requantize")
            self._sums[name, node.name] = self.built.emit(made, Requantize("i32"), (codes,), values, span=node.span)
        return self._sums[name, node.name]

    def _anew(self, value: str, integers: str) -> str:
        """The integers of a value as they are in this step: of what is held, by how much it has changed."""
        if value not in self.held:
            return integers
        if integers not in self._changes:
            node = self.source.producer(value)
            made = self.built.fresh(f"{value}.changes")
            self._changes[integers] = self.built.emit(made, Delta(), (integers,), span=node.span if node else None)
        return self._changes[integers]


def fixed_point_lif(neuron: Neuron, unit: Array) -> tuple[FixedPointLif, Array]:
    """The integer neuron and its threshold [C] for sums in `unit` [C]; spec/graph.md states the rounding.

    v >= threshold in floats is v > T << 6 here. Where potentials are plain sums of units, with n the least whole number
    of units that reaches the threshold: T = n - 1 under `zero`, and under `subtract`, which takes T off, T = n and a
    start of 1, a 64th of a unit, so that n units are above it. Elsewhere potentials are no whole units, and T is the
    nearest.
    """
    assert neuron.threshold is not None, "only a neuron that fires has a threshold"
    exact, initial = neuron.keeps_all, 0
    units = neuron.threshold / unit
    if exact:
        units = np.ceil(units * (1 - 1e-12))
        if neuron.reset == "zero":
            units = units - 1
        else:
            initial = 1
    threshold = np.clip(np.rint(units), 1, LARGEST_THRESHOLD)
    return FixedPointLif(neuron.reset, neuron.refractory, initial), threshold
