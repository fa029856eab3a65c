"""The networks of examples/models against what was published of them, and against counts by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from striate.diagnostics import Source
from striate.graph import Graph
from striate.interpreter import interpret
from striate.language import format_source, read
from striate.printer import print_graph
from striate.tensor import NUMPY
from striate.verify import verify

MODELS = Path(__file__).parents[1] / "examples" / "models"


@cache
def graph_of(model: str) -> Graph:
    path = MODELS / f"{model}.striate"
    return read(Source(str(path), path.read_text())).graph


def statistics(graph: Graph) -> set[str]:
    """The parameters that are measured, not learnt: nobody counts them."""
    return {node.parameters[role] for node in graph for role in node.operator.buffers}


def learnt(graph: Graph) -> int:
    measured = statistics(graph)
    return sum(parameter.type.elements for name, parameter in graph.parameters.items() if name not in measured)


def macs(graph: Graph) -> int:
    return sum(node.operator.macs(*graph.input_types(node)) for node in graph)


@dataclass(frozen=True)
class Published:
    """Learnt parameters, and multiply-accumulates rounded to the published digits of `unit`."""

    parameters: int
    macs: float | None
    unit: float
    digits: int
    source: str


PUBLISHED = {
    "vgg16": Published(138_357_544, 15.47, 1e9, 2, "torchvision, VGG16_Weights: num_params, GFLOPS"),
    "resnet18": Published(11_689_512, 1.81, 1e9, 2, "torchvision, ResNet18_Weights: num_params, GFLOPS"),
    "resnet50": Published(25_557_032, 4.09, 1e9, 2, "torchvision, ResNet50_Weights: num_params, GFLOPS"),
    "mobilenet_v2": Published(3_504_872, 0.30, 1e9, 2, "torchvision, MobileNet_V2_Weights: num_params, GFLOPS"),
    "pilotnet": Published(
        252_219,
        27,
        1e6,
        0,
        "Bojarski et al. 2016, section 4: about 27 million connections and 250 thousand parameters; the exact number "
        "follows from figure 4",
    ),
    "efficientnet_lite0": Published(
        4_652_008,
        None,
        1e6,
        0,
        "github.com/tensorflow/tpu, models/official/efficientnet/lite: 4.7M parameters, counted to the last by hand "
        "below. Its 407M MAdds are 5.7 % more than the products of the layers (385M), also counted below; how the "
        "407M were counted is not said there, so they are not compared.",
    ),
}


@pytest.mark.parametrize("model", PUBLISHED)
def test_a_model_has_the_published_number_of_parameters(model: str) -> None:
    assert learnt(graph_of(model)) == PUBLISHED[model].parameters


@pytest.mark.parametrize("model", [name for name, published in PUBLISHED.items() if published.macs is not None])
def test_a_model_takes_the_published_multiply_accumulates(model: str) -> None:
    published = PUBLISHED[model]
    assert round(macs(graph_of(model)) / published.unit, published.digits) == published.macs


Layer = tuple[int, int, int, int]
"""Results per position, products per result, learnt numbers per result besides its weights, positions."""


def lenet5() -> Iterator[Layer]:
    """C1, C3 (dense, where the paper's is sparse), C5, F6 and a linear output (where the paper's is radial)."""
    yield from ((6, 25, 1, 28 * 28), (16, 6 * 25, 1, 10 * 10), (120, 16 * 25, 1, 1), (84, 120, 1, 1), (10, 84, 1, 1))


def pilotnet() -> Iterator[Layer]:
    """Figure 4 of Bojarski et al. 2016."""
    yield from ((24, 3 * 25, 1, 31 * 98), (36, 24 * 25, 1, 14 * 47), (48, 36 * 25, 1, 5 * 22))
    yield from ((64, 48 * 9, 1, 3 * 20), (64, 64 * 9, 1, 1 * 18))
    yield from ((100, 1152, 1, 1), (50, 100, 1, 1), (10, 50, 1, 1), (1, 10, 1, 1))


EFFICIENTNET_B0 = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
"""Expansion, kernel, first stride, channels, repeats of each stage: table 1 of Tan and Le 2019."""


def efficientnet_lite0() -> Iterator[Layer]:
    """B0 without squeeze-and-excitation; a batch norm learns two numbers per channel."""
    yield (32, 27, 2, 112**2)
    channels, size = 32, 112
    for expansion, kernel, first_stride, out, repeats in EFFICIENTNET_B0:
        for index in range(repeats):
            hidden, stride = expansion * channels, first_stride if index == 0 else 1
            if expansion > 1:
                yield (hidden, channels, 2, size**2)
            size //= stride
            yield (hidden, kernel**2, 2, size**2)
            yield (out, hidden, 2, size**2)
            channels = out
    yield from ((1280, 320, 2, size**2), (1000, 1280, 1, 1))


def unet_small() -> Iterator[Layer]:
    """Down 3, 16, 32, 64, 128 and up again; a transposed 2 x 2 of stride 2 takes each pixel's channels once."""
    for channels, out, size in ((3, 16, 128), (16, 32, 64), (32, 64, 32), (64, 128, 16)):
        yield from ((out, 9 * channels, 2, size**2), (out, 9 * out, 2, size**2))
    for out, size in ((64, 32), (32, 64), (16, 128)):
        yield from ((out, 9 * 2 * out, 2, size**2), (out, 9 * out, 2, size**2))
    yield (2, 16, 1, 128**2)


ENLARGING = {
    "unet_small": [(2 * out * out * 4 + out, 2 * out * out * size**2) for out, size in ((64, 32), (32, 64), (16, 128))]
}
"""Model -> (learnt numbers, products) of each transposed convolution: out x 2 out channels x 2 x 2, one tap a pixel."""

BY_HAND = {"lenet5": lenet5, "pilotnet": pilotnet, "efficientnet_lite0": efficientnet_lite0, "unet_small": unet_small}


@pytest.mark.parametrize("model", BY_HAND)
def test_a_model_counts_as_by_hand(model: str) -> None:
    layers, enlarging = list(BY_HAND[model]()), ENLARGING.get(model, [])
    weights = sum(results * (products + others) for results, products, others, _ in layers)
    products = sum(results * products * positions for results, products, _, positions in layers)
    assert learnt(graph_of(model)) == weights + sum(numbers for numbers, _ in enlarging)
    assert macs(graph_of(model)) == products + sum(products for _, products in enlarging)


BATCH_NORM = ("weight", "bias", "running_mean", "running_var")


def torchvision_vgg16() -> Iterator[str]:
    layers = [f"features.{index}" for index in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)]
    for layer in (*layers, "classifier.0", "classifier.3", "classifier.6"):
        yield from (f"{layer}.weight", f"{layer}.bias")


def torchvision_resnet(blocks: tuple[int, ...], convolutions: int) -> Iterator[str]:
    names = [("conv1", "bn1")]
    for layer, repeats in enumerate(blocks, start=1):
        for index in range(repeats):
            block = f"layer{layer}.{index}"
            names += [(f"{block}.conv{n}", f"{block}.bn{n}") for n in range(1, convolutions + 1)]
            if index == 0 and (layer > 1 or convolutions == 3):
                names.append((f"{block}.downsample.0", f"{block}.downsample.1"))
    for convolution, norm in names:
        yield from (f"{convolution}.weight", *(f"{norm}.{role}" for role in BATCH_NORM))
    yield from ("fc.weight", "fc.bias")


def torchvision_mobilenet_v2() -> Iterator[str]:
    names = [("features.0.0", "features.0.1"), ("features.18.0", "features.18.1")]
    for block in (f"features.{index}.conv" for index in range(1, 18)):
        last = 1 if block == "features.1.conv" else 2
        names += [(f"{block}.{n}.0", f"{block}.{n}.1") for n in range(last)]
        names.append((f"{block}.{last}", f"{block}.{last + 1}"))
    for convolution, norm in names:
        yield from (f"{convolution}.weight", *(f"{norm}.{role}" for role in BATCH_NORM))
    yield from ("classifier.1.weight", "classifier.1.bias")


CHECKPOINTS = {
    "vgg16": torchvision_vgg16(),
    "resnet18": torchvision_resnet((2, 2, 2, 2), 2),
    "resnet50": torchvision_resnet((3, 4, 6, 3), 3),
    "mobilenet_v2": torchvision_mobilenet_v2(),
}
"""The keys of torchvision's checkpoints, `num_batches_tracked` aside, which no inference reads."""


@pytest.mark.parametrize("model", CHECKPOINTS)
def test_parameters_have_the_names_of_torchvisions_checkpoint(model: str) -> None:
    assert set(graph_of(model).parameters) == set(CHECKPOINTS[model])


@pytest.mark.parametrize("path", sorted(MODELS.glob("*.striate")), ids=lambda path: path.stem)
def test_a_model_is_whole_and_in_canonical_layout(path: Path) -> None:
    verify(graph_of(path.stem))
    text = path.read_text()
    assert format_source(Source(str(path), text)) == text
    assert path.stem in {*PUBLISHED, *BY_HAND}, "every model's counts are checked"


@pytest.mark.parametrize("model", sorted({*PUBLISHED, *BY_HAND}))
def test_a_printed_model_parses_back_to_the_same_graph(model: str) -> None:
    assert read(print_graph(graph_of(model))).graph == graph_of(model)


@pytest.mark.parametrize("model", ["lenet5", "pilotnet", "unet_small", "resnet18", "mobilenet_v2"])
def test_a_model_runs_and_its_numbers_stay_in_range(model: str) -> None:
    graph = graph_of(model).copy()
    rng = np.random.default_rng(0)
    for node in graph:
        for role, value in node.operator.sample_parameters(rng, *graph.input_types(node)).items():
            per_result = max(1, value[0].size) if role == "weight" and value.ndim > 1 else 1
            type = graph.parameter(node, role).type
            graph.set_parameter(node.parameters[role], (value / np.sqrt(per_result)).astype(NUMPY[type.dtype]), type)
    images = {name: rng.normal(size=(1, *type.shape)).astype(np.float32) for name, type in graph.inputs.items()}
    for name, y in interpret(graph, images).items():
        assert y.shape == (1, *graph.type_of(graph.outputs[name]).shape)
        assert np.isfinite(y).all()
        assert y.size == 1 or y.std() > 0
