"""Palettes as colors to look at."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def display_colors(palette: NDArray[Any]) -> NDArray[np.uint8]:
    """Return a palette as 8-bit RGB, to look at.

    Parameters
    ----------
    palette : ndarray of shape (units, bands), real
        uint8, and floats from 0 to 255, are taken as they are; floats from 0 to 1 as shares of 255; everything else is
        stretched from its least to its greatest value. One or two bands become gray, more than three show three.

    Returns
    -------
    ndarray of shape (units, 3), uint8
    """
    shown = palette[:, :3] if palette.shape[1] >= 3 else np.repeat(palette[:, :1], 3, axis=1)
    low, high = _range(shown)
    scaled = (shown.astype(np.float64) - low) * (255 / (high - low) if high > low else 0)
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def _range(shown: NDArray[Any]) -> tuple[float, float]:
    least, greatest = float(shown.min()), float(shown.max())
    if shown.dtype == np.uint8:
        return 0, 255
    if shown.dtype.kind == "f" and least >= 0 and greatest <= 255:
        return 0, 1 if greatest <= 1 else 255
    return least, greatest
