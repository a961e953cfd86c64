"""A complete fit of 8-bit colors against XPySom and MiniSom, timed on a subset of the pixels: their cost is linear."""

import statistics
import time
from pathlib import Path

import numpy as np

from benchmarks.measuring import GRID, Row, Sizes, shown, timed
from dasksom import BatchSOM
from dasksom.demo.synthetic_mosaic import mosaic_array


def peers(sizes: Sizes, _: Path) -> list[Row]:
    """Fit in memory against XPySom and MiniSom: the same map, 10 epochs, sigma from half a side."""
    from minisom import MiniSom
    from xpysom import XPySom

    side = int(max(sizes.peer_pixels) ** 0.5)
    pixels = mosaic_array(side).compute().reshape(-1, 3)
    pixels = np.random.default_rng(0).permutation(pixels)  # every subset is then a fair sample

    def xpysom(part: np.ndarray) -> np.ndarray:
        som = XPySom(*GRID, 3, sigma=GRID[0] / 2, xp=np)
        som.random_seed = 0
        som.pca_weights_init(part.astype(np.float32))
        som.train(part.astype(np.float32), 10)
        return som.get_weights().reshape(-1, 3)

    def minisom(part: np.ndarray) -> np.ndarray:
        som = MiniSom(*GRID, 3, sigma=GRID[0] / 2, learning_rate=1.0, random_seed=0)
        som.random_weights_init(part.astype(float))
        som.train_batch_offline(part.astype(float), 10)
        return som.get_weights().reshape(-1, 3)

    rows = []
    for name, train, part, targets in (
        ("XPySom", xpysom, sizes.peer_part, (">= 40", ">= 300")),
        ("MiniSom", minisom, sizes.minisom_part, (">= 1000", ">= 1000")),
    ):
        start = time.perf_counter()
        theirs = train(pixels[:part])
        rate = part / (time.perf_counter() - start)
        own = BatchSOM(*GRID, epochs=10).fit(pixels[:part]).quality_.mean_squared_error
        error = (
            BatchSOM(*GRID, epochs=1, init=theirs.reshape(*GRID, 3)).fit(pixels[:part]).history_[0].mean_squared_error
        )
        for count, target in zip(sizes.peer_pixels, targets, strict=False):
            image = pixels[:count].reshape(1, -1, 3)
            [seconds] = timed(lambda image=image: BatchSOM(*GRID, epochs=10).fit(image), repeats=max(3, sizes.repeats))
            ours = statistics.median(seconds)
            detail = f"{count / rate:.1f} s from {part} pixels / {shown(seconds)}"
            rows.append(Row(f"{name} / dasksom, fit of {count / 1e6:.1f} Mpx", count / rate / ours, target, detail))
        rows.append(Row(f"error, dasksom / {name}", own / error, "<= 1", f"{own:.2f} / {error:.2f}, {part} pixels"))
    return rows
