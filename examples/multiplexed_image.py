"""Cluster the pixels of a multiplexed image of twenty channels, with and without scaling, and compare with the truth.

python examples/multiplexed_image.py [FOLDER]

The image is made here: eight kinds of tissue, each bright in its own markers, with nineteen dim markers and one bright
nuclear stain that says nothing about the tissue, as an OME-TIFF of 16-bit integers with the names of the channels.
Unscaled, the stain makes nearly all of the variance, so that units differ in it and mix kinds of tissue; dasksom warns
of it. Scaled, every channel has its say. Printed is the share of pixels whose unit holds mostly their own kind. Needs
dasksom[examples].
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import tifffile
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

import dasksom
from dasksom.cli.main import cli

SIDE, KINDS, CHANNELS = 384, 8, 20
NAMES = ["DNA", *(f"CD{number}" for number in range(1, CHANNELS))]
SCALES = ("none", "standard", "percentile:99.9")


def tissue() -> tuple[NDArray[np.uint16], NDArray[np.intp]]:
    """Return an image (channels, height, width) and the kind of tissue of each pixel."""
    draw = np.random.default_rng(7)
    kinds = np.argmax([gaussian_filter(draw.standard_normal((SIDE, SIDE)), 12) for _ in range(KINDS)], axis=0)
    brightness = draw.uniform(1, 4, (KINDS, CHANNELS)) + draw.choice([0, 6, 15], (KINDS, CHANNELS), p=[0.7, 0.2, 0.1])
    markers = np.moveaxis(draw.poisson(brightness[kinds] * draw.gamma(8, 1 / 8, (SIDE, SIDE, 1))), -1, 0)
    markers[0] = 250 * draw.gamma(2, 0.5, (SIDE, SIDE))  # nuclei are bright in every kind of tissue
    return np.minimum(markers, 65535).astype(np.uint16), kinds


def purity(labels: NDArray[np.integer], kinds: NDArray[np.intp]) -> float:
    """Return the share of pixels of the kind that most pixels of their unit have."""
    counts = np.zeros((labels.max() + 1, KINDS), np.int64)
    np.add.at(counts, (labels.ravel(), kinds.ravel()), 1)
    return float(counts.max(axis=1).sum() / counts.sum())


def main(folder: Path) -> None:
    """Write the image, train three maps, and compare their units with the kinds of tissue."""
    folder.mkdir(parents=True, exist_ok=True)
    image, kinds = tissue()
    path = folder / "multiplexed.ome.tif"
    names = {"axes": "CYX", "Channel": {"Name": NAMES}}
    tifffile.imwrite(path, image, ome=True, photometric="minisblack", metadata=names)

    pixels, figure = dasksom.open_image(path), plt.figure(figsize=(12, 3.6), layout="constrained")
    axes = figure.subplots(1, 1 + len(SCALES))
    axes[0].imshow(kinds, cmap="tab10", interpolation="nearest")
    axes[0].set_title("kinds of tissue")
    for scale, ax in zip(SCALES, axes[1:], strict=True):
        model = folder / f"{scale.partition(':')[0]}.npz"
        words = ["train", path, model, "--grid", "10x10", "--epochs", "10", "--scale", scale, "--overwrite"]
        print("$ dasksom", *words)
        cli.main([*map(str, words)], standalone_mode=False)
        labels = dasksom.load(model).predict(pixels).compute()
        share = purity(labels, kinds)
        print(f"{scale}: {share:.2f} of the pixels are of their unit's kind")
        most = np.array([np.bincount(kinds[labels == unit], minlength=KINDS).argmax() for unit in range(100)])
        ax.imshow(most[labels], cmap="tab10", interpolation="nearest")
        ax.set_title(f"--scale {scale}: {share:.2f}")
    for ax in axes:
        ax.set_axis_off()
    figure.savefig(folder / "multiplexed.png", dpi=110)
    print(f"{folder / 'multiplexed.png'}: each pixel in the color of its unit's kind of tissue")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "example-output"))
