"""Parts of an image that cannot be read: finding them, and reading an image without them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from typing import Any, Protocol

import dask.array as da
import numpy as np
from dask.base import tokenize
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.storage.locations import Member

Part = tuple[int, int, int, int]
"""First and last row, first and last column of a rectangle, in pixels; the last ones are outside."""

MOST_INLINE = 64
"""Parts that travel inside each task; more are a result of their own, sent to each worker once."""


class Readable(Protocol):
    """Pixels, (height, width, bands), or a mask, (height, width), read region by region; see `Source`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the image, or of its mask."""

    @property
    def ndim(self) -> int:
        """3 or 2."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of what is read."""

    @property
    def identity(self) -> tuple[Any, ...]:
        """What names this version."""

    def members(self) -> Iterator[Member]:
        """Tell the files that it is read from."""

    def __getitem__(self, region: Any) -> NDArray[Any]:
        """Read a region; InputError if that cannot be."""


@dataclass(frozen=True)
class WithoutParts:
    """A source of which some parts are never read: 0 is there."""

    source: Readable
    unread: tuple[Part, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the source."""
        return self.source.shape

    @property
    def ndim(self) -> int:
        """That of the source."""
        return self.source.ndim

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of the source."""
        return self.source.dtype

    @property
    def identity(self) -> tuple[Any, ...]:
        """That of the source, and the parts."""
        return "without", self.source.identity, self.unread

    def members(self) -> Iterator[Member]:
        """Tell those of the source."""
        return self.source.members()

    def __getitem__(self, region: Any) -> NDArray[Any]:
        """Read a region around the parts."""
        rows, columns = (range(length)[part] for length, part in zip(self.shape, region[:2], strict=False))
        inside = parts_in(self.unread, rows, columns)
        if not inside:
            return self.source[region]
        rest = tuple(range(length)[part] for length, part in zip(self.shape[2:], region[2:], strict=True))
        out = np.zeros((len(rows), len(columns), *map(len, rest)), self.dtype)
        for top, bottom, left, right in _around(inside, rows, columns):
            found = self.source[(slice(top, bottom), slice(left, right), *region[2:])]
            out[top - rows.start : bottom - rows.start, left - columns.start : right - columns.start] = found
        return out


@dataclass(frozen=True)
class Rest:
    """Where an image is read: True outside of some parts."""

    shape: tuple[int, int]
    unread: tuple[Part, ...]

    @property
    def ndim(self) -> int:
        """Always 2."""
        return 2

    @property
    def dtype(self) -> np.dtype[Any]:
        """Always bool."""
        return np.dtype(np.bool_)

    @property
    def identity(self) -> tuple[Any, ...]:
        """The parts."""
        return "rest", self.shape, self.unread

    def members(self) -> Iterator[Member]:
        """Tell nothing: it is read from no file."""
        return iter(())

    def __getitem__(self, region: tuple[slice, slice]) -> NDArray[np.bool_]:
        """Give a region."""
        rows, columns = (range(length)[part] for length, part in zip(self.shape, region, strict=True))
        out = np.ones((len(rows), len(columns)), np.bool_)
        for top, bottom, left, right in parts_in(self.unread, rows, columns):
            out[top - rows.start : bottom - rows.start, left - columns.start : right - columns.start] = False
        return out


def parts_in(parts: Sequence[Part], rows: range, columns: range) -> list[Part]:
    """Give what of some parts lies in a region."""
    cut = (
        (max(top, rows.start), min(bottom, rows.stop), max(left, columns.start), min(right, columns.stop))
        for top, bottom, left, right in parts
    )
    return [part for part in cut if part[0] < part[1] and part[2] < part[3]]


def _around(parts: Sequence[Part], rows: range, columns: range) -> Iterator[Part]:
    """Yield rectangles that make up a region without some parts that lie in it."""
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
) -> Iterator[tuple[Part, str]]:
    """Find what of a region cannot be read: halve it until what fails is one stored chunk, or the part of it inside.

    Parameters
    ----------
    sources : of the image and of its masks
    rows, columns : of the region
    stored : rows and columns of a stored chunk of the image

    Yields
    ------
    part, message : in row-major order within each half
    """
    region = slice(rows.start, rows.stop), slice(columns.start, columns.stop)
    try:
        for source in sources:
            source[(*region, *(slice(0, length) for length in source.shape[2:]))]
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


def merged(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Join rectangles that are neighbors: those side by side, then those below one another; in row-major order."""
    beside: list[Part] = []
    for part in sorted(parts):
        last = beside[-1] if beside else None
        if last is not None and last[:2] == part[:2] and last[3] == part[2]:
            beside[-1] = (*last[:3], part[3])
        else:
            beside.append(part)
    below: list[Part] = []
    for part in sorted(beside, key=lambda one: (one[2], one[3], one[0])):
        last = below[-1] if below else None
        if last is not None and last[2:] == part[2:] and last[1] == part[0]:
            below[-1] = (last[0], *part[1:])
        else:
            below.append(part)
    return tuple(sorted(below))


def lazy(source: Readable, chunks: Any, name: str) -> da.Array:
    """Make a lazy array of a source, one task a chunk."""
    parts = source.unread if isinstance(source, (WithoutParts, Rest)) else ()
    return da.from_array(
        source,
        chunks=chunks,
        name=f"{name}-{tokenize(source.identity, chunks)}",
        meta=np.empty((0,) * source.ndim, source.dtype),
        # one task per chunk that holds its own small source, and a plain call to it
        asarray=False,
        inline_array=len(parts) <= MOST_INLINE,
        lock=False,
    )
