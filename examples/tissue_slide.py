"""Reduce a slide of stained tissue to twenty-five colors, as a pyramid for a viewer, and measure the stain by them.

python examples/tissue_slide.py [FOLDER]

The slide is made here: the photograph of stained colon tissue that ships with scikit-image, tiled 8 x 8 times and
mirrored so that it has no seams, becomes a pyramidal OME-TIFF of 4096 x 4096 pixels, as scanners write them. dasksom
reads it tile by tile and writes an OME-Zarr with all levels, for napari, QuPath, vizarr or neuroglancer. Brown (DAB)
marks the protein of interest, blue (hematoxylin) the nuclei. The brown units of the map give the brown share of the
slide, which is compared with color deconvolution, pixel by pixel. Needs dasksom[examples].
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import tifffile
import zarr
from skimage import data
from skimage.color import rgb2hed
from skimage.filters import threshold_otsu

import dasksom
from dasksom.cli.main import cli

TIMES = 8
MICROMETERS = 0.5
"""Side of a pixel, as of a scanner at 20 times."""


def write_slide(path: Path) -> None:
    """Write a tiled OME-TIFF with its smaller levels inside, JPEG-compressed."""
    tile = data.immunohistochemistry()
    pair = np.hstack([tile, tile[:, ::-1]])
    slide = np.tile(np.vstack([pair, pair[::-1]]), (TIMES // 2, TIMES // 2, 1))
    levels = [slide, slide[::4, ::4], slide[::16, ::16]]
    options = {"tile": (256, 256), "photometric": "rgb", "compression": "jpeg", "compressionargs": {"level": 90}}
    size = {"PhysicalSizeX": MICROMETERS, "PhysicalSizeY": MICROMETERS}
    with tifffile.TiffWriter(path, bigtiff=True, ome=True) as file:
        file.write(slide, subifds=len(levels) - 1, metadata={"axes": "YXS", **size}, **options)
        for level in levels[1:]:
            file.write(level, subfiletype=1, **options)


def stain(colors: np.ndarray) -> np.ndarray:
    """Return the amount of brown stain (DAB) in colors of shape (..., 3), by color deconvolution."""
    return np.asarray(rgb2hed(colors.astype(np.uint8))[..., 2])


def main(folder: Path) -> None:
    """Write the slide, reduce it, and measure the stain by units and by pixels."""
    folder.mkdir(parents=True, exist_ok=True)
    slide, output, palette = folder / "slide.ome.tif", folder / "slide-som.ome.zarr", folder / "slide.npz"
    write_slide(slide)
    for words in (
        ["info", slide],
        ["train", slide, palette, "--grid", "5x5", "--overwrite"],
        ["apply", palette, slide, output, "--overwrite"],
    ):
        print("$ dasksom", *words)
        cli.main([*map(str, words)], standalone_mode=False)

    group = zarr.open_group(output, mode="r")
    period = np.s_[:1024, :1024]  # after which the slide repeats
    original = dasksom.open_image(slide)[period].compute()
    labels = group["labels/som/0"][period].astype(int) - 1  # in the file 0 is no data, and the first unit 1
    threshold = threshold_otsu(stain(original))
    palette_colors = dasksom.load(palette).codebook_.palette(np.dtype(np.uint8))
    by_units, by_pixels = (stain(palette_colors) > threshold)[labels], stain(original) > threshold
    print(f"brown: {by_units.mean():.1%} of the slide by units, {by_pixels.mean():.1%} by color deconvolution")
    print(f"both agree on {(by_units == by_pixels).mean():.1%} of the pixels")

    figure, axes = plt.subplots(1, 3, figsize=(12, 4.2), layout="constrained")
    window = np.s_[:512, :512]
    pictures = {
        "a piece of the slide": original[window],
        "in 25 colors": np.moveaxis(group["0"][:, :512, :512], 0, 2),
        f"brown units ({by_units.mean():.0%} of the slide)": np.where(
            by_units[window][..., None], original[window], 235
        ),
    }
    for ax, (title, picture) in zip(axes, pictures.items(), strict=True):
        ax.imshow(picture)
        ax.set(title=title, xticks=[], yticks=[])
    figure.savefig(folder / "slide.png", dpi=110)
    plt.close(figure)
    print(f"{output}: {', '.join('x'.join(map(str, group[str(level)].shape[1:])) for level in range(3))} ... pixels")
    print(f"{folder / 'slide.png'}: a piece of it")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "example-output"))
