"""Makes moving_digits.npz from digits_test.npz: streams in which a digit stands still, then moves on by a pixel.

    python examples/digits/move.py

image f32[16, 16, 1, 28, 28]: 16 digits, 16 frames each; in every fourth frame the digit has moved a pixel to the right.
label i64[16, 16].

And calibration_streams.npz: the 256 images of digits_calibration.npz as 16 streams of 16 frames, each another digit.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

STREAMS, FRAMES, STILL = 16, 16, 4
HERE = Path(__file__).parent


def main() -> None:
    """Write the file."""
    with np.load(HERE / "digits_test.npz") as digits:
        images, labels = digits["image"][:STREAMS], digits["label"][:STREAMS]
    frames = [np.roll(images, frame // STILL - FRAMES // STILL // 2, axis=-1) for frame in range(FRAMES)]
    streams = {"image": np.stack(frames, axis=1), "label": np.repeat(labels[:, None], FRAMES, axis=1)}
    np.savez_compressed(HERE / "moving_digits.npz", allow_pickle=False, **streams)
    with np.load(HERE / "digits_calibration.npz") as digits:
        images = digits["image"].reshape(-1, FRAMES, *digits["image"].shape[1:])
    np.savez_compressed(HERE / "calibration_streams.npz", allow_pickle=False, image=images)


if __name__ == "__main__":
    main()
