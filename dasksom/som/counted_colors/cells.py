"""Numbering of colors: integers of one band of 16 bits, or of 1 to 3 bands of 8 bits, by cells of color space.

In the number of a color of 8-bit bands, the five high bits of every band identify its *cell* of 8 values per band, and
the three low bits the position inside the cell. Similar colors, such as those of neighboring pixels, share cache lines
when they are counted or looked up, and a sorted list of colors is grouped by cell. The number of a 16-bit value is its
bits: negative values follow the positive ones.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BITS_IN_CELL = 3
CELL_SIDE = 1 << BITS_IN_CELL
_MOST_BANDS = 3
BITS_OF_CELL = 8 - BITS_IN_CELL
"""Number of high bits of each band, which identify the cell."""


@dataclass(frozen=True)
class ColorType:
    """The data type and number of bands of colors."""

    dtype: np.dtype[Any]
    bands: int

    @property
    def is_counted(self) -> bool:
        """Whether such colors can be numbered, and so counted: uint8 of 1 to 3 bands, or 16-bit integers of one."""
        if self.dtype == np.uint8:
            return 1 <= self.bands <= _MOST_BANDS
        return self.bands == 1 and self.dtype in (np.uint16, np.int16)

    @property
    def is_line(self) -> bool:
        """Whether the colors are the 16-bit values of one band, whose numbers are their bits."""
        return self.dtype.itemsize == 2

    @property
    def colors(self) -> int:
        """Number of possible colors: their numbers are lower."""
        return 1 << (8 * self.dtype.itemsize * self.bands)


def type_of(samples: NDArray[Any]) -> ColorType:
    """Return the type of the colors of samples, shape (..., bands)."""
    return ColorType(samples.dtype, samples.shape[-1])


def color_numbers(bands: int) -> NDArray[np.uint32]:
    """Return the contribution of each value of each 8-bit band to a color's number.

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


def colors_from_numbers(numbers: NDArray[np.uint32], kind: ColorType) -> NDArray[Any]:
    """Convert color numbers to colors, shape (n, bands)."""
    if kind.is_line:
        return numbers.astype(np.uint16).view(kind.dtype)[:, None]
    bands = kind.bands
    colors = np.empty((len(numbers), bands), np.uint8)
    for band in range(bands):
        below = bands - 1 - band
        high = numbers >> (BITS_IN_CELL * bands + BITS_OF_CELL * below) & ((1 << BITS_OF_CELL) - 1)
        colors[:, band] = high << BITS_IN_CELL | (numbers >> (BITS_IN_CELL * below) & (CELL_SIDE - 1))
    return colors


@dataclass(frozen=True, eq=False)
class Cells:
    """Colors grouped by cell, and the order in which a search visits the cells."""

    numbers: NDArray[np.uint32]
    """Color numbers, ascending, shape (colors,)."""
    bounds: NDArray[np.int64]
    """Start of each cell in `numbers`, followed by the length of `numbers`: shape (cells + 1,)."""
    order: NDArray[np.int64]
    """Order of the cells in which those of each box, of any size, are contiguous (Morton, 1966): shape (cells,)."""
    boxes: NDArray[np.int64]
    """Numbers of the cells in that order, ascending; without their last ``bands * b`` bits, those of the boxes of
    ``2**b`` cells a side."""


@dataclass(frozen=True, eq=False)
class Line:
    """Values of one band of 16 bits."""

    values: NDArray[np.float64]
    """In the order of their numbers, shape (colors,)."""


def searchable(numbers: NDArray[np.uint32], kind: ColorType) -> Cells | Line:
    """Arrange ascending color numbers for searches of their units."""
    if kind.is_line:
        return Line(colors_from_numbers(numbers, kind)[:, 0].astype(np.float64))
    return into_cells(numbers, kind.bands)


def into_cells(numbers: NDArray[np.uint32], bands: int) -> Cells:
    """Group ascending numbers of 8-bit colors by cell and order the cells by box."""
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
    """Split ascending color numbers into pieces of about `colors` colors and complete cells."""
    cells = numbers >> (BITS_IN_CELL * bands)
    starts = np.unique(np.searchsorted(cells, cells[::colors]))
    return [slice(int(start), int(end)) for start, end in zip(starts, [*starts[1:], len(numbers)], strict=True)]
