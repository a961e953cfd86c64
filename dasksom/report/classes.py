"""The classes of an output in its report: a table, a heatmap and signatures."""

from functools import partial

from dasksom import show
from dasksom.classes import ClassTable
from dasksom.classes.stored_statistics import decode_statistics
from dasksom.classes.unit_tables import Columns, UnitData, unit_table
from dasksom.image import QuantizedImage
from dasksom.image.metadata.pixel_area import pixel_area
from dasksom.model_files import codebook_of_output
from dasksom.report.html import ClassRow, Figure
from dasksom.report.inline_svg import inline_svg

_MOST_DRAWN = 40
"""Most classes, and most bands, that figures show."""


def class_section(result: QuantizedImage, names: tuple[str, ...]) -> tuple[tuple[ClassRow, ...], tuple[Figure, ...]]:
    """Return the rows and figures of the classes; none if the output has no classes, or no sums.

    Parameters
    ----------
    result : QuantizedImage
    names : tuple of str
        Names of the bands; empty if they are not known.
    """
    if result.classes is None or not result.sums:
        return (), ()
    classes, vectors = ClassTable.from_json(result.classes), codebook_of_output(result.path).units
    statistics = decode_statistics(result.sums, vectors.shape)
    if statistics is None:
        return (), ()
    bands = names or tuple(f"band{band}" for band in range(vectors.shape[1]))
    area = pixel_area(result.place.geo_tags, result.place.pixel_size, result.place.unit)
    table = unit_table(UnitData(statistics, vectors, bands, classes, area), "class")
    colors = [classes.hexadecimal[number - 1] if number else "#808080" for number in table["class"]]
    unit = "" if area is None else area[1]
    areas = ["" for _ in colors] if area is None else [f"{value:.6g} {unit}" for value in table[f"area_{unit}"]]
    columns = zip(table["name"], colors, table["pixels"], table["share"], areas, strict=True)
    return tuple(ClassRow(*row) for row in columns), _figures(table, colors, len(bands))


def _figures(table: Columns, colors: list[str], bands: int) -> tuple[Figure, ...]:
    if len(colors) > _MOST_DRAWN or bands > _MOST_DRAWN:
        return ()
    heatmap = inline_svg(partial(show.plot_heatmap, table), "Mean of each band by class", "heatmap")
    signatures = inline_svg(
        partial(show.plot_signatures, table, colors=colors), "Signatures of the classes", "signatures"
    )
    return (
        Figure("Heatmap", "Mean of each band in each class; colors compare the classes band by band.", heatmap),
        Figure("Signatures", "Mean of each class in each band, with one standard deviation.", signatures),
    )
