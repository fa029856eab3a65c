"""conv2d(x) => dequantize(conv2d(quantize(x))): the network in 8-bit integers"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from striate.graph import Graph, Node
from striate.operators.constant import Constant
from striate.passes.quantization.calibrate import check_calibration, ranges
from striate.passes.quantization.coding import plan_codings
from striate.passes.quantization.health import LayerHealth, examine
from striate.passes.quantization.rewriter import Codes, Rewriter
from striate.passes.quantization.rules import ENDINGS, RULES
from striate.passes.remove_dead_nodes import remove_dead_nodes
from striate.tensor import Array
from striate.verify import verify


@dataclass(frozen=True)
class QuantizeReport:
    """What was quantized: the nodes that stayed in float, and all that it takes to say how well the rest is."""

    islands: tuple[str, ...]
    original: Graph = field(repr=False)
    quantized: Graph = field(repr=False)
    codes: Mapping[str, Codes] = field(repr=False)
    calibration: Mapping[str, Array] = field(repr=False)

    def health(self, samples: int = 32) -> tuple[LayerHealth, ...]:
        """How well the integers stand for the floats, value by value, on the first calibration samples.

        Runs both graphs in the interpreter, on fewer samples where the network is large.
        """
        return examine(self.original, self.quantized, self.codes, self.calibration, samples)


def quantize(graph: Graph, calibration: Mapping[str, Array], *, percentile: float | None = None) -> QuantizeReport:
    """Rewrite a float graph, in place, to the same operators on integers; spec/graph.md says which.

    x = scale * q: i8 weights for each output channel, i8 or u8 activations for each tensor, i32 accumulators and
    biases, `requantize` between them. Benefit: a quarter of the traffic, integer arithmetic, and one truth for every
    machine. Not sound in the passes' sense: results differ by the rounding of 8 bits, which the report's
    `health` measures. Unlike other passes it takes data: `calibration` holds `[N, *shape]` for each input,
    and a tensor's largest code stands for the largest magnitude seen (with `percentile`, say 99.99, for that
    percentile: more resolution for most numbers, and outliers are clipped).
    Holds off (an island in f32) where an operator has no integer form. Outputs that were f16 become f32.
    Raises CompileError: needs-calibration, bad-calibration.
    """
    arrays = check_calibration(graph, calibration)
    original = graph.copy()
    rewriter = Rewriter(original, plan_codings(original, ranges(original, arrays, percentile)))
    endings = _endings(original)
    islands: list[str] = []
    for node in original.topological():
        if _is_integer(original, node) or isinstance(node.operator, Constant):
            rewriter.copy(node)
        elif _ends_in_float(rewriter, node, endings) or not _apply_rule(rewriter, node):
            rewriter.copy(node)
            islands.append(node.name)
    rewriter.graph.outputs = {output: rewriter.as_plain(value) for output, value in original.outputs.items()}
    graph.become(rewriter.graph)
    remove_dead_nodes(graph)
    verify(graph, "quantize")
    return QuantizeReport(tuple(islands), original, graph.copy(), rewriter.codes, arrays)


def _apply_rule(rewriter: Rewriter, node: Node) -> bool:
    rule = RULES.get(node.operator.name)
    scalars = [name for name in (*node.inputs, node.name) if not rewriter.source.type_of(name).shape]
    return rule is not None and not scalars and rule(rewriter, node)


def _is_integer(graph: Graph, node: Node) -> bool:
    return not node.type.is_float and not any(type.is_float for type in graph.input_types(node))


def _endings(graph: Graph) -> set[str]:
    """Nodes of ENDINGS from which only outputs can be reached, through nodes of ENDINGS or islands."""
    found: set[str] = set()
    for node in reversed(graph.topological()):
        readers = graph.users(node.name)
        if node.operator.name in ENDINGS and all(
            reader.name in found or reader.operator.name not in RULES for reader in readers
        ):
            found.add(node.name)
    return found


def _ends_in_float(rewriter: Rewriter, node: Node, endings: set[str]) -> bool:
    value = node.inputs[0]
    if node.name not in endings or value in rewriter.codes:
        return False
    return value in rewriter.accumulators or value in endings
