"""Read bands of several sources as one image; coarser bands are repeated to the finest resolution."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.image.sources.bands import of_bands
from dasksom.image.sources.numpy_indexing import NumpyIndexing
from dasksom.image.sources.protocol import PixelWindow, Source
from dasksom.storage.locations import Member


@dataclass(frozen=True)
class StackPart:
    """Some bands of a stack, from one source."""

    source: Source
    factor: tuple[int, int]
    """Rows and columns of the stack per row and column of the source."""
    nodata: float | None = None
    """Value that becomes NaN; only in stacks of floats."""
    masks: tuple[Source, ...] = ()
    """Images of the source's size; pixels where one is 0 become NaN. Only in stacks of floats."""

    def read(self, rows: range, columns: range, bands: slice, dtype: np.dtype[Any]) -> NDArray[Any]:
        """Read a window of the stack from this part."""
        places = [
            np.arange(span.start, span.stop) // step for span, step in zip((rows, columns), self.factor, strict=True)
        ]
        window = tuple(slice(int(place[0]), int(place[-1]) + 1) for place in places)
        found: NDArray[Any] = self.source.read((*window, bands)).astype(dtype, copy=False)
        if self.nodata is not None:
            found = np.where(found == dtype.type(self.nodata), dtype.type(np.nan), found)
        for mask in self.masks:
            found = np.where(mask.read((*window, slice(0, 1))) == 0, dtype.type(np.nan), found)
        if self.factor == (1, 1):
            return found
        down, across = (place - place[0] for place in places)
        repeated: NDArray[Any] = found[down[:, np.newaxis], across]
        return repeated


@dataclass(frozen=True)
class StackedSource(NumpyIndexing):
    """The bands of several sources, one after another."""

    parts: tuple[StackPart, ...]
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]

    @property
    def storage_chunks(self) -> tuple[int, int]:
        """The largest storage chunk of a part, in pixels of the stack."""
        sides = [
            [chunk * step for chunk, step in zip(part.source.storage_chunks, part.factor, strict=True)]
            for part in self.parts
        ]
        rows, columns = (
            min(max(side), length) for side, length in zip(zip(*sides, strict=True), self.shape, strict=False)
        )
        return rows, columns

    @property
    def identity(self) -> tuple[Any, ...]:
        """Identities of the parts."""
        parts = tuple(
            (part.source.identity, part.factor, repr(part.nodata), tuple(mask.identity for mask in part.masks))
            for part in self.parts
        )
        return "stack", parts, self.dtype.str

    def members(self) -> Iterator[Member]:
        """List the files of all parts."""
        for part in self.parts:
            for source in (part.source, *part.masks):
                yield from source.members()

    def of_bands(self, picks: tuple[int, ...]) -> StackedSource:
        """Return a source of some bands, in this order; the files of others are not read."""
        starts = [0, *accumulate(part.source.shape[2] for part in self.parts)]
        places = [int(np.searchsorted(starts, pick, side="right")) - 1 for pick in picks]
        parts = []
        for place, group in groupby(zip(picks, places, strict=True), lambda pair: pair[1]):
            part = self.parts[place]
            bands = [pick - starts[place] for pick, _ in group]
            parts.append(replace(part, source=of_bands(part.source, bands)))
        return replace(self, parts=tuple(parts), shape=(*self.shape[:2], len(picks)))

    def read(self, window: PixelWindow) -> NDArray[Any]:
        """Read a window; see `Source`."""
        rows, columns, bands = (range(length)[part] for part, length in zip(window, self.shape, strict=True))
        out = np.empty((len(rows), len(columns), len(bands)), self.dtype)
        first = 0
        for part in self.parts:
            count = part.source.shape[2]
            start, stop = max(bands.start, first), min(bands.stop, first + count)
            if start < stop:
                found = part.read(rows, columns, slice(start - first, stop - first), self.dtype)
                out[:, :, start - bands.start : stop - bands.start] = found
            first += count
        return out


@dataclass(frozen=True)
class DataMask(NumpyIndexing):
    """An image of one band: 0 where any band of a source has its no-data value, 1 elsewhere."""

    source: Source
    nodata: float

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height and width of the source, one band."""
        return (*self.source.shape[:2], 1)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the mask: uint8."""
        return np.dtype(np.uint8)

    @property
    def storage_chunks(self) -> tuple[int, int]:
        """Storage chunks of the source."""
        return self.source.storage_chunks

    @property
    def identity(self) -> tuple[Any, ...]:
        """Identity of the source, with the value."""
        return "data", self.source.identity, repr(self.nodata)

    def members(self) -> Iterator[Member]:
        """List the files of the source."""
        return self.source.members()

    def read(self, window: PixelWindow) -> NDArray[Any]:
        """Read a window; see `Source`."""
        found = self.source.read((*window[:2], slice(0, self.source.shape[2])))
        valid: NDArray[Any] = (found != self.nodata).all(axis=2, keepdims=True).astype(np.uint8)
        return valid


def common_dtype(dtypes: Sequence[np.dtype[Any]]) -> np.dtype[Any] | None:
    """Return the smallest dtype that holds all values of some dtypes, by NumPy's rules; None if there is none."""
    dtype = np.result_type(*dtypes)
    wide = any(one.kind in "ui" and one.itemsize == 8 for one in dtypes)
    return None if dtype.kind == "f" and wide else dtype
