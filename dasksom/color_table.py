"""The colors of an 8-bit image and how often each occurs: all that training needs to know of it.

A batch epoch depends on an image only through how often each color occurs, and photographs have 10^5 to 10^6 colors
however many pixels they have. One pass counts them; the epochs then run on the counted colors. Everything that is
summed is an integer, so the map is exactly the one that all pixels give, whatever the chunking and the number of
workers.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial

import dask.array as da
import numpy as np
from dask.system import CPU_COUNT
from numpy.typing import NDArray

from dasksom.passes import Corner, Progress, reduce_chunks
from dasksom.som.batch import BatchSums, UnitSums, weigh
from dasksom.som.color_cells import are_colors, cell_bounds, colors_of
from dasksom.som.color_counts import ColorCounts, count_colors, merge_counts
from dasksom.som.color_search import match_colors, sum_colors
from dasksom.som.initialization import Moments, moments
from dasksom.som.neighborhood import Neighborhood
from dasksom.som.quality import Quality

CELLS_A_TASK = 512
"""Cells of color space that a thread matches in one go."""


@dataclass(frozen=True, eq=False)
class ColorTable:
    """The different colors of an image, and how many pixels have each."""

    numbers: NDArray[np.uint32]
    """Color numbers (`dasksom.som.color_cells`), ascending, shape (colors,)."""
    counts: NDArray[np.int64]
    """Pixels of each color, shape (colors,)."""
    bands: int

    def __len__(self) -> int:
        return len(self.numbers)

    @cached_property
    def _bounds(self) -> NDArray[np.int64]:
        return cell_bounds(self.numbers, self.bands)

    @cached_property
    def _squares(self) -> int:
        """Sum over the pixels of their squared lengths."""
        return int((colors_of(self.numbers, self.bands).astype(np.int64) ** 2).sum(axis=1) @ self.counts)

    def moments(self) -> Moments:
        """Give the moments of all pixels."""
        return moments(colors_of(self.numbers, self.bands), self.counts)

    def unit_sums(self, codebook: NDArray[np.float64]) -> UnitSums:
        """Match every pixel to its best unit and add the pixels up by unit.

        Parameters
        ----------
        codebook : ndarray of shape (units, bands), float64
        """
        units, bounds = len(codebook), self._bounds

        def some_cells(first: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
            part = bounds[first : first + CELLS_A_TASK + 1]
            these = slice(part[0], part[-1])
            best = match_colors(self.numbers[these], part - part[0], codebook)
            return sum_colors(self.numbers[these], self.counts[these], best, units, self.bands)

        with ThreadPoolExecutor(CPU_COUNT) as threads:
            parts = list(threads.map(some_cells, range(0, len(bounds) - 1, CELLS_A_TASK)))
        hits = np.sum([part[0] for part in parts], axis=0)
        sums = np.sum([part[1] for part in parts], axis=0).astype(np.float64)
        # sum of c ||x - w||^2, from what is summed anyway; exact but for the rounding of these three terms
        error = self._squares - 2 * (sums * codebook).sum() + (hits * (codebook**2).sum(axis=1)).sum()
        return UnitSums(sums, hits, max(float(error), 0.0))

    def batch_sums(self, codebook: NDArray[np.float64], neighborhood: Neighborhood) -> BatchSums:
        """Give the whole image's share of the batch update."""
        return weigh(self.unit_sums(codebook), neighborhood)

    def quality(self, codebook: NDArray[np.float64]) -> Quality:
        """Tell how well a codebook fits all pixels."""
        gathered = self.unit_sums(codebook)
        return Quality(gathered.hits, gathered.squared_error)


def has_color_table(image: da.Array) -> bool:
    """Tell whether an image's colors can be counted: uint8 with 1 to 3 bands."""
    return are_colors(image.dtype, image.shape[-1])


def _count_chunk(block: NDArray[np.uint8], _: Corner) -> ColorCounts:
    return count_colors(block.reshape(-1, block.shape[-1]))


def count_image(image: da.Array, progress: Progress | None = None) -> ColorTable:
    """Count the colors of an image, in one pass.

    Parameters
    ----------
    image : dask array of shape (..., bands), uint8, 1 to 3 bands
    progress : callable, optional
    """
    bands = image.shape[-1]
    numbers, counts = reduce_chunks(image, _count_chunk, partial(merge_counts, bands=bands), progress=progress)
    return ColorTable(numbers, counts, bands)
