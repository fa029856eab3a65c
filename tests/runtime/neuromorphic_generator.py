"""Mapped networks of every kind, drawn at random."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st
from neuromorphic_networks import Net

from striate_runtime.program.neuromorphic import Population, Projection

Array = npt.NDArray[Any]

SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(1, 6))
PAIRS = st.tuples(st.integers(1, 2), st.integers(1, 2))


@st.composite
def windows(draw: st.DrawFn, source: tuple[int, int, int]) -> dict[str, Any]:
    """Kernel, stride, dilation and padding that leave at least one position, and the positions left."""
    padding = draw(st.tuples(*[st.integers(0, 3)] * 4))
    stride, dilation = draw(PAIRS), draw(PAIRS)
    extents = source[1] + padding[2] + padding[3], source[2] + padding[0] + padding[1]
    kernel = tuple(draw(st.integers(1, min(4, (e - 1) // d + 1))) for e, d in zip(extents, dilation, strict=True))
    left_over = [(e - (k - 1) * d - 1) // s + 1 for e, k, d, s in zip(extents, kernel, dilation, stride, strict=True)]
    return {"padding": padding, "stride": stride, "dilation": dilation, "kernel": kernel, "positions": left_over}


@st.composite
def networks(draw: st.DrawFn, coding: Literal["graded", "rate"]) -> tuple[Net, Array]:
    """An input, one to three layers of any kind of projection (some doubled), the last a readout; 2 samples."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(SHAPES)
    rate = coding == "rate"
    arrays: dict[str, Array] = {}

    def store(name: str, array: Array, dtype: Any = np.int32) -> str:
        arrays[name] = np.asarray(array).astype(dtype)
        return name

    def threshold_of(name: str, channels: int, top: int) -> dict[str, str]:
        return {
            "threshold": store(f"{name}.threshold", rng.integers(1, top, channels)),
            "initial": store(f"{name}.initial", rng.integers(-5, top, channels)),
        }

    thresholds = threshold_of("x", shape[0], 200) if rate else {}
    populations = [
        msgspec.convert({"name": "x", "layer": "x", "shape": shape, "kind": "input", **thresholds}, Population)
    ]
    projections: list[Projection] = []
    layers = draw(st.integers(1, 3))
    for layer in range(layers):
        source, name = populations[-1], f"h{layer}"
        last = layer == layers - 1
        kinds = ["conv2d", "conv2d", "window", "dense", "one_to_one", *([] if last or rate else ["maximum"] * 2)]
        kind = draw(st.sampled_from(kinds))
        maximum = kind == "maximum"
        kind = "window" if maximum else kind
        if kind == "conv2d":
            fields = draw(windows(source.shape))
            groups = draw(st.sampled_from([g for g in (1, 2, 4) if source.shape[0] % g == 0]))
            out = (groups * draw(st.integers(1, 4)), *fields.pop("positions"))
            weights = rng.integers(-127, 128, (*fields["kernel"], source.shape[0] // groups, out[0]))
            fields |= {
                "groups": groups,
                "weights": store(f"{name}.w", weights * (rng.random(weights.shape) < 0.8), np.int8),
            }
        elif kind == "window":
            fields = draw(windows(source.shape))
            offset = draw(st.integers(0, 2))
            out = (source.shape[0] + offset, *fields.pop("positions"))
            fields["channel_offset"] = offset
        elif kind == "dense":
            out = draw(SHAPES)
            size = int(np.prod(source.shape)), int(np.prod(out))
            fields = {"weights": store(f"{name}.w", rng.integers(-127, 128, size), np.int8)}
        else:
            out = source.shape
            fields = {"weights": store(f"{name}.w", rng.integers(-127, 128, source.shape[0]))}
        if draw(st.booleans()) and not rate:
            size = draw(st.sampled_from([1, source.shape[0]]))
            fields["multiplier"] = store(f"{name}.rescale", rng.integers(1, 90, size))
            fields["shift"] = store(f"{name}.places", rng.integers(1, 9, size))
        delay = draw(st.integers(1, 2))
        depth = source.fires_at + delay
        own: dict[str, Any] = {"fires_at": depth, "bias": store(f"{name}.bias", rng.integers(-300, 300, out[0]))}
        if last:
            own |= {"output": "y", "initial": store(f"{name}.initial", rng.integers(-9, 9, out[0]))}
        elif rate:
            own |= threshold_of(name, out[0], 900)
        else:
            low = draw(st.sampled_from([0, -127]))
            own |= {"low": low, "high": 255 + low, "reduce": "max" if maximum else "sum"}
            own |= {
                "multiplier": store(f"{name}.m", rng.integers(1, 999, out[0])),
                "shift": store(f"{name}.s", rng.integers(6, 16, out[0])),
            }
        layer_kind = "readout" if last else "integrate_and_fire" if rate else "graded"
        own |= {"name": name, "layer": name, "shape": out, "kind": layer_kind}
        fields |= {"name": f"p{layer}", "layer": name, "source": source.name, "target": name, "kind": kind}
        populations.append(msgspec.convert(own, Population))
        projections.append(msgspec.convert(fields | {"delay": delay}, Projection))
        if layer and source.shape == out and not maximum and draw(st.booleans()):
            first = populations[-2].name
            projections.append(Projection(f"again{layer}", name, first, name, "one_to_one", delay=delay))
    steps = populations[-1].fires_at + (draw(st.integers(1, 6)) if rate else 1)
    net = Net(coding, steps, tuple(populations), tuple(projections), arrays)
    values = rng.integers(0, 256, (2, *shape)) * (rng.random((2, *shape)) < 0.6)
    return net, values
