"""What a pixel of a TIFF is: an index into a palette, a color, or a label; and how such pixels become coarser."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.image.writers.palettes import check_paletted, may_be_paletted
from dasksom.image.writers.planes import away_from, halve_mean, halve_nearest, look_up
from dasksom.image.writers.protocol import Output, clip_labels, label_table


@dataclass(frozen=True, eq=False)
class Pixels:
    """How labels become pixels, and pixels those of the next level. Planes are (bands, height, width)."""

    kind: str
    """ "palette", "colors" or "labels"."""
    table: NDArray[Any]
    """What each label becomes, and in the last row what stands for no data: shape (units + 1, bands)."""
    nodata: bool
    """Whether there are pixels without data."""
    alpha: bool
    """Whether the last band is 0 for those, and else as large as can be."""
    nodata_value: float | None
    """The value in every band that tells them; None where alpha does, or there are none."""

    @property
    def bands(self) -> int:
        """Bands of a pixel, alpha included."""
        return int(self.table.shape[1])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of a band."""
        return self.table.dtype

    def of_labels(self, labels: NDArray[np.unsignedinteger[Any]]) -> NDArray[Any]:
        """Turn labels (height, width) into planes."""
        if self.kind == "palette":
            return clip_labels(labels, len(self.table) - 1, np.dtype(np.uint8))[np.newaxis]
        return look_up(labels, self.table)

    def halve(self, planes: NDArray[Any]) -> NDArray[Any]:
        """Turn planes into those of the next level: the mean of colors with data, the nearest of all else."""
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
    """Choose the pixels of a TIFF.

    Raises
    ------
    InputError
        If a palette is asked for and cannot hold the colors.
    """
    kind = output.options.pixels
    if kind == "auto":
        kind = "palette" if may_be_paletted(output) else "colors"
    if kind == "palette":
        check_paletted(output)
        index = np.arange(output.units + 1, dtype=np.uint16).astype(np.uint8)[:, np.newaxis]  # the last one may be 0
        return Pixels(kind, index, output.nodata, False, float(output.units) if output.nodata else None)
    if kind == "labels":
        return Pixels(kind, label_table(output.units), output.nodata, False, 0.0)
    return _colors(output)


def _colors(output: Output) -> Pixels:
    palette, dtype = output.palette, output.palette.dtype
    if not output.nodata:
        return Pixels("colors", np.concatenate([palette, palette[:1]]), False, False, None)
    fill: float | None = np.nan if dtype.kind == "f" else None
    told = output.nodata_value
    if told is not None and (dtype.kind == "f" or _holds(dtype, told)):
        fill = told if dtype.kind == "f" else int(told)
    if fill is None:
        highest = np.iinfo(dtype).max
        opaque = np.append(palette, np.full_like(palette[:, :1], highest), axis=1)
        return Pixels("colors", np.append(opaque, np.zeros_like(opaque[:1]), axis=0), True, True, None)
    # a color that happens to be the value for no data would read as none
    kept = palette if np.isnan(fill) else np.where(palette == fill, _next_to(fill, dtype), palette)
    table = np.append(kept, np.full_like(kept[:1], fill), axis=0).astype(dtype)
    return Pixels("colors", table, True, False, fill)


def _next_to(value: float, dtype: np.dtype[Any]) -> Any:
    """Return the value of a type that is next to another one, inside the type's range."""
    if dtype.kind == "f":
        number = dtype.type(value)
        return np.nextafter(number, dtype.type(np.inf if number < np.finfo(dtype).max else 0))
    return dtype.type(int(value) + away_from(value, dtype))


def _holds(dtype: np.dtype[Any], value: float) -> bool:
    limits = np.iinfo(dtype)
    return float(value).is_integer() and int(limits.min) <= int(value) <= int(limits.max)
