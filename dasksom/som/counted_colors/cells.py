"""How 8-bit colors are numbered: cell by cell of color space.

A color of 1 to 3 uint8 bands is numbered by cells: the five high bits of every band name one of 32 slices a band, so a
*cell* of 8 values a band, and the three low bits the place inside it. Neighboring colors, which is what the pixels of a
photograph are, then share cache lines when they are counted or looked up, and a sorted list of colors is grouped by
cell.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BITS_IN_CELL = 3
CELL_SIDE = 1 << BITS_IN_CELL
_MOST_BANDS = 3
BITS_OF_CELL = 8 - BITS_IN_CELL
"""Of each band."""


def are_colors(dtype: np.dtype[Any], bands: int) -> bool:
    """Return whether samples of a type and so many bands can be numbered: uint8, 1 to 3 bands."""
    return bool(dtype == np.uint8 and 1 <= bands <= _MOST_BANDS)


def color_numbers(bands: int) -> NDArray[np.uint32]:
    """Return what each value of each band adds to a color's number.

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


def colors_from_numbers(numbers: NDArray[np.uint32], bands: int) -> NDArray[np.uint8]:
    """Turn color numbers back into colors, shape (n, bands)."""
    colors = np.empty((len(numbers), bands), np.uint8)
    for band in range(bands):
        below = bands - 1 - band
        high = numbers >> (BITS_IN_CELL * bands + BITS_OF_CELL * below) & ((1 << BITS_OF_CELL) - 1)
        colors[:, band] = high << BITS_IN_CELL | (numbers >> (BITS_IN_CELL * below) & (CELL_SIDE - 1))
    return colors


@dataclass(frozen=True, eq=False)
class Cells:
    """Colors, cell by cell, and in which order a search visits the cells."""

    numbers: NDArray[np.uint32]
    """Of the colors, ascending, shape (colors,)."""
    bounds: NDArray[np.int64]
    """Index at which each cell starts in `numbers`, and their length at the end: shape (cells + 1,)."""
    order: NDArray[np.int64]
    """Cells so that those of each box, of whatever size, follow one another (Morton, 1966): shape (cells,)."""
    boxes: NDArray[np.int64]
    """Numbers of the cells in that order, ascending; without their last ``bands * b`` bits, those of the boxes of
    ``2**b`` cells a side."""


def into_cells(numbers: NDArray[np.uint32], bands: int) -> Cells:
    """Tell where the cells of ascending color numbers begin, and how they lie in boxes."""
    starts = np.flatnonzero(np.diff(numbers >> (BITS_IN_CELL * bands))) + 1
    bounds = np.concatenate([[0], starts, [len(numbers)]]).astype(np.int64)
    cells = (numbers[bounds[:-1]] >> (BITS_IN_CELL * bands)).astype(np.int64)
    boxes = np.zeros_like(cells)
    for band in range(bands):
        places = cells >> (BITS_OF_CELL * band)
        for bit in range(BITS_OF_CELL):
            boxes |= ((places >> bit) & 1) << (bands * bit + band)
    order = np.argsort(boxes)
    return Cells(numbers, bounds, order, boxes[order])


def split_by_cells(numbers: NDArray[np.uint32], bands: int, colors: int) -> list[slice]:
    """Cut ascending color numbers into pieces of about so many colors, whole cells each."""
    cells = numbers >> (BITS_IN_CELL * bands)
    starts = np.unique(np.searchsorted(cells, cells[::colors]))
    return [slice(int(start), int(end)) for start, end in zip(starts, [*starts[1:], len(numbers)], strict=True)]
