"""Create lazy masks of the pixels that hold data, from an alpha band, a no-data value, or another image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite, isnan
from typing import Any

import dask.array as da
import numpy as np
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.image.sources.numpy_indexing import NumpyIndexing
from dasksom.image.sources.protocol import PixelWindow, Source
from dasksom.storage.locations import Member


def alpha_mask(pixels: da.Array, band: int) -> da.Array:
    """Return a bool mask, (height, width): True where pixels are not fully transparent."""
    return _beside(pixels, _opaque, band=band)


def without_band(pixels: da.Array, band: int) -> da.Array:
    """Return an image with one band removed."""
    bands = pixels.shape[2] - 1
    return da.map_blocks(
        np.delete, pixels, band, axis=2, chunks=(*pixels.chunks[:2], (bands,)), meta=np.empty((0, 0, 0), pixels.dtype)
    )


def nodata_mask(pixels: da.Array, nodata: float) -> da.Array | None:
    """Return a bool mask, (height, width): True where pixels hold data; None for NaN, which training skips anyway.

    A pixel holds no data if any of its bands has the no-data value: a band of -9999 would distort the map. For unsigned
    integers all bands must have it, as in GDAL: they have no spare value, and 0 in one band may just be dark.

    Raises
    ------
    InputError
        The image's dtype cannot hold the value.
    """
    if isnan(nodata) and pixels.dtype.kind == "f":
        return None
    value = _as(pixels.dtype, nodata)
    if value is None:
        raise InputError(f"nodata={nodata}: an image of {pixels.dtype} never holds it; leave --nodata out")
    return _beside(pixels, _has_data, value=value, everywhere=pixels.dtype.kind == "u")


def holds(dtype: np.dtype[Any], nodata: float) -> bool:
    """Return whether a dtype can hold a no-data value."""
    return (isnan(nodata) and dtype.kind == "f") or _as(dtype, nodata) is not None


def _as(dtype: np.dtype[Any], nodata: float) -> Any:
    if dtype.kind == "f":
        with np.errstate(over="ignore"):  # GDAL writes the lowest float32 with the digits of float64
            return dtype.type(nodata)
    limits = np.iinfo(np.uint8 if dtype.kind == "b" else dtype)
    if not isfinite(nodata) or int(nodata) != nodata or not limits.min <= nodata <= limits.max:
        return None
    return dtype.type(int(nodata))


def _beside(pixels: da.Array, function: Any, **how: Any) -> da.Array:
    return da.map_blocks(function, pixels, drop_axis=2, dtype=np.bool_, meta=np.empty((0, 0), np.bool_), **how)


def _opaque(block: NDArray[Any], band: int) -> NDArray[np.bool_]:
    opaque: NDArray[np.bool_] = block[:, :, band] != 0
    return opaque


def _has_data(block: NDArray[Any], value: Any, everywhere: bool) -> NDArray[np.bool_]:
    differs = block != value
    if block.dtype.kind == "f":
        differs &= ~np.isnan(block) | np.isnan(value)
    found: NDArray[np.bool_] = differs.any(axis=2) if everywhere else differs.all(axis=2)
    return found


@dataclass(frozen=True)
class MaskSource(NumpyIndexing):
    """A mask from an image, False where all of its bands are 0; of the masked image's size or of a lower resolution."""

    source: Source
    shape: tuple[int, int]
    """Height and width of the masked image."""
    factor: tuple[int, int] | None
    """Rows and columns of the masked image per row and column of the mask; None if these are not integers."""
    bands: int
    """Number of bands that are read: all but alpha."""
    placement: tuple[tuple[float, float], tuple[float, float]] | None = None
    """Of rows and of columns, if the mask covers another region: position of the image's first edge in the mask, and
    mask pixels per pixel. Pixels outside of the mask hold no data."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the mask: bool."""
        return np.dtype(np.bool_)

    @property
    def identity(self) -> tuple[Any, ...]:
        """Identity of the mask's source, with shape and bands."""
        return "mask", self.source.identity, self.shape, self.bands, self.placement

    def members(self) -> Iterator[Member]:
        """List the files of the mask."""
        return self.source.members()

    def read(self, window: PixelWindow) -> NDArray[np.bool_]:
        """Read a window: for each pixel of the masked image, the nearest pixel of the mask."""
        rows, columns = (self._places(axis, part) for axis, part in enumerate(window))
        if self.placement is not None:
            return self._read_placed(rows, columns)
        read = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
        valid = (self.source.read((*read, slice(0, self.bands))) != 0).any(axis=2)
        found: NDArray[np.bool_] = valid[np.ix_(rows - rows[0], columns - columns[0])]
        return found

    def _read_placed(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.bool_]:
        height, width, _ = self.source.shape
        down, across = (rows >= 0) & (rows < height), (columns >= 0) & (columns < width)
        found = np.zeros((len(rows), len(columns)), np.bool_)
        if down.any() and across.any():
            y, x = rows[down], columns[across]
            read = slice(int(y.min()), int(y.max()) + 1), slice(int(x.min()), int(x.max()) + 1)
            valid = (self.source.read((*read, slice(0, self.bands))) != 0).any(axis=2)
            found[np.ix_(down, across)] = valid[np.ix_(y - read[0].start, x - read[1].start)]
        return found

    def _places(self, axis: int, part: slice) -> NDArray[np.int64]:
        places = np.arange(self.shape[axis], dtype=np.int64)[part]
        if self.placement is not None:
            first, step = self.placement[axis]
            positions: NDArray[np.int64] = np.floor(first + (places + 0.5) * step).astype(np.int64)
            return positions
        length, own = self.shape[axis], self.source.shape[axis]
        if self.factor is not None:
            return np.minimum(places // self.factor[axis], own - 1)
        return (2 * places + 1) * own // (2 * length)


def mask_of(source: Source, size: tuple[int, int], named: str, alpha: int | None = None) -> MaskSource:
    """Return a mask for an image from another image.

    Parameters
    ----------
    source : the mask: 0 in all bands where a pixel holds no data
    size : height and width of the masked image
    named : name of the mask, for messages
    alpha : number of the mask's last band if that is alpha, which is ignored

    Raises
    ------
    InputError
        Its size is neither the image's nor that of a lower resolution of the image.
    """
    bands = source.shape[2] - (alpha is not None)
    return MaskSource(source, size, _factor(size, source.shape[:2], named), bands)


def _factor(size: tuple[int, int], own: tuple[int, int], named: str) -> tuple[int, int] | None:
    """Return the integer factors between an image and its mask; None if they are fractions."""
    lengths = list(zip(size, own, strict=True))
    for factor in {round(length / short) for length, short in lengths}:
        # some programs round the sizes of pyramid levels up, others down
        if factor >= 1 and all(abs(length / factor - short) < 1 for length, short in lengths):
            return factor, factor
    lowest = max(length / (short + 1) for length, short in lengths)
    highest = min(length / max(short - 1, 0.5) for length, short in lengths)
    if lowest > highest or own[0] > size[0] or own[1] > size[1]:
        raise InputError(
            f"{named}: a mask of {own[0]} x {own[1]} pixels does not fit an image of {size[0]} x {size[1]}: it must "
            "have the same size, or that of a lower resolution of the same field (height and width both divided "
            "by one number)"
        )
    return None
