"""THE RULES: which integer form each operator gets. One without a rule, or whose rule holds off, is an island."""

from __future__ import annotations

from collections.abc import Callable

from striate.graph import Node
from striate.operators import OPERATORS
from striate.operators.pointwise import Pointwise
from striate.passes.quantization.arithmetic import add_at_one_scale, multiply_codes
from striate.passes.quantization.functions import clip_codes, look_up
from striate.passes.quantization.layers import scale_channels, sum_by_weights, sum_dimensions, sum_windows
from striate.passes.quantization.movement import choose_among_codes, concatenate_codes, move_codes
from striate.passes.quantization.rewriter import Rewriter

Rule = Callable[[Rewriter, Node], bool]
"""Gives a node's value its form and says True; or leaves everything as it is and says False."""

RULES: dict[str, Rule] = {
    **{name: look_up for name, operator in OPERATORS.items() if issubclass(operator, Pointwise)},
    "prelu": look_up,
    "relu": clip_codes,
    "relu6": clip_codes,
    "clip": clip_codes,
    "conv1d": sum_by_weights,
    "conv2d": sum_by_weights,
    "conv_transpose2d": sum_by_weights,
    "linear": sum_by_weights,
    "avg_pool2d": sum_windows,
    "adaptive_avg_pool2d": sum_windows,
    "reduce_sum": sum_dimensions,
    "reduce_mean": sum_dimensions,
    "batch_norm": scale_channels,
    "add": add_at_one_scale,
    "sub": add_at_one_scale,
    "mul": multiply_codes,
    "matmul": multiply_codes,
    "max_pool2d": move_codes,
    "reduce_max": move_codes,
    "flatten": move_codes,
    "reshape": move_codes,
    "permute": move_codes,
    "slice": move_codes,
    "pad": move_codes,
    "upsample": move_codes,
    "concat": concatenate_codes,
    "argmax": choose_among_codes,
}

ENDINGS = frozenset(
    (*(name for name, rule in RULES.items() if rule is look_up), "flatten", "reshape", "permute", "slice")
)
"""What stays in float between the last accumulator and the outputs: there it costs little and loses nothing."""
