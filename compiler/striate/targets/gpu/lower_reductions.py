"""Reductions along dimensions: sums, means, maxima, where the maximum lies, softmax."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from striate.graph import Node
from striate.operators import Argmax, LogSoftmax, Softmax
from striate.operators.reduction import Reduction
from striate.operators.rules import axis_of
from striate.targets.gpu.candidates import row_tiles
from striate.targets.gpu.chain import Epilogue
from striate.targets.gpu.emission import Constant, Emission
from striate.targets.gpu.flat import index_lines, mentions, plain
from striate.targets.gpu.fuse import Fused, fuse_behind
from striate.targets.gpu.layout import Place, Value, channels_last, coordinates_of, plus, times

KINDS = {"reduce_mean": "mean", "reduce_sum": "sum", "reduce_max": "max"}


def lower_reduction(emission: Emission, node: Node) -> None:
    """The sum, the mean or the largest over some dimensions, and the pointwise nodes behind."""
    operator = node.operator
    assert isinstance(operator, Reduction), "the table maps reductions here"
    gone = [axis - 1 for axis in operator.axes(len(emission.graph.input_types(node)[0].shape))]
    fused = fuse_behind(emission, node, "reduction", channels_last(len(node.type.shape)))
    lines = fused.epilogue.lines
    slots = {"index": index_lines(fused.result, lines), "epilogue": lines}
    _launch(emission, node, gone, fused, "reduction", {"KIND": KINDS[operator.name]}, slots)


def lower_argmax(emission: Emission, node: Node) -> None:
    """Where the largest number along a dimension lies."""
    assert isinstance(node.operator, Argmax), "the table maps argmax here"
    _lower_along(emission, node, node.operator.dim, "argmax", {})


def lower_softmax(emission: Emission, node: Node) -> None:
    """The softmax along a dimension, or its logarithm."""
    assert isinstance(node.operator, (Softmax, LogSoftmax)), "the table maps softmax here"
    _lower_along(emission, node, node.operator.dim, "softmax", {"LOG": isinstance(node.operator, LogSoftmax)})


def _lower_along(emission: Emission, node: Node, dim: int, kernel: str, constants: Mapping[str, Constant]) -> None:
    gone = [axis_of(dim, len(emission.graph.input_types(node)[0].shape)) - 1]
    place = emission.result(node, channels_last(len(node.type.shape)))
    emission.values[node.name] = Value(node.type, place)
    epilogue = Epilogue(emission.graph, emission.store, emission.clock([node]))
    _launch(emission, node, gone, Fused([node.name], place, epilogue), kernel, constants)


def _launch(
    emission: Emission,
    node: Node,
    gone: Sequence[int],
    fused: Fused,
    kernel: str,
    constants: Mapping[str, Constant],
    slots: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> None:
    """A row for each number that is left, in the order in which the result is stored; a column for each that goes."""
    shape, place = emission.graph.input_types(node)[0].shape, fused.result
    x = plain(emission, node.inputs[0], channels_last(len(shape)), node).place
    left = [dim for dim in range(len(shape)) if dim not in gone]
    if len(place.shape) == len(shape):
        left = [dim for dim in place.order if dim in left]
    else:
        left = [left[position] for position in place.order]
    columns = [dim for dim in x.order if dim in gone]
    rows, length = math.prod(shape[dim] for dim in left), math.prod(shape[dim] for dim in columns)
    start = plus(times(f"(at // {rows})", x.elements), _offset(x, left, f"(at % {rows})"))
    offset = _offset(x, columns, "column")
    emission.launch(
        node,
        nodes=fused.names,
        kernel=kernel,
        slots={
            **slots,
            "start": [f"start = {start}"],
            "offset": [f"offset = {offset if mentions(offset, 'column') else 'column * 0'}"],
        },
        arguments={"x_ptr": x, "y_ptr": place},
        extra=fused.epilogue.places,
        result=place,
        rows=rows,
        constants={"LENGTH": length, **constants},
        tiles=row_tiles(length, is_contiguous=min((x.strides[dim] for dim in gone if x.strides[dim]), default=1) == 1),
        programs=lambda sizes: 1,
        clock=fused.epilogue.clock,
    )


def _offset(x: Place, dims: Sequence[int], index: str) -> str:
    """How far into a sample of `x` number `index` of the block of these dimensions lies, the others being 0."""
    coordinates = coordinates_of(index, [x.shape[dim] for dim in dims])
    return plus(*(times(at, x.strides[dim]) for at, dim in zip(coordinates, dims, strict=True)))
