"""The classes of an output in its report: a table, an image of them, and figures."""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom import show
from dasksom.classes import ClassTable
from dasksom.classes.stored_statistics import decode_statistics
from dasksom.classes.table_files import classes_of_output
from dasksom.classes.unit_tables import Columns, UnitData, unit_table
from dasksom.image import QuantizedImage
from dasksom.image.metadata.pixel_area import pixel_area
from dasksom.model_files import codebook_of_output
from dasksom.report.html import ClassRow, ClassSection, Figure, ImageView
from dasksom.report.inline_svg import inline_png, inline_svg
from dasksom.som.statistics.unit_statistics import UnitStatistics

_MOST_DRAWN = 40
"""Most classes, and most bands, that figures show."""


def class_section(
    result: QuantizedImage, names: tuple[str, ...], som: Any, units: NDArray[np.int64], size: str
) -> ClassSection | None:
    """Return the classes as the report shows them; None if the output has none.

    Parameters
    ----------
    result : QuantizedImage
    names : tuple of str
        Names of the bands; empty if they are not known.
    som : trained map
        As figures take it, with the hits of the units.
    units : ndarray of shape (height, width)
        Unit of each pixel of the image made small; -1 is no data.
    size : str
        How small, in words.
    """
    classes = classes_of_output(result)
    if classes is None:
        return None
    vectors = codebook_of_output(result.path).units
    statistics = decode_statistics(result.sums, vectors.shape) if result.sums else None
    values = "" if statistics is not None else ", in the colors of the map (`dasksom table` reads the image)"
    bands = names or tuple(f"band{band}" for band in range(vectors.shape[1]))
    area = pixel_area(result.place.geo_tags, result.place.pixel_size, result.place.unit)
    hits = np.rint(som.quality_.hits).astype(np.int64)
    table = unit_table(UnitData(statistics or _of_colors(hits, vectors), vectors, bands, classes, area), "class")
    colors = [classes.hexadecimal[number - 1] if number else "#808080" for number in table["class"]]
    rows = zip(table["name"], colors, table["pixels"], table["share"], _areas(table, area), strict=True)
    outlines = inline_svg(partial(show.plot_outlines, som, classes.numbers), "Classes on the map", "outlines")
    return ClassSection(
        tuple(ClassRow(*row) for row in rows),
        ImageView(f"Class of the unit of each pixel: {size}", inline_png(_class_colors(classes, units))),
        (
            *_figures(table, colors, len(bands), values),
            Figure("Outlines", "U-matrix of the map, with lines between the classes.", outlines),
        ),
    )


def _of_colors(hits: NDArray[np.int64], vectors: NDArray[np.float64]) -> UnitStatistics:
    """Return the statistics of an image in the colors of the map, from the pixels of each unit."""
    zeros, used = np.zeros_like(vectors), hits[:, np.newaxis] > 0
    counts = np.broadcast_to(hits[:, np.newaxis], vectors.shape)
    return UnitStatistics(hits, counts, zeros, zeros, np.where(used, vectors, np.inf), np.where(used, vectors, -np.inf))


def _class_colors(classes: ClassTable, units: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the color of each pixel's class; NaN without data, gray without class."""
    colors = np.concatenate([[[0.5, 0.5, 0.5]], classes.colors / 255])
    return np.where((units >= 0)[..., np.newaxis], colors[classes.numbers[units]], np.nan)


def _areas(table: Columns, area: tuple[float, str] | None) -> list[str]:
    """Return the areas with their unit, all with as many decimals."""
    if area is None:
        return ["" for _ in table["pixels"]]
    areas = table[f"area_{area[1]}"]
    decimals = max(0, 6 - len(str(int(max(areas, default=0)))))
    return [f"{value:,.{decimals}f} {area[1]}" for value in areas]


def _figures(table: Columns, colors: list[str], bands: int, values: str) -> tuple[Figure, ...]:
    if len(colors) > _MOST_DRAWN or bands > _MOST_DRAWN:
        return ()
    heatmap = inline_svg(partial(show.plot_heatmap, table), "Mean of each band by class", "heatmap")
    signatures = inline_svg(
        partial(show.plot_signatures, table, colors=colors), "Signatures of the classes", "signatures"
    )
    compared = f"Mean of each band in each class{values}; colors compare the classes band by band."
    return (
        Figure("Heatmap", compared, heatmap),
        Figure("Signatures", f"Mean of each class in each band, with one standard deviation{values}.", signatures),
    )
