"""Complete jobs of other tools, each in a process of its own: read an image, reduce it to 256 colors, write the result.

python -m benchmarks.tool_jobs NAME IMAGE.tif OUTPUT.tif
"""

import sys
from collections.abc import Callable

import numpy as np
import tifffile

from benchmarks.measuring import GRID

EPOCHS = 10
COLORS = GRID[0] * GRID[1]


def minisom(pixels: np.ndarray) -> np.ndarray:
    """Train MiniSom as tutorials of colors do, but on 100,000 of the pixels, and quantize all."""
    from minisom import MiniSom

    samples = pixels.astype(float)
    som = MiniSom(*GRID, 3, sigma=0.1, learning_rate=0.2, random_seed=0)
    som.random_weights_init(samples)
    som.train_random(samples, 100_000)
    return som.quantization(samples)


def xpysom(pixels: np.ndarray) -> np.ndarray:
    """Train XPySom on all pixels, and quantize all."""
    from xpysom import XPySom

    som = XPySom(*GRID, 3, sigma=GRID[0] / 2, sigmaN=0.1, xp=np, random_seed=0)
    samples = pixels.astype(np.float32)
    som.pca_weights_init(samples)
    som.train(samples, EPOCHS)
    return som.quantization(samples)


def dask_ml(pixels: np.ndarray) -> np.ndarray:
    """Train the KMeans of dask-ml on all pixels, chunk by chunk, and quantize all."""
    import dask.array as da
    from dask_ml.cluster import KMeans

    samples = da.from_array(pixels, chunks=(1 << 20, 3)).astype(np.float32)
    kmeans = KMeans(COLORS, max_iter=EPOCHS, init_max_iter=2, random_state=0).fit(samples)
    return kmeans.cluster_centers_[kmeans.predict(samples).compute()]


# A tool: one function here, one line there.
JOBS: dict[str, Callable[[np.ndarray], np.ndarray]] = {"MiniSom": minisom, "XPySom": xpysom, "dask-ml": dask_ml}


def main(name: str, source: str, output: str) -> None:
    """Do the job."""
    image = tifffile.imread(source)
    colors = JOBS[name](image.reshape(-1, 3))
    tifffile.imwrite(output, np.clip(np.rint(colors), 0, 255).astype(np.uint8).reshape(image.shape), compression="zlib")


if __name__ == "__main__":
    main(*sys.argv[1:])
