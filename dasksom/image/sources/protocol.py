"""Protocols of pixel sources, and the windows that they read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dasksom.storage.locations import Member

Tag = tuple[int, int, int, Any, bool]
"""A TIFF tag in the form of tifffile's `extratags`: code, data type, count, value, whether it is written only once."""

PixelWindow = tuple[slice, ...]
"""One slice per axis, with start and stop within the array and no step: rows, columns and, for images, bands."""


def shown_window(window: Sequence[slice | range]) -> str:
    """Return a description of the rows and columns of a window, for messages."""
    return f"pixels [{', '.join(f'{part.start}:{part.stop}' for part in window[:2])}]"


def cuts(span: range, step: int) -> Iterator[slice]:
    """Split a span of rows or columns at the multiples of a step."""
    start = span.start
    while start < span.stop:
        stop = min(span.stop, (start // step + 1) * step)
        yield slice(start, stop)
        start = stop


class Readable(Protocol):
    """Pixels (height, width, bands) or a mask (height, width), read window by window.

    A source is small and picklable: it holds a path, never an open file. It opens files on first use, once per process.
    `read` must be thread-safe.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the image or mask."""

    @property
    def ndim(self) -> int:
        """3 for images, 2 for masks."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the pixels that `read` returns, in native byte order."""

    @property
    def identity(self) -> tuple[Any, ...]:
        """Identifier of this version of the file: equal for equal files, different once the file has changed."""

    def members(self) -> Iterator[Member]:
        """Yield the files that are read, each with its current version."""

    def read(self, window: PixelWindow) -> NDArray[Any]:
        """Read a window as a C-contiguous array; raise InputError if it cannot be read."""

    def __getitem__(self, index: Any) -> NDArray[Any]:
        """Read with NumPy indexing; see `NumpyIndexing`."""


class Source(Readable, Protocol):
    """Pixels of one image in a file."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width, bands."""

    @property
    def storage_chunks(self) -> tuple[int, int]:
        """Rows and columns that are decoded at once: a Zarr chunk or shard, a TIFF tile or strip, or the photograph."""
