"""Pixels of an output TIFF: palette indices, colors or labels, and how each is downsampled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.image.writers.own_descriptions import check_described
from dasksom.image.writers.palettes import check_paletted, label_colors, may_be_paletted
from dasksom.image.writers.planes import halve_mean, halve_nearest, look_up, neighbor_of
from dasksom.image.writers.protocol import Output, clip_labels, label_table


@dataclass(frozen=True, eq=False)
class Pixels:
    """Converts labels to pixels, and pixels to those of the next level. Planes are (bands, height, width)."""

    kind: str
    """ "palette", "colors", "labels" or "classes"."""
    table: NDArray[Any]
    """Pixel of each label; the last row is for no data: shape (units + 1, bands)."""
    nodata: bool
    """Whether some pixels may have no data."""
    alpha: bool
    """Whether the last band is alpha: 0 for no data, the dtype's maximum otherwise."""
    nodata_value: float | None
    """Value of pixels without data, in every band; None if alpha marks them, or there are none."""
    color_table: NDArray[np.uint8] | None = None
    """Color of each value, shape (values, 3); None if pixels are colors, or shown as gray levels."""

    @property
    def bands(self) -> int:
        """Bands per pixel, alpha included."""
        return int(self.table.shape[1])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of a band."""
        return self.table.dtype

    def of_labels(self, labels: NDArray[np.unsignedinteger[Any]]) -> NDArray[Any]:
        """Convert labels (height, width) to planes."""
        if self.kind == "palette":
            return clip_labels(labels, len(self.table) - 1, np.dtype(np.uint8))[np.newaxis]
        return look_up(labels, self.table)

    def halve(self, planes: NDArray[Any]) -> NDArray[Any]:
        """Downsample planes to the next level: colors by the mean of pixels with data, all others by the nearest."""
        if self.kind != "colors":
            return halve_nearest(planes)
        if not self.nodata:
            return halve_mean(planes)
        if self.alpha:
            return halve_mean(planes, planes[-1] != 0)
        fill = self.table[-1, 0]
        present = ~np.isnan(planes[0]) if np.isnan(fill) else (planes != fill).any(axis=0)
        return halve_mean(planes, present, fill=fill, avoid=True)


def pixels_of(output: Output) -> Pixels:
    """Choose how the labels of a TIFF are represented as pixels.

    Raises
    ------
    InputError
        A palette is requested but cannot hold the colors.
    """
    kind = output.options.pixels
    if not output.with_image:
        return _labels_only(output)
    if kind == "auto":
        kind = "palette" if may_be_paletted(output) else "colors"
    if kind == "palette":
        check_paletted(output)
        index = np.arange(output.units + 1, dtype=np.uint16).astype(np.uint8)[:, np.newaxis]  # 256 wraps to 0
        nodata = float(output.units) if output.nodata else None
        return Pixels(kind, index, output.nodata, False, nodata, output.palette)
    if kind == "labels":
        return Pixels(kind, label_table(output.units), output.nodata, False, 0.0)
    return _colors(output)


def _labels_only(output: Output) -> Pixels:
    """Return labels, with a color table if the user did not ask for plain numbers."""
    kind = output.options.pixels
    if kind not in ("auto", "labels"):
        raise InputError(f"{output.path}: pixels={kind!r} (--pixels) is an image, which --no-image omits; remove one")
    check_described(output.path, output.palette)
    colors = None
    if kind == "auto":
        colors = np.concatenate([np.zeros((1, 3), np.uint8), label_colors(output.palette)])
    return Pixels("labels", label_table(output.units), output.nodata, False, 0.0, colors)


def _colors(output: Output) -> Pixels:
    palette, dtype = output.palette, output.palette.dtype
    if not output.nodata:
        return Pixels("colors", np.concatenate([palette, palette[:1]]), False, False, None)
    fill: float | None = np.nan if dtype.kind == "f" else None
    nodata = output.nodata_value
    if nodata is not None and (dtype.kind == "f" or _holds(dtype, nodata)):
        fill = nodata if dtype.kind == "f" else int(nodata)
    if fill is None:
        highest = np.iinfo(dtype).max
        opaque = np.append(palette, np.full_like(palette[:, :1], highest), axis=1)
        return Pixels("colors", np.append(opaque, np.zeros_like(opaque[:1]), axis=0), True, True, None)
    # a color that equals the no-data value would be read as no data
    kept = palette if np.isnan(fill) else np.where(palette == fill, neighbor_of(fill, dtype), palette)
    table = np.append(kept, np.full_like(kept[:1], fill), axis=0).astype(dtype)
    return Pixels("colors", table, True, False, fill)


def _holds(dtype: np.dtype[Any], value: float) -> bool:
    limits = np.iinfo(dtype)
    return float(value).is_integer() and int(limits.min) <= int(value) <= int(limits.max)
