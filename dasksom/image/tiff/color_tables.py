"""TIFF pixels that stand for colors or gray levels by a table: palettes, 1 to 4 bits, white as 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.storage.locations import Location

WHITE_IS_ZERO, BLACK_IS_ZERO, PHOTOMETRIC_PALETTE = 0, 1, 3
"""Photometric interpretations."""
TABLE_BITS = (1, 2, 4)
"""Bits of the gray levels that are read through a table, as 8 bits."""
_SHORT = 256
"""Color maps whose values are all less hold 8-bit colors, as some old programs write them (and libtiff reads them)."""


@dataclass(frozen=True, eq=False)
class ValueColors:
    """The color of each value that a pixel may have."""

    colors: NDArray[np.unsignedinteger[Any]]
    """Shape (values, bands)."""
    has_opacity: bool
    """Whether the last band is opacity: 0 for the value without data, otherwise the highest value."""
    described: str
    """For a person."""

    @property
    def bands(self) -> int:
        """Bands of a color, opacity included."""
        return int(self.colors.shape[1])


def color_table(location: Location, page: Any, full: Any, nodata: float | None) -> ValueColors | None:
    """Return the colors of a page's values, None for a page whose values are colors or measurements.

    Parameters
    ----------
    location : of the file, for messages
    page, full : tifffile page, and that of the image's full resolution, whose palette others may leave out
    nodata : value that stands for "no data"

    Returns
    -------
    ValueColors or None
        Of palettes the upper 8 of the 16 bits of each color: GDAL and ourselves write colors of 8 bits as c * 257,
        Pillow as c * 256, and both come back as they were; finer colors are cut to 8 bits. Gray levels of 1, 2 or 4
        bits become 8 bits, white 255; where 0 is white they are inverted, those of 8 and 16 bits too.

    Raises
    ------
    InputError
        There is no palette, one of another length than there are values, or white as 0 in other values than gray.
    """
    kind = None if page.photometric is None else int(page.photometric)
    if kind == PHOTOMETRIC_PALETTE:
        colors = _palette(location, page, full)
        described = f"{len(colors)} colors, read as RGB of 8 bits"
    elif kind == WHITE_IS_ZERO or _bits(page) in TABLE_BITS:
        if kind not in (WHITE_IS_ZERO, BLACK_IS_ZERO) or page.samplesperpixel != 1 or not _is_short(page):
            raise InputError(
                f"{location}: {page.samplesperpixel} values of {page.bitspersample} bits ({page.dtype}) a pixel, with "
                f"photometric interpretation {getattr(page.photometric, 'name', page.photometric)}, are not read: one "
                "gray level a pixel is; convert it to 8 bits (GDAL: gdal_translate -ot Byte -co NBITS=8 IN OUT.tif)"
            )
        colors = _grays(_bits(page), kind == WHITE_IS_ZERO)
        described = f"{len(colors)} gray levels{', 0 is white' if kind == WHITE_IS_ZERO else ''}"
    else:
        return None
    if nodata is None or not 0 <= nodata < len(colors) or nodata != int(nodata):
        return ValueColors(colors, False, described)
    opacity = np.full_like(colors[:, :1], np.iinfo(colors.dtype).max)
    opacity[int(nodata)] = 0
    return ValueColors(np.append(colors, opacity, axis=1), True, described)


def _bits(page: Any) -> int:
    return int(page.bitspersample if isinstance(page.bitspersample, int) else max(page.bitspersample))


def _is_short(page: Any) -> bool:
    return page.dtype.kind in "ub" and page.dtype.itemsize <= 2


def _grays(bits: int, inverted: bool) -> NDArray[np.unsignedinteger[Any]]:
    scale = 255 // ((1 << bits) - 1) if bits in TABLE_BITS else 1
    levels = (scale * np.arange(1 << bits)).astype(np.uint16 if bits > 8 else np.uint8)
    return np.ascontiguousarray((levels[::-1] if inverted else levels)[:, np.newaxis])


def _palette(location: Location, page: Any, full: Any) -> NDArray[np.uint8]:
    stored = page.colormap if page.colormap is not None else full.colormap
    values = 1 << int(page.bitspersample) if page.samplesperpixel == 1 else 0
    if not values or stored is None or stored.shape != (3, values):
        entries = "no colors" if stored is None else f"{stored.shape[-1]} colors"
        raise InputError(
            f"{location}: its pixels are indices into a palette, {page.samplesperpixel} of {page.bitspersample} bits "
            f"each, with {entries}: only one index a pixel, with a color for each of its values, is read; convert it "
            "to RGB first (GDAL: gdal_translate -expand rgb IN OUT.tif)"
        )
    shift = 0 if int(stored.max()) < _SHORT else 8
    return np.ascontiguousarray((stored >> shift).astype(np.uint8).T)


def look_up_colors(values: NDArray[Any], table: NDArray[Any], out: NDArray[Any]) -> None:
    """Write the colors of values (height, width) into `out` (height, width, bands of the table)."""
    _look_up_colors(values.view(np.uint8) if values.dtype == np.bool_ else values, np.ascontiguousarray(table), out)


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _look_up_colors(values: Any, table: Any, out: Any) -> None:
    height, width = values.shape
    for y in range(height):
        for x in range(width):
            for band in range(table.shape[1]):
                out[y, x, band] = table[values[y, x], band]
