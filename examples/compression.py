"""Make photographs smaller by reducing their colors, and measure it: bytes and error, against PNG and JPEG.

python examples/compression.py [FOLDER]

Five photographs and a drawing that ship with scikit-image. Reduced to K colors they are stored as PNG with a palette,
which needs 2, 4 or 8 bits a pixel before compression. JPEG makes smaller files of photographs, and the palette of
drawings. A palette also has exact colors (no halos around edges, and no change when it is saved again), and gives each
pixel a class. Needs dasksom[plots].
"""

import io
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image
from skimage import data
from skimage.metrics import peak_signal_noise_ratio

from dasksom import BatchSOM

PHOTOGRAPHS = ("astronaut", "coffee", "chelsea", "immunohistochemistry", "rocket")
GRIDS = ((2, 2), (4, 4), (8, 8), (16, 16))
QUALITIES = (30, 50, 75, 90, 95)

Way = tuple[float, float]
"""Bits per pixel, and PSNR in dB, of one way to store a picture."""


def size(picture: Image.Image, kind: str, **options: int | bool) -> int:
    """Return the bytes of a picture in a format."""
    written = io.BytesIO()
    picture.save(written, kind, **options)
    return written.tell()


def reduced(photograph: np.ndarray, rows: int, columns: int) -> tuple[Image.Image, np.ndarray]:
    """Reduce a photograph to rows x columns colors: as a picture with a palette, and as the colors that it shows."""
    som = BatchSOM(rows, columns, epochs=20, refine=80).fit(photograph)
    picture = Image.fromarray(som.predict(photograph).astype(np.uint8))
    picture.putpalette(som.codebook_.palette(np.dtype(np.uint8)).tobytes())
    return picture, som.quantize(photograph)


def measured(original: np.ndarray) -> dict[str, Way]:
    """Store a picture in many ways."""
    picture, pixels = Image.fromarray(original), original[..., 0].size
    ways = {"PNG": (8 * size(picture, "PNG", optimize=True) / pixels, np.inf)}
    for rows, columns in GRIDS:
        few, colors = reduced(original, rows, columns)
        bits = 8 * size(few, "PNG", optimize=True, bits=(rows * columns - 1).bit_length()) / pixels
        ways[f"{rows * columns} colors"] = bits, float(peak_signal_noise_ratio(original, colors))
    for quality in QUALITIES:
        written = io.BytesIO()
        picture.save(written, "JPEG", quality=quality)
        psnr = float(peak_signal_noise_ratio(original, np.asarray(Image.open(written))))
        ways[f"JPEG {quality}"] = 8 * written.tell() / pixels, psnr
    return ways


def draw(tables: dict[str, dict[str, Way]], path: Path) -> None:
    """Draw bits per pixel and PSNR of all ways."""
    figure, axes = plt.subplots(1, len(tables), figsize=(6.4 * len(tables), 4.2), layout="constrained")
    for ax, (title, ways) in zip(axes, tables.items(), strict=True):
        for kind, label, marker in (("colors", "palette, as PNG", "o"), ("JPEG", "JPEG", "s")):
            chosen = {name: way for name, way in ways.items() if kind in name}
            ax.plot(*np.transpose(list(chosen.values())), marker=marker, label=label)
            for name, way in chosen.items():
                ax.annotate(name.removeprefix("JPEG "), way, xytext=(6, -11), textcoords="offset points", size=8)
        ax.axvline(ways["PNG"][0], color="k", ls="--", label="PNG of all colors, lossless")
        ax.set(xlabel="bits per pixel", ylabel="PSNR, dB", xscale="log", title=title)
        ax.set_xticks([0.2, 0.5, 1, 2, 5, 10], ["0.2", "0.5", "1", "2", "5", "10"])
        ax.set_xticks([], minor=True)
        ax.legend(loc="lower right")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(folder: Path) -> None:
    """Measure all pictures, print tables, draw them, and save one photograph in 16 colors."""
    folder.mkdir(parents=True, exist_ok=True)
    drawing = Image.alpha_composite(Image.new("RGBA", (500, 500), "white"), Image.fromarray(data.logo()))
    sets = {
        "five photographs": [getattr(data, name)() for name in PHOTOGRAPHS],
        "a drawing": [np.asarray(drawing.convert("RGB"))],
    }
    tables: dict[str, dict[str, Way]] = {}
    for title, pictures in sets.items():
        found = [measured(picture) for picture in pictures]
        tables[title] = {way: tuple(np.mean([one[way] for one in found], axis=0)) for way in found[0]}
        print(f"{title:16}  bits/pixel  of PNG  of raw  PSNR, dB")
        for way, (bits, psnr) in tables[title].items():
            print(f"{way:16}  {bits:10.2f}  {bits / tables[title]['PNG'][0]:6.0%}  {bits / 24:6.1%}  {psnr:8.1f}")
    draw(tables, folder / "compression.png")
    reduced(data.coffee(), 4, 4)[0].save(folder / "coffee-16-colors.png", optimize=True, bits=4)
    print(f"{folder / 'compression.png'}: the same as a figure; {folder / 'coffee-16-colors.png'}: one of them")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "example-output"))
