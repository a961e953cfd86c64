"""What a source of pixels must do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dasksom.storage.locations import Member

Tag = tuple[int, int, int, Any, bool]
"""One TIFF tag as tifffile's `extratags` take it: code, data type, count, value, whether it is written once."""


Region = tuple[slice, slice, slice]
"""Rows, columns and bands of an image; no steps."""


def shown_region(region: Sequence[slice | range]) -> str:
    """Name the rows and columns of a region, for messages."""
    return f"pixels [{', '.join(f'{part.start}:{part.stop}' for part in region[:2])}]"


def cuts(span: range, step: int) -> Iterator[slice]:
    """Cut a span of rows or columns at the multiples of a step."""
    at = span.start
    while at < span.stop:
        end = min(span.stop, (at // step + 1) * step)
        yield slice(at, end)
        at = end


class Source(Protocol):
    """Pixels of one image in a file, read region by region.

    A source is small and picklable: it holds a path, never an open file. What it opens, it opens on first use and once
    per process. ``__getitem__`` is called from many threads at once.
    """

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width, bands."""

    @property
    def ndim(self) -> int:
        """Always 3."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of what is read, in this machine's byte order."""

    @property
    def storage_chunks(self) -> tuple[int, int]:
        """Rows and columns of what is decoded at once: Zarr chunk or shard, TIFF tile or strip, whole photograph."""

    @property
    def identity(self) -> tuple[Any, ...]:
        """What names this version of this file: equal for equal files, different once the file has changed."""

    def members(self) -> Iterator[Member]:
        """Tell the files that it is read from, each with its version as it is now."""

    def __getitem__(self, region: Region) -> NDArray[Any]:
        """Read a region, shape (rows, columns, bands), C-contiguous; InputError if the file cannot be read there."""
