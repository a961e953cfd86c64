"""Distances of samples to units, and the winners, as defined by MiniSom.

The kernels take a codebook by band, (bands, room): units are contiguous (SIMD lanes) and padded to complete vectors.
All values are float64, and sums over up to 15 bands are added in NumPy's order (eight accumulators, pairwise), so that
distances are bitwise equal to NumPy's, and winners equal MiniSom's, including ties.

To add a distance: write its function of (x, weights), add its line to ``DISTANCES`` and its case to `_term`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.som.numba_kernel import kernel

Distance = Callable[[Any, Any], Any]

VECTOR_UNITS = 16
"""Units are padded to a multiple of the units per vector-loop step, so that no slow remainder loop runs."""
LINE = 64
"""Bytes of a cache line. Codebook rows are aligned to it; otherwise half of the vector loads would touch two lines."""
TINY = 1e-8
"""Makes the cosine distance of zero vectors defined."""
SAME_ROOT = 8
"""Two float64 values with the same square root are fewer than this many representable values apart."""
_BLOCK = 64
"""Number of units per block in the search for the first unit with the least distance."""
HIGHEST = np.iinfo(np.int64).max


def euclidean_distance(x: Any, weights: Any) -> Any:
    """Length of the difference."""
    return np.linalg.norm(np.subtract(x, weights), axis=-1)


def cosine_distance(x: Any, weights: Any) -> Any:
    """1 less the cosine of the angle."""
    return 1 - np.multiply(weights, x).sum(axis=-1) / (np.linalg.norm(weights, axis=-1) * np.linalg.norm(x) + TINY)


def manhattan_distance(x: Any, weights: Any) -> Any:
    """Sum of the absolute differences."""
    return np.abs(np.subtract(x, weights)).sum(axis=-1)


def chebyshev_distance(x: Any, weights: Any) -> Any:
    """Largest absolute difference."""
    return np.abs(np.subtract(x, weights)).max(axis=-1)


DISTANCES: dict[str, Distance] = {
    "euclidean": euclidean_distance,
    "cosine": cosine_distance,
    "manhattan": manhattan_distance,
    "chebyshev": chebyshev_distance,
}
"""Name to function: takes x of shape (bands,) and weights of shape (..., bands), returns shape (...)."""
EUCLIDEAN, COSINE, MANHATTAN, CHEBYSHEV = range(4)
CODES = {name: code for code, name in enumerate(DISTANCES)}
"""Their numbers in the kernels."""


@kernel
def _term(metric: int, value: float, weight: float) -> float:
    """Return one band's term of a distance (cosine: of the product of two vectors)."""
    if metric == COSINE:
        return value * weight
    away = value - weight
    return away * away if metric == EUCLIDEAN else abs(away)


@kernel
def _sum_bands(metric: int, x: Any, by_band: Any, out: Any) -> None:
    """Write every unit's sum over the bands."""
    bands, room = by_band.shape
    if bands == 3:  # special loop for colors, the most common case
        red, green, blue = x[0], x[1], x[2]
        for k in range(room):
            pair = _term(metric, red, by_band[0, k]) + _term(metric, green, by_band[1, k])
            out[k] = pair + _term(metric, blue, by_band[2, k])
        return
    for k in range(room):
        out[k] = 0.0
    eights = bands // 8 * 8
    for b in range(0, eights, 8):
        for k in range(room):
            first = _term(metric, x[b], by_band[b, k]) + _term(metric, x[b + 1], by_band[b + 1, k])
            second = _term(metric, x[b + 2], by_band[b + 2, k]) + _term(metric, x[b + 3], by_band[b + 3, k])
            third = _term(metric, x[b + 4], by_band[b + 4, k]) + _term(metric, x[b + 5], by_band[b + 5, k])
            last = _term(metric, x[b + 6], by_band[b + 6, k]) + _term(metric, x[b + 7], by_band[b + 7, k])
            out[k] += (first + second) + (third + last)
    for b in range(eights, bands):
        for k in range(room):
            out[k] += _term(metric, x[b], by_band[b, k])


@kernel
def _largest_band(x: Any, by_band: Any, out: Any) -> None:
    """Write every unit's largest absolute difference."""
    for k in range(len(out)):
        out[k] = 0.0
    for band in range(len(x)):
        for k in range(len(out)):
            away = abs(x[band] - by_band[band, k])
            out[k] = away if away > out[k] else out[k]


@kernel
def _divide_by_lengths(x: Any, by_band: Any, out: Any) -> None:
    """Turn products with x into cosine distances."""
    squared, lengths = 0.0, np.empty(len(out))
    for band in range(len(x)):
        squared += x[band] * x[band]
    length = np.sqrt(squared)
    _sum_bands(EUCLIDEAN, np.zeros(len(x)), by_band, lengths)
    for k in range(len(out)):
        out[k] = 1 - out[k] / (np.sqrt(lengths[k]) * length + TINY)


@kernel
def measure_units(metric: int, x: Any, by_band: Any, units: int, distances: Any) -> None:
    """Write the distance of every unit from x (euclidean: squared); infinity for the padding.

    `by_band` has the shape (bands, room), `distances` (room,).
    """
    if metric == CHEBYSHEV:
        _largest_band(x, by_band, distances)
    else:
        _sum_bands(metric, x, by_band, distances)
    if metric == COSINE:
        _divide_by_lengths(x, by_band, distances)
    for k in range(units, len(distances)):
        distances[k] = np.inf


@kernel
def lowest(metric: int, distances: Any) -> int:
    """Return the first unit with the least distance.

    Floats are compared as integers with the same bits (the lower 63 bits of negative ones inverted), which have the
    same order: minima of integers are vectorized. Euclidean distances are given squared. MiniSom compares their roots,
    where squares that differ in the last bits are equal and the first one wins.
    """
    bits = distances.view(np.int64)
    least = HIGHEST
    for k in range(len(bits)):
        least = min(least, bits[k] ^ ((bits[k] >> 63) & HIGHEST))
    near = min(least, HIGHEST - SAME_ROOT) + SAME_ROOT if metric == EUCLIDEAN else least
    first = 0
    for begin in range(0, len(bits), _BLOCK):
        block, found = bits[begin : begin + _BLOCK], 0
        for k in range(len(block)):
            found += block[k] ^ ((block[k] >> 63) & HIGHEST) <= near
        if found > 0:
            first = begin
            break
    while bits[first] ^ ((bits[first] >> 63) & HIGHEST) > near:
        first += 1
    if metric != EUCLIDEAN:
        return first
    root = np.nan
    for k in range(first, len(bits)):
        if bits[k] == least:
            root = np.sqrt(distances[k])
            break
    for k in range(first, len(bits)):
        if np.sqrt(distances[k]) == root:
            return k
    return 0  # if the weights are NaN


@kernel
def _winners(metric: int, samples: Any, by_band: Any, units: int, best: Any) -> None:
    distances = np.empty(by_band.shape[1])
    for i in range(len(samples)):
        measure_units(metric, samples[i], by_band, units, distances)
        best[i] = lowest(metric, distances)


@kernel
def _distances(metric: int, samples: Any, by_band: Any, out: Any) -> None:
    distances = np.empty(by_band.shape[1])
    for i in range(len(samples)):
        measure_units(metric, samples[i], by_band, out.shape[1], distances)
        out[i] = distances[: out.shape[1]]


@kernel
def _distances_from_units(samples: Any, codebook: Any, units: Any, out: Any) -> None:
    for i in range(len(samples)):
        total = 0.0
        for band in range(samples.shape[1]):
            away = samples[i, band] - codebook[units[i], band]
            total += away * away
        out[i] = np.sqrt(total)


def to_bands(codebook: NDArray[Any]) -> NDArray[np.float64]:
    """Arrange a codebook of shape (units, bands) for the kernels: a float64 copy by band, padded with 0."""
    units, bands = codebook.shape
    room = -(-units // VECTOR_UNITS) * VECTOR_UNITS
    memory = np.zeros(bands * room + LINE // 8)
    start = -memory.ctypes.data % LINE // 8
    by_band = memory[start : start + bands * room].reshape(bands, room)
    by_band[:, :units] = codebook.T
    return by_band


def from_bands(by_band: NDArray[np.float64], units: int) -> NDArray[np.float64]:
    """Undo `to_bands`: a view of shape (units, bands)."""
    return by_band[:, :units].T


def find_winners(samples: NDArray[np.float64], codebook: NDArray[Any], metric: str) -> NDArray[np.int64]:
    """Return the unit nearest to each sample; ties go to the lowest.

    Parameters
    ----------
    samples : ndarray of shape (n, bands), float64, C-contiguous, finite
    codebook : ndarray of shape (units, bands), real
    metric : str
        A name in ``DISTANCES``.

    Returns
    -------
    ndarray of shape (n,), int64
    """
    best = np.empty(len(samples), np.int64)
    _winners(CODES[metric], samples, to_bands(codebook), len(codebook), best)
    return best


def euclidean_distances(samples: NDArray[np.float64], codebook: NDArray[Any]) -> NDArray[np.float64]:
    """Return the euclidean distance of every sample from every unit: shape (n, units), float64."""
    distances = np.empty((len(samples), len(codebook)))
    _distances(EUCLIDEAN, samples, to_bands(codebook), distances)
    return np.sqrt(distances, out=distances)


def distances_from_units(
    samples: NDArray[np.float64], codebook: NDArray[Any], units: NDArray[Any]
) -> NDArray[np.float64]:
    """Return the euclidean distance of each sample from one unit, without temporary arrays of all bands.

    Parameters
    ----------
    samples : ndarray of shape (n, bands), float64
    codebook : ndarray of shape (units, bands), real
    units : ndarray of shape (n,), integers

    Returns
    -------
    ndarray of shape (n,), float64
    """
    distances = np.empty(len(samples))
    _distances_from_units(samples, codebook, units, distances)
    return distances
