"""Read images upright that are stored mirrored or rotated (TIFF and EXIF orientation)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dasksom.image.sources.bands import of_bands
from dasksom.image.sources.numpy_indexing import NumpyIndexing

if TYPE_CHECKING:
    from dasksom.image.sources.protocol import PixelWindow, Source
    from dasksom.storage.locations import Member

UPRIGHT = 1
"""Orientation of an image whose first row is the top and whose first column is the left side."""
# orientation -> (exchange rows and columns; then mirror rows, mirror columns)
_TRANSFORMS = {
    1: (False, False, False),
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}


def orientation_of(value: Any) -> int:
    """Return the value of an orientation tag, 1 to 8; 1 for invalid values, as in other readers."""
    return int(value) if isinstance(value, (int, np.integer)) and int(value) in _TRANSFORMS else UPRIGHT


def is_turned(orientation: int) -> bool:
    """Return whether rows and columns are exchanged."""
    return _TRANSFORMS[orientation][0]


@dataclass(frozen=True)
class UprightSource(NumpyIndexing):
    """A source read upright, according to its orientation tag."""

    source: Source
    orientation: int
    """Value of the tag, 2 to 8, as in TIFF 6.0 and EXIF."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width, bands of the upright image."""
        height, width, bands = self.source.shape
        return (width, height, bands) if is_turned(self.orientation) else (height, width, bands)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the source."""
        return self.source.dtype

    @property
    def storage_chunks(self) -> tuple[int, int]:
        """Storage chunks of the source, rotated; mirrored chunks start at the other end, so some are decoded twice."""
        rows, columns = self.source.storage_chunks
        return (columns, rows) if is_turned(self.orientation) else (rows, columns)

    @property
    def identity(self) -> tuple[Any, ...]:
        """Identity of the source, with the orientation."""
        return "upright", self.orientation, self.source.identity

    def members(self) -> Iterator[Member]:
        """List the files of the source."""
        return self.source.members()

    def of_bands(self, picks: tuple[int, ...]) -> Source:
        """Return a source of some bands, in this order."""
        return UprightSource(of_bands(self.source, picks), self.orientation)

    def read(self, window: PixelWindow) -> NDArray[Any]:
        """Read a window of the upright image; see `Source`."""
        turned, *mirrored = _TRANSFORMS[self.orientation]
        spans = [
            slice(length - span.stop, length - span.start) if mirror else span
            for span, length, mirror in zip(window[:2], self.shape[:2], mirrored, strict=True)
        ]
        stored = (spans[1], spans[0]) if turned else (spans[0], spans[1])
        found = self.source.read((*stored, window[2]))
        if turned:
            found = found.transpose(1, 0, 2)
        return np.ascontiguousarray(found[:: -1 if mirrored[0] else 1, :: -1 if mirrored[1] else 1])


def upright(source: Source, orientation: int) -> Source:
    """Return a source that is read upright, according to its orientation."""
    return source if orientation == UPRIGHT else UprightSource(source, orientation)
