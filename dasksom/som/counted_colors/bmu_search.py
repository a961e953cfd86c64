"""The best-matching units of colors, for those of 8 bits one search per cell of color space.

The colors of a cell are in one small box, so only few units can be the best for any of them. Unit k is excluded if it
is farther than a reference unit r from every point of the box. ||x - w_k||^2 - ||x - w_r||^2 is linear in x, so its
minimum over the box is at a corner (the half-space test of Kanungo et al., IEEE TPAMI 24(7), 2002). If second-best
units are wanted too, a unit is excluded only if each of two reference units is nearer everywhere. The remaining units
are compared in float64, lowest unit first, exactly as in an exhaustive search.

Boxes are nested: the candidates of a box are selected from those of the enclosing box. Cells are visited box by box, so
that each box is tested once.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.deferred import deferred
from dasksom.som.counted_colors.cells import BITS_IN_CELL, BITS_OF_CELL, CELL_SIDE, Cells, Line
from dasksom.som.numba_kernel import kernel

_Labels = tuple[NDArray[np.int64], NDArray[np.int64]]
_match_line: Callable[..., _Labels] = deferred("dasksom.som.counted_colors.line_search:match_line")

BOX_BITS = (7, 6, 5, 4, BITS_IN_CELL)
"""Sides of the nested boxes as powers of two, outermost first; the last boxes are the cells."""
LEVELS = len(BOX_BITS)
SLACK = 1e-9
"""Fraction of the squared value range by which an excluded unit must be farther; far above float64 rounding."""


@kernel
def _keep_near(codebook: Any, center: Any, width: float, slack: float, two: bool, units: Any, kept: Any) -> int:
    """Write to `kept`, in order, the units that may be the best (or one of the two best) for a point of a box.

    `width` is the side of the box. Returns the number of units in `kept`.
    """
    bands = codebook.shape[1]
    first = second = units[0]
    least = next_least = np.inf
    for k in units:
        distance = 0.0
        for band in range(bands):
            step = center[band] - codebook[k, band]
            distance += step * step
        if distance < least:
            first, second, least, next_least = k, first, distance, least
        elif distance < next_least:
            second, next_least = k, distance
    found = 0
    for k in units:
        distance, across = 0.0, 0.0
        for band in range(bands):
            step = center[band] - codebook[k, band]
            distance += step * step
            across += abs(codebook[k, band] - codebook[first, band])
        # from its value at the center, ||x - w_k||^2 - ||x - w_r||^2 falls by at most width * (sum of |w_k - w_r|)
        near = distance - least <= width * across + slack
        if two and not near:
            across = 0.0
            for band in range(bands):
                across += abs(codebook[k, band] - codebook[second, band])
            near = distance - next_least <= width * across + slack
        kept[found] = k
        found += near
    return found


@kernel
def _search(colors: Any, n: int, codebook: Any, candidates: Any, least: Any, best: Any) -> None:
    """Write the nearest candidate of each color; `colors` is (bands, n) float64, `candidates` ascending."""
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
def _search_two(
    colors: Any, n: int, codebook: Any, candidates: Any, least: Any, best: Any, next_least: Any, second: Any
) -> None:
    """Write the two nearest candidates of each color; a single candidate is written twice."""
    bands = codebook.shape[1]
    for i in range(n):
        least[i] = next_least[i] = np.inf
        best[i] = second[i] = candidates[0]
    for k in candidates:
        w = codebook[k]
        for i in range(n):
            if bands == 3:
                a0, a1, a2 = colors[0, i] - w[0], colors[1, i] - w[1], colors[2, i] - w[2]
                distance = a0 * a0 + a1 * a1 + a2 * a2
            else:
                distance = 0.0
                for band in range(bands):
                    away = colors[band, i] - w[band]
                    distance += away * away
            closer, close = distance < least[i], distance < next_least[i]
            other = k if close else second[i]
            second[i] = best[i] if closer else other
            best[i] = k if closer else best[i]
            less = distance if close else next_least[i]
            next_least[i] = least[i] if closer else less
            least[i] = distance if closer else least[i]


@kernel
def _match_cells(
    numbers: Any, bounds: Any, order: Any, boxes: Any, codebook: Any, slack: float, best: Any, second: Any
) -> None:
    """Write the best unit of each color, and the second-best if `second` is not empty.

    Cell c holds the colors ``numbers[bounds[c]:bounds[c + 1]]``; they are visited in this order, by box (`Cells`).
    """
    units, bands = codebook.shape
    two = second.size > 0
    lists = np.empty((LEVELS + 1, units), np.int64)
    lengths = np.full(LEVELS + 1, units)
    for k in range(units):
        lists[0, k] = k
    around = np.full(LEVELS, -1)
    low, center = np.empty(bands), np.empty(bands)
    most = 1 << (BITS_IN_CELL * bands)
    colors, least, next_least = np.empty((bands, most)), np.empty(most), np.empty(most)
    found, found_next = np.empty(most, np.int64), np.empty(most, np.int64)
    for visit in range(order.size):
        start, stop = bounds[order[visit]], bounds[order[visit] + 1]
        cell = numbers[start] >> (BITS_IN_CELL * bands)
        for band in range(bands):
            place = (cell >> (BITS_OF_CELL * (bands - 1 - band))) & ((1 << BITS_OF_CELL) - 1)
            low[band] = float(place << BITS_IN_CELL)
        for level in range(LEVELS):
            box = boxes[visit] >> (bands * (BOX_BITS[level] - BITS_IN_CELL))
            if box != around[level]:
                around[level] = box
                side = 1 << BOX_BITS[level]
                for band in range(bands):
                    center[band] = float(int(low[band]) // side * side) + 0.5 * (side - 1)
                lengths[level + 1] = _keep_near(
                    codebook, center, side - 1.0, slack, two, lists[level, : lengths[level]], lists[level + 1]
                )
        candidates = lists[LEVELS, : lengths[LEVELS]]
        n = stop - start
        for band in range(bands):
            shift = BITS_IN_CELL * (bands - 1 - band)
            for i in range(n):
                colors[band, i] = low[band] + float((numbers[start + i] >> shift) & (CELL_SIDE - 1))
        if two:
            _search_two(colors, n, codebook, candidates, least, found, next_least, found_next)
            for i in range(n):
                second[start + i] = found_next[i]
        else:
            _search(colors, n, codebook, candidates, least, found)
        for i in range(n):
            best[start + i] = found[i]


def _match(
    cells: Cells | Line, codebook: NDArray[np.float64], two: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    codebook = np.ascontiguousarray(codebook, np.float64)
    if isinstance(cells, Line):
        return _match_line(cells.values, codebook, two)
    colors = len(cells.numbers)
    best, second = np.empty(colors, np.int64), np.empty(colors if two else 0, np.int64)
    slack = SLACK * max(255.0, float(np.abs(codebook).max())) ** 2
    _match_cells(cells.numbers, cells.bounds, cells.order, cells.boxes, codebook, slack, best, second)
    return best, second


def match_colors(cells: Cells | Line, codebook: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the exact best-matching unit of each color; ties go to the lowest unit.

    Parameters
    ----------
    cells : Cells or Line
    codebook : ndarray of shape (units, bands), float64

    Returns
    -------
    ndarray of shape (colors,), int64
    """
    return _match(cells, codebook, two=False)[0]


def match_two_colors(cells: Cells | Line, codebook: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the exact two nearest units of each color; ties go to the lowest unit.

    Parameters
    ----------
    cells : Cells or Line
    codebook : ndarray of shape (units, bands), float64

    Returns
    -------
    best : ndarray of shape (colors,), int64
        As returned by `match_colors`.
    second : ndarray of shape (colors,), int64
        The nearest of the other units; for a map with one unit, that unit.
    """
    return _match(cells, codebook, two=True)
