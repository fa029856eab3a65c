"""What the codings do not do yet, and why.

An operator that stands here is refused in at least one of its cases; every other case, and every operator that does
not stand here, is encoded. Tests hold both, so that a line that is no longer true fails; spec/mapping.md prints them.
"""

from __future__ import annotations

MOVEMENTS = ("flatten", "reshape", "permute", "concat", "slice", "pad", "upsample")
"""Operators that only renumber neurons (a pad by 0; an upsample to the nearest)."""

SCATTERED = "its operand is rearranged so that no channel is an image any more, and a copy would take too many synapses"
ROWS = "a linear layer over more than one dimension would need one copy of its weights for each row"
FILLED = "padding with another number than 0 would need neurons that send it"
ISLAND = "it needs floats in the middle of the network, which only the host has"

_FLOATS = "it has no integer form, and a chip has no floats"
_PRODUCT = "a neuron adds up weighted events; it does not multiply two activations"
_HOST = "it compares or normalises a whole layer, which takes the host; leave it out and apply it to the outputs"
_TABLE = "a neuron clips and scales; it has no table of function values"
_CONSTANT = "a constant that is no layer's bias would need neurons that send it"
_CURVE = "integrate-and-fire is a relu; other curves have no rate that follows them"
_NEGATIVE = "its result may be negative, and there is no negative rate"
_LARGEST = "the largest of several rates is not a sum of spikes; use avg_pool2d"
INTEGERS = "it belongs to integer graphs; 'rate' takes the float graph"

NOT_YET: dict[tuple[str, str], str] = {
    **{("graded", name): _FLOATS for name in ("batch_norm", "adaptive_avg_pool2d", "avg_pool2d", "div", "reduce_mean")},
    **{("graded", name): _FLOATS for name in ("relu6", "clip", "leaky_relu", "prelu", "elu", "sigmoid", "tanh")},
    **{("graded", name): _FLOATS for name in ("hard_sigmoid", "hard_swish", "silu", "gelu")},
    **{(coding, name): _HOST for coding in ("graded", "rate") for name in ("softmax", "log_softmax", "argmax")},
    **{(coding, name): _PRODUCT for coding in ("graded", "rate") for name in ("mul", "matmul")},
    **{(coding, "constant"): _CONSTANT for coding in ("graded", "rate")},
    **{(coding, "linear"): ROWS for coding in ("graded", "rate")},
    **{(coding, "pad"): FILLED for coding in ("graded", "rate")},
    ("graded", "lookup"): _TABLE,
    **{("rate", name): _CURVE for name in ("leaky_relu", "prelu", "elu", "sigmoid", "tanh")},
    **{("rate", name): _CURVE for name in ("hard_sigmoid", "hard_swish", "silu", "gelu", "clip")},
    **{("rate", name): INTEGERS for name in ("quantize", "requantize", "dequantize", "lookup", "sum_pool2d")},
    ("rate", "batch_norm"): "it was not folded into a convolution or linear layer before it",
    ("rate", "div"): _PRODUCT,
    **{("rate", name): _LARGEST for name in ("max_pool2d", "reduce_max")},
    ("graded", "reduce_max"): "a maximum over a dimension is no window; use max_pool2d",
}
"""(coding, operator) -> why."""

NO_RULE = "no rule has been written for it"
