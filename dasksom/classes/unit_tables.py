"""Tables of units, classes or an image: pixels, shares, areas, and statistics of each band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.classes.class_table import ClassTable
from dasksom.som.statistics.unit_statistics import UnitStatistics, band_statistics

Columns = dict[str, list[Any]]
"""Values by name of the column; None where there is no value."""
GROUPS = ("unit", "class", "image")
_MOST_LINES = 40
"""Most classes that are described in lines of text."""


@dataclass(frozen=True, eq=False)
class UnitData:
    """What a table is made of."""

    statistics: UnitStatistics
    vectors: NDArray[np.float64]
    """Vectors of the units that the statistics were computed about, shape (units, bands)."""
    bands: Sequence[str]
    """Names of the bands."""
    classes: ClassTable | None = None
    area: tuple[float, str] | None = None
    """Area of a pixel, and its unit."""
    name: str = ""
    """Name of the image."""


def unit_table(data: UnitData, by: str) -> Columns:
    """Return a table with a row for each unit, for each class, or for the image.

    Columns are `unit`, `class` or `image`; `name`; `pixels`; `share`, of the pixels with data; `area_UNIT`, if the area
    of a pixel is known; and for each band `mean_BAND`, `sd_BAND` (of the population), `min_BAND` and `max_BAND`.
    Pixels of units without class are in the class 0.
    """
    rows = _rows(data, by)
    pixels = [int(data.statistics.pixels[units].sum()) for _, _, units in rows]
    total = max(int(data.statistics.pixels.sum()), 1)
    columns: Columns = {
        **({"image": [name for _, name, _ in rows]} if by == "image" else {by: [number for number, _, _ in rows]}),
        **({} if by == "image" else {"name": [name for _, name, _ in rows]}),
        "pixels": pixels,
        "share": [count / total for count in pixels],
    }
    if data.area is not None:
        columns[f"area_{data.area[1]}"] = [count * data.area[0] for count in pixels]
    for band, band_name in enumerate(data.bands):
        found = [band_statistics(data.statistics, data.vectors, units, band) for _, _, units in rows]
        columns[f"mean_{band_name}"] = [None if one.minimum is None else one.mean for one in found]
        columns[f"sd_{band_name}"] = [None if one.minimum is None else one.deviation for one in found]
        columns[f"min_{band_name}"] = [one.minimum for one in found]
        columns[f"max_{band_name}"] = [one.maximum for one in found]
    return columns


def _rows(data: UnitData, by: str) -> list[tuple[int, str, NDArray[np.int64]]]:
    """Return number, name and units of each row."""
    every = np.arange(len(data.vectors))
    if by == "image":
        return [(0, data.name, every)]
    table = data.classes
    if by == "unit":
        names = ["" if table is None else ("", *table.names)[number] for number in _numbers(data)]
        return [(int(unit), name, every[unit : unit + 1]) for unit, name in zip(every, names, strict=True)]
    assert table is not None  # noqa: S101 - checked by the caller
    rows = [(number, table.names[number - 1], np.flatnonzero(table.numbers == number)) for number in table.used]
    rest = np.flatnonzero((table.numbers == 0) & (data.statistics.pixels > 0))
    return [*rows, (0, "no class", rest)] if len(rest) else rows


def _numbers(data: UnitData) -> list[int]:
    return [0] * len(data.vectors) if data.classes is None else data.classes.numbers.tolist()


def describe_classes(table: ClassTable, pixels: Sequence[int], hits: NDArray[Any]) -> list[str]:
    """Return a line for each class: its name, units and share of the pixels with data.

    Parameters
    ----------
    table : ClassTable
    pixels : of each class
    hits : of each unit; the last line is of those with pixels that have no class, if there are any
    """
    rest = (table.numbers == 0) & (hits > 0)
    without = int(hits[rest].sum())
    units = np.bincount(table.numbers, minlength=table.count + 1)
    rows = [(table.names[number - 1], units[number], pixels[number - 1]) for number in table.used]
    rows += [("no class", rest.sum(), without)] if without else []
    total = max(sum(pixels) + without, 1)
    lines = [f"{name}: {count} {'unit' if count == 1 else 'units'}, {share / total:.1%}" for name, count, share in rows]
    more = len(lines) - _MOST_LINES
    return lines if more <= 0 else [*lines[:_MOST_LINES], f"... and {more} more, in the table of classes"]
