"""Tables of outputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dasksom.classes import ClassTable
from dasksom.classes.class_pass import class_of_values
from dasksom.classes.statistics_pass import pixels_within, statistics_of_output
from dasksom.classes.stored_statistics import decode_statistics
from dasksom.classes.table_files import check_table_file, classes_of_output, write_table_file
from dasksom.classes.unit_tables import GROUPS, Columns, UnitData, unit_table
from dasksom.errors import InputError
from dasksom.image import QuantizedImage, open_picture, open_result
from dasksom.image.metadata.pixel_area import pixel_area
from dasksom.model_files import codebook_of_output
from dasksom.provenance.original_image import Original
from dasksom.provenance.run_record import RunRecord
from dasksom.runs.watcher import Watcher
from dasksom.som.statistics.unit_statistics import UnitStatistics

__all__ = ["check_table_file", "table_of_output", "write_table_file"]


def table_of_output(
    output: str,
    watcher: Watcher,
    *,
    by: str | None = None,
    within: str | None = None,
    original: str | None = None,
) -> Columns:
    """Return a table of an output: of its units, its classes, or the image; or of classes within objects.

    Parameters
    ----------
    output : str
        Path of the output: .zarr, .ome.zarr, or a .tif or .png with a palette or labels.
    watcher : Watcher
    by : {"unit", "class", "image"}, optional
        What a row is; by default a class if the output has classes, else a unit.
    within : str, optional
        Path of a label image of the same size, such as cells: a row is an object, a column a class or a unit.
    original : str, optional
        Path of the image that the output was made from, if the output does not hold the sums of its units.

    Raises
    ------
    InputError
        If the output has no classes, or the sums are not known and the image cannot be read.
    """
    with open_result(output) as result:
        classes = classes_of_output(result)
        by = by or ("unit" if classes is None else "class")
        if by not in GROUPS:
            raise InputError(f"by: {by!r} is not one of {', '.join(GROUPS)}")
        if by == "class" and classes is None:
            raise InputError(f"{output}: has no classes; write them first (dasksom classes {output})")
        if within is not None:
            return _within(result, within, by, classes, watcher)
        vectors = codebook_of_output(result.path).units
        place = result.place
        data = UnitData(
            statistics=_statistics_of(result, vectors, original, watcher),
            vectors=vectors,
            bands=result.band_names or [f"band{band}" for band in range(vectors.shape[1])],
            classes=classes,
            area=pixel_area(place.geo_tags, place.pixel_size, place.unit),
            name=Path(output).name,
        )
    return unit_table(data, by)


def _statistics_of(
    result: QuantizedImage, vectors: NDArray[np.float64], original: str | None, watcher: Watcher
) -> UnitStatistics:
    stored = decode_statistics(result.sums, vectors.shape) if result.sums else None
    if stored is not None and original is None:
        return stored
    found = Original.find(original, RunRecord.read(result.about.get("run", {})) or RunRecord())
    if found.picture is None:
        raise InputError(
            f"{result.path}: does not hold the sums of its units, and the image is not at hand: {found.missing}"
        )
    image = found.picture.in_chunks().pixels
    if image.shape[2] != vectors.shape[1]:
        raise InputError(f"{found.path}: has {image.shape[2]} bands, and the map {vectors.shape[1]}")
    watcher.stage("sums", result.shape[0] * result.shape[1])
    return statistics_of_output(result, image, vectors, watcher.progress)


def _within(result: QuantizedImage, path: str, by: str, classes: ClassTable | None, watcher: Watcher) -> Columns:
    """Return the pixels of each class, or of each unit, in each object."""
    if by == "image":
        raise InputError("--within: counts classes or units (--by) in objects; leave --by image out")
    if by == "unit" or classes is None:
        classes = ClassTable.of(np.arange(1, len(result.palette) + 1))
        names = {unit + 1: f"unit {unit}" for unit in range(len(result.palette))}
    else:
        names = {number: classes.names[number - 1] for number in classes.used}
    picture = open_picture(path, nodata="none", alpha="band", indices=True)
    watcher.stage("objects", result.shape[0] * result.shape[1])
    objects, numbers, counts = pixels_within(result, picture, class_of_values(result, classes), watcher.progress)
    rows, row = np.unique(objects, return_inverse=True)
    table = np.zeros((len(rows), classes.count + 1), np.int64)
    table[row, numbers] = counts
    used = [number for number in names if by == "class" or table[:, number].any()]
    return {
        "object": rows.tolist(),
        "pixels": table[:, 1:].sum(axis=1).tolist(),
        **{names[number]: table[:, number].tolist() for number in used},
    }
