"""Training on the counted colors of an 8-bit image in another color space, or by another metric.

`ColorTable` is not applicable then, because it needs integers in cells of RGB. Each color is one sample, weighted by
its count; their number is small, so they are streamed on this machine's threads. Colors are ordered by their numbers:
the sums, and so the map, do not depend on the chunks of the image.
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
    """The converted colors of a table, weighted by their counts; create it with `compared_colors`."""

    table: ColorTable | None = None
    color_space: str = "rgb"
    """Color space of the converted colors."""

    def draw(self, units: int, seed: int | None) -> NDArray[np.float64]:
        """Draw pixels, not colors, at random; see `ColorTable.draw`."""
        assert self.table is not None  # noqa: S101 - a field after others with defaults needs one
        return to_space(self.table.draw(units, seed), self.color_space, _SCALE)


def compared_colors(table: ColorTable, search: Search) -> ComparedColors:
    """Convert the colors of a table; distances are compared in float64."""
    values = to_space(colors_from_numbers(table.numbers, table.bands), search.color_space, _SCALE).astype(np.float64)
    return ComparedColors(
        da.from_array(values, chunks=(_COLORS_A_TASK, -1), name=False),
        da.from_array(table.counts[:, None].astype(np.float64), chunks=(_COLORS_A_TASK, 1), name=False),
        replace(search, color_space="rgb"),
        here=True,
        table=table,
        color_space=search.color_space,
    )
