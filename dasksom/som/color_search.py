"""The best-matching units of 8-bit colors: one search per cell of color space, and a table of all colors.

All colors of a cell lie in one small box, so few units can be the best one of any of them. Unit j is left out where it
is farther than a reference unit r from every point of the box. ||x - w_j||^2 - ||x - w_r||^2 is linear in x, so its
least value over the box is taken at one corner (the half-space test of Kanungo et al., IEEE TPAMI 24(7), 2002). What is
left is searched in float64, lowest unit first, exactly as an exhaustive search would do it.
"""

import threading
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.som.color_cells import BITS_IN_CELL, BITS_OF_CELL, CELL_SIDE, cell_bounds, color_numbers
from dasksom.som.compiling import kernel

COARSE = 4
"""Cells a side of the coarse boxes whose candidates are found first; they start the cells' own search."""
SLACK = 1e-9
"""Share of the squared range of values by which a unit must be farther to be left out; far above float64 rounding."""


@kernel
def _keep_near(codebook: Any, low: Any, width: float, slack: float, candidates: Any, kept: Any) -> int:
    """Write to `kept`, in order, the candidates that may be the best unit of a point of the box ``[low, low + width]``.

    Returns how many they are.
    """
    bands = codebook.shape[1]
    nearest, least = 0, np.inf
    for k in candidates:
        distance = 0.0
        for band in range(bands):
            away = low[band] + 0.5 * width - codebook[k, band]
            distance += away * away
        if distance < least:
            nearest, least = k, distance
    found = 0
    for k in candidates:
        # ||x - w_k||^2 - ||x - w_r||^2 = sum over bands of (w_k - w_r)(w_k + w_r - 2x), least at the corner toward w_k
        nearer = 0.0
        for band in range(bands):
            step = codebook[k, band] - codebook[nearest, band]
            corner = low[band] + (width if step > 0.0 else 0.0)
            nearer += step * (codebook[k, band] + codebook[nearest, band] - 2.0 * corner)
        if nearer <= slack:
            kept[found] = k
            found += 1
    return found


@kernel
def _cell_corner(cell: int, bands: int, low: Any) -> None:
    for band in range(bands):
        low[band] = float(((cell >> (BITS_OF_CELL * (bands - 1 - band))) & ((1 << BITS_OF_CELL) - 1)) << BITS_IN_CELL)


@kernel
def _coarse_corner(cell: int, bands: int, low: Any) -> int:
    """Write the low corner of the coarse box around a cell; return a number for that box."""
    box = 0
    side = CELL_SIDE * COARSE
    _cell_corner(cell, bands, low)
    for band in range(bands):
        at = int(low[band]) // side
        low[band] = at * side
        box = box * 256 + at
    return box


@kernel
def _search(colors: Any, n: int, codebook: Any, candidates: Any, least: Any, best: Any) -> None:
    """Find the nearest candidate of each color; `colors` is (bands, n) float64, `candidates` ascending."""
    bands = codebook.shape[1]
    for i in range(n):
        least[i] = np.inf
        best[i] = 0
    for k in candidates:
        if bands == 3:
            w0, w1, w2 = codebook[k, 0], codebook[k, 1], codebook[k, 2]
            for i in range(n):
                a0, a1, a2 = colors[0, i] - w0, colors[1, i] - w1, colors[2, i] - w2
                distance = a0 * a0 + a1 * a1 + a2 * a2
                closer = distance < least[i]
                least[i] = distance if closer else least[i]
                best[i] = k if closer else best[i]
        else:
            for i in range(n):
                distance = 0.0
                for band in range(bands):
                    away = colors[band, i] - codebook[k, band]
                    distance += away * away
                closer = distance < least[i]
                least[i] = distance if closer else least[i]
                best[i] = k if closer else best[i]


@kernel
def _match_cells(numbers: Any, bounds: Any, codebook: Any, slack: float, best: Any) -> None:
    """Give each color its best unit; cell c holds the colors ``numbers[bounds[c]:bounds[c + 1]]``, all of one cell."""
    units, bands = codebook.shape
    volume_bits = BITS_IN_CELL * bands
    everything = np.arange(units)
    around, near = np.empty(units, np.int64), np.empty(units, np.int64)
    low = np.empty(bands)
    colors = np.empty((bands, 1 << volume_bits))
    least = np.empty(1 << volume_bits)
    found = np.empty(1 << volume_bits, np.int64)
    box, n_around = -1, 0
    for c in range(bounds.size - 1):
        start, stop = bounds[c], bounds[c + 1]
        cell = numbers[start] >> volume_bits
        now = _coarse_corner(cell, bands, low)
        if now != box:
            box = now
            n_around = _keep_near(codebook, low, float(CELL_SIDE * COARSE - 1), slack, everything, around)
        _cell_corner(cell, bands, low)
        n_near = _keep_near(codebook, low, float(CELL_SIDE - 1), slack, around[:n_around], near)
        n = stop - start
        for band in range(bands):
            shift = BITS_IN_CELL * (bands - 1 - band)
            for i in range(n):
                colors[band, i] = low[band] + float((numbers[start + i] >> shift) & (CELL_SIDE - 1))
        _search(colors, n, codebook, near[:n_near], least, found)
        for i in range(n):
            best[start + i] = found[i]


@kernel
def _sum_units(numbers: Any, counts: Any, best: Any, bands: int, hits: Any, sums: Any) -> None:
    for i in range(numbers.size):
        k, number, count = best[i], np.int64(numbers[i]), counts[i]
        hits[k] += count
        cell = number >> (BITS_IN_CELL * bands)
        for band in range(bands):
            below = bands - 1 - band
            value = ((cell >> (BITS_OF_CELL * below)) & ((1 << BITS_OF_CELL) - 1)) << BITS_IN_CELL
            value |= (number >> (BITS_IN_CELL * below)) & (CELL_SIDE - 1)
            sums[k, band] += count * value


def _slack(codebook: NDArray[np.float64]) -> float:
    return SLACK * max(255.0, float(np.abs(codebook).max())) ** 2


def match_colors(
    numbers: NDArray[np.uint32], bounds: NDArray[np.int64], codebook: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Find the best-matching unit of each color of some cells, exactly; ties go to the lowest unit.

    Parameters
    ----------
    numbers : ndarray of shape (colors,), uint32, ascending
    bounds : ndarray of shape (cells + 1,), int64
        Where each cell starts in `numbers` (`cell_bounds`).
    codebook : ndarray of shape (units, bands), float64

    Returns
    -------
    ndarray of shape (colors,), int64
    """
    best = np.empty(len(numbers), np.int64)
    _match_cells(numbers, bounds, codebook, _slack(codebook), best)
    return best


def sum_colors(
    numbers: NDArray[np.uint32], counts: NDArray[np.int64], best: NDArray[np.int64], units: int, bands: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Add up the samples of each unit, exactly.

    Returns
    -------
    hits : ndarray of shape (units,), int64
    sums : ndarray of shape (units, bands), int64
        Exact for up to 3.6e16 samples.
    """
    hits, sums = np.zeros(units, np.int64), np.zeros((units, bands), np.int64)
    _sum_units(numbers, counts, best, bands, hits, sums)
    return hits, sums


@lru_cache(maxsize=2)
def _lookup_table(weights: bytes, bands: int) -> NDArray[Any]:
    codebook = np.frombuffer(weights).reshape(-1, bands)
    numbers = np.arange(256**bands, dtype=np.uint32)
    best = match_colors(numbers, cell_bounds(numbers, bands), codebook)
    return best.astype(np.min_scalar_type(len(codebook) - 1))


_filling = threading.Lock()


@kernel
def _look_up(samples: Any, numbers: Any, table: Any, labels: Any) -> None:
    n, bands = samples.shape
    if bands == 3:
        for i in range(n):
            labels[i] = table[numbers[0, samples[i, 0]] | numbers[1, samples[i, 1]] | numbers[2, samples[i, 2]]]
    else:
        for i in range(n):
            number = numbers[0, samples[i, 0]]
            for band in range(1, bands):
                number |= numbers[band, samples[i, band]]
            labels[i] = table[number]


def look_up_labels(samples: NDArray[np.uint8], codebook: NDArray[np.float64]) -> NDArray[Any]:
    """Find the best-matching unit of each sample through a table of all colors.

    The table depends on the codebook alone, so every process fills its own (0.1 s for 256 units) and keeps it for its
    next chunk; nothing but the codebook travels, and no worker's death can lose it.

    Parameters
    ----------
    samples : ndarray of shape (n, bands), uint8, 1 <= bands <= 3
    codebook : ndarray of shape (units, bands), float64

    Returns
    -------
    ndarray of shape (n,)
        Smallest unsigned type that holds ``units - 1``.
    """
    bands = samples.shape[1]
    with _filling:
        table = _lookup_table(np.ascontiguousarray(codebook, np.float64).tobytes(), bands)
    labels = np.empty(len(samples), table.dtype)
    _look_up(samples, color_numbers(bands), table, labels)
    return labels
