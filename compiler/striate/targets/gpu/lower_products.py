"""Matrix products: linear layers, products of two activations, and the launch that convolutions share with them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from striate.graph import Node
from striate.targets.gpu.candidates import Tile, matrix_tiles, smaller_tiles, stack_tiles
from striate.targets.gpu.clock import Clock
from striate.targets.gpu.emission import Constant, Emission
from striate.targets.gpu.flat import plain
from striate.targets.gpu.fuse import fuse_behind
from striate.targets.gpu.layout import Order, Value, broadcast, coordinates_of, row_major
from striate.targets.gpu.steps import Slots, by_columns, image_slots, row_slots, step_slots
from striate.targets.gpu.weights import bias_for_unsigned, bias_of, pack_rows, parameter
from striate.tensor import Array


@dataclass(frozen=True)
class Product:
    """A launch of a kernel that multiplies an image or rows by weights.

    `weight` is [columns, ...] as the kernel reads it; the result has `rows` of `columns` numbers for each sample and
    lies in `order`. `grid_columns` are what tiles of BN columns cut, once for each of `groups`. `views` are the nodes
    that `x` stands for; `knows_channel` says whether a column is a channel of the graph's value. `source` says which
    frame of `x` a row reads, of a step of its own clock.
    """

    kernel: str
    x: Value
    weight: Array
    bias: Array | None
    order: Order
    rows: int
    constants: Mapping[str, Constant]
    tiles: tuple[Tile, ...]
    grid_columns: int
    groups: int = 1
    views: tuple[str, ...] = ()
    knows_channel: bool = True
    source: Callable[[Clock, Value, int], Slots] = image_slots


def launch_product(emission: Emission, node: Node, product: Product) -> None:
    """The launch, with the bias and every pointwise node that can be fused behind it."""
    fused = fuse_behind(
        emission, node, product.kernel, product.order, bias=product.bias, knows_channel=product.knows_channel
    )
    epilogue, clock = fused.epilogue, fused.epilogue.clock
    emission.launch(
        node,
        nodes=[*product.views, *fused.names],
        kernel=product.kernel,
        slots={
            **step_slots(epilogue, product.rows, by_columns("K")),
            **product.source(clock, product.x, product.rows),
        },
        arguments={
            "x_ptr": product.x.place,
            "w_ptr": emission.store(f"{node.name}.weight", product.weight),
            "y_ptr": fused.result,
        },
        extra=fused.epilogue.places,
        result=fused.result,
        rows=product.rows,
        constants=product.constants,
        tiles=smaller_tiles(product.tiles) if clock.keeps_state else product.tiles,
        clock=clock,
        states=epilogue.states,
        programs=lambda sizes: product.groups * -(-product.grid_columns // sizes["BN"]),
    )


def linear_product(
    emission: Emission, node: Node, x: Value, weight: Array, order: Order, rows: int, views: tuple[str, ...] = ()
) -> Product:
    """Rows times [K, C] weights. A result of several dimensions whose channel is not the last does not know it."""
    k, c = weight.shape
    frames = emission.clock([node]).frames
    tiles = matrix_tiles(rows * frames * emission.default_batch, k, c, x.place.dtype)
    packed = pack_rows(weight, tiles, x.place.dtype)
    bias = bias_of(emission.graph, node)
    return Product(
        kernel="linear",
        x=x,
        weight=packed,
        bias=bias_for_unsigned(packed, bias) if x.place.dtype == "u8" else bias,
        order=order,
        rows=rows,
        constants={"C": c, "K": k, "LENGTH": packed.shape[1]},
        tiles=tiles,
        grid_columns=k,
        views=views,
        knows_channel=order[-1] == 0,
        source=row_slots,
    )


def lower_linear(emission: Emission, node: Node) -> None:
    """A linear layer on the last dimension. A flatten before it is folded into the order of its weights."""
    graph, name = emission.graph, node.inputs[0]
    weight, shape = parameter(graph, node, "weight"), graph.type_of(name).shape
    order = row_major(len(shape))
    source = _flattened_source(emission, name)
    if source is None:
        x = plain(emission, name, order, node, delayed=True)
        product = linear_product(emission, node, x, weight, order, math.prod(shape[:-1]), x.nodes)
    else:
        stored = (0, *(dim + 1 for dim in source.place.order))
        weight = weight.reshape(-1, *source.place.shape).transpose(stored).reshape(len(weight), -1)
        product = linear_product(emission, node, source, weight, order, 1, emission.values[name].nodes)
    launch_product(emission, node, product)


def lower_matmul(emission: Emission, node: Node) -> None:
    """The product of two activations, one pair of matrices after another; stacks broadcast."""
    types = emission.graph.input_types(node)
    a, b = (
        plain(emission, name, row_major(len(type.shape)), node) for name, type in zip(node.inputs, types, strict=True)
    )
    (*_, rows, depth), columns = types[0].shape, types[1].shape[-1]
    stack, pairs = node.type.shape[:-2], math.prod(node.type.shape[:-2])
    place = emission.result(node, row_major(len(node.type.shape)))
    at = coordinates_of(f"(pair % {pairs})", stack)
    a_start, b_start = (value.index((*broadcast(at, value.type.shape[:-2]), "0", "0")) for value in (a, b))
    emission.launch(
        node,
        nodes=[node.name],
        kernel="matmul",
        slots={"a_start": [f"sample = pair // {pairs}", f"a_start = {a_start}"], "b_start": [f"b_start = {b_start}"]},
        arguments={"a_ptr": a.place, "b_ptr": b.place, "y_ptr": place},
        result=place,
        rows=pairs,
        constants={"ROWS": rows, "DEPTH": depth, "COLUMNS": columns},
        tiles=stack_tiles(rows, columns, depth, types[0].is_float),
        programs=lambda sizes: -(-rows // sizes["BR"]) * -(-columns // sizes["BN"]),
        clock=emission.clock([node]),
    )
    emission.values[node.name] = Value(node.type, place)


def _flattened_source(emission: Emission, name: str) -> Value | None:
    """What a flatten of everything reads, where it lies in a buffer in the type that kernels compute on; else None."""
    producer, view = emission.graph.producer(name), emission.values[name]
    is_flatten = producer is not None and producer.operator.name in ("flatten", "reshape")
    if producer is None or not is_flatten or len(view.maps) != 1 or len(view.type.shape) != 1:
        return None
    source = replace(emission.values[producer.inputs[0]], delay=view.delay)
    return source if source.is_stored and source.place.dtype == emission.stored_dtype(source.type) else None
