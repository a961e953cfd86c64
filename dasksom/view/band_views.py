"""Views of an image of many bands: three of them as red, green and blue."""

from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.image import QuantizedImage
from dasksom.show.colors import Palette, hexadecimal
from dasksom.view.cache import BlockCache
from dasksom.view.layers import Layer
from dasksom.view.levels import ImageLevel

Bands = tuple[int, int, int]

_SAMPLED_BLOCKS = 16
"""Blocks of an original that is not of 8 bits, from which its range is taken."""
_PERCENTILES = (0.5, 99.5)
"""Of such an original; values beyond them are black, or full."""
_MOST_VIEWS = 4
"""Views whose layers are held: each may have an overview."""


@dataclass(frozen=True, eq=False)
class BandView:
    """One choice of bands."""

    shades: Palette
    original: Layer | None
    """Its tiles are red, green, blue and opacity, uint8."""

    def about(self, palette: NDArray[Any]) -> dict[str, Any]:
        """Return what the page needs to know, as JSON: bands, their ranges, and the colors of the units."""
        shades = self.shades
        return {
            "shown": [int(band) for band in shades.bands],
            "low": shades.low.tolist(),
            "high": shades.high.tolist(),
            "range": [float(shades.low.min()), float(shades.high.max())],
            "colors": [hexadecimal(color) for color in shades.colors(palette)],
        }


@dataclass(eq=False)
class BandViews:
    """The views of an output and its original that were asked for last."""

    result: QuantizedImage
    levels: list[ImageLevel]
    """Of the original; empty without one."""
    cache: BlockCache
    _views: OrderedDict[Bands | None, BandView] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def view(self, bands: Bands | None = None) -> BandView:
        """Return the view of three bands, by default the first ones; InputError if there is no such band."""
        with self._lock:
            if bands in self._views:
                self._views.move_to_end(bands)
                return self._views[bands]
            shades = _shades(self.result, self.levels, bands)
            original = (
                Layer("original", self.levels, self.cache, lambda block: opaque(shades, *block))
                if self.levels
                else None
            )
            made = BandView(shades, original)
            for key in {bands, shades.bands}:
                self._views[key] = made
            while len(self._views) > 2 * _MOST_VIEWS:
                self._views.popitem(last=False)
            return made


def opaque(shades: Palette, pixels: NDArray[Any], mask: NDArray[np.bool_] | None = None) -> NDArray[np.uint8]:
    """Turn pixels of shape (..., bands) into (..., 4): red, green, blue, opacity; all 0 where there is no data."""
    colors = shades.colors(pixels)
    has_data = np.asarray(np.isfinite(colors).all(axis=-1))
    if mask is not None:
        has_data = has_data & mask
    colors = np.where(has_data[..., None], colors, 0.0)
    return np.concatenate([colors * 255 + 0.5, has_data[..., None] * 255.0], axis=-1).astype(np.uint8)


def _shades(result: QuantizedImage, levels: list[ImageLevel], bands: Bands | None) -> Palette:
    """Choose a view of vectors: that of the report, but stretched by percentiles of the original."""
    shades = Palette.of(result.palette, bands)
    as_they_are = set(shades.low) == {0.0} and set(shades.high) <= {1.0, 255.0}
    if not levels or as_they_are:
        return shades
    level = levels[-1]
    blocks = [(down, across) for down in range(len(level.chunks[0])) for across in range(len(level.chunks[1]))]
    samples = []
    for number in np.linspace(0, len(blocks) - 1, min(_SAMPLED_BLOCKS, len(blocks))).astype(int):
        pixels, *mask = level.read(*blocks[number])
        every = max(1, max(pixels.shape[:2]) // 256)
        values = pixels[::every, ::every][..., list(shades.bands)].astype(np.float64)
        has_data = np.isfinite(values).all(axis=-1)
        samples.append(values[has_data & mask[0][::every, ::every] if mask else has_data])
    values = np.concatenate(samples)
    if not len(values):
        return shades
    low, high = np.percentile(values, _PERCENTILES, axis=0)
    return Palette(shades.bands, low, high)
