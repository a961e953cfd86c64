"""Maps of a warm-up against maps of as many epochs on every sample: errors, of all samples and of a rare class.

Images have as many pixels as the smallest that have a warm-up by default: four for each sample. Half of the samples are
drawn in proportion to the squared distance from the mean; all of them uniformly, for comparison. Each seed draws other
pixels, from other clusters or surfaces.
"""

from contextlib import nullcontext
from pathlib import Path
from statistics import median
from typing import NamedTuple
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from benchmarks.measuring import Row, Sizes
from dasksom import BatchSOM
from dasksom.training import warm_up, warm_up_plan

_SEEDS = 5


class _Set(NamedTuple):
    bands: int
    side: int
    """Of the square map."""
    is_smooth: bool
    """Whether samples lie on a smooth surface instead of in clusters."""
    rare: float
    """Share of the rare class."""
    count: int
    """Number of pixels."""

    def __str__(self) -> str:
        kind = "smooth" if self.is_smooth else "clustered"
        return f"{self.bands} bands, {self.side}x{self.side}, {kind}, rare {100 * self.rare:g} %"

    def samples(self, seed: int) -> tuple[NDArray[np.float32], int]:
        """Return pixels, float32, and the number of rare ones, which are the first."""
        draw, count = np.random.default_rng([seed, *map(int, self[:3]), round(1e5 * self.rare)]), self.count
        if self.is_smooth:
            place = draw.random((count, 2), np.float32) * 6
            waves = draw.normal(0, 1, (2, self.bands)).astype(np.float32)
            samples = np.sin(place @ waves + draw.random(self.bands, np.float32) * 6)
        else:
            centers = draw.normal(0, 1, (30, self.bands)).astype(np.float32)
            samples = centers[np.minimum(draw.geometric(0.1, count) - 1, 29)]
        samples += 0.15 * draw.standard_normal(samples.shape, np.float32)
        rare = round(count * self.rare)
        away = draw.normal(0, 1, self.bands).astype(np.float32)
        samples[:rare] = 4 * away / np.linalg.norm(away) + 0.15 * draw.standard_normal((rare, self.bands), np.float32)
        return samples, rare


_SETS = [
    _Set(bands, side, is_smooth, rare, warm_up_plan._LEAST_PIXELS * warm_up_plan._samples_of(side**2))
    for (bands, side), rare in zip(
        [(3, 32), (4, 16), (10, 16), (10, 8), (22, 8), (34, 8)], [1e-3, 2e-4, 1e-3, 2e-4, 1e-3, 2e-4], strict=True
    )
    for is_smooth in (False, True)
]


class _Errors(NamedTuple):
    all: float
    rare: float
    topographic: float


def _errors(samples: NDArray[np.float32], rare: int, side: int, size: int | str, seed: int) -> _Errors:
    som = BatchSOM(side, side, epochs=20, warm_up=size, random_state=seed).fit(samples)
    assert som.history_[0].sampled == (size != "none")
    quality = som.evaluate(samples)
    assert quality.topographic_error is not None
    return _Errors(
        quality.mean_squared_error, som.evaluate(samples[:rare]).mean_squared_error, quality.topographic_error
    )


def _uniform(streams: warm_up.WarmUpStreams, pilot: NDArray[np.float64]) -> warm_up._Rule:
    return warm_up._Rule(streams.samples / sum(len(part.image) for part in streams.parts), 0.0, pilot.mean(axis=0))


def warm_ups(sizes: Sizes, _: Path) -> list[Row]:
    """Fit every set with and without a warm-up."""
    sets, seeds, size = ([_Set(3, 4, False, 1e-3, 64_000)], 1, 16_000) if sizes.toy else (_SETS, _SEEDS, "auto")
    ratios: dict[str, list[_Errors]] = {"": [], ", uniform sample": []}
    rows = []
    for one in sets:
        for seed in range(seeds):
            samples, rare = one.samples(seed)
            exact = _errors(samples, rare, one.side, "none", seed)
            for name, found in ratios.items():
                with patch.object(warm_up.WarmUpStreams, "_rule", _uniform) if name else nullcontext():
                    got = _errors(samples, rare, one.side, size, seed)
                found.append(_Errors(got.all / exact.all, got.rare / exact.rare, got.topographic - exact.topographic))
        here = [found[-seeds:] for found in ratios.values()]
        detail = "; ".join(", ".join(f"{ratio.rare:.3f}" for ratio in found) for found in here)
        rows.append(
            Row(f"warm-up, {one}", median(ratio.all for ratio in here[0]), "<= 1.002", f"rare, then uniform: {detail}")
        )
    for name, found in ratios.items():
        about = f"of {len(found)} fits"
        rows += [
            Row(f"warm-up / exact{name}: median error", median(one.all for one in found), "<= 1.002", about),
            Row(f"warm-up / exact{name}: worst error", max(one.all for one in found), "<= 1.01", about),
            Row(f"warm-up / exact{name}: median of rare", median(one.rare for one in found), "<= 1.00", about),
            Row(f"warm-up / exact{name}: worst of rare", max(one.rare for one in found), "<= 1.05", about),
            Row(
                f"warm-up - exact{name}: topographic, worst",
                max(abs(one.topographic) for one in found),
                "<= 0.01",
                about,
            ),
        ]
    return rows
