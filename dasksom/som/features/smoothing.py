"""Gaussian blur of the bands of a chunk that has a margin, without the pixels that hold no data."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.deferred import deferred

_gaussian_filter = deferred("scipy.ndimage:gaussian_filter")
_TRUNCATE = 4.0


def blur_margin(sigma: float) -> int:
    """Return the rows and columns on each side of a pixel that a blur reads."""
    return int(_TRUNCATE * sigma + 0.5)


def blurred_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type of a blurred image: float32, or float64 for 64-bit numbers and 32-bit integers."""
    return np.result_type(dtype, np.float32)


def blur_chunk(block: NDArray[Any], kept: NDArray[np.bool_] | None, sigma: float) -> NDArray[Any]:
    """Blur each band of a chunk, and remove its margin.

    A pixel is the mean of the valid pixels around it, weighted by a Gaussian. Each is computed by the same operations
    wherever the chunk begins.

    Parameters
    ----------
    block : ndarray of shape (rows + 2 margins, columns + 2 margins, bands), real
    kept : ndarray of bool, the same rows and columns, optional
        Pixels that hold data; NaN never do.
    sigma : float
        Standard deviation of the Gaussian, in pixels.

    Returns
    -------
    ndarray of shape (rows, columns, bands), float32 or float64
        Pixels that hold no data are unchanged.
    """
    margin = blur_margin(sigma)
    inside = slice(margin, block.shape[0] - margin), slice(margin, block.shape[1] - margin)
    out = np.empty(block[inside].shape, blurred_dtype(block.dtype))
    for band in range(block.shape[2]):
        values = np.ascontiguousarray(block[..., band])
        valid = _valid(values, kept)
        if valid is None:
            out[..., band] = _filtered(values, sigma, out.dtype)[inside]
        else:
            sums = _filtered(np.where(valid, values, 0), sigma, out.dtype)[inside]
            shares = _share_of_weights(valid, sigma)[inside]
            here = valid[inside]
            with np.errstate(invalid="ignore", divide="ignore"):
                out[..., band] = np.where(here, sums / shares, values[inside])
    return out


def _valid(values: NDArray[Any], kept: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
    """Return which values of a band are valid; None if all are."""
    valid = kept
    if values.dtype.kind == "f" and np.isnan(values.max(initial=0)):
        known = ~np.isnan(values)
        valid = known if kept is None else kept & known
    return None if valid is None or valid.all() else valid


def _share_of_weights(valid: NDArray[np.bool_], sigma: float) -> NDArray[np.float64]:
    """Return the share of the Gaussian's weights that fall on valid pixels: exactly 1 where all of them are valid."""
    side = 2 * blur_margin(sigma) + 1
    everywhere = _filtered(np.ones((side, side)), sigma, np.dtype(np.float64))[side // 2, side // 2]
    shares: NDArray[np.float64] = _filtered(valid.view(np.uint8), sigma, np.dtype(np.float64)) / everywhere
    return shares


def _filtered(values: NDArray[Any], sigma: float, dtype: np.dtype[Any]) -> NDArray[Any]:
    filtered: NDArray[Any] = _gaussian_filter(values, sigma, output=dtype, mode="reflect", truncate=_TRUNCATE)
    return filtered
