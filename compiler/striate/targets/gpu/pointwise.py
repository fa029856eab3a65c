"""What each pointwise operator is in Triton: a new one is one line here.

In a chain every value is f32 or i32, whatever it is stored as. `{a}` and `{b}` are the operands; `{role}` a parameter,
loaded for the value's channel; other names are the operator's attributes, or what FIELDS says.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from striate.graph import Graph, Node
from striate.operators import BatchNorm
from striate.operators.quantized import LIMITS
from striate.targets.gpu.weights import parameter
from striate.tensor import NUMPY, Array, TensorType

_ROUNDED = "{a}.to(tl.int64) * {multiplier}.to(tl.int64) + (1 << ({shift}.to(tl.int64) - 1))"

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
    "requantize": f"tl.minimum(tl.maximum(({_ROUNDED}) >> {{shift}}.to(tl.int64), {{low}}), {{high}})",
    "dequantize": "{a}.to(tl.float32) * {scale}",
    "last": "{a}",
    "lookup": "tl.load({table} + {a} + {first}, mask=live, other=0)",
}
"""operator -> expression.

`quantize` divides as IEEE says and, once clipped, rounds by adding 1.5 * 2^23, where neighbouring floats are 1 apart:
exact, ties to even. `requantize` is its equation in 64 bits; `>>` keeps the sign.
"""

_GELU_SHARE = {
    "none": "tl.erf({a} * 0.7071067811865476)",
    "tanh": "(2 * tl.sigmoid(1.5957691216057308 * ({a} + 0.044715 * {a} * {a} * {a})) - 1)",
}
"""Twice the normal distribution's share, less one: by erf(x / sqrt 2), or by tanh(z) = 2 sigmoid(2 z) - 1."""

FIELDS: dict[str, Callable[[Any, TensorType], dict[str, object]]] = {
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


def literal(value: object) -> str:
    """An attribute's value as Triton text; a word as it is."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and not np.isfinite(value):
        return f'float("{value}")'
    return repr(value)


def arrays_of(graph: Graph, node: Node) -> dict[str, Array]:
    """The arrays that a pointwise node's expression reads, by the name it reads them under; floats as f32."""
    if isinstance(node.operator, BatchNorm):
        return _scale_and_shift(graph, node, node.operator.eps)
    arrays = {role: parameter(graph, node, role) for role in node.parameters}
    return {role: one.astype(np.float32) if one.dtype.kind == "f" else one for role, one in arrays.items()}


def _scale_and_shift(graph: Graph, node: Node, eps: float) -> dict[str, Array]:
    """(x - mean) / sqrt(variance + eps) * weight + bias as x * scale + shift, folded in double precision."""
    of = {role: parameter(graph, node, role).astype(np.float64) for role in node.parameters}
    scale = of["weight"] / np.sqrt(of["running_var"] + eps)
    return {"scale": scale.astype(np.float32), "shift": (of["bias"] - of["running_mean"] * scale).astype(np.float32)}
