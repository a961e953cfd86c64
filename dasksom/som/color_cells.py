"""How 8-bit colors are numbered: cell by cell of color space.

A color of 1 to 3 uint8 bands is numbered by cells: the five high bits of every band name one of 32 slices a band, so a
*cell* of 8 values a band, and the three low bits the place inside it. Neighboring colors, which is what the pixels of a
photograph are, then share cache lines when they are counted or looked up, and a sorted list of colors is grouped by
cell.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

BITS_IN_CELL = 3
CELL_SIDE = 1 << BITS_IN_CELL
MOST_BANDS = 3
BITS_OF_CELL = 8 - BITS_IN_CELL
"""Of each band."""


def are_colors(dtype: np.dtype[Any], bands: int) -> bool:
    """Tell whether samples of a type and so many bands can be numbered: uint8, 1 to 3 bands."""
    return bool(dtype == np.uint8 and 1 <= bands <= MOST_BANDS)


def color_numbers(bands: int) -> NDArray[np.uint32]:
    """Give what each value of each band adds to a color's number.

    Returns
    -------
    ndarray of shape (bands, 256), uint32
        The number of color (r, g, b) is ``t[0, r] + t[1, g] + t[2, b]``, below ``256 ** bands``.
    """
    values = np.arange(256, dtype=np.uint32)
    table = np.empty((bands, 256), np.uint32)
    for band in range(bands):
        below = bands - 1 - band
        high = (values >> BITS_IN_CELL) << (BITS_IN_CELL * bands + BITS_OF_CELL * below)
        table[band] = high | ((values & (CELL_SIDE - 1)) << (BITS_IN_CELL * below))
    return table


def colors_of(numbers: NDArray[np.uint32], bands: int) -> NDArray[np.uint8]:
    """Turn color numbers back into colors, shape (n, bands)."""
    colors = np.empty((len(numbers), bands), np.uint8)
    for band in range(bands):
        below = bands - 1 - band
        high = numbers >> (BITS_IN_CELL * bands + BITS_OF_CELL * below) & ((1 << BITS_OF_CELL) - 1)
        colors[:, band] = high << BITS_IN_CELL | (numbers >> (BITS_IN_CELL * below) & (CELL_SIDE - 1))
    return colors


def cell_bounds(numbers: NDArray[np.uint32], bands: int) -> NDArray[np.int64]:
    """Give the index at which each cell starts among ascending color numbers, and their length at the end."""
    starts = np.flatnonzero(np.diff(numbers >> (BITS_IN_CELL * bands))) + 1
    return np.concatenate([[0], starts, [len(numbers)]]).astype(np.int64)
