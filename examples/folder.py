"""Put a folder of images into the same colors, with the command line.

python examples/folder.py [FOLDER]

`dasksom train` learns one palette from all images, and `dasksom apply` writes each of them in it, with the same number
for the same color everywhere. A palette for each image would be nearer to that image; the script measures how much.
Needs dasksom[plots].
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image
from skimage import data

import dasksom
from dasksom.cli.main import cli

PHOTOGRAPHS = ("astronaut", "coffee", "chelsea", "rocket")


def run(*words: str | Path) -> None:
    """Print a command and run it, as a shell does."""
    print("$ dasksom", *words)
    cli.main([*map(str, words)], standalone_mode=False)


def error(original: np.ndarray, shown: np.ndarray) -> float:
    """Return the mean squared distance between the colors of two images."""
    return float(((original.astype(float) - shown) ** 2).sum(axis=2).mean())


def draw(pairs: dict[str, tuple[np.ndarray, np.ndarray]], path: Path) -> None:
    """Draw originals above their reduced images."""
    figure, axes = plt.subplots(2, len(pairs), figsize=(2.4 * len(pairs), 4.6), layout="constrained")
    for column, (name, pair) in zip(axes.T, pairs.items(), strict=True):
        for ax, picture in zip(column, pair, strict=True):
            ax.imshow(picture)
            ax.set_axis_off()
        column[0].set_title(name, size=9)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(folder: Path) -> None:
    """Write the photographs, reduce them, and compare with a palette for each."""
    originals, palette, reduced = folder / "photographs", folder / "palette.npz", folder / "reduced"
    originals.mkdir(parents=True, exist_ok=True)
    for name in PHOTOGRAPHS:
        Image.fromarray(getattr(data, name)()).save(originals / f"{name}.png")
    run("train", originals, palette, "--grid", "8x8", "--overwrite")
    run("apply", palette, originals, reduced, "--format", ".png", "--overwrite")
    run("palette", palette, folder / "palette.gpl", "--overwrite")

    pairs, colors = {}, set()
    print("mean squared error  one palette for all, one for each")
    for name in PHOTOGRAPHS:
        original = getattr(data, name)()
        shown = np.asarray(Image.open(reduced / f"{name}.png").convert("RGB"))
        own = dasksom.BatchSOM(8, 8, epochs=20, refine=80).fit(original)
        print(f"{name:20} {error(original, shown):17.0f} {error(original, own.quantize(original)):13.0f}")
        pairs[name] = original, shown
        colors.update(map(tuple, np.unique(shown.reshape(-1, 3), axis=0).tolist()))
    draw(pairs, folder / "folder.png")
    print(f"{reduced}: {len(pairs)} images of {len(colors)} colors in all; {folder / 'folder.png'} shows them")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "example-output"))
