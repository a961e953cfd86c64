"""Write classes in one pass over the labels of an output; the image is not read."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import dask
import numpy as np
from dask.base import tokenize
from numpy.typing import NDArray

from dasksom.chunkwise import Corner, Progress
from dasksom.classes.class_image import AS_LABELED, ClassImage, Tidying
from dasksom.classes.class_table import ClassTable
from dasksom.classes.region_sieve import RegionSieve, sieve_of
from dasksom.image import QuantizedImage
from dasksom.image.tiff.class_legends import Legend, create_class_tiff
from dasksom.image.writers.protocol import Output, Writer
from dasksom.image.zarr.class_writer import ClassWriter, create_classes
from dasksom.quantization.write_journal import WriteJournal
from dasksom.quantization.write_pass import WrittenChunks, write_chunks
from dasksom.som.statistics.unit_statistics import unit_statistics

TIFF_BLOCK = 4096
"""Rows and columns of a TIFF that a task writes."""


def _classify_chunk(
    block: NDArray[Any], corner: Corner, *, writer: Writer, sieve: RegionSieve | None, counted: int
) -> WrittenChunks:
    origin, classes = (corner[0], corner[1]), block[..., 0]
    if sieve is not None:
        classes = sieve.merge(classes, origin)
    pixels = None
    if counted:  # of the statistics, which the journal can hold, only the pixels are used
        pixels = unit_statistics(classes.reshape(-1, 1), classes.reshape(-1), np.zeros((counted, 1)))
    return WrittenChunks(
        ((origin, (classes.shape[0], classes.shape[1]), writer.encode(classes, origin)),), None, pixels
    )


def write_class_labels(
    result: QuantizedImage,
    table: ClassTable,
    place: Path,
    *,
    legend: Legend | None = None,
    tidying: Tidying = AS_LABELED,
    resumed: bool = False,
    progress: Progress | None = None,
    journal: WriteJournal | None = None,
) -> NDArray[np.int64] | None:
    """Write the class of every pixel of an output.

    Parameters
    ----------
    result : QuantizedImage
    table : ClassTable
    place : Path
        Where the classes are written: a TIFF, or an array or group of a Zarr.
    legend : Legend, optional
        Writes a TIFF; by default the classes of a Zarr are written.
    tidying : Tidying, optional
        Small regions are found in two passes more, which a resumed run repeats.
    resumed : bool
        Whether chunks written by an earlier process may exist.
    progress : callable, optional
    journal : WriteJournal, optional

    Returns
    -------
    ndarray of shape (classes,), int64
        Pixels of each class; None without tidying, where those of the units give them.
    """
    numbers = class_of_values(result, table)
    about = {"classes": table.as_json(), **tidying.as_json()}
    writer: Writer
    if legend is None:
        writer, blocks = _zarr_writer(result, table, numbers, place, about, resumed=resumed)
        writer = replace(writer, from_labels=not tidying)
    else:
        blocks = TIFF_BLOCK, TIFF_BLOCK
        output = Output(
            place,
            *result.shape,
            blocks,
            legend.colors,
            about,
            resumed=resumed,
            geo_tags=result.place.geo_tags,
            pixel_size=result.place.pixel_size,
            unit=result.place.unit,
        )
        writer = create_class_tiff(output, legend)
    classes = ClassImage(result.stored[0], numbers, tidying.smooth).lazy(blocks)
    with dask.config.set(scheduler="threads"):
        _, pixels = write_chunks(
            classes,
            _classify_chunk,
            writer,
            label=tokenize(classes.chunks, numbers, result.model, tidying),
            progress=progress,
            journal=journal,
            sieve=sieve_of(classes, tidying.min_area, progress) if tidying.min_area else None,
            counted=table.count + 1 if tidying else 0,
        )
    return None if pixels is None else pixels.pixels[1:]


def class_of_values(result: QuantizedImage, table: ClassTable) -> NDArray[np.unsignedinteger[Any]]:
    """Return the class of each label value of an output; the last one is that of all values beyond."""
    values = np.arange(result.offset + len(result.palette) + 1)
    numbers: NDArray[np.unsignedinteger[Any]] = table.of_labels(result.units_of(values))
    return numbers


def _zarr_writer(
    result: QuantizedImage,
    table: ClassTable,
    numbers: NDArray[Any],
    place: Path,
    about: dict[str, Any],
    *,
    resumed: bool,
) -> tuple[ClassWriter, tuple[int, int]]:
    about = {**about, "meaning": "number of the class; 0 = no class"}
    colors = [{"label-value": number, "rgba": [*table.colors[number - 1].tolist(), 255]} for number in table.used]
    properties = [{"label-value": number, "name": table.names[number - 1]} for number in table.used]
    writer = create_classes(result.path, place, numbers, about, {"colors": colors, "properties": properties}, resumed)
    return writer, writer.blocks
