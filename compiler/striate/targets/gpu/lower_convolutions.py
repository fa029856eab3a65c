"""Convolutions of every kind: as gathered matrix products, as plain ones where they are 1x1, or depthwise."""

from __future__ import annotations

from dataclasses import dataclass

from striate.graph import Node
from striate.operators import Conv1d, Conv2d, ConvTranspose2d
from striate.targets.gpu.candidates import image_tiles, matrix_tiles
from striate.targets.gpu.emission import Constant, Emission
from striate.targets.gpu.flat import plain
from striate.targets.gpu.layout import channels_last
from striate.targets.gpu.lower_products import Product, launch_product, linear_product
from striate.targets.gpu.weights import bias_for_unsigned, bias_of, multiplied_in, pack_rows, parameter
from striate.tensor import Array, Shape

MOST_TAPS_WRITTEN_OUT = 9
"""A window of up to 3 x 3 taps is written out as straight code, a larger one five taps at a time."""


@dataclass(frozen=True)
class Geometry:
    """A convolution in two dimensions: image [C, H, W], result [K, P, Q], weight [K, R, S, C / groups]."""

    image: Shape
    result: Shape
    weight: Array
    strides: tuple[int, int]
    dilations: tuple[int, int]
    top: int
    left: int
    groups: int
    is_transposed: bool = False

    @property
    def taps(self) -> int:
        """How many pixels a window sees."""
        return self.weight.shape[1] * self.weight.shape[2]

    @property
    def is_depthwise(self) -> bool:
        """Whether every output channel sees one input channel of several."""
        return self.groups == self.image[0] > 1 and not self.is_transposed

    @property
    def is_linear(self) -> bool:
        """Whether every output pixel sees all channels of just the pixel at its own place."""
        in_place = self.strides == (1, 1) and self.top == self.left == 0 and self.image[1:] == self.result[1:]
        return self.taps == 1 and self.groups == 1 and in_place

    @property
    def constants(self) -> dict[str, Constant]:
        """The kernels' constants that say where windows lie."""
        (c, h, w), (k, p, q), (_, r, s, _) = self.image, self.result, self.weight.shape
        image = {"H": h, "W": w, "C": c, "K": k, "R": r, "S": s, "P": p, "Q": q, "TOP": self.top, "LEFT": self.left}
        down, along = zip(self.strides, self.dilations, strict=True)
        return {**image, "STRIDE_H": down[0], "STRIDE_W": along[0], "DILATION_H": down[1], "DILATION_W": along[1]}


def lower_conv2d(emission: Emission, node: Node) -> None:
    """A convolution; conv1d is one over an image of one row."""
    operator, weight = node.operator, parameter(emission.graph, node, "weight")
    shape, result = emission.graph.input_types(node)[0].shape, node.type.shape
    if isinstance(operator, Conv1d):
        operator, weight = operator.as_conv2d(), weight[:, :, None, :]
        shape, result = (shape[0], 1, shape[1]), (result[0], 1, result[1])
    assert isinstance(operator, Conv2d), "the table maps convolutions here"
    left, _, top, _ = operator.pads(*shape[1:])
    geometry = Geometry(
        shape, result, weight.transpose(0, 2, 3, 1), operator.strides, operator.dilations, top, left, operator.groups
    )
    _lower(emission, node, geometry)


def lower_conv_transpose2d(emission: Emission, node: Node) -> None:
    """A transposed convolution, gathered: each output pixel reads the pixels that would paint it."""
    operator, weight = node.operator, parameter(emission.graph, node, "weight")
    assert isinstance(operator, ConvTranspose2d), "the table maps conv_transpose2d here"
    shape, groups = emission.graph.input_types(node)[0].shape, operator.groups
    left, _, top, _ = operator.declared_pads(*shape[1:])
    by_group = weight.reshape(groups, shape[0] // groups, -1, *operator.kernel).transpose(0, 2, 3, 4, 1)
    by_output = by_group.reshape(-1, *by_group.shape[2:])
    geometry = Geometry(
        shape, node.type.shape, by_output, operator.strides, operator.dilations, top, left, groups, is_transposed=True
    )
    _lower(emission, node, geometry)


def _lower(emission: Emission, node: Node, geometry: Geometry) -> None:
    order = channels_last(len(node.type.shape))
    x = plain(emission, node.inputs[0], order, node, delayed=True)
    k, p, q = geometry.result
    pixels = p * q * emission.clock([node]).frames * emission.default_batch
    rows = geometry.weight.reshape(k, -1)
    bias = bias_of(emission.graph, node)
    if geometry.is_linear:
        product = linear_product(emission, node, x, rows, order, p * q, x.nodes)
    elif geometry.is_depthwise:
        product = Product(
            kernel="depthwise",
            x=x,
            weight=rows.T.astype(multiplied_in(x.place.dtype)),
            bias=bias,
            order=order,
            rows=p * q,
            constants={**geometry.constants, "UNROLL": unroll(geometry.taps)},
            tiles=image_tiles(p * q, k),
            grid_columns=k,
            views=x.nodes,
        )
    else:
        columns, channels = k // geometry.groups, geometry.image[0] // geometry.groups
        tiles = matrix_tiles(pixels, columns, channels, x.place.dtype)
        packed = pack_rows(rows, tiles, x.place.dtype)
        own = {"GROUPS": geometry.groups, "LENGTH": packed.shape[1], "TRANSPOSED": geometry.is_transposed}
        product = Product(
            kernel="convolution",
            x=x,
            weight=packed,
            bias=bias_for_unsigned(packed, bias) if x.place.dtype == "u8" else bias,
            order=order,
            rows=p * q,
            constants={**geometry.constants, **own},
            tiles=tiles,
            grid_columns=columns,
            groups=geometry.groups,
            views=x.nodes,
        )
    launch_product(emission, node, product)


def unroll(taps: int) -> int:
    """How many taps of a window are written out one after the other."""
    return taps if taps <= MOST_TAPS_WRITTEN_OUT else 5
