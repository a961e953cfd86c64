"""Paletted TIFFs as the colors that their indices stand for."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.storage.locations import Location

PHOTOMETRIC_PALETTE = 3
"""Photometric interpretation of indices into a palette."""
_SHORT = 256
"""Color maps whose values are all less hold 8-bit colors, as some old programs write them (and libtiff reads them)."""


def palette_table(location: Location, page: Any, full: Any, nodata: float | None) -> NDArray[np.uint8] | None:
    """Return the colors of a page's indices, None for a page of another kind.

    Parameters
    ----------
    location : of the file, for messages
    page, full : tifffile page, and that of the image's full resolution, whose palette others may leave out
    nodata : index that stands for "no data"

    Returns
    -------
    ndarray of shape (indices, 3), or (indices, 4) with an opacity of 0 for the index without data; uint8
        The upper 8 of the 16 bits of each value: GDAL and ourselves write colors of 8 bits as c * 257, Pillow as
        c * 256, and both come back as they were; finer colors are cut to 8 bits.

    Raises
    ------
    InputError
        There is no palette, or one of another length than there are indices.
    """
    if page.photometric is None or int(page.photometric) != PHOTOMETRIC_PALETTE:
        return None
    found = page.colormap if page.colormap is not None else full.colormap
    indices = 1 << int(page.bitspersample) if page.samplesperpixel == 1 else 0
    if not indices or found is None or found.shape != (3, indices):
        entries = "no colors" if found is None else f"{found.shape[-1]} colors"
        raise InputError(
            f"{location}: its pixels are indices into a palette, {page.samplesperpixel} of {page.bitspersample} bits "
            f"each, with {entries}: only one index a pixel, with a color for each of its values, is read; convert it "
            "to RGB first (GDAL: gdal_translate -expand rgb IN OUT.tif)"
        )
    shift = 0 if int(found.max()) < _SHORT else 8
    table = np.ascontiguousarray((found >> shift).astype(np.uint8).T)
    if nodata is None or not 0 <= nodata < indices or nodata != int(nodata):
        return table
    opacity = np.full((indices, 1), 255, np.uint8)
    opacity[int(nodata)] = 0
    return np.append(table, opacity, axis=1)


def look_up_colors(indices: NDArray[np.unsignedinteger[Any]], table: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    """Write the colors of indices (height, width) into `out` (height, width, bands of the table)."""
    _look_up_colors(indices, np.ascontiguousarray(table), out)


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _look_up_colors(indices: Any, table: Any, out: Any) -> None:
    height, width = indices.shape
    for y in range(height):
        for x in range(width):
            for band in range(table.shape[1]):
                out[y, x, band] = table[indices[y, x], band]
