"""Codes: how a float tensor is written in 8-bit integers, and which codes each value of a network should be given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from striate.graph import Graph, Node
from striate.operators.pointwise import Clip
from striate.operators.quantized import LIMITS
from striate.passes.quantization.calibrate import Range
from striate.tensor import NUMPY, Array, DType

FOLLOWS = frozenset(
    (
        "relu",
        "relu6",
        "clip",
        "max_pool2d",
        "reduce_max",
        "flatten",
        "reshape",
        "permute",
        "slice",
        "pad",
        "upsample",
        "concat",
    )
)
"""Operators that commute with coding: what they give in some codes, they can make from an operand in the same codes."""

_SMALLEST_SCALE = 2.0**-100


@dataclass(frozen=True)
class Coding:
    """x = scale * q with low <= q <= high. `scale` is a float32 number; the zero point is 0."""

    dtype: DType
    scale: float
    low: int
    high: int

    @property
    def magnitude(self) -> int:
        """The largest |q|."""
        return max(abs(self.low), abs(self.high))

    def agrees(self, other: Coding) -> bool:
        """Whether a code means the same number in both; their limits may differ."""
        return self.dtype == other.dtype and self.scale == other.scale

    def encode(self, x: Array) -> Array:
        """clip(round(x / scale), low, high), ties to the even number, as i64; x in double precision."""
        return np.clip(np.rint(x / self.scale), self.low, self.high).astype(np.int64)

    def narrowed(self, low: float, high: float) -> Coding:
        """The same codes clipped to real numbers `low` to `high` as well."""
        narrow_low, narrow_high = (int(code) for code in self.encode(np.array([low, high])))
        return replace(self, low=narrow_low, high=narrow_high)


def coding_for(range: Range) -> Coding:
    """u8 for what was never negative, symmetric i8 for anything else; the largest code stands for the magnitude.

    What was 0 on all the calibration data could be anything elsewhere; its largest code stands for 1.
    """
    dtype: DType = "u8" if range.low >= 0 else "i8"
    low, high = LIMITS[dtype]
    scale = np.float32((range.magnitude or 1.0) / high)
    return Coding(dtype, max(float(scale), _SMALLEST_SCALE), low, high)


def count_coding(low: float, high: float) -> Coding | None:
    """Whole numbers from `low` to `high` as they are, at scale 1; None where 8 bits do not hold them."""
    for dtype in ("i8", "u8"):
        least, largest = LIMITS[dtype]
        if least <= low and high <= largest:
            return Coding(dtype, 1.0, least, largest)
    return None


def clip_limits(node: Node) -> tuple[float, float] | None:
    """The real (low, high) that a node clips to; None for an operator that does anything else."""
    if isinstance(node.operator, Clip):
        return node.operator.min, node.operator.max
    return {"relu": (0.0, np.inf), "relu6": (0.0, 6.0)}.get(node.operator.name)


def plan_codings(graph: Graph, ranges: Mapping[str, Range]) -> dict[str, Coding]:
    """The codes that each float value should be given.

    A value whose only reader follows (FOLLOWS) takes the reader's codes, clips included: convolution, max_pool2d and
    relu in a row are one layer with one scale, and concat's branches meet at one. Any other takes its own range's.
    """
    plan: dict[str, Coding] = {}
    for node in reversed(graph.topological()):
        if not node.type.is_float:
            continue
        coding = _inherited(graph, node.name, plan) or coding_for(ranges[node.name])
        limits = clip_limits(node)
        plan[node.name] = coding.narrowed(*limits) if limits else coding
    for name, type in graph.inputs.items():
        if type.is_float:
            plan[name] = _inherited(graph, name, plan) or coding_for(ranges[name])
    return plan


def _inherited(graph: Graph, value: str, plan: Mapping[str, Coding]) -> Coding | None:
    reader = graph.only_user(value)
    return plan[reader.name] if reader and reader.operator.name in FOLLOWS else None


def all_codes(dtype: DType) -> Array:
    """The 256 numbers of an 8-bit type in the order of a lookup's table, as f64."""
    limits = np.iinfo(NUMPY[dtype])
    return np.arange(limits.min, limits.max + 1, dtype=np.float64)
