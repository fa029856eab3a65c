"""Trains nmnist.striate's network on frames of N-MNIST with PyTorch and writes its weights.

    python examples/nmnist/frames.py ../shared/data/events/nmnist_train1000.npz
    pip install torch
    python examples/nmnist/train.py

A spike is a step, which has no slope; backwards it is taken to be 1 / (1 + (pi (v - threshold))^2), the slope of an arc
tangent (Fang et al., ICCV 2021). The loss is the cross entropy of the readout plus a price for every spike, so that the
network answers with few. One thread and one seed: the same machine gives the same weights.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import nn

from striate.interpreter import interpret_all
from striate.pipeline import read

HERE = Path(__file__).parent
DT_S, TAU_S, TAU_READOUT_S, THRESHOLD = 10e-3, 50e-3, 200e-3, 1.0
EPOCHS, BATCH, SEED, RATE, SHIFT = 36, 32, 0, 2e-3, 2
VALIDATION = 100


class Spike(torch.autograd.Function):
    """1 where the potential has reached the threshold, else 0."""

    @staticmethod
    def forward(ctx: Any, over: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(over)
        return (over >= 0).to(over.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        (over,) = ctx.saved_tensors
        return gradient / (1 + (math.pi * over) ** 2)


class Network(nn.Module):
    """The network of nmnist.striate, its parameters named alike. A layer runs over all steps before the next one."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(2, 12, 5, stride=2, bias=False)
        self.conv2 = nn.Conv2d(12, 32, 5, stride=2, bias=False)
        self.scores = nn.Linear(32 * 6 * 6, 10, bias=False)
        with torch.no_grad():  # as PyTorch draws them, hardly a neuron would reach its threshold
            self.conv1.weight *= 4
            self.conv2.weight *= 4

    def forward(self, frames: torch.Tensor) -> dict[str, torch.Tensor]:
        """frames: f32 [N, T, 2, 34, 34] -> the spikes of both layers [N, T, C, H, W], and the scores [N, 10]."""
        conv1 = lif(over_time(self.conv1, frames))
        conv2 = lif(over_time(self.conv2, conv1))
        sums = over_time(self.scores, conv2.flatten(2))
        keep, potential = math.exp(-DT_S / TAU_READOUT_S), torch.zeros_like(sums[:, 0])
        for t in range(sums.shape[1]):
            potential = keep * potential + sums[:, t]
        return {"conv1": conv1, "conv2": conv2, "scores": potential}


def over_time(layer: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """The layer, on every step of x: [N, T, ...]."""
    return layer(x.flatten(0, 1)).unflatten(0, x.shape[:2])


def lif(x: torch.Tensor) -> torch.Tensor:
    """lif(tau=50ms, reset=zero) over the steps of x: [N, T, ...]; the reset passes no gradient on."""
    keep, v, spikes = math.exp(-DT_S / TAU_S), torch.zeros_like(x[:, 0]), list[torch.Tensor]()
    for t in range(x.shape[1]):
        v = keep * v + x[:, t]
        spike = Spike.apply(v - THRESHOLD)
        v = v * (1 - spike.detach())
        spikes.append(spike)
    return torch.stack(spikes, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=Path, default=HERE, metavar="FOLDER", help="where frames.py wrote")
    parser.add_argument("--output", type=Path, default=HERE / "nmnist.safetensors", metavar="FILE")
    parser.add_argument("--validate", action="store_true", help=f"train without the last {VALIDATION}, and score them")
    parser.add_argument("--spikes", type=float, default=1e-4, help="what a spike of a recording costs, in the loss")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    arguments = parser.parse_args()

    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)
    with np.load(arguments.frames / "nmnist_train.npz") as data:
        frames, labels = data["events"], data["label"]
    kept = len(frames) - VALIDATION if arguments.validate else len(frames)
    network = Network()
    fit(network, frames[:kept], labels[:kept], rng, arguments.epochs, arguments.spikes)

    save_file({name: tensor.numpy() for name, tensor in network.state_dict().items()}, arguments.output)
    if arguments.validate:
        print("validation: " + score(run(network, frames[kept:]), labels[kept:]))
        return
    with np.load(arguments.frames / "nmnist_test.npz") as data:
        frames, labels = data["events"], data["label"]
    by_torch, by_striate = run(network, frames), interpret(arguments.output, frames)
    print("held out, by torch:           " + score(by_torch, labels))
    print("held out, by the interpreter: " + score(by_striate, labels))
    for name in ("conv1", "conv2"):
        print(f"{name}: {np.count_nonzero(by_torch[name] != by_striate[name]):,} spikes differ")


def fit(
    network: nn.Module,
    frames: np.ndarray[Any, Any],
    labels: np.ndarray[Any, Any],
    rng: np.random.Generator,
    epochs: int,
    cost: float,
) -> None:
    """Adam with a cosine schedule; every batch is shifted by up to 2 pixels, anew in each epoch."""
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    padded, size = np.pad(frames, ((0, 0), (0, 0), (0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT))), frames.shape[-1]
    for epoch in range(epochs):
        order, losses, fired = rng.permutation(len(frames)), list[float](), list[np.ndarray[Any, Any]]()
        for start in range(0, len(order), BATCH):
            chosen = np.sort(order[start : start + BATCH])
            down, right = rng.integers(0, 2 * SHIFT + 1, 2)
            batch = torch.from_numpy(padded[chosen, ..., down : down + size, right : right + size]).float()
            values = network(batch)
            spikes = torch.stack([values["conv1"].sum(), values["conv2"].sum()]) / len(chosen)
            loss = nn.functional.cross_entropy(values["scores"], torch.from_numpy(labels[chosen]), label_smoothing=0.1)
            optimizer.zero_grad()
            (loss + cost * spikes.sum()).backward()
            optimizer.step()
            losses.append(loss.item())
            fired.append(spikes.detach().numpy())
        schedule.step()
        first, second = np.mean(fired, axis=0)
        text = f"loss {np.mean(losses):.4f}, spikes {first:,.0f} and {second:,.0f} a recording"
        print(f"epoch {epoch + 1}/{epochs}: {text}", flush=True)


def run(network: nn.Module, frames: np.ndarray[Any, Any]) -> dict[str, np.ndarray[Any, Any]]:
    """The network's values by torch."""
    with torch.no_grad():
        parts = [network(torch.from_numpy(frames[i : i + BATCH]).float()) for i in range(0, len(frames), BATCH)]
    return {name: np.concatenate([part[name].numpy() for part in parts]) for name in parts[0]}


def interpret(weights: Path, frames: np.ndarray[Any, Any]) -> dict[str, np.ndarray[Any, Any]]:
    """The same values by striate's interpreter, from the text and the weights that were written."""
    graph = read(HERE / "nmnist.striate", weights=str(weights)).graph
    return interpret_all(graph, {"events": frames}, keep={"conv1", "conv2", "scores"})


def score(values: dict[str, np.ndarray[Any, Any]], labels: np.ndarray[Any, Any]) -> str:
    """The fraction of recordings classified right, and the spikes it took."""
    right = (values["scores"].argmax(1) == labels).sum()
    first, second = (values[name].sum(dtype=np.float64) / len(labels) for name in ("conv1", "conv2"))
    text = f"{right} of {len(labels)} right ({right / len(labels):.1%})"
    return f"{text}, spikes {first:,.1f} and {second:,.1f} a recording"


if __name__ == "__main__":
    main()
