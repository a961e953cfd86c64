"""Look up TIFF pixels in color tables: palettes, gray levels of 1 to 4 bits, and gray levels with 0 as white."""

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
"""Bits of the gray levels that are converted to 8 bits by a table."""
_SHORT = 256
"""Color maps with all values below this hold 8-bit colors, as some old programs write them (libtiff does the same)."""


@dataclass(frozen=True, eq=False)
class ValueColors:
    """The color of each pixel value."""

    colors: NDArray[np.unsignedinteger[Any]]
    """Shape (values, bands)."""
    has_opacity: bool
    """Whether the last band is alpha: 0 for the no-data value, the dtype's maximum for all others."""
    described: str
    """Description for users."""

    @property
    def bands(self) -> int:
        """Number of bands, alpha included."""
        return int(self.colors.shape[1])


def color_table(
    location: Location, page: Any, full: Any, nodata: float | None, indices: bool = False
) -> ValueColors | None:
    """Return the color table of a page; None if its values are colors or measurements themselves.

    Parameters
    ----------
    location : of the file, for messages
    page, full : tifffile page, and the page of full resolution, whose palette coarser levels may omit
    nodata : no-data value
    indices : whether values are read as they are stored, without opacity

    Returns
    -------
    ValueColors or None
        For palettes, the upper 8 of the 16 bits of each color: GDAL and dasksom write 8-bit colors as c * 257, Pillow
        as c * 256, and both are restored exactly; finer colors are truncated to 8 bits. Gray levels of 1, 2 or 4 bits
        are scaled to 8 bits, white is 255; if 0 is white, gray levels are inverted, also those of 8 and 16 bits.

    Raises
    ------
    InputError
        The palette is missing or does not have one color per value, or the values are not single gray levels.
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
    if indices:
        values = np.arange(len(colors), dtype=np.min_scalar_type(len(colors) - 1))
        return ValueColors(values[:, np.newaxis], False, f"{len(colors)} values, read as they are stored")
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
    """Write the colors of values (height, width) to `out` (height, width, bands of the table)."""
    _look_up_colors(values.view(np.uint8) if values.dtype == np.bool_ else values, np.ascontiguousarray(table), out)


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _look_up_colors(values: Any, table: Any, out: Any) -> None:
    height, width = values.shape
    for y in range(height):
        for x in range(width):
            for band in range(table.shape[1]):
                out[y, x, band] = table[values[y, x], band]
