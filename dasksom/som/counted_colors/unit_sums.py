"""Sums of counted colors per unit: integers, independent of the order."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dasksom.som.numba_kernel import kernel


class ColorSums(NamedTuple):
    """Sums per unit over colors, each weighted by its count."""

    hits: NDArray[np.int64]
    """Number of samples of each unit, shape (units,)."""
    sums: NDArray[np.int64]
    """Sum of the samples of each unit, shape (units, bands); exact for up to 1.4e14 samples."""
    squared_errors: NDArray[np.float64]
    """Sum over the samples of each unit of the squared Euclidean distance to it, shape (units,)."""
    distances: float
    """Sum over all samples of the Euclidean distance to their unit."""
    utilities: NDArray[np.float64]
    """Increase of the squared error if a unit were removed, shape (units,): the sum over its samples of the squared
    distance to the second-best unit minus that to the best one; 0 if no second-best units were given."""


@kernel
def _gather(
    colors: Any,
    counts: Any,
    best: Any,
    second: Any,
    codebook: Any,
    hits: Any,
    sums: Any,
    squared_errors: Any,
    utilities: Any,
) -> float:
    bands = codebook.shape[1]
    distances = 0.0
    for i in range(counts.size):
        k, count = best[i], counts[i]
        hits[k] += count
        squared = 0.0
        for band in range(bands):
            value = np.int64(colors[i, band])
            sums[k, band] += count * value
            away = value - codebook[k, band]
            squared += away * away
        squared_errors[k] += count * squared
        distances += count * np.sqrt(squared)
        if second.size:
            next_squared = 0.0
            for band in range(bands):
                away = np.int64(colors[i, band]) - codebook[second[i], band]
                next_squared += away * away
            utilities[k] += count * (next_squared - squared)
    return distances


def gather_colors(
    colors: NDArray[Any],
    counts: NDArray[np.int64],
    best: NDArray[np.int64],
    second: NDArray[np.int64] | None,
    codebook: NDArray[np.float64],
) -> ColorSums:
    """Sum the samples of each unit, exactly, and their errors, color by color in the given order.

    Parameters
    ----------
    colors : ndarray of shape (colors, bands), uint8, uint16 or int16
    counts : ndarray of shape (colors,), int64
    best, second : ndarray of shape (colors,), int64
        Units of each color, from `match_two_colors`; `second` may be None.
    codebook : ndarray of shape (units, bands), float64
    """
    units = len(codebook)
    hits, sums = np.zeros(units, np.int64), np.zeros(codebook.shape, np.int64)
    squared_errors, utilities = np.zeros(units), np.zeros(units)
    codebook = np.ascontiguousarray(codebook, np.float64)
    nexts = np.empty(0, np.int64) if second is None else second
    distances = _gather(colors, counts, best, nexts, codebook, hits, sums, squared_errors, utilities)
    return ColorSums(hits, sums, squared_errors, distances, utilities)
