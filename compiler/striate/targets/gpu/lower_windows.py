"""Pools, and images enlarged by interpolation: what goes over pixels and channels without weights."""

from __future__ import annotations

from collections.abc import Mapping

from striate.graph import Node
from striate.operators import AdaptiveAvgPool2d, Upsample
from striate.operators.pooling import AvgPool2d, Pool
from striate.targets.gpu.candidates import image_tiles
from striate.targets.gpu.emission import Constant, Emission
from striate.targets.gpu.flat import plain
from striate.targets.gpu.fuse import fuse_behind
from striate.targets.gpu.layout import channels_last
from striate.targets.gpu.lower_convolutions import unroll
from striate.targets.gpu.lower_movement import lower_nearest
from striate.targets.gpu.steps import by_columns, image_slots, step_slots

KINDS = {"max_pool2d": "max", "sum_pool2d": "sum", "avg_pool2d": "mean"}


def lower_pool(emission: Emission, node: Node) -> None:
    """Windows of one size."""
    operator, (_, h, w) = node.operator, emission.graph.input_types(node)[0].shape
    assert isinstance(operator, Pool), "the table maps pools here"
    left, right, top, bottom = operator.declared_pads(h, w)
    constants = _sizes(*operator.kernel) | {
        "STRIDE_H": operator.strides[0],
        "STRIDE_W": operator.strides[1],
        "DILATION_H": operator.dilations[0],
        "DILATION_W": operator.dilations[1],
        "LEFT": left,
        "RIGHT": right,
        "TOP": top,
        "BOTTOM": bottom,
        "COUNT_PAD": isinstance(operator, AvgPool2d) and operator.count_include_pad,
        "ADAPTIVE": False,
        "KIND": KINDS[operator.name],
    }
    _launch(emission, node, "window", constants)


def lower_adaptive_avg_pool2d(emission: Emission, node: Node) -> None:
    """Cells that tile the image; the constants give the largest cell."""
    operator, (_, h, w) = node.operator, emission.graph.input_types(node)[0].shape
    assert isinstance(operator, AdaptiveAvgPool2d), "the table maps adaptive_avg_pool2d here"
    tall, wide = (max(past - first for first, past in cells) for cells in operator.bounds(h, w))
    unused = dict.fromkeys(("STRIDE_H", "STRIDE_W", "LEFT", "RIGHT", "TOP", "BOTTOM"), 0)
    constants = {**_sizes(tall, wide), **unused, "DILATION_H": 1, "DILATION_W": 1}
    _launch(emission, node, "window", {**constants, "COUNT_PAD": False, "ADAPTIVE": True, "KIND": "mean"})


def lower_upsample(emission: Emission, node: Node) -> None:
    """Nearest is a view; bilinear has a kernel."""
    assert isinstance(node.operator, Upsample), "the table maps upsample here"
    if node.operator.mode == "nearest":
        return lower_nearest(emission, node)
    return _launch(emission, node, "bilinear", {"ALIGN_CORNERS": node.operator.align_corners})


def _sizes(tall: int, wide: int) -> dict[str, Constant]:
    return {"R": tall, "S": wide, "UNROLL": unroll(tall * wide)}


def _launch(emission: Emission, node: Node, kernel: str, constants: Mapping[str, Constant]) -> None:
    (c, h, w), (_, p, q) = emission.graph.input_types(node)[0].shape, node.type.shape
    order = channels_last(3)
    x = plain(emission, node.inputs[0], order, node)
    fused = fuse_behind(emission, node, kernel, order)
    clock = fused.epilogue.clock
    emission.launch(
        node,
        nodes=fused.names,
        kernel=kernel,
        slots={**step_slots(fused.epilogue, p * q, by_columns("C")), **image_slots(clock, x, p * q)},
        arguments={"x_ptr": x.place, "y_ptr": fused.result},
        extra=fused.epilogue.places,
        result=fused.result,
        rows=p * q,
        constants={"H": h, "W": w, "C": c, "P": p, "Q": q, **constants},
        tiles=image_tiles(p * q, c),
        programs=lambda sizes: -(-c // sizes["BN"]),
        clock=clock,
        states=fused.epilogue.states,
    )
