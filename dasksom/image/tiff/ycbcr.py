"""Convert YCbCr pixels whose decoder does not convert them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

APERIO_YCBCR = 33003
"""Aperio's JPEG 2000 of YCbCr, although the photometric tag declares RGB (OpenSlide converts it too)."""
_TO_RGB = np.array([[1, 0, 1.402], [1, -0.344136, -0.714136], [1, 1.772, 0]], np.float32)
"""ITU-R BT.601, full range, as in JFIF."""


def rgb_of_ycbcr(pixels: NDArray[Any]) -> NDArray[Any]:
    """Convert pixels (height, width, 3) of uint8 to RGB."""
    centered = pixels.astype(np.float32)
    centered[..., 1:] -= 128
    rgb: NDArray[Any] = np.clip(np.rint(centered @ _TO_RGB.T), 0, 255).astype(pixels.dtype)
    return rgb
