"""What the codings do not do yet, and why.

An operator that stands here is refused in at least one of its cases; every other case, and every operator that does
not stand here, is encoded. Tests hold both, so that a line that is no longer true fails; spec/mapping.md prints them.
"""

from __future__ import annotations

TIME = (
    "integrate_and_fire", "lif", "cuba_lif", "leaky_integrator", "sigma_delta", "delta", "sigma",
    "fixed_point_lif", "fixed_point_integrator", "fixed_point_sigma_delta", "hold",
    "delay", "spike_count", "sum_over_time", "last",
)  # fmt: skip
"""Operators with state."""

MOVEMENTS = ("flatten", "reshape", "permute", "concat", "slice", "pad", "upsample")
"""Operators that only renumber neurons (a pad by 0; an upsample to the nearest)."""

SCATTERED = "its operand is rearranged so that no channel is an image any more, and a copy would take too many synapses"
ROWS = "a linear layer over more than one dimension would need one copy of its weights for each row"
FILLED = "padding with another number than 0 would need neurons that send it"
ISLAND = "it needs floats in the middle of the network, which only the host has"

NATIVE_ISLAND = (
    "it needs floats, or sums, where only spikes can be: nothing but neurons stands between two sets of weights"
)
MOVED_SUM = "a sum of weights is rearranged before it meets its neurons"
TOTAL_OF_POTENTIALS = "a potential cannot be sent, so that nothing on the chip can add it up"
GIVEN_ANEW = (
    "its operand is given anew in every step, and neurons of a chip add up what comes: it takes changes, or what a "
    "sigma_delta or a delta of an input holds"
)
ONLY_INPUTS = "only an input's numbers, and what neurons hold, can be sent as changes"
ADDED_TWICE = "it would add up, step by step, what is held already: a sum of changes"
HELD = "what is held would have to be sent anew in every step; only its changes are"
ZERO_POTENTIALS = "what is not 0 can only be counted of spikes"

INTEGERS = "it belongs to integer graphs; 'rate' takes the float graph"

_FLOATS = "it has no integer form, and a chip has no floats"
_SUM = "on floats; `quantize` makes it a sum, which is encoded"
_LIMITS = "on floats; `quantize` makes it the limits of a requantize, which are encoded"
_LOOKUP = "`quantize` makes it a lookup, and a neuron has no table of function values"
_PRODUCT = "a neuron adds up weighted events; it does not multiply two activations"
_HOST = "it compares or normalises a whole layer, which takes the host; leave it out and apply it to the outputs"
_CONSTANT = "a constant that is no layer's bias would need neurons that send it"
_CURVE = "integrate-and-fire is a relu; other curves have no rate that follows them"
_TIME = "it works over time, which is what 'native' is for"
_ISLAND = "it computes in floats, and between two sets of weights only neurons can stand; apply it to the outputs"
_REPEATED = "an operand that is repeated along a dimension would be sent again for each of its places"
_LARGEST = "the largest of several rates is not a sum of spikes; use avg_pool2d"

_NO_CHANGE = "a maximum needs each value where it is taken, and only changes arrive there; use avg_pool2d"

_CURVES = ("leaky_relu", "prelu", "elu", "sigmoid", "tanh", "hard_sigmoid", "hard_swish", "silu", "gelu")

_GRADED = {
    **dict.fromkeys(("avg_pool2d", "adaptive_avg_pool2d", "reduce_mean"), _SUM),
    **dict.fromkeys(("relu6", "clip"), _LIMITS),
    **dict.fromkeys((*_CURVES, "lookup"), _LOOKUP),
    "batch_norm": "on floats; `quantize` makes a depthwise convolution of one on an image, which is encoded",
    "div": _FLOATS,
    "reduce_max": "a maximum over a dimension is no window; use max_pool2d",
}
_RATE = {
    **dict.fromkeys(_CURVES, _CURVE),
    **dict.fromkeys(("quantize", "requantize", "dequantize", "lookup", "sum_pool2d"), INTEGERS),
    **dict.fromkeys(("max_pool2d", "reduce_max"), _LARGEST),
    "batch_norm": "it was not folded into a convolution or linear layer before it",
    "clip": "only a clip from 0 is a rectifier; there is no negative rate",
    "div": _PRODUCT,
}
_DELTA = _GRADED | {"max_pool2d": _NO_CHANGE}
_ALL = {
    **dict.fromkeys(("softmax", "log_softmax", "argmax"), _HOST),
    **dict.fromkeys(("mul", "matmul"), _PRODUCT),
    **dict.fromkeys(TIME, _TIME),
    "constant": _CONSTANT,
    "linear": ROWS,
    "pad": FILLED,
}

_NATIVE = {
    **dict.fromkeys((*_CURVES, "relu", "relu6", "clip", "lookup", "div", "reduce_mean"), _ISLAND),
    **dict.fromkeys(("softmax", "log_softmax", "argmax", "reduce_max"), _HOST),
    **dict.fromkeys(("mul", "matmul"), _PRODUCT),
    **dict.fromkeys(("add", "sub"), _REPEATED),
    **dict.fromkeys(("avg_pool2d", "adaptive_avg_pool2d"), "where windows count different numbers of places"),
    "batch_norm": "it was not folded into a convolution or linear layer before it",
    "constant": _CONSTANT,
    "flatten": MOVED_SUM + "; spikes are rearranged for nothing",
    "linear": ROWS,
    "max_pool2d": "the largest of several numbers is not a sum of events; of spikes it is encoded",
    "pad": FILLED,
    "reduce_sum": "a sum that is no layer of weights; use avg_pool2d or linear",
    "requantize": "a neuron multiplies spikes by whole numbers only",
    "fixed_point_sigma_delta": GIVEN_ANEW,
    "delta": ONLY_INPUTS,
    "spike_count": ZERO_POTENTIALS,
    "sum_pool2d": "on floats; avg_pool2d becomes part of the weights",
    "upsample": "bilinear mixes neighbours in floats; to the nearest it is encoded",
}

NOT_YET: dict[tuple[str, str], str] = {
    (coding, name): reason
    for coding, reasons in {"graded": _GRADED, "rate": _RATE, "delta": _DELTA}.items()
    for name, reason in (reasons | _ALL).items()
} | {("native", name): reason for name, reason in _NATIVE.items()}
"""(coding, operator) -> why."""

NO_RULE = "no rule has been written for it"


def document() -> str:
    """The table in Markdown, operator by operator."""
    codings = tuple(dict.fromkeys(coding for coding, _ in NOT_YET))
    names = sorted({name for _, name in NOT_YET})
    rows = [f"| `{name}` | {' | '.join(_cell(coding, name) for coding in codings)} |" for name in names]
    return "\n".join([f"| operator | {' | '.join(codings)} |", "|---" * (len(codings) + 1) + "|", *rows, ""])


def _cell(coding: str, name: str) -> str:
    return NOT_YET.get((coding, name), "encoded")


if __name__ == "__main__":
    print(document(), end="")
