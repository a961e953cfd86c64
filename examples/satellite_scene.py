"""Classify a satellite scene of six bands in separate files into kinds of ground, and write them as a GeoTIFF.

python examples/satellite_scene.py [FOLDER]

The scene is real: a piece of a Sentinel-2 image, 3 x 2 km of desert hills with a dry river, that ships in the package
`xarray-spatial`: blue, green, red and near infrared at 10 m, two bands of short-wave infrared at 20 m. Kinds of ground
differ in the shape of their spectrum; brightness depends on the slope and the sun. The map therefore compares by angle
(`--metric cosine`), and the script measures a map by distance for comparison. `--stack` reads the files of the bands as
one image and repeats the pixels of 20 m; `--bands` puts them in order. Needs dasksom[examples].
"""

import sys
from importlib.metadata import distribution
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import rasterio
from scipy.io import netcdf_file

import dasksom
from dasksom.cli.main import cli

BANDS = {"blue": 490, "green": 560, "red": 665, "nir": 842, "swir1": 1610, "swir2": 2190}
"""Names, and wavelengths in nanometers."""
GRID, COUNT = "3x4", 12


def read(band: str) -> tuple[np.ndarray, float, float, float]:
    """Return a band and its position: the left and upper edge and the side of a pixel, in meters."""
    path = distribution("xarray-spatial").locate_file(f"xrspatial/datasets/sentinel-2/{band}_band.nc")
    with netcdf_file(str(path), mmap=False) as file:
        values = file.variables["__xarray_dataarray_variable__"][:]
        x, y = file.variables["x"][:], file.variables["y"][:]
    side = float(x[1] - x[0])
    return values, float(x[0]) - side / 2, float(y[0]) + side / 2, side


def write_bands(folder: Path) -> None:
    """Write one GeoTIFF per band, in its own resolution, as the bands of a satellite are delivered."""
    folder.mkdir(parents=True, exist_ok=True)
    for band in BANDS:
        values, left, top, side = read(band)
        rows, columns = round(2000 / side), round(3000 / side)  # 2 x 3 km
        place = rasterio.Affine(side, 0, left, 0, -side, top)  # the package does not name the UTM zone
        profile = {"driver": "GTiff", "dtype": "uint16", "transform": place, "height": rows, "width": columns}
        with rasterio.open(folder / f"{band}.tif", "w", count=1, **profile) as file:
            file.write(values[:rows, :columns].astype(np.uint16), 1)


def explained(groups: np.ndarray, values: np.ndarray) -> float:
    """Return the share of the variance of values that is between groups, not within."""
    means = np.bincount(groups.ravel(), values.ravel()) / np.maximum(1, np.bincount(groups.ravel()))
    return float(1 - (values - means[groups]).var() / values.var())


def stretched(bands: list[np.ndarray]) -> np.ndarray:
    """Make a picture of three bands, each from its second to its 98th percentile."""
    low, high = np.percentile(bands, [2, 98], axis=(1, 2))
    return np.clip((np.dstack(bands) - low) / (high - low), 0, 1)


def draw(scene: np.ndarray, kinds: np.ndarray, path: Path) -> None:
    """Draw the scene, the kinds of ground and their spectra."""
    bands = dict(zip(BANDS, scene, strict=True))
    false = stretched([bands["swir2"], bands["nir"], bands["green"]])
    colors = np.zeros((COUNT, 3))
    for kind in np.unique(kinds):
        colors[kind] = false[kinds == kind].mean(axis=0)
    figure, axes = plt.subplots(2, 2, figsize=(11, 7.4), layout="constrained")
    pictures = {
        "true color": stretched([bands["red"], bands["green"], bands["blue"]]),
        "short-wave infrared, near infrared, green": false,
        f"{COUNT} kinds of ground, in their mean colors": colors[kinds],
    }
    for ax, (title, picture) in zip(axes.flat, pictures.items(), strict=False):
        ax.imshow(picture)
        ax.set(title=title, xticks=[], yticks=[])
    for kind in np.unique(kinds):
        axes[1, 1].plot(list(BANDS.values()), scene[:, kinds == kind].mean(axis=1), marker="o", color=colors[kind])
    axes[1, 1].set(title="their spectra", xlabel="wavelength, nm", ylabel="reflectance x 10,000")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(folder: Path) -> None:
    """Write the bands, train a map by angle and one by distance, and compare their classes."""
    folder.mkdir(parents=True, exist_ok=True)
    scene = folder / "scene"
    write_bands(scene)
    order = ",".join(BANDS)
    found = {}
    for metric in ("cosine", "euclidean"):
        palette, output = folder / f"scene-{metric}.npz", folder / f"kinds-{metric}.tif"
        for words in (
            ["train", scene, palette, "--stack", "--bands", order, "--grid", GRID, "--metric", metric, "--overwrite"],
            ["apply", palette, scene, output, "--stack", "--pixels", "labels", "--overwrite"],
        ):
            print("$ dasksom", *words)
            cli.main([*map(str, words)], standalone_mode=False)
        with rasterio.open(output) as file:
            found[metric] = file.read(1).astype(int) - 1
            print(
                f"{output} begins at {file.transform.c:.0f}, {file.transform.f:.0f}, pixels of {file.transform.a:.0f} m"
            )

    bands = dasksom.open_image(scene, stack=True, bands=order).compute().astype(float)
    red, nir = bands[..., 2], bands[..., 3]
    greenness = (nir - red) / (nir + red)
    for metric, kinds in found.items():
        brightness, green = explained(kinds, bands.mean(axis=2)), explained(kinds, greenness)
        print(f"kinds by {metric} explain {brightness:.0%} of the brightness, {green:.0%} of the vegetation index")
    draw(np.moveaxis(bands, 2, 0), found["cosine"], folder / "scene.png")
    print(f"{folder / 'scene.png'}: the scene, the kinds of ground by cosine, and their spectra")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "example-output"))
