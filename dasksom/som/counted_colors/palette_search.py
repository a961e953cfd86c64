"""Search for a palette among many starts, on a coarse table of the colors.

The colors of each cell are replaced by their weighted mean: some thousands of points, for which an epoch takes
about a millisecond. Several starts are refined by breathing (`dasksom.som.refinement`); here each change is tested
and undone unless it reduces the error. A finer table compares the palettes, and the best one then learns from all
colors. Cells are small compared with the regions of up to `MOST_SEARCHED` units, so palettes that are good for the
cells are good for the colors.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dasksom.som.counted_colors.cells import BITS_IN_CELL
from dasksom.som.numba_kernel import kernel
from dasksom.som.refinement import add_near_worst, remove_least_useful

MOST_SEARCHED = 64
"""Maximum number of units of a palette that is searched; cells are too coarse for more."""
_UNITS_IN_STARTS = 320
"""Number of starts times the number of units; at least `_FEWEST_STARTS` starts."""
_FEWEST_STARTS = 3
_FEWEST_ADDED = 5
_SHARE_ADDED = 0.2
"""Fraction of the units added at once; one less after each change that is undone."""
_EPOCHS = 20
"""Maximum number of epochs between two changes."""
_LEAST_GAIN = 1e-3
"""Epochs end if the error decreases by less than this fraction."""
_FEW_POINTS, _POINTS_A_UNIT = 1000, 40
"""Fewest points of a search."""
_FINER = 10
"""How many times as many points, at least, compare the palettes that were found."""
_BLOCK = 1024
"""Number of points whose distances stay in the cache during the loop over the units."""


class _Palette(NamedTuple):
    """A palette and its sums over all points, by unit."""

    codebook: NDArray[np.float64]
    squared_errors: NDArray[np.float64]
    hits: NDArray[np.float64]
    utilities: NDArray[np.float64]

    @property
    def error(self) -> float:
        return float(self.squared_errors.sum())


def coarsen(
    numbers: NDArray[np.uint32], values: NDArray[np.float64], counts: NDArray[np.int64], least: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean color and the count of each cell; cells are smaller if the colors are similar.

    Parameters
    ----------
    numbers : ndarray of shape (colors,), uint32, ascending
        Color numbers, which define the cells.
    values : ndarray of shape (colors, bands), float64
        The colors, in any color space.
    counts : ndarray of shape (colors,), int64
    least : int
        Cells are halved in each band until there are at least as many, or each color is its own.

    Returns
    -------
    means : ndarray of shape (cells, bands), float64
    weights : ndarray of shape (cells,), float64
    """
    weights, bands = counts.astype(np.float64), values.shape[1]
    cells = numbers >> (BITS_IN_CELL * bands)
    groups = np.cumsum(np.diff(cells, prepend=cells[:1]) > 0)
    for bits in range(BITS_IN_CELL - 1, -1, -1):  # of the three low bits of each band
        low = sum(((1 << bits) - 1) << (BITS_IN_CELL * band) for band in range(bands))
        if groups[-1] >= least:
            break
        groups = np.unique(numbers & np.uint32(~low & 0xFFFFFFFF), return_inverse=True)[1]
    amounts = np.bincount(groups, weights)
    means = np.stack([np.bincount(groups, weights * band) for band in values.T], axis=1) / amounts[:, None]
    return means, np.asarray(amounts, np.float64)


@kernel
def _learn(points: Any, weights: Any, codebook: Any, fixed: int, epochs: int, least_gain: float) -> Any:
    """Run k-means in place on `points` (3, n); return errors, hits and utilities of the last codebook, (3, units).

    The first `fixed` units do not move.
    """
    n, units = points.shape[1], codebook.shape[0]
    best, least, next_least = np.zeros(n, np.int64), np.empty(n), np.empty(n)
    sums, measures, before = np.empty((units, 3)), np.empty((3, units)), np.inf
    for epoch in range(epochs + 1):
        for start in range(0, n, _BLOCK):
            stop = min(n, start + _BLOCK)
            for i in range(start, stop):
                least[i] = next_least[i] = np.inf
            for k in range(units):
                w0, w1, w2 = codebook[k, 0], codebook[k, 1], codebook[k, 2]
                for i in range(start, stop):
                    a0, a1, a2 = points[0, i] - w0, points[1, i] - w1, points[2, i] - w2
                    distance = a0 * a0 + a1 * a1 + a2 * a2
                    farther = max(distance, least[i])
                    best[i] = k if distance < least[i] else best[i]
                    least[i] = min(distance, least[i])
                    next_least[i] = min(farther, next_least[i])
        sums[:], measures[:] = 0.0, 0.0
        for i in range(n):
            k, weight = best[i], weights[i]
            measures[0, k] += weight * least[i]
            measures[1, k] += weight
            measures[2, k] += weight * (next_least[i] - least[i])
            for band in range(3):
                sums[k, band] += weight * points[band, i]
        error = measures[0].sum()
        if epoch == epochs or error >= before * (1 - least_gain):
            break
        before = error
        for k in range(fixed, units):
            if measures[1, k] > 0:
                for band in range(3):
                    codebook[k, band] = sums[k, band] / measures[1, k]
    return measures


class _Points:
    """Weighted points with up to 3 bands."""

    def __init__(self, values: NDArray[np.float64], weights: NDArray[np.float64], fixed: NDArray[np.float64]) -> None:
        self.values, self.weights, self.fixed = values, weights, fixed
        self._padded = np.zeros((3, len(values)))
        self._padded[: values.shape[1]] = values.T

    def learn(self, codebook: NDArray[np.float64]) -> _Palette:
        """Run k-means from a codebook."""
        bands = codebook.shape[1]
        padded = np.zeros((len(codebook), 3))
        padded[:, :bands] = codebook
        measures = _learn(self._padded, self.weights, padded, len(self.fixed), _EPOCHS, _LEAST_GAIN)
        return _Palette(np.ascontiguousarray(padded[:, :bands]), *measures)

    def draw(self, units: int, random: np.random.Generator) -> NDArray[np.float64]:
        """Return the fixed units, and points drawn far from them and from each other.

        Source: greedy k-means++ of Arthur and Vassilvitskii, "k-means++" (2007).
        """
        chosen, distances = np.empty(0, np.int64), np.full(len(self.values), np.inf)
        if not len(self.fixed):
            chosen = random.choice(len(self.values), 1, p=self.weights / self.weights.sum())
        for unit in (*self.fixed, *self.values[chosen]):
            distances = np.minimum(distances, ((self.values - unit) ** 2).sum(axis=1))
        candidates = 2 + int(np.log(units))
        for _ in range(len(self.fixed) + len(chosen), units):
            up_to = np.cumsum(self.weights * distances)
            drawn = np.searchsorted(up_to, random.random(candidates) * up_to[-1]).clip(max=len(self.values) - 1)
            nearer = np.minimum(distances, ((self.values - self.values[drawn, None]) ** 2).sum(axis=2))
            least = int((nearer @ self.weights).argmin())
            chosen, distances = np.append(chosen, drawn[least]), nearer[least]
        return np.concatenate([self.fixed, self.values[chosen]])


def _breathe(points: _Points, start: NDArray[np.float64], seed: int) -> _Palette:
    """Refine a palette until no number of added units reduces its error."""
    units, fixed = len(start), range(len(points.fixed))
    palette, added, tries = points.learn(start), max(_FEWEST_ADDED, round(_SHARE_ADDED * units)), 0
    added = min(units - len(fixed), added)
    while added > 0:
        tries += 1
        new = add_near_worst(palette.codebook, palette.squared_errors, palette.hits, added, seed + tries)
        grown = points.learn(np.concatenate([palette.codebook, new]))
        changed = points.learn(remove_least_useful(grown.codebook, grown.utilities, units, fixed))
        if changed.error < palette.error * (1 - 1e-9):
            palette = changed
        else:
            added -= 1
    return palette


def search_palette(
    numbers: NDArray[np.uint32],
    values: NDArray[np.float64],
    counts: NDArray[np.int64],
    codebook: NDArray[np.float64],
    seed: int,
    fixed: Sequence[int] = (),
) -> NDArray[np.float64]:
    """Return the palette of the least squared error of several starts, one of which is the given codebook.

    Parameters
    ----------
    numbers, values, counts
        The colors, as for `coarsen`.
    codebook : ndarray of shape (units, bands), float64
    seed : int
    fixed : sequence of int
        Units that do not move.

    Returns
    -------
    ndarray of shape (units, bands), float64
    """
    units, kept = len(codebook), codebook[list(fixed)]
    order = np.array([*fixed, *np.setdiff1d(np.arange(units), fixed)], np.int64)
    least = max(_FEW_POINTS, _POINTS_A_UNIT * units)
    points = _Points(*coarsen(numbers, values, counts, least), kept)
    palettes = [_breathe(points, codebook[order], seed)]
    for start in range(1, max(_FEWEST_STARTS, _UNITS_IN_STARTS // units)):
        random = np.random.default_rng([seed, start])
        palettes.append(_breathe(points, points.draw(units, random), int(random.integers(1 << 31))))
    finer = _Points(*coarsen(numbers, values, counts, _FINER * least), kept)
    best = min((finer.learn(palette.codebook) for palette in palettes), key=lambda palette: palette.error)
    found = np.empty_like(codebook)
    found[order] = best.codebook
    return found
