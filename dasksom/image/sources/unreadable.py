"""Find the regions of an image that cannot be read, and read the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.image.sources.numpy_indexing import NumpyIndexing
from dasksom.image.sources.picture import Rectangle
from dasksom.image.sources.protocol import PixelWindow, Readable
from dasksom.storage.locations import Member


@dataclass(frozen=True)
class WithoutRegions(NumpyIndexing):
    """A source with regions that are never read; their pixels are 0."""

    source: Readable
    unread: tuple[Rectangle, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the source."""
        return self.source.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the source."""
        return self.source.dtype

    @property
    def identity(self) -> tuple[Any, ...]:
        """Identity of the source, with the regions."""
        return "without", self.source.identity, self.unread

    def members(self) -> Iterator[Member]:
        """List the files of the source."""
        return self.source.members()

    def read(self, window: PixelWindow) -> NDArray[Any]:
        """Read a window except for the regions."""
        rows, columns = (range(part.start, part.stop) for part in window[:2])
        inside = parts_in(self.unread, rows, columns)
        if not inside:
            return self.source.read(window)
        out = np.zeros([part.stop - part.start for part in window], self.dtype)
        for top, bottom, left, right in _around(inside, rows, columns):
            pixels = self.source.read((slice(top, bottom), slice(left, right), *window[2:]))
            out[top - rows.start : bottom - rows.start, left - columns.start : right - columns.start] = pixels
        return out


@dataclass(frozen=True)
class ReadableMask(NumpyIndexing):
    """A mask: False inside the excluded rectangles, True elsewhere."""

    shape: tuple[int, int]
    unread: tuple[Rectangle, ...]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the mask: bool."""
        return np.dtype(np.bool_)

    @property
    def identity(self) -> tuple[Any, ...]:
        """Identity of the rectangles."""
        return "rest", self.shape, self.unread

    def members(self) -> Iterator[Member]:
        """Yield nothing: no file is read."""
        return iter(())

    def read(self, window: PixelWindow) -> NDArray[np.bool_]:
        """Compute a window."""
        rows, columns = (range(part.start, part.stop) for part in window)
        out = np.ones((len(rows), len(columns)), np.bool_)
        for top, bottom, left, right in parts_in(self.unread, rows, columns):
            out[top - rows.start : bottom - rows.start, left - columns.start : right - columns.start] = False
        return out


def parts_in(parts: Sequence[Rectangle], rows: range, columns: range) -> list[Rectangle]:
    """Return the intersections of rectangles with a region."""
    cut = (
        (max(top, rows.start), min(bottom, rows.stop), max(left, columns.start), min(right, columns.stop))
        for top, bottom, left, right in parts
    )
    return [part for part in cut if part[0] < part[1] and part[2] < part[3]]


def _around(parts: Sequence[Rectangle], rows: range, columns: range) -> Iterator[Rectangle]:
    """Yield rectangles that cover a region except for the given rectangles in it."""
    edges = sorted({rows.start, rows.stop, *(edge for part in parts for edge in part[:2])})
    for top, bottom in pairwise(edges):
        at = columns.start
        for _, _, left, right in sorted((one for one in parts if one[0] < bottom and one[1] > top), key=lambda p: p[2]):
            if left > at:
                yield top, bottom, at, left
            at = max(at, right)
        if at < columns.stop:
            yield top, bottom, at, columns.stop


def unread_in(
    sources: Sequence[Readable], rows: range, columns: range, stored: tuple[int, int]
) -> Iterator[tuple[Rectangle, str]]:
    """Find the unreadable parts of a region: halve it until a failing part is within one storage chunk.

    Parameters
    ----------
    sources : of the image and of its masks
    rows, columns : of the region
    stored : rows and columns of a storage chunk of the image

    Yields
    ------
    rectangle, message : the unreadable part and its error; row-major within each half
    """
    window = slice(rows.start, rows.stop), slice(columns.start, columns.stop)
    try:
        for source in sources:
            source.read((*window, *(slice(0, length) for length in source.shape[2:])))
    except InputError as error:
        spans = [
            (part.start // step, ceil(part.stop / step)) for part, step in zip((rows, columns), stored, strict=True)
        ]
        down, across = (last - first for first, last in spans)
        if down * across == 1:
            yield (rows.start, rows.stop, columns.start, columns.stop), str(error)
            return
        if down >= across:
            middle = sum(spans[0]) // 2 * stored[0]
            halves = [(range(rows.start, middle), columns), (range(middle, rows.stop), columns)]
        else:
            middle = sum(spans[1]) // 2 * stored[1]
            halves = [(rows, range(columns.start, middle)), (rows, range(middle, columns.stop))]
        for half in halves:
            yield from unread_in(sources, *half, stored)


def merged(parts: Sequence[Rectangle]) -> tuple[Rectangle, ...]:
    """Join adjacent rectangles, first horizontally, then vertically; the result is in row-major order."""
    across: list[Rectangle] = []
    for part in sorted(parts):
        last = across[-1] if across else None
        if last is not None and last[:2] == part[:2] and last[3] == part[2]:
            across[-1] = (*last[:3], part[3])
        else:
            across.append(part)
    below: list[Rectangle] = []
    for part in sorted(across, key=lambda one: (one[2], one[3], one[0])):
        last = below[-1] if below else None
        if last is not None and last[2:] == part[2:] and last[1] == part[0]:
            below[-1] = (last[0], *part[1:])
        else:
            below.append(part)
    return tuple(sorted(below))
