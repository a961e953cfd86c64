"""Ordered dithering: add an offset to each pixel before the search, which depends only on the pixel's position.

The positions of an 8 x 8 square get the 64 thresholds of Bayer's matrix (Bayer, IEEE ICC 1973), centered on 0 and
scaled to the distance of neighboring palette colors; all bands of a pixel get the same offset. An area between two
colors then gets both, in proportion. No error is passed between pixels, so tiles have no seams and labels do not depend
on the chunks. (Different matrices for the bands were tried: the result is noisier and not closer.)
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.som.numba_kernel import kernel

_SIDE = 8


def bayer_thresholds() -> NDArray[np.float64]:
    """Return Bayer's matrix as thresholds between -0.5 and 0.5, with mean 0; shape (8, 8).

    >>> bayer_thresholds()[:2, :2] * 64
    array([[-31.5,   0.5],
           [ 16.5, -15.5]])
    """
    order = np.zeros((1, 1))
    while len(order) < _SIDE:
        order = np.block([[4 * order, 4 * order + 2], [4 * order + 3, 4 * order + 1]])
    return np.asarray((order + 0.5) / _SIDE**2 - 0.5)


def color_spacing(codebook: NDArray[np.float64]) -> float:
    """Return the mean distance of the units to the nearest other color; 0 for a single color.

    Parameters
    ----------
    codebook : ndarray of shape (units, bands), float64
    """
    colors = np.unique(codebook, axis=0)
    from scipy.spatial import KDTree  # slow to import, only needed for dithering

    if len(colors) == 1:
        return 0.0
    distances, _ = KDTree(colors).query(colors, k=2)
    return float(distances[:, 1].mean())


def dither_offsets(codebook: NDArray[np.float64], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return the offset added to all bands of a pixel, by position in the 8 x 8 square.

    Parameters
    ----------
    codebook : ndarray of shape (units, bands), float64
    dtype : of the image

    Returns
    -------
    ndarray of shape (8, 8), float64, or int64 for integer images
    """
    # added to all bands, they reach half of the mean distance to the next color
    offsets: NDArray[Any] = bayer_thresholds() * (color_spacing(codebook) / codebook.shape[1] ** 0.5)
    return offsets if dtype.kind == "f" else np.rint(offsets).astype(np.int64)


def dithered(block: NDArray[Any], corner: tuple[int, ...], offsets: NDArray[Any]) -> NDArray[Any]:
    """Add offsets to a chunk by the positions of its pixels in the image; integers are clipped to their range.

    Parameters
    ----------
    block : ndarray of shape (rows, columns, bands), real
    corner : (y, x, ...) of its first pixel in the image
    offsets : ndarray of shape (8, 8)

    Returns
    -------
    ndarray of the same shape and type
    """
    out = np.empty_like(block)
    if block.dtype.kind == "f":
        low, high = -np.inf, np.inf
        _add(block, corner[0], corner[1], offsets.astype(block.dtype), low, high, out)
    else:
        limits = np.iinfo(block.dtype)
        _add(block, corner[0], corner[1], offsets, int(limits.min), int(limits.max), out)
    return out


@kernel
def _add(block: Any, top: int, left: int, offsets: Any, low: Any, high: Any, out: Any) -> None:
    rows, columns, bands = block.shape
    for y in range(rows):
        line = offsets[(top + y) % _SIDE]
        for x in range(columns):
            at = line[(left + x) % _SIDE]
            for band in range(bands):
                moved = block[y, x, band] + at
                if moved < low:  # false for NaN, which is unchanged
                    moved = low
                if moved > high:
                    moved = high
                out[y, x, band] = moved
