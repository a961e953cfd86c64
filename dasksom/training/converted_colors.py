"""Training on the counted colors of an image in another color space, by features, or by another metric.

`ColorTable` is not applicable then, because it needs the integers of the image. Each color is one sample, weighted by
its count; their number is small, so they are streamed on this machine's threads. Colors are ordered by their numbers:
the sums, and so the map, do not depend on the chunks of the image.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import dask.array as da
import numpy as np
from numpy.typing import NDArray

from dasksom.som.bmu.search import Search
from dasksom.som.samples import Samples
from dasksom.training.color_histogram import ColorTable
from dasksom.training.streaming import Stream

_COLORS_A_TASK = 1 << 14


@dataclass(frozen=True, eq=False)
class ComparedColors(Stream):
    """The converted colors of a table, weighted by their counts; create it with `compared_colors`."""

    table: ColorTable | None = None
    conversion: Search | None = None
    """Search that converts colors."""

    def draw(self, units: int, seed: int | None) -> NDArray[np.float64]:
        """Draw pixels, not colors, at random; see `ColorTable.draw`."""
        assert self.table is not None  # noqa: S101 - fields after others with defaults need one
        assert self.conversion is not None  # noqa: S101 - as above
        dtype = self.table.kind.dtype
        return np.asarray(self.conversion.compared(self.table.draw(units, seed).astype(dtype), dtype), np.float64)

    def search_palette(
        self, codebook: NDArray[np.float64], seed: int, fixed: Sequence[int] = ()
    ) -> NDArray[np.float64]:
        """Return the best of several palettes; see `palette_search`."""
        assert self.table is not None  # noqa: S101 - fields after others with defaults need one
        assert self.conversion is not None  # noqa: S101 - as above
        return self.table.search_palette(codebook, seed, fixed, self.conversion.color_space)


def color_stream(table: ColorTable, search: Search) -> Stream:
    """Return the colors of a table as samples, weighted by their counts; the search converts them in each pass."""
    return Stream(
        da.from_array(table.colors(), chunks=(_COLORS_A_TASK, -1), name=False),
        da.from_array(table.counts[:, None].astype(np.float64), chunks=(_COLORS_A_TASK, 1), name=False),
        search,
        here=True,
    )


def compared_colors(table: ColorTable, search: Search) -> ComparedColors:
    """Convert the colors of a table once; distances are compared in float64."""
    converted = search.convert(Samples(table.colors(), None, None), table.kind.dtype)
    if converted.kept is not None:  # some have no features
        table = replace(table, numbers=table.numbers[converted.kept], counts=table.counts[converted.kept])
    stream = color_stream(table, replace(search, color_space="rgb", features=None))
    values = np.asarray(converted.values, np.float64)
    return ComparedColors(
        da.from_array(values, chunks=(_COLORS_A_TASK, -1), name=False),
        stream.weights,
        stream.search,
        here=True,
        table=table,
        conversion=search,
    )
