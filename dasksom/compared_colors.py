"""The counted colors of an 8-bit image as a map is trained on them in another color space, or by another metric.

What makes `ColorTable` fast and free of rounding, integers in cells of RGB, is of no use then. Each color is one
sample, weighted by its count; there are few, so they are streamed on this machine's threads. Colors come in the order
of their numbers: the sums, and so the map, are the same however the image was chunked.
"""

from dataclasses import dataclass, replace

import dask
import dask.array as da
import numpy as np
from numpy.typing import NDArray

from dasksom.color_table import ColorTable
from dasksom.som.batch import BatchSums
from dasksom.som.color_cells import colors_of
from dasksom.som.initialization import Moments
from dasksom.som.lattice import Lattice
from dasksom.som.neighborhood import Neighborhood
from dasksom.som.quality import Quality
from dasksom.som.samples import Samples
from dasksom.som.search import Search
from dasksom.streaming import Stream

COLORS_A_TASK = 1 << 14


@dataclass(frozen=True, eq=False)
class ComparedColors:
    """The colors of a table in the color space of a search."""

    table: ColorTable
    search: Search
    stream: Stream
    """Of the colors, converted; weighted by their counts."""

    def moments(self) -> Moments:
        """Take the moments of all pixels."""
        with dask.config.set(scheduler="threads"):
            return self.stream.moments()

    def draw(self, units: int, seed: int | None) -> NDArray[np.float64]:
        """Choose pixels at random; see `ColorTable.draw`."""
        drawn = Samples(self.table.draw(units, seed), None, None)
        return np.asarray(self.search.convert(drawn, np.dtype(np.uint8)).values, np.float64)

    def batch_sums(
        self, codebook: NDArray[np.float64], neighborhood: Neighborhood, utilities: bool = False
    ) -> BatchSums:
        """Give the whole image's share of the batch update."""
        with dask.config.set(scheduler="threads"):
            return self.stream.batch_sums(codebook, neighborhood, utilities)

    def quality(self, codebook: NDArray[np.float64], lattice: Lattice) -> Quality:
        """Tell how well a codebook fits all pixels, and how well its lattice keeps their order."""
        with dask.config.set(scheduler="threads"):
            return self.stream.quality(codebook, lattice)


def compared_colors(table: ColorTable, search: Search) -> ComparedColors:
    """Convert the colors of a table; distances are compared in float64, as befits exact counts."""
    colors = Samples(colors_of(table.numbers, table.bands), None, None)
    values = np.asarray(search.convert(colors, np.dtype(np.uint8)).values, np.float64)
    stream = Stream(
        da.from_array(values, chunks=(COLORS_A_TASK, -1), name=False),
        da.from_array(table.counts[:, None].astype(np.float64), chunks=(COLORS_A_TASK, 1), name=False),
        replace(search, precision="float64", color_space="rgb"),
    )
    return ComparedColors(table, search, stream)
