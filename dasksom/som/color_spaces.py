"""Color spaces for comparing colors, more perceptually uniform than RGB.

To add one: write its two functions and add its line to `dasksom.som.choices`. Each takes and returns ndarrays of shape
(n, 3), or (n, 4) with opacity, float64; RGB is sRGB from 0 to 1. The functions are inverse to each other for all real
numbers, also outside the gamut, so that means of colors are never clipped.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.som.choices import COLOR_SPACES

Floats = NDArray[np.float64]
_OPACITY = 0.75**0.5
"""Weight of opacity: half of that of each of three bands, in squares a quarter."""
_BLOCK = 1 << 14
"""Number of colors converted at once: intermediates stay in the cache, which is five times as fast."""

# CIE 1931 2 degree observer, D65; values as in scikit-image
_XYZ_OF_RGB = np.array([[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]])
_WHITE = np.array([0.95047, 1.0, 1.08883])
_LAB_OF_ROOTS = np.array([[0.0, 116.0, 0.0], [500.0, -500.0, 0.0], [0.0, 200.0, -200.0]])
_CUBIC_FROM = 0.008856
_SLOPE, _OFFSET = 7.787, 16 / 116
# Ottosson, "A perceptual color space for image processing" (2020)
_LMS_OF_RGB = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_OKLAB_OF_ROOTS = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def _linear(rgb: Floats) -> Floats:
    """Undo sRGB's transfer curve (IEC 61966-2-1), mirrored for negative values."""
    size = np.abs(rgb)
    return np.asarray(np.sign(rgb) * np.where(size <= 0.04045, size / 12.92, ((size + 0.055) / 1.055) ** 2.4))


def _encoded(linear: Floats) -> Floats:
    size = np.abs(linear)
    return np.asarray(
        np.sign(linear) * np.where(size <= 0.04045 / 12.92, size * 12.92, 1.055 * size ** (1 / 2.4) - 0.055)
    )


def lab_of_rgb(rgb: Floats) -> Floats:
    """CIE 1976 L*a*b*, D65: L from 0 to 100; the distance is the color difference Delta E 1976."""
    share = _linear(rgb) @ _XYZ_OF_RGB.T / _WHITE
    roots = np.where(share > _CUBIC_FROM, np.cbrt(share), _SLOPE * share + _OFFSET)
    return np.asarray(roots @ _LAB_OF_ROOTS.T - [16.0, 0.0, 0.0])


def rgb_of_lab(lab: Floats) -> Floats:
    """Undo `lab_of_rgb`."""
    roots = np.add(lab, [16.0, 0.0, 0.0]) @ np.linalg.inv(_LAB_OF_ROOTS).T
    share = np.where(roots > np.cbrt(_CUBIC_FROM), roots**3, (roots - _OFFSET) / _SLOPE)
    return _encoded(share * _WHITE @ np.linalg.inv(_XYZ_OF_RGB).T)


def oklab_of_rgb(rgb: Floats) -> Floats:
    """Oklab: lightness from 0 to 1."""
    return np.asarray(np.cbrt(_linear(rgb) @ _LMS_OF_RGB.T) @ _OKLAB_OF_ROOTS.T)


def rgb_of_oklab(oklab: Floats) -> Floats:
    """Undo `oklab_of_rgb`."""
    roots = oklab @ np.linalg.inv(_OKLAB_OF_ROOTS).T
    return _encoded(roots**3 @ np.linalg.inv(_LMS_OF_RGB).T)


def seen_of_rgba(rgba: Floats) -> Floats:
    """Colors as they are seen: the squared distance is the mean of those over black and over white.

    For opacity a and colors times opacity p, a color over black is p, over white p + 1 - a. The mean of the squares of
    their differences is that of p - a / 2, plus a quarter of that of a, in each of three bands. Colors of pixels with
    opacity 0 have no effect.
    """
    opacity = rgba[:, 3:]
    return np.concatenate([(rgba[:, :3] - 0.5) * opacity, _OPACITY * opacity], axis=1)


def rgba_of_seen(seen: Floats) -> Floats:
    """Undo `seen_of_rgba`; colors with opacity 0 are black."""
    opacity = seen[:, 3:] / _OPACITY
    visible = opacity > 0
    colors = seen[:, :3] / np.where(visible, opacity, 1.0) + 0.5
    return np.concatenate([np.where(visible, colors, 0.0), opacity], axis=1)


def scale_of(dtype: np.dtype[Any]) -> float:
    """Return the value of full intensity of a dtype: the maximum of integers, 1 for floating point."""
    return float(np.iinfo(dtype).max) if dtype.kind in "ui" else 1.0


def to_space(values: NDArray[Any], space: str, scale: float) -> NDArray[Any]:
    """Convert colors of an image, shape (n, bands of the space); "rgb" returns any number of bands unchanged."""
    known = COLOR_SPACES[space]
    if known is None:
        return values
    found = np.empty(values.shape)
    for start in range(0, len(values), _BLOCK):
        part = slice(start, start + _BLOCK)
        found[part] = known.of_rgb(np.asarray(values[part], np.float64) / scale)
    return found


def from_space(values: NDArray[np.float64], space: str, scale: float) -> NDArray[np.float64]:
    """Undo `to_space`."""
    known = COLOR_SPACES[space]
    return values if known is None else known.to_rgb(values) * scale
