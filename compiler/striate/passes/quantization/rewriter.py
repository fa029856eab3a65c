"""The integer graph while it is being made: every value's forms, and what leads from one form to another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain, count

import numpy as np

from striate.diagnostics import Span
from striate.graph import Graph, Node
from striate.operators.constant import Constant
from striate.operators.quantized import LIMITS, Dequantize, Quantize, Requantize
from striate.operators.schema import Operator
from striate.passes.quantization.coding import Coding
from striate.passes.quantization.fixed_point import LARGEST_FACTOR, fixed_points
from striate.tensor import NUMPY, Array, DType, TensorType

LARGEST_CODE = 255
LARGEST_ACCUMULATOR = 2**31 - 1


@dataclass(frozen=True)
class Codes:
    """A value as i8 or u8: the node that holds it, and what its codes mean."""

    name: str
    coding: Coding


@dataclass(frozen=True)
class Accumulator:
    """A value as i32: x = scale[c] * q, |q| <= bound. `scale` is f64, one for each channel or just one."""

    name: str
    scale: Array
    bound: int


class Rewriter:
    """Builds `graph`, the integer form of `source`, node by node; rules say which form a node's value gets.

    A value may have several forms: `codes`, `accumulators` (both integers), and `plain` (as it was: a float, or an
    integer that was one already). Forms that are asked for and do not exist are made from those that do.
    """

    def __init__(self, source: Graph, plan: Mapping[str, Coding]) -> None:
        self.source, self.plan = source, plan
        self.graph = Graph(source.name)
        self.codes: dict[str, Codes] = {}
        self.accumulators: dict[str, Accumulator] = {}
        self._plain: dict[str, str] = {}
        self._converted: dict[tuple[str, Coding], Codes] = {}
        for name, type in source.inputs.items():
            self.graph.add_input(name, type)
            self._plain[name] = name

    # -- forms

    def as_codes(self, value: str, coding: Coding | None = None) -> Codes:
        """The value as codes: those it has or was planned to have, or ones that mean the same as `coding`."""
        wanted = coding or self.plan[value]
        native = self.codes.get(value)
        if native and (coding is None or native.coding.agrees(coding)):
            return native
        known = self._converted.get((value, wanted))
        if known:
            return known
        if native:
            made = self.requantize(self.fresh(f"{value}.requantize"), native, wanted)
        elif value in self.accumulators:
            made = self.requantize(self.fresh(f"{value}.requantize"), self.accumulators[value], wanted)
        else:
            made = self._quantize(value, wanted)
        self._converted[value, wanted] = made
        if native is None:
            self.codes[value] = made
        return made

    def as_plain(self, value: str) -> str:
        """The node (or input) that holds the value as it was in the source, a float from its finest form."""
        if value not in self._plain:
            accumulator = self.accumulators.get(value)
            if accumulator:
                made = self._dequantize(value, accumulator.name, accumulator.scale)
            else:
                codes = self.codes[value]
                made = self._dequantize(value, codes.name, np.array([codes.coding.scale]))
            self._plain[value] = made
        return self._plain[value]

    def set_plain(self, value: str, name: str) -> None:
        """Say that node `name` holds `value` as it was."""
        self._plain[value] = name

    # -- nodes

    def emit(
        self,
        name: str,
        operator: Operator,
        inputs: tuple[str, ...],
        values: Mapping[str, Array] | None = None,
        names: Mapping[str, str] | None = None,
        span: Span | None = None,
    ) -> str:
        """Append a node; `values` are its parameters by role, `names` what to call them if that is free."""
        types = operator.parameters(*(self.graph.type_of(value) for value in inputs))
        parameters: dict[str, str] = {}
        for role, type in types.items():
            wanted = (names or {}).get(role, f"{name}.{role}")
            value = (values or {})[role].astype(NUMPY[type.dtype], copy=False)
            parameters[role] = self._parameter(wanted, f"{name}.{role}", value, type.dtype)
        return self.graph.add(name, operator, inputs, parameters, span).name

    def requantize(self, name: str, source: Codes | Accumulator, wanted: Coding) -> Codes:
        """`source` brought to `wanted`, clipped to its limits, in a new node.

        A factor beyond any multiplier saturates every code but 0, and so does the largest multiplier.
        """
        scale = source.scale if isinstance(source, Accumulator) else np.array([source.coding.scale])
        low, high = LIMITS[wanted.dtype]
        operator = Requantize(
            wanted.dtype, None if wanted.low == low else wanted.low, None if wanted.high == high else wanted.high
        )
        factors = np.minimum(scale / wanted.scale, LARGEST_FACTOR)
        return Codes(self._rescale(name, source.name, operator, factors), wanted)

    def widen(self, name: str, codes: Codes, scale: Array) -> str:
        """`codes` as i32 at `scale` (one for each channel, or one); the caller answers for the range."""
        return self._rescale(name, codes.name, Requantize("i32"), codes.coding.scale / scale)

    def copy(self, node: Node) -> None:
        """The node as it was, on its operands as they were: an island, or a node that computes in integers already."""
        inputs = tuple(self.as_plain(name) for name in node.inputs)
        name = self.emit(node.name, node.operator, inputs, self.values(node), node.parameters, node.span)
        self.set_plain(node.name, name)

    def values(self, node: Node) -> dict[str, Array]:
        """The values of a source node's parameters by role. The weights must be loaded."""
        values: dict[str, Array] = {}
        for role in node.parameters:
            value = self.source.value(node, role)
            assert value is not None, f"the weights of '{node.name}' are not loaded"
            values[role] = value
        return values

    # -- how

    def _rescale(self, name: str, value: str, operator: Requantize, factors: Array) -> str:
        channels = self.graph.type_of(value).shape[0]
        multiplier, shift = fixed_points(np.broadcast_to(factors, (channels,)))
        return self.emit(name, operator, (value,), {"multiplier": multiplier, "shift": shift}, span=self._span(value))

    def _quantize(self, value: str, wanted: Coding) -> Codes:
        producer = self.source.producer(value)
        if producer and isinstance(producer.operator, Constant):
            integers = {"value": wanted.encode(self.values(producer)["value"].astype(np.float64))}
            operator = Constant(producer.operator.size, wanted.dtype)
            return Codes(self.emit(self.fresh(f"{value}.quantize"), operator, (), integers, span=producer.span), wanted)
        low, high = LIMITS[wanted.dtype]
        plain = self.as_plain(value)
        operator = Quantize(wanted.scale, wanted.dtype)
        name = self.emit(self.fresh(f"{value}.quantize"), operator, (plain,), span=self._span(value))
        return Codes(name, Coding(wanted.dtype, wanted.scale, low, high))

    def _dequantize(self, value: str, integers: str, scale: Array) -> str:
        channels = self.graph.type_of(integers).shape[0]
        scales = np.broadcast_to(scale, (channels,)).astype(np.float32)
        name = self.fresh(f"{value}.dequantize")
        return self.emit(name, Dequantize(), (integers,), {"scale": scales}, span=self._span(value))

    def _parameter(self, wanted: str, otherwise: str, value: Array, dtype: DType) -> str:
        """Keep `value` as `wanted`; where that is taken (a shared weight at another scale), elsewhere."""
        for name in chain((wanted, otherwise), (f"{otherwise}_{number}" for number in count(2))):
            known = self.graph.parameters.get(name)
            if known is None or (known.type.dtype == dtype and _equal(known.value, value)):
                return self.graph.set_parameter(name, value, TensorType(dtype, value.shape))
        raise AssertionError("there is always another number")

    def fresh(self, stem: str) -> str:
        """A name for a node that the source has not: `stem`, or `stem_2`, `stem_3`, ..."""
        name, number = stem, 2
        while name in self.graph or name in self.source:
            name, number = f"{stem}_{number}", number + 1
        return name

    def _span(self, value: str) -> Span | None:
        node = self.graph.producer(value) or self.source.producer(value)
        return node.span if node else None


def _equal(known: Array | None, value: Array) -> bool:
    return known is not None and np.array_equal(known, value)
