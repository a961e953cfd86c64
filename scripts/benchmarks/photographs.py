"""Palettes of a folder of photographs next to KMeans (best of three starts) and libimagequant, all rounded to 8 bits.

`scripts/benchmark photographs --photographs FOLDER`; libimagequant is compared where imagequant is installed.
"""

import importlib
import statistics
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.cluster import KMeans

from benchmarks.measuring import Row, Sizes
from dasksom import BatchSOM
from dasksom.som.bmu.nearest import nearest_units

SIDES = (2, 4, 8, 16)
"""Of the square maps: 4, 16, 64 and 256 colors."""


def photographs(sizes: Sizes, _: Path) -> list[Row]:
    """Quantize every photograph of the folder, or one of scikit-image's without a folder."""
    rows = []
    for side in SIDES[: 1 if sizes.toy else None]:
        ratios, seconds, above = [], [], []
        for name, image in _images(sizes.photographs).items():
            colors, counts = np.unique(image.reshape(-1, 3), axis=0, return_counts=True)
            start = time.process_time()
            som = BatchSOM(side, side, refine=80).fit(image)
            seconds.append(time.process_time() - start)
            others = [_error(colors, counts, palette) for palette in _others(image, colors, counts, side**2)]
            ratios.append(_error(colors, counts, som.weights_.reshape(-1, 3)) / min(others))
            if ratios[-1] > 1:
                above.append(f"{name} {ratios[-1]:.5f}")
        detail = f"worst {max(ratios):.5f}, mean {statistics.mean(ratios):.4f}, of {len(ratios)}; "
        detail += f"{statistics.mean(seconds):.2f} s of a processor each; above: {', '.join(above) or 'none'}"
        share = sum(ratio < 1 for ratio in ratios) / len(ratios)
        rows.append(Row(f"{side**2} colors: share below the better of the others", share, ">= 0.95", detail))
    return rows


def _images(folder: Path | None) -> dict[str, NDArray[np.uint8]]:
    if folder is None:
        return {"coffee": importlib.import_module("skimage.data").coffee()}
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp"))
    return {path.stem: np.asarray(Image.open(path).convert("RGB")) for path in files}


def _others(image: NDArray[np.uint8], colors: NDArray[np.uint8], counts: NDArray[np.int64], units: int):
    kmeans = KMeans(min(units, len(colors)), n_init=3, random_state=0)
    yield kmeans.fit(colors.astype(np.float32), sample_weight=counts.astype(np.float32)).cluster_centers_
    try:
        imagequant = importlib.import_module("imagequant")
    except ImportError:
        return
    quantized = imagequant.quantize_pil_image(Image.fromarray(image), dithering_level=0.0, max_colors=units)
    yield np.reshape(quantized.getpalette(), (-1, 3))[:units]


def _error(colors: NDArray[np.uint8], counts: NDArray[np.int64], palette: NDArray[np.generic]) -> float:
    rounded = np.clip(np.rint(np.asarray(palette, np.float64)), 0, 255)
    away = colors - rounded[nearest_units(colors, rounded)]
    return float(counts @ (away**2).sum(axis=1) / counts.sum())
