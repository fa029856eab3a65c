"""What steps buy: LeNet-5 under the coding `rate` on a chip without them, and on one with them.

    python benchmarks/steps_or_events.py [--samples N] [--json FILE]

Of the example's test images, the share that is told right after so many steps or ticks: on Speck, event by event; by
the same integers in steps, where a neuron adds up all that arrives in a tick before it compares, as no chip does
(numpy, here); on Loihi 1. And how many synaptic operations that takes. Of the first two also what is right if the
output neurons' potentials were read, which tell digits apart that were counted equally often.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from machine import describe

from striate.language import parse_machine
from striate.pipeline import Compilation, lower, read
from striate_runtime import open_device
from striate_runtime.program import Program
from striate_runtime.program.neuromorphic import NeuromorphicBody, Projection

Array = npt.NDArray[Any]

DIGITS = Path(__file__).parent.parent / "examples" / "digits"
STEPS = (4, 8, 16, 32, 64, 128)
FLOOR = -(1 << 15)


def in_steps(program: Program, images: Array) -> tuple[Array, Array]:
    """Spikes and potentials of the output neurons, had the chip's neurons steps: at most one spike in each."""
    body = msgspec.convert(program.body, NeuromorphicBody)
    layers = [population for population in body.populations if population.kind == "event_driven"]
    arrays = {name: array.astype(np.float32) for name, array in program.arrays.items()}
    given = np.clip(np.rint(images / np.float32(body.input_scale["image"])), 0, 255).astype(np.int64)
    held = np.full(given.shape, 127)
    start = [arrays[layer.initial or ""].reshape(1, -1, 1, 1) for layer in layers]
    potentials = [
        np.tile(first, (len(images), 1, *layer.shape[1:])) for first, layer in zip(start, layers, strict=True)
    ]
    counts = np.zeros((len(images), layers[-1].shape[0]))
    for _ in range(body.steps):
        held += given
        spikes = (held >= 255).astype(np.float32)
        held -= 255 * (held >= 255)
        for index, (layer, way) in enumerate(zip(layers, body.projections, strict=True)):
            bias, threshold = arrays[layer.bias or ""].reshape(1, -1, 1, 1), arrays[layer.threshold or ""][0]
            v = np.maximum(potentials[index] + gathered(spikes, way, arrays) + bias, FLOOR)
            spikes = (v >= threshold).astype(np.float32)
            potentials[index] = v - spikes * threshold
        counts += spikes.reshape(counts.shape)
    return counts, potentials[-1].reshape(counts.shape)


def gathered(spikes: Array, way: Projection, arrays: Mapping[str, Array]) -> Array:
    """What a tick's spikes `[N, C, H, W]` add to each neuron of the next layer; exact in f32."""
    weights = arrays[way.weights or ""]
    if way.kind == "dense":
        return (spikes.transpose(0, 2, 3, 1).reshape(len(spikes), -1) @ weights)[:, :, None, None]
    kh, kw, _, outputs = weights.shape
    left, right, top, bottom = way.padding
    padded = np.pad(spikes, ((0, 0), (0, 0), (top, bottom), (left, right)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (kh, kw), axis=(2, 3))
    windows = windows[:, :, :: way.stride[0], :: way.stride[1]].transpose(0, 2, 3, 4, 5, 1)
    answers = windows.reshape(-1, kh * kw * spikes.shape[1]) @ weights.reshape(-1, outputs)
    return answers.reshape(*windows.shape[:3], outputs).transpose(0, 3, 1, 2)


def measured(compilation: Compilation, images: Array, labels: Array, steps: int) -> dict[str, float]:
    """A row of the table."""
    program = lower(compilation, parse_machine(f"speck(coding=rate, steps={steps})"))
    threshold = int(program.arrays["logits.threshold"][0])
    with open_device(program) as device:
        outputs, took = device.profile({"image": images})
        counts, potentials = outputs["logits"], np.zeros((0, outputs["logits"].shape[1]))
        for start in range(0, len(images), 50):
            traced = device.trace({"image": images[start : start + 50]})["logits@potentials"][:, -1]
            potentials = np.concatenate([potentials, traced.reshape(len(traced), -1)])
        counts = np.rint(counts / program.arrays["logits.scale"])
    stepped, left = in_steps(program, images)
    other = lower(compilation, parse_machine(f"loihi1(coding=rate, steps={steps})"))
    with open_device(other) as device:
        loihi, loihis = device.profile({"image": images})
    return {
        "steps": steps,
        "speck": right(counts, labels),
        "speck_with_potentials": right(counts + potentials / threshold, labels),
        "speck_ties": int(((counts == counts.max(1, keepdims=True)).sum(1) > 1).sum()),
        "in_steps": right(stepped, labels),
        "in_steps_with_potentials": right(stepped + left / threshold, labels),
        "loihi1": right(loihi["logits"], labels),
        "speck_synaptic_operations": took.counts["synops"],
        "loihi1_synaptic_operations": loihis.counts["synops"],
    }


def right(scores: Array, labels: Array) -> float:
    """The share of samples whose highest score is their label's."""
    return float((scores.argmax(1) == labels).mean())


def main() -> None:
    """Measure and print; with --json also write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--json", type=Path, help="write the results to this file")
    arguments = parser.parse_args()
    compilation = read(DIGITS / "lenet5.striate")
    with np.load(DIGITS / "digits_test.npz") as data:
        images, labels = data["image"][: arguments.samples], data["label"][: arguments.samples]
    rows: list[dict[str, float]] = []
    for steps in STEPS:
        rows.append(measured(compilation, images, labels, steps))
        print("  ".join(f"{name} {value:,.4g}" for name, value in rows[-1].items()), flush=True)
    if arguments.json:
        report = {"format": 1, "machine": describe(), "samples": len(images), "results": {"steps_or_events": rows}}
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
