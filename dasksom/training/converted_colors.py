"""The counted colors of an 8-bit image as a map is trained on them in another color space, or by another metric.

What makes `ColorTable` fast and free of rounding, integers in cells of RGB, is of no use then. Each color is one
sample, weighted by its count; there are few, so they are streamed on this machine's threads. Colors come in the order
of their numbers: the sums, and so the map, are the same however the image was chunked.
"""

from dataclasses import dataclass, replace

import dask.array as da
import numpy as np
from numpy.typing import NDArray

from dasksom.som.bmu.search import Search
from dasksom.som.color_spaces import scale_of, to_space
from dasksom.som.counted_colors.cells import colors_from_numbers
from dasksom.training.color_histogram import ColorTable
from dasksom.training.streaming import Stream

_COLORS_A_TASK = 1 << 14
_SCALE = scale_of(np.dtype(np.uint8))


@dataclass(frozen=True, eq=False)
class ComparedColors(Stream):
    """The colors of a table, converted, weighted by their counts; build it by `compared_colors`."""

    table: ColorTable | None = None
    color_space: str = "rgb"
    """Of the converted colors."""

    def draw(self, units: int, seed: int | None) -> NDArray[np.float64]:
        """Choose pixels, not colors, at random; see `ColorTable.draw`."""
        assert self.table is not None  # noqa: S101 - a field after others with defaults needs one
        return to_space(self.table.draw(units, seed), self.color_space, _SCALE)


def compared_colors(table: ColorTable, search: Search) -> ComparedColors:
    """Convert the colors of a table; distances are compared in float64, as befits exact counts."""
    values = to_space(colors_from_numbers(table.numbers, table.bands), search.color_space, _SCALE).astype(np.float64)
    return ComparedColors(
        da.from_array(values, chunks=(_COLORS_A_TASK, -1), name=False),
        da.from_array(table.counts[:, None].astype(np.float64), chunks=(_COLORS_A_TASK, 1), name=False),
        replace(search, color_space="rgb"),
        here=True,
        table=table,
        color_space=search.color_space,
    )
