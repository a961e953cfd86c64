"""Sources whose chunks overlap: each is read with a margin of neighboring pixels, as one window."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
from numpy.typing import NDArray

from dasksom.image.sources.numpy_indexing import NumpyIndexing, lazy_array

if TYPE_CHECKING:
    from dasksom.image.sources.protocol import PixelWindow, Readable
    from dasksom.storage.locations import Member


@dataclass(frozen=True)
class WithMargins(NumpyIndexing):
    """The chunks of a source one after another, each with a margin on all sides; beyond the image, it is mirrored."""

    source: Readable
    chunk: tuple[int, int]
    """Rows and columns of a chunk without margins; the last chunks may be smaller."""
    margin: int
    """Rows and columns on each side."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of all chunks with their margins."""
        spans = zip(self.source.shape[:2], self.chunk, strict=True)
        return (*(length + 2 * self.margin * -(-length // step) for length, step in spans), *self.source.shape[2:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the source."""
        return self.source.dtype

    @property
    def identity(self) -> tuple[Any, ...]:
        """Identity of the source, with chunks and margin."""
        return "margins", self.source.identity, self.chunk, self.margin

    def members(self) -> Iterator[Member]:
        """List the files of the source."""
        return self.source.members()

    def read(self, window: PixelWindow) -> NDArray[Any]:
        """Read a window; for a chunk, as one window of the source."""
        rows, columns = (self._positions(axis, part) for axis, part in enumerate(window[:2]))
        part = tuple(slice(int(at.min()), int(at.max()) + 1) for at in (rows, columns))
        pixels = self.source.read((*part, *window[2:]))
        if all(np.array_equal(at, np.arange(at[0], at[-1] + 1)) for at in (rows, columns)):
            return pixels
        return np.ascontiguousarray(pixels[np.ix_(rows - part[0].start, columns - part[1].start)])

    def _positions(self, axis: int, part: slice) -> NDArray[np.int64]:
        """Return the rows or columns of the source at those of a window."""
        step, length = self.chunk[axis], self.source.shape[axis]
        number, within = np.divmod(np.arange(part.start, part.stop), step + 2 * self.margin)
        at = (number * step + within - self.margin) % (2 * length)
        positions: NDArray[np.int64] = np.minimum(at, 2 * length - 1 - at)
        return positions


def lazy_with_margins(source: Readable, chunks: tuple[tuple[int, ...], ...], margin: int, name: str) -> da.Array:
    """Return a lazy array of a source whose blocks are its chunks, with a margin of rows and columns around each.

    Parameters
    ----------
    source : Readable
    chunks : lengths of the chunks along rows, columns and, for images, bands, without margins
    margin : rows and columns on each side; 0 for the source as it is
    name : prefix of the array's name
    """
    if not margin:
        return lazy_array(source, chunks, name)
    wide = tuple(tuple(length + 2 * margin for length in along) for along in chunks[:2])
    return lazy_array(WithMargins(source, (chunks[0][0], chunks[1][0]), margin), (*wide, *chunks[2:]), name)
