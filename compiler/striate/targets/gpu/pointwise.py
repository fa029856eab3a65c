"""What each pointwise operator is in Triton: a new one is one line here.

In a chain every value is f32 or i32, whatever it is stored as. `{a}` and `{b}` are the operands; `{role}` a parameter,
loaded for the value's channel; other names are the operator's attributes, or what FIELDS computes from them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from striate.graph import Graph, Node
from striate.operators.quantized import LIMITS
from striate.tensor import NUMPY, Array, TensorType

POINTWISE: dict[str, str] = {
    "add": "{a} + {b}",
    "sub": "{a} - {b}",
    "mul": "{a} * {b}",
    "div": "{a} / {b}",
    "relu": "tl.maximum({a}, 0)",
    "relu6": "tl.minimum(tl.maximum({a}, 0.0), 6.0)",
    "clip": "tl.minimum(tl.maximum({a}, {min}), {max})",
    "leaky_relu": "tl.where({a} >= 0, {a}, {a} * {negative_slope})",
    "prelu": "tl.where({a} >= 0, {a}, {a} * {weight})",
    "elu": "tl.where({a} > 0, {a}, {alpha} * (tl.exp(tl.minimum({a}, 0.0)) - 1))",
    "sigmoid": "tl.sigmoid({a})",
    "tanh": "2 * tl.sigmoid(2 * {a}) - 1",
    "silu": "{a} * tl.sigmoid({a})",
    "hard_sigmoid": "tl.minimum(tl.maximum({a} + 3, 0.0), 6.0) / 6",
    "hard_swish": "{a} * tl.minimum(tl.maximum({a} + 3, 0.0), 6.0) / 6",
    "gelu": "{a} * (1 + {share}) / 2",
    "batch_norm": "{a} * {scale} + {shift}",
    "quantize": "tl.minimum(tl.maximum(tl.div_rn({a}, {divisor}), {low}), {high}) + 12582912.0 - 12582912.0",
    "requantize": "tl.minimum(tl.maximum(({a}.to(tl.int64) * {multiplier} + (1 << ({shift} - 1))) >> {shift}, {low}), {high})",
    "dequantize": "{a}.to(tl.float32) * {scale}",
    "lookup": "tl.load({table} + {a} + {first}, mask=live, other=0)",
}
"""operator -> expression. `quantize` rounds by adding 1.5 * 2^23, whose ulp is 1: exact, ties to even, once clipped."""

Fields = Callable[[Any, TensorType], dict[str, object]]

FIELDS: dict[str, Fields] = {
    "gelu": lambda gelu, _: {"share": _GELU_SHARE[gelu.approximate]},
    "quantize": lambda quantize, _: {
        "divisor": float(np.float32(quantize.scale)),
        "low": float(LIMITS[quantize.to][0]),
        "high": float(LIMITS[quantize.to][1]),
    },
    "requantize": lambda requantize, _: dict(zip(("low", "high"), requantize.limits, strict=True)),
    "lookup": lambda _, operand: {"first": -int(np.iinfo(NUMPY[operand.dtype]).min)},
}
"""operator -> what its expression needs beside attributes and parameters, from the operator and its operand's type."""

DERIVED: dict[str, Callable[[Graph, Node], dict[str, Array]]] = {
    "batch_norm": lambda graph, node: _scale_and_shift(graph, node),
}
"""operator -> the arrays its expression reads, where they are not its parameters as they are."""


_GELU_SHARE = {
    "none": "tl.erf(value * 0.7071067811865476)",
    "tanh": "(2 * tl.sigmoid(1.5957691216057308 * (value + 0.044715 * value * value * value)) - 1)",
}
"""The normal distribution's share, twice and less one: by erf, or by tanh(z) = 2 sigmoid(2 z) - 1, sqrt(8 / pi) = 1.5957691."""


def literal(value: object) -> str:
    """An attribute's value as Triton text; a word as it is."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and not np.isfinite(value):
        return f'float("{value}")'
    return repr(value)


def loaded_arrays(graph: Graph, node: Node) -> dict[str, Array]:
    """The arrays that a pointwise node's expression reads, by the name it reads them under; floats as f32."""
    if node.operator.name in DERIVED:
        return DERIVED[node.operator.name](graph, node)
    found: dict[str, Array] = {}
    for role in node.parameters:
        value = graph.value(node, role)
        assert value is not None, f"the weights of '{node.name}' are not loaded"
        found[role] = value.astype(np.float32) if value.dtype.kind == "f" else value
    return found


def _scale_and_shift(graph: Graph, node: Node) -> dict[str, Array]:
    """(x - mean) / sqrt(variance + eps) * weight + bias as x * scale + shift, folded in double precision."""
    roles = {
        role: np.asarray(value, np.float64)
        for role in node.parameters
        if (value := graph.value(node, role)) is not None
    }
    scale = roles["weight"] / np.sqrt(roles["running_var"] + float(getattr(node.operator, "eps")))
    shift = roles["bias"] - roles["running_mean"] * scale
    return {"scale": scale.astype(np.float32), "shift": shift.astype(np.float32)}
