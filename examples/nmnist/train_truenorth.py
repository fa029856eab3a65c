"""Trains truenorth.striate's network on frames of N-MNIST with PyTorch, its weights of 4 bits, and writes the weights.

    python examples/nmnist/frames.py ../shared/data/events/nmnist_train1000.npz
    pip install torch
    python examples/nmnist/train_truenorth.py

Backwards a spike has the slope that train.py gives it, and a rounded weight that of the weight itself. The last layer
is trained as sums; how many steps its threshold is then follows from the training recordings: as many as give the most
right answers by spikes. One thread and one seed: the same machine gives the same weights.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import nn
from torch.nn.utils import parametrize
from train import BATCH, SEED, SHIFT, THRESHOLD, VALIDATION, Spike, over_time

HERE = Path(__file__).parent
EPOCHS, RATE, SHARPNESS = 100, 3e-3, 0.3
LAYERS = ("conv1", "conv2", "conv3", "conv4", "scores")

Arrays = np.ndarray[Any, Any]


class FourBits(nn.Module):
    """Weights as whole numbers, -8..7, of a step for each output channel, or of one for all."""

    def __init__(self, shared: bool) -> None:
        super().__init__()
        self.shared = shared

    def step(self, weight: torch.Tensor) -> torch.Tensor:
        """The steps of a weight, one for each row."""
        rows = weight.detach().flatten(1)
        step = torch.maximum(rows.amax(1) / 7, -rows.amin(1) / 8).clamp_min(1e-9)
        return step.max().expand_as(step) if self.shared else step

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        step = self.step(weight).reshape(-1, *[1] * (weight.ndim - 1))
        rounded = torch.clamp(torch.round(weight.detach() / step), -8, 7) * step
        return weight + (rounded - weight).detach()


class Network(nn.Module):
    """The network of truenorth.striate, its parameters named alike."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(2, 12, 5, stride=2, bias=False)
        self.conv2 = nn.Conv2d(12, 48, 5, stride=2, groups=6, bias=False)
        self.conv3 = nn.Conv2d(48, 64, 3, stride=2, groups=8, bias=False)
        self.conv4 = nn.Conv2d(64, 64, 2, groups=4, bias=False)
        self.scores = nn.Linear(64, 10, bias=False)
        for name in LAYERS:
            layer = getattr(self, name)
            with torch.no_grad():  # as PyTorch draws them, hardly a neuron would reach its threshold
                layer.weight *= 3
            parametrize.register_parametrization(layer, "weight", FourBits(shared=name == "scores"))

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """frames: f32 [N, T, 2, 34, 34] -> what arrives at the last layer in each step, [N, T, 10]."""
        x = frames
        for name in LAYERS[:-1]:
            x = sums_and_fires(over_time(getattr(self, name), x), THRESHOLD)
        return over_time(self.scores, x.flatten(2))


def sums_and_fires(x: torch.Tensor, threshold: float, subtract: bool = False) -> torch.Tensor:
    """integrate_and_fire over the steps of x: [N, T, ...]; the reset passes no gradient on."""
    v, spikes = torch.zeros_like(x[:, 0]), list[torch.Tensor]()
    for t in range(x.shape[1]):
        v = v + x[:, t]
        spike = Spike.apply(v - threshold)
        v = v - threshold * spike.detach() if subtract else v * (1 - spike.detach())
        spikes.append(spike)
    return torch.stack(spikes, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=Path, default=HERE, metavar="FOLDER", help="where frames.py wrote")
    parser.add_argument("--output", type=Path, default=HERE / "truenorth.safetensors", metavar="FILE")
    parser.add_argument("--validate", action="store_true", help=f"train without the last {VALIDATION}, and score them")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    arguments = parser.parse_args()

    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    with np.load(arguments.frames / "nmnist_train.npz") as data:
        frames, labels = data["events"], data["label"]
    kept = len(frames) - VALIDATION if arguments.validate else len(frames)
    network = Network()
    fit(network, frames[:kept], labels[:kept], arguments.epochs)

    arriving = run(network, frames[:kept])
    parametrized = network.scores.parametrizations.weight
    step = float(parametrized[0].step(parametrized.original)[0])
    right = {n: score(arriving, labels[:kept], n * step) for n in range(1, 33)}
    steps = max(right, key=lambda n: (right[n], -n))
    print(f"threshold of the last layer: {steps} steps of {step:.4f}; training recordings right: {right[steps]:.1%}")
    weights = {f"{name}.weight": getattr(network, name).weight.detach().numpy() for name in LAYERS}
    weights["fired.threshold"] = np.full(10, steps * step, np.float32)
    save_file(weights, arguments.output)
    if arguments.validate:
        print(f"validation: {score(run(network, frames[kept:]), labels[kept:], steps * step):.1%} right")
        return
    with np.load(arguments.frames / "nmnist_test.npz") as data:
        print(f"held out: {score(run(network, data['events']), data['label'], steps * step):.1%} right")


def fit(network: Network, frames: Arrays, labels: Arrays, epochs: int) -> None:
    """Adam with a cosine schedule; every batch is shifted by up to 2 pixels, anew in each epoch."""
    rng = np.random.default_rng(SEED)
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    padded, size = np.pad(frames, ((0, 0), (0, 0), (0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT))), frames.shape[-1]
    for epoch in range(epochs):
        order, losses = rng.permutation(len(frames)), list[float]()
        for start in range(0, len(order), BATCH):
            chosen = np.sort(order[start : start + BATCH])
            down, right = rng.integers(0, 2 * SHIFT + 1, 2)
            batch = torch.from_numpy(padded[chosen, ..., down : down + size, right : right + size]).float()
            scores = network(batch).sum(1) * SHARPNESS
            loss = nn.functional.cross_entropy(scores, torch.from_numpy(labels[chosen]), label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        schedule.step()
        print(f"epoch {epoch + 1}/{epochs}: loss {np.mean(losses):.4f}", flush=True)


def run(network: Network, frames: Arrays) -> torch.Tensor:
    """What arrives at the last layer: [N, T, 10]."""
    with torch.no_grad():
        return torch.cat(
            [network(torch.from_numpy(frames[i : i + BATCH]).float()) for i in range(0, len(frames), BATCH)]
        )


def score(arriving: torch.Tensor, labels: Arrays, threshold: float) -> float:
    """The fraction of recordings whose class sends the most spikes."""
    counts = sums_and_fires(arriving, threshold, subtract=True).sum(1).numpy()
    return float((counts.argmax(1) == labels).mean())


if __name__ == "__main__":
    main()
