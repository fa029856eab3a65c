"""Small networks that have one thing each that is hard to map, in the language; all random weights."""

from __future__ import annotations

import numpy as np

from striate.pipeline import Compilation, read
from striate.tensor import Array

NETWORKS = {
    "lenet": """
        network lenet(x: f32[1, 12, 12]) -> y {
          weights init(0)
          a = x |> conv2d(4, 3, padding=1) |> relu |> avg_pool2d(2)
          b = a |> conv2d(6, 3) |> relu |> avg_pool2d(2)
          c = b |> flatten |> linear(16) |> relu
          y = c |> linear(5)
        }""",
    "residual": """
        block basic(x, channels, stride=1) -> y {
          a = x |> conv2d(channels, 3, stride=stride, padding=1)
          b = a |> relu |> conv2d(channels, 3, padding=1)
          if stride != 1 or x.channels != channels {
            identity = x |> conv2d(channels, 1, stride=stride)
          } else { identity = x }
          y = b + identity |> relu
        }
        network residual(x: f32[2, 8, 8]) -> y {
          weights init(1)
          stem = x |> conv2d(4, 3, padding=1) |> relu
          one = stem |> basic(4)
          two = one |> basic(6, stride=2)
          y = two |> adaptive_avg_pool2d(1) |> flatten |> linear(3)
        }""",
    "depthwise": """
        network depthwise(x: f32[3, 9, 7]) -> y {
          weights init(2)
          a = x |> conv2d(6, 3, stride=2, padding=(0, 1, 2, 1)) |> relu
          b = a |> conv2d(6, 3, padding=2, dilation=2, groups=6) |> relu6
          c = b |> conv2d(4, 1, groups=2) |> relu
          y = c |> flatten |> linear(4)
        }""",
    "concat": """
        network concat(x: f32[2, 6, 6]) -> y {
          weights init(3)
          a = x |> conv2d(3, 3, padding=1) |> relu
          b = x |> conv2d(2, 1) |> relu
          both = concat(a, b, dim=1) |> conv2d(4, 3, padding=1) |> relu
          again = concat(both, a, dim=1) |> avg_pool2d(2)
          y = again |> flatten |> linear(3)
        }""",
    "two_ends": """
        network two_ends(x: f32[2, 6, 6], z: f32[3]) -> y, features {
          weights init(4)
          a = x |> conv2d(4, 3) |> relu
          features = a |> avg_pool2d(2)
          both = concat(features |> flatten, z |> linear(5) |> relu, dim=1)
          y = both |> linear(3)
        }""",
    "upsample": """
        network upsample(x: f32[2, 4, 4]) -> y {
          weights init(5)
          a = x |> conv2d(3, 3, padding=1) |> relu
          y = a |> upsample(2) |> conv2d(2, 3, padding=1)
        }""",
}
"""Every one is encoded in both codings."""

GRADED_ONLY = {
    "max_pool": """
        network max_pool(x: f32[1, 9, 9]) -> y {
          weights init(6)
          a = x |> conv2d(4, 3, padding=1) |> relu |> max_pool2d(3, stride=2, padding=1)
          b = a |> conv2d(5, 3) |> max_pool2d(2)
          y = b |> flatten |> linear(4)
        }""",
    "bottleneck": """
        network bottleneck(x: f32[2, 6, 6]) -> y {
          weights init(7)
          a = x |> conv2d(8, 1) |> relu6 |> conv2d(8, 3, padding=1, groups=8) |> relu6 |> conv2d(4, 1)
          b = a |> conv2d(8, 1) |> relu6 |> conv2d(4, 1)
          y = a + b |> pad((1, 0, 0, 1)) |> conv2d(3, 3) |> flatten |> linear(3)
        }""",
}
"""These have numbers below zero between their layers, or a maximum."""


def compiled(text: str, samples: int = 6, seed: int = 0) -> tuple[Compilation, dict[str, Array]]:
    """A network calibrated on random inputs in 0..1, and those inputs."""
    inputs = read(text).graph.inputs
    rng = np.random.default_rng(seed)
    arrays = {name: rng.uniform(0, 1, (samples, *t.shape)).astype(np.float32) for name, t in inputs.items()}
    return read(text, calibration=arrays), arrays
