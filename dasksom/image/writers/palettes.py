"""Check which palettes fit in 8-bit indices, and convert palettes to display colors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.image.writers.protocol import Output

_MOST_COLORS = 256
"""Largest number of palette entries, including one for no data; few readers support the standard's 16-bit palettes."""

_R2 = np.array([0.7548776662466927, 0.5698402909980532])
_CHROMA = 0.11
_TO_SRGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


def display_colors(palette: NDArray[Any]) -> NDArray[np.uint8]:
    """Convert a palette to 8-bit RGB for display.

    Parameters
    ----------
    palette : ndarray of shape (units, bands), real
        uint8 is unchanged; floats from 0 to 255 are rounded; floats from 0 to 1 are multiplied by 255; all others are
        stretched from their minimum to their maximum. With one or two bands, the first is shown as gray; with more than
        three, the first three are shown.

    Returns
    -------
    ndarray of shape (units, 3), uint8
    """
    shown = palette[:, :3] if palette.shape[1] >= 3 else np.repeat(palette[:, :1], 3, axis=1)
    low, high = _range(shown)
    scaled = (shown.astype(np.float64) - low) * (255 / (high - low) if high > low else 0)
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def label_colors(palette: NDArray[Any]) -> NDArray[np.uint8]:
    """Return a distinguishable color for each unit: that of the palette if it has at most three bands.

    With more than three bands, units get hues and lightnesses in Oklab (Ottosson 2020) that fill the plane evenly for
    any number of units (the R2 sequence, Roberts 2018): unit k has the same color in every file.

    Parameters
    ----------
    palette : ndarray of shape (units, bands), real

    Returns
    -------
    ndarray of shape (units, 3), uint8
    """
    if palette.shape[1] <= 3:
        return display_colors(palette)
    at = np.arange(len(palette))[:, np.newaxis] * _R2 % 1
    hue, lightness = 2 * np.pi * at[:, 0], 0.42 + 0.45 * at[:, 1]
    return _from_oklab(lightness, _CHROMA * np.cos(hue), _CHROMA * np.sin(hue))


def _from_oklab(lightness: NDArray[Any], a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.uint8]:
    cones = np.stack(
        [
            lightness + 0.3963377774 * a + 0.2158037573 * b,
            lightness - 0.1055613458 * a - 0.0638541728 * b,
            lightness - 0.0894841775 * a - 1.2914855480 * b,
        ]
    )
    linear = _TO_SRGB @ cones**3
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.clip(linear, 0.0031308, 1) ** (1 / 2.4) - 0.055)
    colors: NDArray[np.uint8] = np.clip(np.rint(255 * encoded), 0, 255).astype(np.uint8).T
    return colors


def _range(shown: NDArray[Any]) -> tuple[float, float]:
    least, greatest = float(shown.min()), float(shown.max())
    if shown.dtype == np.uint8:
        return 0, 255
    if shown.dtype.kind == "f" and least >= 0 and greatest <= 255:
        return 0, 1 if greatest <= 1 else 255
    return least, greatest


def may_be_paletted(output: Output, *, opacity: bool = False) -> bool:
    """Return whether 8-bit indices suffice for the colors, plus one for no data if needed.

    `opacity` is whether a palette of the format may have a fourth band, of opacity.
    """
    bands = (3, 4) if opacity else (3,)
    return output.palette.dtype == np.uint8 and output.bands in bands and output.units + output.nodata <= _MOST_COLORS


def check_paletted(output: Output, *, opacity: bool = False) -> None:
    """Refuse colors that do not fit in a palette of 8-bit indices; see `may_be_paletted`.

    Raises
    ------
    InputError
    """
    if may_be_paletted(output, opacity=opacity):
        return
    none = ", and one entry for no data" if output.nodata else ""
    raise InputError(
        f"{output.path}: a palette holds {_MOST_COLORS} colors of 3 bands of uint8, "
        f"and these are {output.units} colors "
        f"of {output.bands} bands of {output.palette.dtype}{none}; write pixels='colors' or 'labels' (--pixels), or "
        "train a smaller map"
    )
