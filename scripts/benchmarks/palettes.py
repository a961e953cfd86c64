"""The error of palettes, and what they cost, against other quantizers on five photographs.

BEST is the least mean squared error per pixel (summed over the bands) of ten quantizers, measured once on these
photographs: Pillow's four, libimagequant, scikit-learn's KMeans and MiniBatchKMeans, OpenCV's and faiss's k-means,
XPySom. scikit-learn's KMeans runs again here, beside dasksom.
"""

import statistics
from pathlib import Path

import numpy as np
from skimage import data
from sklearn.cluster import KMeans

from benchmarks.measuring import Row, Sizes, timed
from dasksom import BatchSOM

BEST = {
    "astronaut": {16: 340.3, 64: 84.8, 256: 28.2},
    "coffee": {16: 210.8, 64: 52.1, 256: 18.1},
    "chelsea": {16: 157.8, 64: 46.7, 256: 16.3},
    "immunohistochemistry": {16: 162.4, 64: 45.6, 256: 15.5},
    "rocket": {16: 170.9, 64: 42.6, 256: 15.0},
}


def palettes(sizes: Sizes, _: Path) -> list[Row]:
    """Quantize every photograph to every number of colors, as `dasksom quantize` does it and as KMeans does it."""
    to_best, to_kmeans, saved, cells = [], [], [], []
    disorder: dict[str, list[float]] = {"refined": [], "map": []}
    for name, best in list(BEST.items())[: 1 if sizes.toy else None]:
        image = getattr(data, name)()
        pixels = image.reshape(-1, 3).astype(np.float32)
        for units in list(best)[: 1 if sizes.toy else None]:
            side = round(units**0.5)
            som = BatchSOM(side, side, epochs=20, refine=80, random_state=0)
            kmeans = KMeans(units, n_init=1, random_state=0)
            ours, theirs = timed(
                lambda som=som, image=image: som.fit(image),
                lambda kmeans=kmeans, pixels=pixels: kmeans.fit(pixels),
                repeats=sizes.repeats if units < 256 else 1,
            )
            error = som.quality_.mean_squared_error
            to_best.append(error / best[units])
            to_kmeans.append(error / (kmeans.inertia_ / len(pixels)))
            saved.append(statistics.median(theirs) / statistics.median(ours))
            seconds = f"{statistics.median(ours):.2f} / {statistics.median(theirs):.2f} s"
            cells.append(f"{name} {units}: {error:.2f} / {best[units]}, {seconds}")
            disorder["refined"].append(som.quality_.topographic_error)
            ordered = BatchSOM(side, side, epochs=20, sigma=(side / 2, 0.5)).fit(image).quality_
            disorder["map"].append(ordered.topographic_error)
    of = f"of {len(cells)} palettes"
    return [
        Row("error / the best of ten quantizers, worst cell", max(to_best), "<= 1.005", "; ".join(cells)),
        Row("... mean", statistics.mean(to_best), "< 1", of),
        Row("... cells below it", sum(ratio < 1 for ratio in to_best), "most", of),
        Row("error / KMeans in this run, worst cell", max(to_kmeans), "<= 1", of),
        Row("KMeans / dasksom, time, least", min(saved), "> 1", f"most {max(saved):.0f}, {of}"),
        Row("topographic error, refined", statistics.mean(disorder["refined"]), "", f"mean {of}"),
        Row("... of the map that keeps its order", statistics.mean(disorder["map"]), "", "sigma to 0.5, no refinement"),
    ]
