"""Reductions along dimensions: sums, means, maxima, where the maximum lies, softmax."""

from __future__ import annotations

import math
from collections.abc import Sequence

from striate.graph import Node
from striate.operators import Argmax, LogSoftmax, Softmax
from striate.operators.reduction import Reduction
from striate.operators.rules import axis_of
from striate.targets.gpu.candidates import row_tiles
from striate.targets.gpu.chain import Epilogue
from striate.targets.gpu.emission import Emission
from striate.targets.gpu.fuse import absorb, write_epilogue
from striate.targets.gpu.layout import Order, Place, Value, channels_last, coordinates_of, plus, times
from striate.targets.gpu.lower_movement import index_lines, mentions, plain

KINDS = {"reduce_mean": "mean", "reduce_sum": "sum", "reduce_max": "max"}


def lower_reduction(emission: Emission, node: Node) -> None:
    """The sum, the mean or the largest over some dimensions."""
    operator = node.operator
    assert isinstance(operator, Reduction), "the table maps reductions here"
    gone = [axis - 1 for axis in operator.axes(len(emission.graph.input_types(node)[0].shape))]
    shape = Place("buffer", "", "", node.type.shape, channels_last(len(node.type.shape)))
    chain = absorb(emission, node, lambda value: value.is_plain and value.place.lies_like(shape))
    place = emission.result(chain.nodes[-1], shape.order)
    epilogue = Epilogue(emission.graph, emission.store)
    write_epilogue(emission, chain, place, epilogue)
    slots = {"index": index_lines(place, epilogue.lines), "epilogue": epilogue.lines}
    nodes = [one.name for one in chain.nodes]
    elements = ("ELEMENTS", str(place.elements))
    slots = {name: [line.replace(*elements) for line in lines] for name, lines in slots.items()}
    _launch(emission, node, "reduction", gone, place, {"KIND": KINDS[operator.name]}, slots, epilogue, nodes)


def lower_argmax(emission: Emission, node: Node) -> None:
    """Where the largest number along a dimension lies."""
    operator = node.operator
    assert isinstance(operator, Argmax), "the table maps argmax here"
    gone = [axis_of(operator.dim, len(emission.graph.input_types(node)[0].shape)) - 1]
    place = emission.result(node, channels_last(len(node.type.shape)))
    emission.values[node.name] = Value(node.type, place)
    _launch(emission, node, "argmax", gone, place, {}, {}, Epilogue(emission.graph, emission.store), [node.name])


def lower_softmax(emission: Emission, node: Node) -> None:
    """Softmax along a dimension, or its logarithm; the result lies like the operand."""
    operator = node.operator
    assert isinstance(operator, (Softmax, LogSoftmax)), "the table maps softmax here"
    rank = len(node.type.shape)
    dim = axis_of(operator.dim, rank) - 1
    place = emission.result(node, channels_last(rank))
    emission.values[node.name] = Value(node.type, place)
    constants = {"LOG": isinstance(operator, LogSoftmax)}
    _launch(
        emission, node, "softmax", [dim], place, constants, {}, Epilogue(emission.graph, emission.store), [node.name]
    )


def _launch(
    emission: Emission,
    node: Node,
    kernel: str,
    gone: Sequence[int],
    place: Place,
    constants: dict[str, int | bool | str],
    slots: dict[str, list[str]],
    epilogue: Epilogue,
    nodes: Sequence[str],
) -> None:
    """A row for each number that is left, in the order in which the result is stored; a column for each that goes."""
    shape = emission.graph.input_types(node)[0].shape
    x = plain(emission, node.inputs[0], channels_last(len(shape)))
    strides, order = x.place.strides, x.place.order
    kept = _rows_order(x.place, gone, place, keeps=len(place.shape) == len(shape))
    rows, length = math.prod(shape[dim] for dim in kept), math.prod(shape[dim] for dim in gone)
    row_at = coordinates_of(f"(at % {rows})", [shape[dim] for dim in kept])
    start = plus(
        times(f"(at // {rows})", x.place.elements),
        *(times(one, strides[dim]) for one, dim in zip(row_at, kept, strict=True)),
    )
    columns = [dim for dim in order if dim in gone]
    column_at = coordinates_of("column", [shape[dim] for dim in columns])
    offset = plus(*(times(one, strides[dim]) for one, dim in zip(column_at, columns, strict=True)))
    emission.launch(
        layer=node.name,
        operator=node.operator.name,
        nodes=nodes,
        kernel=kernel,
        slots={**slots, "start": [f"start = {start}"], "offset": [f"offset = {_vector(offset)}"]},
        arguments=[("x_ptr", x.place), ("y_ptr", place)],
        extra=epilogue.places,
        result=place,
        rows_per_sample=rows,
        constants={"LENGTH": length, **constants},
        tiles=row_tiles(length, min((strides[dim] for dim in gone if strides[dim]), default=1) == 1),
        programs=lambda sizes: 1,
    )


def _rows_order(x: Place, gone: Sequence[int], result: Place, *, keeps: bool) -> Order:
    """The dimensions that are left, outermost first, in the order in which the result is stored."""
    left = [dim for dim in range(len(x.shape)) if dim not in gone]
    if keeps:
        return tuple(dim for dim in result.order if dim in left)
    return tuple(left[position] for position in result.order)


def _vector(offset: str) -> str:
    return offset if mentions(offset, "column") else f"column * 0 + {offset}"
