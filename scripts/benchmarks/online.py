"""Training one sample at a time through MiniSom's interface, against MiniSom with the same calls."""

import statistics
from functools import partial
from pathlib import Path

import numpy as np
from skimage import data

from benchmarks.measuring import Row, Sizes, timed
from dasksom.minisom import MiniSom as OurMiniSom


def online(sizes: Sizes, _: Path) -> list[Row]:
    """Train one sample at a time through MiniSom's interface: its own cost for each sample over ours."""
    from minisom import MiniSom

    pixels = data.astronaut().reshape(-1, 3)
    draw = np.random.default_rng(0)
    scene = pixels @ draw.random((3, 34)) + draw.normal(0, 10, (len(pixels), 34))
    part, count, different = sizes.minisom_part, sizes.peer_part, 0
    rows = []
    for side, samples, sigma in ((3, pixels, 0.1), (8, pixels, 4), (16, pixels, 8), (30, scene, 15)):

        def train(kind: type, steps: int, side: int = side, samples: np.ndarray = samples, sigma: float = sigma):
            som = kind(side, side, samples.shape[1], sigma=sigma, learning_rate=0.2, random_seed=0)
            som.random_weights_init(samples)
            som.train_random(samples, steps)
            return som.get_weights()

        different += int((train(OurMiniSom, part) != train(MiniSom, part)).sum())
        sides = partial(train, MiniSom, part), partial(train, OurMiniSom, count)
        seconds = [statistics.median(each) for each in timed(*sides, repeats=max(3, sizes.repeats))]
        theirs, ours = seconds[0] / part, seconds[1] / count
        name = f"MiniSom / dasksom, online, {side} x {side} units, {samples.shape[1]} bands"
        rows.append(Row(name, theirs / ours, ">= 50", f"{theirs * 1e6:.1f} us / {ours * 1e6:.2f} us for a sample"))
    return [*rows, Row("... weights that differ", different, "0", f"of four maps, after {part} samples")]
