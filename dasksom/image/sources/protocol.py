"""The protocol of pixel sources, and the windows that they are read by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dasksom.storage.locations import Member

Tag = tuple[int, int, int, Any, bool]
"""One TIFF tag as tifffile's `extratags` take it: code, data type, count, value, whether it is written once."""

PixelWindow = tuple[slice, ...]
"""One slice per axis: start and stop within the array, no step. Rows, columns and, for images, bands."""


def shown_window(window: Sequence[slice | range]) -> str:
    """Name the rows and columns of a window, for messages."""
    return f"pixels [{', '.join(f'{part.start}:{part.stop}' for part in window[:2])}]"


def cuts(span: range, step: int) -> Iterator[slice]:
    """Cut a span of rows or columns at the multiples of a step."""
    start = span.start
    while start < span.stop:
        stop = min(span.stop, (start // step + 1) * step)
        yield slice(start, stop)
        start = stop


class Readable(Protocol):
    """Pixels (height, width, bands) or a mask (height, width), read window by window.

    A source is small and picklable: it holds a path, never an open file. It opens files on first use, once per process.
    `read` is called from many threads at once.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the image, or of its mask."""

    @property
    def ndim(self) -> int:
        """3 for images, 2 for masks."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the pixels that are read, in this machine's byte order."""

    @property
    def identity(self) -> tuple[Any, ...]:
        """Name of this version of the file: equal for equal files, different once the file has changed."""

    def members(self) -> Iterator[Member]:
        """List the files that are read, each with its current version."""

    def read(self, window: PixelWindow) -> NDArray[Any]:
        """Read a window; C-contiguous. InputError if the file cannot be read there."""

    def __getitem__(self, index: Any) -> NDArray[Any]:
        """Read as NumPy arrays are indexed; see `NumpyIndexing`."""


class Source(Readable, Protocol):
    """Pixels of one image in a file."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width, bands."""

    @property
    def storage_chunks(self) -> tuple[int, int]:
        """Rows and columns of what is decoded at once: Zarr chunk or shard, TIFF tile or strip, complete photograph."""
