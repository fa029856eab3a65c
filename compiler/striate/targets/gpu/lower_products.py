"""Convolutions, linear layers and matrix products."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from striate.graph import Node
from striate.operators import Conv1d, Conv2d, ConvTranspose2d
from striate.targets.gpu.candidates import Tile, image_tiles, matrix_tiles, stack_tiles
from striate.targets.gpu.chain import Epilogue
from striate.targets.gpu.emission import Emission
from striate.targets.gpu.fuse import absorb, write_epilogue
from striate.targets.gpu.layout import Order, Place, Value, broadcast, channels_last, coordinates_of, row_major
from striate.targets.gpu.lower_movement import plain
from striate.tensor import NUMPY, Array, Shape


@dataclass(frozen=True)
class Geometry:
    """A convolution in two dimensions: the image, the filter, the result; `weight` is [K, R, S, C / groups]."""

    image: Shape
    result: Shape
    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    top: int
    left: int
    groups: int
    weight: Array
    is_transposed: bool = False

    @property
    def is_depthwise(self) -> bool:
        """Whether every output channel sees one input channel, and there is more than one."""
        return self.groups == self.image[0] > 1 and not self.is_transposed

    @property
    def is_linear(self) -> bool:
        """Whether every output pixel sees just the pixel at its own place."""
        return (
            self.kernel == self.strides == (1, 1)
            and self.groups == 1
            and (self.top, self.left) == (0, 0)
            and self.image[1:] == self.result[1:]
        )

    @property
    def constants(self) -> dict[str, int | bool | str]:
        """The kernel's constants that say where windows lie."""
        (c, h, w), (k, p, q) = self.image, self.result
        names = (
            "H",
            "W",
            "C",
            "K",
            "R",
            "S",
            "P",
            "Q",
            "STRIDE_H",
            "STRIDE_W",
            "DILATION_H",
            "DILATION_W",
            "TOP",
            "LEFT",
        )
        sizes = (h, w, c, k, *self.kernel, p, q, *self.strides, *self.dilations, self.top, self.left)
        return dict(zip(names, sizes, strict=True))


def lower_conv2d(emission: Emission, node: Node) -> None:
    """A convolution; conv1d is one over an image of one row."""
    operator = node.operator
    assert isinstance(operator, (Conv1d, Conv2d)), "the table maps convolutions here"
    shape, result, weight = (
        emission.graph.input_types(node)[0].shape,
        node.type.shape,
        _parameter(emission, node, "weight"),
    )
    if isinstance(operator, Conv1d):
        shape, result, weight = (shape[0], 1, shape[1]), (result[0], 1, result[1]), weight[:, :, None, :]
    window = operator.as_conv2d() if isinstance(operator, Conv1d) else operator
    left, _, top, _ = window.pads(*shape[1:])
    _lower_convolution(
        emission,
        node,
        Geometry(
            shape,
            result,
            window.kernel,
            window.strides,
            window.dilations,
            top,
            left,
            operator.groups,
            weight.transpose(0, 2, 3, 1),
        ),
    )


def lower_conv_transpose2d(emission: Emission, node: Node) -> None:
    """A transposed convolution, gathered: each output pixel reads the pixels that would paint it."""
    operator = node.operator
    assert isinstance(operator, ConvTranspose2d), "the table maps conv_transpose2d here"
    shape = emission.graph.input_types(node)[0].shape
    left, _, top, _ = operator.declared_pads(*shape[1:])
    weight, groups = _parameter(emission, node, "weight"), operator.groups
    c, k = weight.shape[0] // groups, weight.shape[1]
    by_output = (
        weight.reshape(groups, c, k, *operator.kernel).transpose(0, 2, 3, 4, 1).reshape(groups * k, *operator.kernel, c)
    )
    _lower_convolution(
        emission,
        node,
        Geometry(
            shape,
            node.type.shape,
            operator.kernel,
            operator.strides,
            operator.dilations,
            top,
            left,
            groups,
            by_output,
            True,
        ),
    )


def lower_linear(emission: Emission, node: Node) -> None:
    """A linear layer on the last dimension. A flatten before it is folded into the order of its weights."""
    weight = _parameter(emission, node, "weight")
    name, shape = node.inputs[0], emission.graph.input_types(node)[0].shape
    rank = len(shape)
    flattened = _flattened_source(emission, name) if rank == 1 else None
    if flattened is not None:
        x, views = flattened
        shape_before = x.place.shape
        weight = (
            weight.reshape(-1, *shape_before).transpose(0, *(dim + 1 for dim in x.place.order)).reshape(len(weight), -1)
        )
    else:
        x, views = plain(emission, name, row_major(rank)), ()
    _lower_linear(emission, node, x, weight, views, row_major(rank), int(np.prod(shape[:-1])), per_channel=rank == 1)


def lower_matmul(emission: Emission, node: Node) -> None:
    """The product of two activations; stacks broadcast."""
    names, types = node.inputs, emission.graph.input_types(node)
    a, b = (plain(emission, name, row_major(len(t.shape))) for name, t in zip(names, types, strict=True))
    (*_, rows, depth), columns = types[0].shape, types[1].shape[-1]
    stack = node.type.shape[:-2]
    place = emission.result(node, row_major(len(node.type.shape)))
    at = coordinates_of(f"(pair % {int(np.prod(stack))})", stack)
    sample = f"sample = pair // {int(np.prod(stack))}"
    starts = [
        f"{side}_start = {value.index((*broadcast(at, type.shape[:-2]), '0', '0'))}"
        for side, value, type in (("a", a, types[0]), ("b", b, types[1]))
    ]
    tiles = stack_tiles(rows, columns, depth, types[0].is_float)
    emission.launch(
        layer=node.name,
        operator=node.operator.name,
        nodes=[node.name],
        kernel="matmul",
        slots={"a_start": [sample, starts[0]], "b_start": [starts[1]]},
        arguments=[("a_ptr", a.place), ("b_ptr", b.place), ("y_ptr", place)],
        extra=[],
        result=place,
        rows_per_sample=int(np.prod(stack)),
        constants={
            "ROWS": rows,
            "DEPTH": depth,
            "COLUMNS": columns,
            "A_ROW": depth,
            "A_DEPTH": 1,
            "B_DEPTH": columns,
            "B_COLUMN": 1,
        },
        tiles=tiles,
        programs=lambda sizes: _tiles(rows, sizes["BR"]) * _tiles(columns, sizes["BN"]),
    )
    emission.values[node.name] = Value(node.type, place)


def _lower_convolution(emission: Emission, node: Node, geometry: Geometry) -> None:
    x = plain(emission, node.inputs[0], channels_last(len(emission.graph.input_types(node)[0].shape)))
    rows = geometry.result[1] * geometry.result[2]
    if geometry.is_depthwise:
        return _lower_depthwise(emission, node, x, geometry, rows)
    k = geometry.result[0]
    weight = geometry.weight.reshape(k, -1)
    if geometry.is_linear:
        return _lower_linear(emission, node, x, weight, (), channels_last(len(node.type.shape)), rows, per_channel=True)
    group_channels, group_columns = geometry.image[0] // geometry.groups, k // geometry.groups
    tiles = matrix_tiles(rows * emission.default_batch, group_columns, group_channels, x.place.dtype)
    packed, length = _packed(weight, tiles, x.place.dtype)
    constants = {
        **geometry.constants,
        "GROUPS": geometry.groups,
        "LENGTH": length,
        "TRANSPOSED": geometry.is_transposed,
    }
    return _product(
        emission, node, "convolution", x, weight, packed, (), channels_last(len(node.type.shape)), rows, constants, tiles,
        programs_of=(geometry.groups, group_columns), per_channel=True,
    )  # fmt: skip


def _lower_linear(
    emission: Emission,
    node: Node,
    x: Value,
    weight: Array,
    views: tuple[str, ...],
    order: Order,
    rows: int,
    *,
    per_channel: bool,
) -> None:
    k, c = weight.shape
    tiles = matrix_tiles(rows * emission.default_batch, k, c, x.place.dtype)
    packed, length = _packed(weight, tiles, x.place.dtype)
    constants: dict[str, int | bool | str] = {"C": c, "K": k, "LENGTH": length}
    _product(
        emission, node, "linear", x, weight, packed, views, order, rows, constants, tiles,
        programs_of=(1, k), per_channel=per_channel,
    )  # fmt: skip


def _product(
    emission: Emission,
    node: Node,
    kernel: str,
    x: Value,
    weight: Array,
    packed: Array,
    views: tuple[str, ...],
    order: Order,
    rows: int,
    constants: Mapping[str, int | bool | str],
    tiles: tuple[Tile, ...],
    *,
    programs_of: tuple[int, int],
    per_channel: bool,
) -> None:
    """A launch of a matrix product with everything that can be fused behind it."""
    bias = _bias(emission, node)
    if x.place.dtype == "u8" and kernel != "depthwise":
        shift = (128 * weight.reshape(len(weight), -1).astype(np.int64).sum(1)).astype(np.int32)
        bias = shift if bias is None else (shift + bias).astype(np.int32)
    shape = Place("buffer", "", "", node.type.shape, order)
    chain = absorb(emission, node, lambda v: v.is_plain and v.place.lies_like(shape), per_channel=per_channel)
    last = chain.nodes[-1]
    place = emission.result(last, order)
    epilogue = Epilogue(emission.graph, emission.store)
    if bias is not None:
        epilogue.add_bias(node.name, bias)
    write_epilogue(emission, chain, place, epilogue)
    groups, columns = programs_of
    emission.launch(
        layer=node.name,
        operator=node.operator.name,
        nodes=[*views, *(one.name for one in chain.nodes)],
        kernel=kernel,
        slots={"epilogue": epilogue.lines},
        arguments=[("x_ptr", x.place), ("w_ptr", emission.store(f"{node.name}.weight", packed)), ("y_ptr", place)],
        extra=epilogue.places,
        result=place,
        rows_per_sample=rows,
        constants=constants,
        tiles=tiles,
        programs=lambda sizes: groups * _tiles(columns, sizes["BN"]),
    )


def _lower_depthwise(emission: Emission, node: Node, x: Value, geometry: Geometry, rows: int) -> None:
    k = geometry.result[0]
    taps = geometry.kernel[0] * geometry.kernel[1]
    packed = geometry.weight.reshape(k, taps).T.astype(NUMPY[_weight_dtype(x.place.dtype)])
    _product(
        emission, node, "depthwise", x, geometry.weight, packed, (), channels_last(len(node.type.shape)), rows,
        {**geometry.constants, "UNROLL": unroll(taps)}, image_tiles(rows, k), programs_of=(1, k), per_channel=True,
    )  # fmt: skip


def unroll(taps: int) -> int:
    """How many taps of a window are written out one after the other: all of a window up to 5 x 5."""
    return taps if taps <= 25 else 1


def _packed(weight: Array, tiles: tuple[Tile, ...], dtype: str) -> tuple[Array, int]:
    """The weight as rows in the kernel's type, zero-padded to whole steps of the sum; and their length."""
    step = max(tile.sizes["BK"] for tile in tiles)
    length = _tiles(weight.shape[1], step) * step
    packed = np.zeros((len(weight), length), NUMPY[_weight_dtype(dtype)])
    packed[:, : weight.shape[1]] = weight
    return packed, length


def _weight_dtype(dtype: str) -> str:
    return "i8" if dtype == "u8" else dtype


def _bias(emission: Emission, node: Node) -> Array | None:
    bias = emission.graph.value(node, "bias")
    if bias is None:
        return None
    return bias.astype(np.float32) if bias.dtype.kind == "f" else bias


def _flattened_source(emission: Emission, name: str) -> tuple[Value, tuple[str, ...]] | None:
    """The buffer that a flatten of everything reads, if it lies there in the kernels' type; else None."""
    producer, value = emission.graph.producer(name), emission.values[name]
    if producer is None or producer.operator.name not in ("flatten", "reshape") or len(value.maps) != 1:
        return None
    source = emission.values[producer.inputs[0]]
    if not source.is_plain or source.place.dtype != emission.stored_dtype(source.type):
        return None
    return source, value.nodes


def _parameter(emission: Emission, node: Node, role: str) -> Array:
    value = emission.graph.value(node, role)
    assert value is not None, f"the weights of '{node.name}' are not loaded"
    return value


def _tiles(size: int, tile: int) -> int:
    return -(-size // tile)
