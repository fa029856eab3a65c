"""Networks that send changes, by hand and at random, and what they compute if changes are added up one by one."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from striate.graph import Graph, Node
from striate.interpreter import interpret_all
from striate.operators.changes import Hold
from striate.operators.readout import Delay
from striate.operators.sigma_delta import FixedPointSigmaDelta
from striate.operators.stateful import StatefulOperator
from striate.pipeline import Compilation, read
from striate.tensor import NUMPY, Array

STEPS, SAMPLES = 12, 2

KINDS = ("chain", "chain", "residual", "sum", "concat", "concat", "late", "pool", "moved", "loop", "direct")
"""What leads to a layer of neurons at random."""


def frames(shape: tuple[int, ...], seed: int, steps: int = STEPS, samples: int = SAMPLES) -> Array:
    """Frames that change a little from step to step, here and there, `[N, T, *shape]`; none below 0 for even seeds."""
    rng = np.random.default_rng(seed)
    moves = rng.normal(size=(samples, steps, *shape)) * (rng.random((samples, steps, *shape)) < 0.2)
    moves[:, 0] = rng.normal(size=(samples, *shape))
    walk = np.cumsum(moves, axis=1)
    return (walk if seed % 2 else np.abs(walk)).astype(np.float32)


def compiled(
    body: str, x: str = "f32[2, 9, 9]", outputs: str = "y", seed: int = 0, whole: bool = False
) -> tuple[Compilation, dict[str, Array]]:
    """A network and its own inputs, on which it is calibrated; `whole`: numbers that are changes themselves."""
    text = f"network n(x: {x}, dt = 1ms) -> {outputs} {{\n weights init(5)\n {body}\n}}"
    graph = read(text, stand_ins=True).graph
    inputs = {name: frames(type.shape, seed + n) for n, (name, type) in enumerate(graph.inputs.items())}
    if whole:
        inputs = {name: np.clip(np.rint(array), -2, 2).astype(np.float32) for name, array in inputs.items()}
    return read(text, calibration=inputs), inputs


# -- at random


@dataclass
class _Text:
    """A network's text while it grows: the images that may be read, with their shapes (C, H, W)."""

    rng: np.random.Generator
    lines: list[str] = field(default_factory=list[str])
    images: dict[str, tuple[int, int, int]] = field(default_factory=dict[str, "tuple[int, int, int]"])

    def sigma_delta(self) -> str:
        """A neuron with any threshold, activation and bias."""
        threshold = self.rng.choice(["0", "0", "0.01", "0.08"])
        bias = ", bias=true" if self.rng.random() < 0.6 else ""
        return f"sigma_delta({threshold}, {self.rng.choice(['relu', 'relu', 'none'])}{bias})"

    def pick(self) -> tuple[str, tuple[int, int, int]]:
        """Any image so far, the last ones more often."""
        names = list(self.images)
        name = names[max(0, len(names) - 1 - int(self.rng.exponential(1.0)))]
        return name, self.images[name]

    def layer(self, name: str) -> None:
        """One more image that neurons give."""
        rng, (source, (c, h, w)) = self.rng, self.pick()
        out, stride = int(rng.integers(1, 5)), int(rng.integers(1, 3)) if h > 4 else 1
        conv = f"conv2d({out}, 3, stride={stride}, padding=1, bias=false)"
        small = (out, (h - 1) // stride + 1, (w - 1) // stride + 1)
        kind = rng.choice(
            ["chain", "chain", "residual", "sum", "concat", "concat", "late", "pool", "moved", "loop", "direct"]
        )
        if kind == "residual":
            body, shape = f"{source} + ({source} |> conv2d({c}, 3, padding=1, bias=false))", (c, h, w)
        elif kind == "sum":
            others = [n for n, s in self.images.items() if s == (c, h, w) and n != source]
            body, shape = f"{source} - {others[-1]}" if others else f"{source} |> delay(1)", (c, h, w)
        elif kind == "concat":
            other = next(n for n in self.images if self.images[n][1:] == (h, w))
            body, shape = f"concat({source}, {other}) |> {conv}", small
        elif kind == "late":
            body = f"({source} |> delay({int(rng.integers(1, 4))}) |> {conv}) + ({source} |> {conv} |> delay(1))"
            shape = small
        elif kind == "pool" and h >= 4:
            body, shape = f"{source} |> avg_pool2d(2)", (c, h // 2, w // 2)
        elif kind == "moved":
            body, shape = f"{source} |> permute((1, 3, 2)) |> upsample(2) |> {conv}", (
                out, (2 * w - 1) // stride + 1, (2 * h - 1) // stride + 1,
            )  # fmt: skip
        elif kind == "loop":
            self.lines.append(f"{name}b = {name} |> delay(2, size={small}) |> conv2d({out}, 1, bias=false)")
            body, shape = f"({source} |> {conv}) - {name}b", small
        elif kind == "direct":
            body, shape = source, (c, h, w)
        else:
            body, shape = f"{source} |> {conv}", small
        self.lines.append(f"{name} = {body} |> {self.sigma_delta()}")
        self.images[name] = shape


def random_network(seed: int) -> tuple[Compilation, dict[str, Array]]:
    """Two to five layers in any arrangement, read in every way."""
    text = _Text(np.random.default_rng(seed))
    size = int(text.rng.integers(4, 9))
    text.lines.append(f"d = x |> delta({text.rng.choice(['0', '0', '0.05'])})")
    text.images["d"] = (2, size, size)
    for number in range(int(text.rng.integers(2, 6))):
        text.layer(f"l{number}")
    last = list(text.images)[-1]
    text.lines += [
        f"every = {last} |> flatten |> linear(3, bias=false) |> sigma",
        f"total = {last} |> flatten |> linear(3, bias=false) |> sum_over_time",
        f"held = {text.pick()[0]} |> sigma",
        f"sent = {text.pick()[0]}",
        f"at_last = {text.pick()[0]} |> last",
        f"fired = {text.pick()[0]} |> lif(5ms, 0.2) |> spike_count",
    ]
    outputs = "every, total, held, sent, at_last, fired"
    return compiled("\n ".join(text.lines), f"f32[2, {size}, {size}]", outputs, seed)


# -- one by one


def by_changes(graph: Graph, inputs: dict[str, Array]) -> dict[str, Array]:
    """What neurons hold in every step, `[N, T, *shape]`, if all that ever travels are changes.

    Of a node that is linear its matrix is taken, and applied to each step's changes in whole numbers; a neuron adds up
    what comes and adds up what it sends. Nothing here convolves, or knows what anybody holds.
    """
    given = interpret_all(graph, inputs)
    samples, steps = next(iter(inputs.values())).shape[:2]
    changes: dict[str, Array] = {
        node.name: _first_difference(given[node.name]) for node in graph if isinstance(node.operator, Hold)
    }
    linear = {node.name: node for node in _changing(graph)}
    matrices = {name: _matrix(graph, node) for name, node in linear.items() if not _has_state(node)}
    for name, node in linear.items():
        changes[name] = np.zeros((samples, steps, *node.type.shape), np.int64)
    sums = {name: np.zeros((samples, *graph.node(name).type.shape), np.int64) for name in linear}
    held = {name: array.copy() for name, array in sums.items()}
    for t in range(steps):
        for name, node in linear.items():
            sources = [changes[operand] for operand in node.inputs]
            if isinstance(node.operator, Delay):
                ago = t - node.operator.steps
                changes[name][:, t] = sources[0][:, ago] if ago >= 0 else 0
                continue
            now = [source[:, t].reshape(samples, -1) for source in sources]
            if name in matrices:
                moved = sum((x @ part for x, part in zip(now, matrices[name], strict=True)), np.zeros((), np.int64))
                changes[name][:, t] = moved.reshape(samples, *node.type.shape)
                continue
            sums[name] += sources[0][:, t]
            y = _rescaled(graph, node, sums[name])
            threshold = node.operator.threshold if isinstance(node.operator, FixedPointSigmaDelta) else 1
            far = np.abs(y - held[name]) >= max(threshold, 1)
            changes[name][:, t] = np.where(far, y - held[name], 0)
            held[name] = held[name] + changes[name][:, t]
    return {name: np.cumsum(array, axis=1) for name, array in changes.items()}


def _first_difference(array: Array) -> Array:
    return np.diff(array.astype(np.int64), axis=1, prepend=0)


def _changing(graph: Graph) -> list[Node]:
    """What changes travel through, operands first: all that depends on a `hold` but what takes a value anew."""
    ends = ("delta", "last", "dequantize", "spike_count", "fixed_point_lif")
    found = {node.name for node in graph if isinstance(node.operator, Hold)}
    inner = [node for node in graph.topological() if node.operator.name not in (*ends, "hold")]
    while more := {node.name for node in inner if node.name not in found and found.intersection(node.inputs)}:
        found |= more
    return [node for node in inner if node.name in found]


def _has_state(node: Node) -> bool:
    """A neuron, a delay, and a rescaling whose rounding does not add up: a neuron of its own."""
    return isinstance(node.operator, StatefulOperator) or node.operator.name == "requantize"


def _rescaled(graph: Graph, node: Node, total: Array) -> Array:
    """clip(((s + bias) * multiplier + half) >> shift) in whole numbers."""
    roles = {
        role: value.astype(np.int64).reshape(-1, *[1] * (total.ndim - 2))
        for role in node.parameters
        if (value := graph.value(node, role)) is not None
    }
    low, high = getattr(node.operator, "limits")  # noqa: B009 - both have it
    shift = roles["shift"]
    return np.clip(((total + roles.get("bias", 0)) * roles["multiplier"] + (1 << (shift - 1))) >> shift, low, high)


def _matrix(graph: Graph, node: Node) -> list[Array]:
    """For each operand, what a 1 at each of its places makes of the node, `[places, numbers]`."""
    parameters = {r: value for r in node.parameters if r != "bias" and (value := graph.value(node, r)) is not None}
    types, matrices = graph.input_types(node), list[Array]()
    for index, type in enumerate(types):
        ones = np.eye(type.elements, dtype=NUMPY[type.dtype]).reshape(type.elements, *type.shape)
        operands = [
            ones if other == index else np.zeros((type.elements, *each.shape), NUMPY[each.dtype])
            for other, each in enumerate(types)
        ]
        matrices.append(node.operator.reference(*operands, **parameters).reshape(type.elements, -1).astype(np.int64))
    return matrices
